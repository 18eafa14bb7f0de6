#!/usr/bin/env bash
# Make a base image out of Debian's packages, where no container registry can be reached: containers/base.sh [IMAGE]
#
# Needs mmdebstrap and podman, or docker with ENGINE=docker; the packages come from where this machine's own come from.
# ARCH=x86_64|aarch64 (this machine's) may be set: programs of the other architecture must run here too, as Debian's packages
# qemu-user-static, binfmt-support and arch-test have it.
set -euo pipefail

image=${1:-localhost/debian:bookworm-python}
engine=${ENGINE:-podman}
case ${ARCH:-$(uname -m)} in # Debian's and the engines' names for them
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *)
    echo "error: ARCH: \`${ARCH:-$(uname -m)}\` is neither x86_64 nor aarch64" >&2
    exit 2
    ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The hook spares the package usrmerge and with it Perl's modules, 50 MB. Containers get their /dev from the engine.
options=(--quiet --variant=minbase "--architectures=$architecture" --skip=output/dev "--include=ca-certificates,python3,python3-venv"
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr)
for left_out in doc info locale man; do # not in a file, which mmdebstrap could not read in an ordinary user's namespace
  options+=("--dpkgopt=path-exclude=/usr/share/$left_out/*")
done
check=$(apt-config shell check Acquire::Check-Valid-Until)
[[ $check != *false* ]] || options+=(--aptopt='Acquire::Check-Valid-Until "false"')

mmdebstrap "${options[@]}" bookworm "$folder/base.tar"
import=(--quiet --arch "$architecture")
[[ $engine != docker ]] || import=(--platform "linux/$architecture")
"$engine" import "${import[@]}" "$folder/base.tar" "$image" >/dev/null
echo "$image"
