#!/usr/bin/env bash
# Make the Apptainer image of a variant: containers/sif.sh VARIANT [BOOTSTRAP FROM]
#
# BOOTSTRAP and FROM are Apptainer's, `docker registry.example.org/pyhf-endpoint:TAG` for example; without them the image
# that containers/build.sh made is taken. APPTAINER=PROGRAM and SQUASHFS="-comp zstd -Xcompression-level 3" may be set:
# zstd is eight times as quick as gzip, but not every site's kernel mounts it.
# shellcheck source=containers/common.sh
source "$(dirname "$0")/common.sh"

apptainer=${APPTAINER:-$(command -v apptainer || command -v singularity || true)}
[[ $apptainer ]] || fail "neither apptainer nor singularity is on PATH; install one, or name it: APPTAINER=/path/to/apptainer"

mkdir -p build/sif
if [[ $# -eq 3 ]]; then
  bootstrap=$2
  from=$3
else
  engine=$(engine)
  from=build/sif/$tag-$architecture.tar
  trap 'rm -f "$from"' EXIT
  rm -f "$from"
  case $engine in
    docker)
      bootstrap=docker-archive
      docker save --output "$from" "$name:$tag"
      ;;
    *)
      bootstrap=oci-archive
      "$engine" push --quiet "$name:$tag" "oci-archive:$from"
      ;;
  esac
fi
options=(--force --build-arg "BOOTSTRAP=$bootstrap" --build-arg "FROM=$from")
[[ -z ${SQUASHFS:-} ]] || options+=(--mksquashfs-args "$SQUASHFS")
# shellcheck disable=SC2206 # more options, such as --no-https for a registry on loopback
options+=(${APPTAINER_OPTIONS:-})

"$apptainer" build "${options[@]}" "$sif" containers/apptainer.def
echo "$sif"
