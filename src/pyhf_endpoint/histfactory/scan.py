"""Profile likelihood along the parameter of interest or any other parameter."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyhf_endpoint.errors import InputError, did_you_mean
from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.bestfit import Free
from pyhf_endpoint.histfactory.compile import Patch
from pyhf_endpoint.histfactory.driver import Setup, each_hypothesis
from pyhf_endpoint.histfactory.held import fit_held
from pyhf_endpoint.histfactory.result import STATUSES, USABLE, worst

__all__ = ["Grid", "Scan", "scan"]


@dataclass(frozen=True)
class Grid:
    """Values at which a parameter is held: these, or `steps` values across `width` standard deviations on both sides."""

    values: tuple[float, ...] = ()
    steps: int = 31
    width: float = 3.0


@dataclass(frozen=True)
class Scan:
    """Profile likelihood of one hypothesis along one parameter; empty where it could not be computed."""

    name: str
    parameter: str
    status: str
    message: str
    grid: tuple[float, ...] = ()
    twice_delta_nll: tuple[float | None, ...] = ()
    """-2 log of the profile likelihood ratio; None where a fit did not converge."""
    best_fit: float | None = None
    edm: float | None = None
    iterations: int = 0


def scan(
    workspace: Mapping[str, Any],
    patches: Iterable[Patch],
    parameters: Sequence[str],
    setup: Setup | None = None,
    *,
    grid: Grid | None = None,
) -> list[list[Scan]]:
    """Profile the likelihood of every hypothesis along each of some parameters.

    Args:
        workspace: A HistFactory workspace.
        patches: Name and JSON patch of each hypothesis.
        parameters: Names as in pyhf's `par_names`.
        setup: How to read the hypotheses.
        grid: Where the parameters are held.

    Returns:
        One list a patch with one result a parameter; one that cannot be computed has the status `failed`.

    Raises:
        InputError: The workspace or an option cannot be used.
    """
    given, at = setup or Setup(), grid or Grid()
    if at.steps < 2:
        raise InputError(f"grid: {at.steps} steps are too few; take at least 2")
    if not 0 < at.width < math.inf:
        raise InputError(f"grid: its width of {at.width:g} standard deviations is not a positive number")

    def failed(name: str, message: str) -> list[Scan]:
        return [Scan(name, parameter, "failed", message) for parameter in parameters]

    def compute(batch: Batch) -> list[list[Scan]]:
        free = Free(batch, given)
        return [[_scan(free, row, parameter, at) for parameter in parameters] for row in range(len(batch.names))]

    return each_hypothesis(workspace, patches, given, compute=compute, failed=failed, impossible=lambda _batch, _row: "")


def _scan(free: Free, row: int, parameter: str, grid: Grid) -> Scan:
    batch, name = free.batch, free.batch.names[row]
    names = batch.parameters(row)
    if parameter not in names:
        message = f"patch `{name}`: there is no parameter `{parameter}`.{did_you_mean(parameter, names)}"
        return Scan(name, parameter, "failed", message)
    if free.status(row) == "failed":
        return Scan(name, parameter, "failed", f"patch `{name}`: {free.message(row)}")
    column = int(batch.columns(row)[names.index(parameter)])
    covered = free.covariance(row)
    values, fault = _values(free, row, column, grid, None if covered is None else float(covered[0][column, column]) ** 0.5)
    if fault:
        return Scan(name, parameter, "failed", f"patch `{name}`: `{parameter}` {fault}")
    held = fit_held(free, row, np.full(len(values), column), values, None if covered is None else covered[0])
    usable = np.array([STATUSES[index] in USABLE for index in held.status])
    lowest = min(float(free.fit.nll[row]), float(np.min(np.where(usable, held.nll, np.inf))))
    notes = [free.message(row)]
    statuses = [free.status(row), *(STATUSES[index] for index in held.status)]
    if lowest < free.fit.nll[row] - 1e-6:
        notes.append(f"a lower minimum was found at {values[int(np.argmin(np.where(usable, held.nll, np.inf)))]:g}")
        statuses.append("restarted")
    if not usable.all():
        notes.append(f"no minimum found at {', '.join(f'{value:g}' for value in values[~usable][:5])}")
    heights = [2 * float(nll - lowest) if ok else None for nll, ok in zip(held.nll, usable, strict=True)]
    return Scan(
        name,
        parameter,
        # A point that failed leaves a gap, not an empty scan
        worst(["not_converged" if status == "failed" else status for status in statuses]),
        "; ".join(filter(None, notes)),
        grid=tuple(map(float, values)),
        twice_delta_nll=tuple(heights),
        best_fit=float(free.fit.theta[row, column]),
        edm=float(max(free.fit.edm[row], held.edm[usable].max(initial=0.0))),
        iterations=int(free.fit.iterations[row] + held.iterations.sum()),
    )


def _values(free: Free, row: int, column: int, grid: Grid, deviation: float | None) -> tuple[Floats, str]:
    """Where a parameter is held, within its bounds; or why it cannot be scanned."""
    lower, upper = float(free.batch.lower[row, column]), float(free.batch.upper[row, column])
    if free.batch.fixed[row, column]:
        return np.zeros(0), "is fixed; free it in the measurement to scan it"
    if grid.values:
        outside = [value for value in grid.values if not lower <= value <= upper]
        if outside:
            return np.zeros(0), f"cannot be held at {outside[0]:g}, outside its bounds [{lower:g}, {upper:g}]"
        return np.array(grid.values), ""
    best = float(free.fit.theta[row, column])
    if not deviation:  # at a bound, or without an uncertainty: the whole range
        return np.linspace(lower, upper, grid.steps), ""
    return np.linspace(max(lower, best - grid.width * deviation), min(upper, best + grid.width * deviation), grid.steps), ""
