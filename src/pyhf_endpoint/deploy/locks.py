"""The locks that come along: which versions, each file with its hash, the workers of a site get."""

import platform
from pathlib import Path

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import Resolved

__all__ = ["FOLDER", "PYTHON", "find"]

FOLDER = Path(__file__).parents[1] / "locks"
#: The one minor version of Python that the locks are resolved for.
PYTHON = "3.11"


def find(use: Resolved, machine: str | None = None) -> Path:
    """Return the lock of a site's variant for this machine's architecture.

    Args:
        use: The site, as it is to be used.
        machine: The architecture of this machine; None asks it.

    Raises:
        UsageError: The workers' nodes have another architecture than this machine, or no lock is made for it.
    """
    variant, here = use["image"], machine or platform.machine()
    there = use.profile.architecture.compute if use.profile.architecture else here
    if there not in (here, "unknown"):
        raise UsageError(
            f"site `{use.profile.name}`: its compute nodes are {there} and this machine is {here}, so that what is built here"
            f" does not run there; deploy from a machine of {there}, or use an image: --env image:IMAGE"
        )
    path = FOLDER / f"{variant}-{here}.txt"
    if not path.is_file():
        made = ", ".join(sorted(each.stem for each in FOLDER.glob("*-*.txt")))
        raise UsageError(
            f"there is no lock for `{variant}` on {here} (there are: {made}); choose another with --option image=NAME, or install"
            " pyhf-endpoint[endpoint] by hand and run deploy from there without --env"
        )
    return path
