# shellcheck shell=bash
# shellcheck disable=SC2034 # not every script that sources this uses every name
# What the scripts of this folder share: names, the engine, errors. To be sourced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { # MESSAGE
  echo "error: $1" >&2
  exit 2
}

known_variants="cpu cuda12 cuda13 rocm"
variant=${1:-}
[[ $variant && " $known_variants " == *" $variant "* ]] ||
  fail "$0: \`$variant\` is no variant ($known_variants); for example: $0 cpu"

architecture=${ARCH:-$(uname -m)}
lock=containers/locks/$variant-$architecture.txt
[[ -f $lock ]] || fail "$lock: variant \`$variant\` is not made for \`$architecture\`; see the table in containers/README.md"

name=${IMAGE:-localhost/pyhf-endpoint}
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/pyhf_endpoint/__init__.py)
revision=$(git rev-parse --short=12 HEAD)
[[ -z $(git status --porcelain -- .dockerignore LICENSE README.md containers endpoint_configs pyproject.toml site_profiles src) ]] || revision+=-dirty
tag=$version-$variant
long_tag=$tag-$revision
sif=build/sif/pyhf-endpoint-$tag-$architecture.sif

engine() { # the one named by ENGINE, else the first that is there and works
  local found
  for found in ${ENGINE:-docker podman buildah}; do
    if command -v "$found" >/dev/null && "$found" info >/dev/null 2>&1; then
      # Under the name docker there may be podman, which has not all of docker's options.
      [[ $found != docker || $(docker --version 2>/dev/null) != podman* ]] || found=podman
      echo "$found"
      return
    fi
  done
  fail "no container engine works here (tried: ${ENGINE:-docker podman buildah}); install podman, or name one: ENGINE=podman"
}

check_docker() { # the folder of wheels comes in as a named build context: buildx hands it over, docker 23's BuildKit takes it
  local server client buildx options
  server=$(docker version --format '{{.Server.Version}}' 2>/dev/null) || server=unknown
  client=$(docker version --format '{{.Client.Version}}' 2>/dev/null) || client=unknown
  buildx=$(docker buildx version 2>/dev/null | cut -d ' ' -f 2) || buildx=
  options=$(docker build --help 2>/dev/null) || options=
  [[ (! $server =~ ^[0-9]+ || ${BASH_REMATCH[0]} -ge 23) && $options == *--build-context* ]] ||
    fail "this docker (server $server, client $client, buildx ${buildx:-not found}) cannot build the image: install docker 23 or newer \
with its plugin buildx (https://docs.docker.com/go/buildx/), or take podman: ENGINE=podman"
}

pinned() { # PACKAGE: its version in the lock
  sed -n "s/^$1==\([^ ]*\).*/\1/p" "$lock"
}
