#!/usr/bin/env bash
# Push both tags of a variant's image: containers/push.sh VARIANT REGISTRY
#
# REGISTRY is host, port and path, `registry.example.org/analysis`. INSECURE=1 speaks HTTP, for a registry on loopback.
# Prints what to pull by: the name with the digest.
# shellcheck source=containers/common.sh
source "$(dirname "$0")/common.sh"

registry=${2:-}
[[ $registry ]] || fail "$0: no registry is named; for example: make push VARIANT=$variant REGISTRY=registry.example.org/analysis"
engine=$(engine)
target=$registry/${name##*/}

if [[ $engine == docker ]]; then
  for each in "$tag" "$long_tag"; do
    docker tag "$name:$each" "$target:$each"
    docker push --quiet "$target:$each"
  done
  docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$target:$tag" | grep -F "$target@"
else
  options=(--quiet)
  [[ -z ${INSECURE:-} ]] || options+=(--tls-verify=false)
  digest=$(mktemp)
  trap 'rm -f "$digest"' EXIT
  for each in "$tag" "$long_tag"; do
    "$engine" push "${options[@]}" --digestfile "$digest" "$name:$each" "docker://$target:$each"
  done
  echo "$target@$(cat "$digest")"
fi
