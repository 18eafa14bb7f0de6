"""Say what pip-audit found: 0 where every package was looked up and none is vulnerable, else 1. Argument: its report, JSON."""

import json
import sys
from pathlib import Path


def main() -> int:
    """Print the vulnerabilities, and what was not looked up."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    if not text:
        print("error: pip-audit ended without a report; what it said is above", file=sys.stderr)
        return 1
    packages = json.loads(text)["dependencies"]
    skipped = [package for package in packages if "skip_reason" in package]
    bad = [(package, fault) for package in packages for fault in package.get("vulns", ())]
    for package, fault in bad:
        print(
            f"{package['name']} {package['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'no version'}"
        )
    if skipped:
        print(
            f"error: {len(skipped)} of {len(packages)} packages were not looked up, and may be vulnerable"
            f" ({skipped[0]['name']}: {skipped[0]['skip_reason']}); pip-audit needs vulnerability data, which"
            " https://pypi.org has and most mirrors do not: run this where pypi.org can be reached",
            file=sys.stderr,
        )
    if not packages:
        print("error: pip-audit looked nothing up", file=sys.stderr)
    print(f"{len(packages) - len(skipped)} of {len(packages)} looked up, {len(bad)} known vulnerabilities")
    return 1 if bad or skipped or not packages else 0


if __name__ == "__main__":
    sys.exit(main())
