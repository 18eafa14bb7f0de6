"""This package's own wheel: of the very version that runs here, never one that an index offers."""

import importlib.util
import sys
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

import pyhf_endpoint
from pyhf_endpoint import __version__, process
from pyhf_endpoint.errors import ProgramError, UsageError

__all__ = ["Sources", "checkout", "own"]

_NAME = "pyhf-endpoint"
_BUILD_S = 120.0
_TAIL = 1500  # characters of a failed command that are shown


@dataclass(frozen=True)
class Sources:
    """Where our wheel may come from, in this order.

    Attributes:
        given: The wheel itself.
        checkout: The source tree that this package runs from.
        wheelhouse: A folder of wheels.
    """

    given: Path | None = None
    checkout: Path | None = None
    wheelhouse: Path | None = None


def checkout() -> Path | None:
    """Return the source tree that this package runs from; None where it is installed."""
    root = Path(pyhf_endpoint.__file__).resolve().parents[2]
    project = root / "pyproject.toml"
    return root if project.is_file() and f'name = "{_NAME}"' in project.read_text(encoding="utf-8") else None


def own(sources: Sources, scratch: Path, version: str = __version__) -> Path:
    """Return the wheel that workers get.

    Args:
        sources: Where to look.
        scratch: A folder for what is built.
        version: What it must be: that of the running client.

    Raises:
        UsageError: There is none, or the one there is has another name or version.
        ProgramError: It cannot be built.
    """
    if sources.given is not None:
        return _checked(sources.given, version)
    if sources.checkout is not None:
        return _checked(_built(sources.checkout, scratch), version)
    if sources.wheelhouse is None:
        raise UsageError(
            f"the workers need the wheel of pyhf-endpoint {version}, and this package does not run from its source tree; give"
            " --wheel FILE, or --wheelhouse FOLDER with that wheel in it; `python -m pip wheel --no-deps .` makes it from sources"
        )
    found = sorted(sources.wheelhouse.glob("pyhf_endpoint-*.whl"))
    fitting = [path for path in found if path.name.split("-")[1] == version]
    if not fitting:
        others = f"; it has {', '.join(path.name for path in found)}" if found else ""
        raise UsageError(
            f"{sources.wheelhouse} has no wheel of pyhf-endpoint {version}, which runs here{others}; fill it from the"
            " same version: make wheelhouse, or give --wheel FILE"
        )
    return _checked(fitting[-1], version)


def _built(source: Path, scratch: Path) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        raise UsageError(
            f"the wheel of {source} is built by hatchling, which is not installed here: python -m pip install hatchling; or give"
            " --wheel FILE"
        )
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch)]
    done = process.run(build, timeout=_BUILD_S, cwd=source)
    built = sorted(scratch.glob("pyhf_endpoint-*.whl"))
    if done.returncode or not built:
        said = (done.stdout + done.stderr).strip()[-_TAIL:]
        raise ProgramError(f"the wheel of {source} cannot be built, mend it or give --wheel FILE; hatchling says:\n{said}")
    return built[-1]


def _checked(path: Path, version: str) -> Path:
    """See by the wheel's metadata, not by its file's name, that it is ours and of the version."""
    try:
        with zipfile.ZipFile(path) as archive:
            (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)
            fields = HeaderParser().parsestr(archive.read(metadata).decode())
    except (OSError, ValueError, zipfile.BadZipFile) as fault:
        raise UsageError(f"{path} is no wheel that can be read ({fault}); build one: make wheelhouse") from fault
    found = (str(fields["Name"]).lower().replace("_", "-"), fields["Version"])
    if found != (_NAME, version):
        raise UsageError(
            f"{path} is {found[0]} {found[1]}, and workers need {_NAME} {version}, which runs here: client and workers must"
            " agree; give the wheel of that version, or run deploy from the other one"
        )
    return path.absolute()
