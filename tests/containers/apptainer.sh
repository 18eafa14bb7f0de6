#!/usr/bin/env bash
# Unpack Debian's Apptainer into a folder, without touching the machine: tests/containers/apptainer.sh FOLDER PATCHELF
#
# Debian has it in unstable alone, built against a newer libc: that comes along, and the two programs are pointed at it.
set -euo pipefail

prefix=$1
patchelf=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2016 # a field of apt's, not a variable
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Component: main' 'Created-By: Packages' | head -1)
mkdir -p "$work"/{lists,cache/archives}/partial "$prefix"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
options=(-qq -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o "Dir::Etc::sourcelist=$work/sources.list"
  -o Dir::Etc::sourceparts=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User=root -o APT::Update::Post-Invoke-Success::=)
apt-get "${options[@]}" update
(cd "$work" && apt-get "${options[@]}" download apptainer libc6 libseccomp2 libsqlite3-0)
for package in "$work"/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar --extract --directory "$prefix" --keep-directory-symlink
done

usr=$prefix/usr
libraries=$(dirname "$(find "$prefix" -name libc.so.6)")
loader=$(find "$prefix" -name 'ld-linux-*.so.*' | head -1)
for program in "$usr/bin/apptainer" "$(dirname "$libraries")"/*/apptainer/bin/starter; do
  "$patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program"
done
# Where the two programs, which look relative to where they lie, expect what Debian puts at the root.
ln -s ../etc ../var "$usr/"
ln -s ../../etc ../../var "$usr/lib/"
mkdir -p "$prefix/var/lib/apptainer/mnt/session"
# A root that lacks capabilities, as in a container, cannot ask for all of them.
if ! grep -q '^CapEff:.*1ffffffffff$' /proc/self/status; then
  sed -i 's/^root default capabilities = .*/root default capabilities = no/' "$prefix/etc/apptainer/apptainer.conf"
fi
echo "$usr/bin/apptainer"
