#!/usr/bin/env bash
# Look the locks' versions up among the known vulnerabilities, with pip-audit: containers/audit.sh
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
for lock in containers/locks/*.txt; do
  echo "== $lock"
  "${PIP_AUDIT:-.venv-containers/bin/pip-audit}" --disable-pip --require-hashes --progress-spinner off --requirement "$lock" || status=$?
done
exit "$status"
