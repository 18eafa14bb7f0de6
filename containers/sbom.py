"""Print the bill of materials of the image in which this runs, as CycloneDX 1.5: Python's and Debian's packages.

Arguments: the image's name, and the time for `metadata.timestamp` in seconds since 1970. It is read on standard input by the
image's own Python and needs nothing but the standard library.
"""

import datetime
import json
import platform
import re
import sys
import uuid
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

Component = dict[str, object]
DPKG = Path("/var/lib/dpkg/status")


def component(name: str, version: str, purl: str) -> Component:
    """Return one entry of the list."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def python_packages() -> Iterator[Component]:
    """Yield what the environment holds."""
    for found in distributions():
        name, version = found.metadata["Name"], found.version
        # PEP 503's form of the name is the one that package URLs use
        yield component(name, version, f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{quote(version)}")
    yield component("cpython", platform.python_version(), f"pkg:generic/python@{platform.python_version()}")


def debian_packages() -> Iterator[Component]:
    """Yield what dpkg says is installed; nothing on a base without dpkg."""
    text = DPKG.read_text(encoding="utf-8") if DPKG.exists() else ""
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", paragraph, flags=re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            yield component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}")


def main() -> None:
    """Print the document."""
    image, seconds = sys.argv[1], int(sys.argv[2])
    components = sorted([*python_packages(), *debian_packages()], key=lambda entry: str(entry["purl"]))
    created = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # The same content has the same number, so that the file is reproducible as the image is.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([image, created, components]))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"timestamp": created, "component": {"type": "container", "bom-ref": image, "name": image}},
        "components": components,
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
