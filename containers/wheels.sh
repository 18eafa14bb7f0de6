#!/usr/bin/env bash
# Download the wheels of a variant, checked against its lock: containers/wheels.sh VARIANT
#
# ARCH=x86_64|aarch64 (this machine's) and WHEELS=FOLDER (build/wheels/ARCH) may be set. pip runs here, not in the image,
# so a mirror or proxy of this machine is used as ever and leaves no trace in what is built.
# shellcheck source=containers/common.sh
source "$(dirname "$0")/common.sh"

folder=${WHEELS:-build/wheels/$architecture}
platforms=()
for minor in {28..5}; do
  platforms+=(--platform "manylinux_2_${minor}_$architecture")
done
for old in 2014 2010 1; do
  platforms+=(--platform "manylinux${old}_$architecture")
done

mkdir -p "$folder"
for file in containers/locks/build.txt "$lock"; do
  "${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary ':all:' \
    --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none "${platforms[@]}" --dest "$folder" --requirement "$file"
done
