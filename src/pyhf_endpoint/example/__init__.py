"""A generated analysis, so that a grid of hypotheses can be fitted before anything is downloaded.

It has the shape of the ATLAS search for charginos and neutralinos in Wh final states with one lepton and two b-jets
(SUSY-2019-08): eight channels, fourteen bins, nine background samples, 125 parameters, and signals in the plane of two masses.
Every number in it is made up.
"""

from pathlib import Path
from typing import Any

from pyhf_endpoint.errors import UsageError

__all__ = ["MAX_SIGNALS", "generate", "write"]

MAX_SIGNALS = 5000
"""The finest grid whose points still have masses that differ by whole GeV."""


def generate(signals: int = 125, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make up a background-only workspace and a set of signal patches.

    Equal arguments give equal documents with one NumPy release; a release that changes its random streams changes both documents
    together, so that the digest in the patch set always holds. A signal's patch depends on the seed and its masses alone, and the
    workspace on the seed alone.

    Args:
        signals: How many patches, 1 to `MAX_SIGNALS`; spread evenly over the plane of the two masses.
        seed: What all random numbers follow from, 0 or more.

    Returns:
        The workspace and the patch set, as pyhf's schemas 1.0.0 describe them; yields in events, masses (the patches' `values`,
        labels `m_C1N2` and `m_N1`) in GeV.

    Raises:
        UsageError: If an argument is out of range.
    """
    if not 1 <= signals <= MAX_SIGNALS:
        raise UsageError(f"signals: {signals} asked for; the example has 1 to {MAX_SIGNALS} (125 where nothing is said)")
    if seed < 0:
        raise UsageError(f"seed: {seed} is negative; give a whole number from 0")
    from pyhf_endpoint.example import background
    from pyhf_endpoint.example import signals as signal_patches

    workspace = background.workspace(seed)
    return workspace, signal_patches.patchset(workspace, signals, seed)


def write(directory: Path, signals: int = 125, seed: int = 0, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write what `generate` returns as `BkgOnly.json` and `patchset.json`; files that already hold it stay untouched.

    Args:
        directory: Where to; made if it is not there.
        signals: How many patches.
        seed: What all random numbers follow from.
        overwrite: Whether files with other content are replaced.

    Returns:
        The paths of the workspace and of the patch set.

    Raises:
        UsageError: If `signals` or `seed` is out of range.
        ResultsError: If a file with other content is there and `overwrite` is false, or the directory cannot be written to.
    """
    workspace, patchset = generate(signals, seed)
    from pyhf_endpoint.example.files import write_files

    return write_files(directory, workspace, patchset, overwrite=overwrite)
