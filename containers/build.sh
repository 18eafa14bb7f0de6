#!/usr/bin/env bash
# Build the image of a variant: containers/build.sh VARIANT
#
# ENGINE=docker|podman|buildah, BASE_IMAGE=..., IMAGE=NAME, ARCH=x86_64|aarch64, WHEELS=FOLDER, SOURCE_URL=...,
# SOURCE_DATE_EPOCH=SECONDS (the commit's time) and BUILD_OPTIONS="..." may be set.
# The wheels are downloaded and checked first; the build itself has no network.
# shellcheck source=containers/common.sh
source "$(dirname "$0")/common.sh"

engine=$(engine)
[[ $engine != docker ]] || check_docker
wheels=${WHEELS:-build/wheels/$architecture}
containers/wheels.sh "$variant"

created=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
labels=(
  --label "org.opencontainers.image.version=$version"
  --label "org.opencontainers.image.revision=$(git rev-parse HEAD)"
  --label "org.opencontainers.image.created=$(date --utc --date="@$created" +%Y-%m-%dT%H:%M:%SZ)"
  --label "pyhf-endpoint.variant=$variant"
  --label "pyhf-endpoint.lock.sha256=$(sha256sum "$lock" | cut -d ' ' -f 1)"
  --label "pyhf-endpoint.python=3.11"
)
for package in globus-compute-endpoint parsl dill pyhf; do
  labels+=(--label "pyhf-endpoint.$package=$(pinned "$package")")
done
# A local path says nothing to those who pull.
source_url=${SOURCE_URL:-$(git config --get remote.origin.url || true)}
[[ $source_url != https://* ]] || labels+=(--label "org.opencontainers.image.source=$source_url")

options=(--file containers/Dockerfile --network none --build-context "wheels=$wheels"
  --build-arg "VARIANT=$variant" --build-arg "LOCK=$(basename "$lock")"
  --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/wheels
  --tag "$name:$tag" --tag "$name:$long_tag")
[[ -z ${BASE_IMAGE:-} ]] || options+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
if [[ $architecture != "$(uname -m)" ]]; then
  case $architecture in # the engines' names for them
    x86_64) options+=(--platform linux/amd64) ;;
    aarch64) options+=(--platform linux/arm64) ;;
  esac
fi
case $engine in
  docker) export DOCKER_BUILDKIT=1 SOURCE_DATE_EPOCH=$created ;;
  *) options+=(--timestamp "$created" --layers) ;;
esac

# shellcheck disable=SC2206 # more options, such as --no-cache
options+=(${BUILD_OPTIONS:-})

"$engine" build "${options[@]}" "${labels[@]}" . || {
  importer=podman # whose images buildah sees too
  [[ $engine != docker ]] || importer=docker
  [[ ${BASE_IMAGE:-} ]] || echo "where the base image's registry cannot be reached, make one out of Debian's packages:" \
    "ENGINE=$importer containers/base.sh, and then: make image-$variant ENGINE=$engine BASE_IMAGE=localhost/debian:bookworm-python" >&2
  exit 1
}
echo "$name:$tag"
echo "$name:$long_tag"
