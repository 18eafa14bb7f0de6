#!/usr/bin/env bash
# Make a base image out of Debian's packages, where no container registry can be reached: containers/base.sh [IMAGE]
#
# Needs mmdebstrap and podman; the packages come from where this machine's own come from.
set -euo pipefail

image=${1:-localhost/debian:bookworm-python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/dpkg.conf" <<'CONF'
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
CONF
# The hook spares the package usrmerge and with it Perl's modules, 50 MB. Containers get their /dev from the engine.
options=(--quiet --variant=minbase --skip=output/dev "--include=ca-certificates,python3,python3-venv"
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --dpkgopt="$folder/dpkg.conf")
check=$(apt-config shell check Acquire::Check-Valid-Until)
[[ $check != *false* ]] || options+=(--aptopt='Acquire::Check-Valid-Until "false"')

mmdebstrap "${options[@]}" bookworm "$folder/base.tar"
podman import --quiet "$folder/base.tar" "$image" >/dev/null
echo "$image"
