#!/usr/bin/env bash
# Install what the tests of the images need and this machine lacks: tests/containers/install.sh
set -euo pipefail

declare -A programs=([buildah]=buildah [docker-registry]=docker-registry [fakeroot]=fakeroot [mksquashfs]=squashfs-tools
  [mmdebstrap]=mmdebstrap [newuidmap]=uidmap [podman]=podman [runc]=runc [shellcheck]=shellcheck)
missing=()
for program in "${!programs[@]}"; do
  command -v "$program" >/dev/null || missing+=("${programs[$program]}")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
  echo "error: these are not installed: ${missing[*]}; on Debian, as root: apt-get install ${missing[*]}" >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
# The registry that the tests start is their own; Debian's package starts one for the machine.
if command -v systemctl >/dev/null && [[ -d /run/systemd/system ]]; then
  systemctl disable --quiet --now docker-registry || true
fi
