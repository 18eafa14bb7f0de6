#!/usr/bin/env bash
# Look the locks' versions up among the known vulnerabilities, with pip-audit: containers/audit.sh
#
# Ends well only where every version was looked up and none is known to be vulnerable. pip-audit itself would also end well
# where the index has no vulnerability data at all, as mirrors of packages alone have none.
set -euo pipefail
cd "$(dirname "$0")/.."

report=$(mktemp)
trap 'rm -f "$report"' EXIT
status=0
for lock in containers/locks/*.txt; do
  echo "== $lock"
  : >"$report"
  "${PIP_AUDIT:-.venv-containers/bin/pip-audit}" --disable-pip --require-hashes --progress-spinner off --format json \
    --output "$report" --requirement "$lock" 2> >(grep -v "^No known vulnerabilities found" >&2) || true
  "${PYTHON:-python3}" containers/audit.py "$report" || status=1
done
exit "$status"
