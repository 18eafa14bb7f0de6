"""What is said about fits that did not simply converge."""

from collections.abc import Sequence

import numpy as np

from pyhf_endpoint.histfactory.arrays import to_numpy
from pyhf_endpoint.histfactory.fits import FAILED, FALLBACK, LOST, RESTARTED, Fit, Fitter

__all__ = ["describe", "describe_all"]

_NOTES = {RESTARTED: "a lower minimum was found from another start", FALLBACK: "minimised by SciPy"}


def describe_all(fitter: Fitter, fits: Sequence[tuple[str, Fit]], row: int) -> str:
    """Say what kept a row's labelled fits from plain convergence, the worst first; empty if nothing did."""
    worst_first = sorted(fits, key=lambda labelled: -max(int(labelled[1].status[row]), LOST - 1))
    return "; ".join(filter(None, (describe(fitter, fit, row, label) for label, fit in worst_first)))


def describe(fitter: Fitter, fit: Fit, row: int, label: str) -> str:
    """Say what kept the fit of a row from plain convergence; empty if nothing did."""
    status = int(fit.status[row])
    if status == FAILED:
        return f"{label}: {_impossible_bin(fitter, fit, row)}"
    if status == LOST:
        return f"{label}: no minimum found in {fit.iterations[row]} iterations, EDM {fit.edm[row]:.1e}"
    said = [_NOTES[status]] if status in _NOTES else []
    columns = np.nonzero(fitter.bound(fit)[row])[0]
    if len(columns):
        said.append(
            ", ".join(f"`{_name(fitter, row, int(column))}` at its bound {fit.theta[row, column]:g}" for column in columns)
        )
    return f"{label}: {'; '.join(said)}" if said else ""


def _name(fitter: Fitter, row: int, column: int) -> str:
    place = list(fitter.batch.columns(row)).index(column)
    return fitter.batch.parameters(row)[place]


def _impossible_bin(fitter: Fitter, fit: Fit, row: int) -> str:
    batch, model = fitter.batch, fit.model
    with np.errstate(all="ignore"):
        rates = to_numpy(model.rates(model.xp.asarray(fit.theta)))[row]
    counts = to_numpy(model.rows.counts)[row]
    impossible = ((rates <= 0) & (counts > 0)) | (rates < 0) | ~np.isfinite(rates)
    if not impossible.any():
        return "the likelihood is not finite where the fit starts"
    place = int(np.argmax(impossible))
    channel = int(np.searchsorted(np.cumsum(batch.channel_bins), place, side="right"))
    within = place - sum(batch.channel_bins[:channel])
    return (
        f"the likelihood is zero: channel `{batch.channels[channel]}` bin {within} expects {rates[place]:g} events, "
        f"{counts[place]:g} were observed"
    )
