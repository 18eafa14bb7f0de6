"""Wheels of a few lines, and locks that name them."""

import zipfile
from hashlib import sha256
from pathlib import Path

from pyhf_endpoint import __version__

__all__ = ["lock", "ours", "wheel"]

_SCRIPT = """\
import sys

def main():
    print(sys.prefix)
"""


def wheel(folder: Path, name: str, version: str, text: str = _SCRIPT, *, requires: str = "") -> Path:
    """Write a wheel with one package, and a command of its name that prints its environment's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: these tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {module}:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(zipfile.ZipInfo(file), content)
    return path


def ours(folder: Path, version: str = __version__, text: str = _SCRIPT, *, requires: str = "") -> Path:
    """Write a wheel that has our name."""
    return wheel(folder, "pyhf-endpoint", version, text, requires=requires)


def lock(path: Path, *wheels: Path) -> Path:
    """Write a lock of these wheels."""
    lines = []
    for each in wheels:
        name, version, *_ = each.name.split("-")
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{sha256(each.read_bytes()).hexdigest()}\n")
    path.write_text("".join(lines))
    return path
