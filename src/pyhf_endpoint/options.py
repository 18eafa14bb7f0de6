"""The options that every inference of the client takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from pyhf_endpoint.errors import UsageError, did_you_mean

__all__ = ["Options", "names", "require_known"]


class Options(TypedDict, total=False):
    """What every inference takes.

    Attributes:
        patches: Names of the patches to compute, or one name; None or missing for all.
        measurement: Name of the measurement; by default the workspace's first.
        region: Sub-folder to take, where a folder or archive holds several analyses.
        normsys: Interpolation code of normsys modifiers: `code4` (default) or `code1`.
        histosys: Interpolation code of histosys modifiers: `code4p` (default), `code2` or `code0`.
        seed: Seed of the random starts that are tried where a likelihood may have several minima; default 0.
        output: A results file to write as results arrive.
        resume: Continue `output`: compute only what is missing in it.
        overwrite: Replace `output`.
    """

    patches: Sequence[str] | str | None
    measurement: str | None
    region: str | None
    normsys: str
    histosys: str
    seed: int
    output: Path | str | None
    resume: bool
    overwrite: bool


def names(patches: Sequence[str] | str | None) -> Sequence[str] | None:
    """Return the names of patches; a name alone is one, not its letters."""
    return (patches,) if isinstance(patches, str) else patches


def require_known(options: Options) -> None:
    """Refuse misspelt options: Python would pass them over, and with them a measurement, say.

    Raises:
        UsageError: Names the options that there are.
    """
    known = sorted(Options.__annotations__)
    faults = [f"unknown option `{name}`.{did_you_mean(name, known)}" for name in options if name not in known]
    if faults:
        raise UsageError(f"{' '.join(faults)} Options: {', '.join(known)}")
