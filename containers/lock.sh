#!/usr/bin/env bash
# Resolve every lock again: containers/lock.sh [FOLDER] [--upgrade]
#
# dev.txt comes first and constrains the others, so that what is tested is what the images carry. What a lock already
# pins is kept where it still fits; --upgrade moves everything to the newest versions.
set -euo pipefail
cd "$(dirname "$0")/.."

locks=containers/locks
if [[ ${1:-} && $1 != --* ]]; then
  locks=$1
  shift
fi

# The index is named so that no index of this machine's own settings gets a say.
uv=("${UV:-.venv/bin/uv}" pip compile --quiet --no-config --default-index https://pypi.org/simple --no-python-downloads
  --generate-hashes --python-version 3.11 --only-binary ':all:' --no-emit-index-url --no-header "$@")
unset "${!UV_@}"

compile() { # OUTPUT ARGUMENT...
  local output=$locks/$1
  echo "$output"
  "${uv[@]}" "${@:2}" --output-file "$output" >/dev/null
}

# These serve several GPUs at once alone; what loads them does without, and our workers have one GPU each.
unused=(nccl nvshmem)
without() { # CUDA: the options that leave them out
  printf -- '--no-emit-package=nvidia-%s\n' "${unused[@]/%/-cu$1}"
}

pinned=(--constraints "$locks/dev.txt")
compile dev.txt --universal --extra dev pyproject.toml
compile build.txt --universal "${pinned[@]}" containers/locks/build.in
compile tools.txt --universal "${pinned[@]}" containers/locks/tools.in
for architecture in x86_64 aarch64; do
  target=("${pinned[@]}" --python-platform "$architecture-manylinux_2_28" --extra worker pyproject.toml)
  compile "cpu-$architecture.txt" "${target[@]}"
  for cuda in 12 13; do
    mapfile -t options < <(without "$cuda")
    compile "cuda$cuda-$architecture.txt" --extra "cuda$cuda" "${options[@]}" "${target[@]}"
  done
done
# AMD publishes its plugins for x86-64 alone.
compile rocm-x86_64.txt --extra rocm "${pinned[@]}" --python-platform x86_64-manylinux_2_28 --extra worker pyproject.toml
