#!/usr/bin/env bash
# Write the bill of materials of a variant's image as CycloneDX JSON: containers/sbom.sh VARIANT
# shellcheck source=containers/common.sh
source "$(dirname "$0")/common.sh"

engine=$(engine)
output=build/sbom/pyhf-endpoint-$tag-$architecture.cdx.json
mkdir -p build/sbom
arguments=("$name:$tag" "$(git log -1 --format=%ct)")
if [[ $engine == buildah ]]; then # runs no images, but containers that it is asked to make
  container=$(buildah from "$name:$tag")
  trap 'buildah rm "$container" >/dev/null' EXIT
  buildah run "$container" -- python - "${arguments[@]}" <containers/sbom.py >"$output"
else
  "$engine" run --rm --interactive --network none "$name:$tag" python - "${arguments[@]}" <containers/sbom.py >"$output"
fi
echo "$output"
