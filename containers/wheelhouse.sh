#!/usr/bin/env bash
# Fill a folder with all that `pyhf-endpoint deploy SITE --env venv:PATH --wheelhouse FOLDER` needs: containers/wheelhouse.sh VARIANT
#
# ARCH=x86_64|aarch64 (this machine's) and WHEELHOUSE=FOLDER (build/wheelhouse/VARIANT-ARCH) may be set. PYTHON needs hatchling.
# shellcheck source=containers/common.sh
source "$(dirname "$0")/common.sh"

folder=${WHEELHOUSE:-build/wheelhouse/$variant-$architecture}
WHEELS=$folder containers/wheels.sh "$variant"
rm -f "$folder"/pyhf_endpoint-*.whl
"${PYTHON:-python3}" -m hatchling build -t wheel -d "$folder" >/dev/null
echo "$folder"
