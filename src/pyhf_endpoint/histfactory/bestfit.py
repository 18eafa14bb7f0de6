"""Best fit of all parameters, with uncertainties and correlations from the inverse Hessian."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.compile import Patch
from pyhf_endpoint.histfactory.describe import describe
from pyhf_endpoint.histfactory.driver import Setup, each_hypothesis
from pyhf_endpoint.histfactory.fits import Fit, Fitter, Flags, Job
from pyhf_endpoint.histfactory.hessian import covariance
from pyhf_endpoint.histfactory.likelihood import Model
from pyhf_endpoint.histfactory.result import STATUSES

__all__ = ["INDEFINITE", "BestFit", "Free", "fit"]

INDEFINITE = "the Hessian at the best fit is not positive definite, so there are no uncertainties"


@dataclass(frozen=True)
class BestFit:
    """Best fit of one hypothesis; empty where it could not be computed. Parameters are named and ordered as in pyhf."""

    name: str
    status: str
    message: str
    parameters: tuple[str, ...] = ()
    best_fit: tuple[float, ...] = ()
    uncertainties: tuple[float | None, ...] = ()
    """Standard deviations; None for parameters that are fixed, or at a bound."""
    correlations: tuple[tuple[float | None, ...], ...] | None = None
    """None where it was not asked for, and in rows and columns of parameters without an uncertainty."""
    twice_nll: float | None = None
    """-2 log L, normalised like pyhf's `twice_nll`."""
    edm: float | None = None
    iterations: int = 0


def fit(
    workspace: Mapping[str, Any], patches: Iterable[Patch], setup: Setup | None = None, *, correlations: bool = False
) -> list[BestFit]:
    """Fit all parameters of every hypothesis to the observed data.

    Args:
        workspace: A HistFactory workspace.
        patches: Name and JSON patch of each hypothesis.
        setup: How to read them.
        correlations: Also return the matrix of correlations.

    Returns:
        One result a patch; one that cannot be computed has the status `failed`.

    Raises:
        InputError: The workspace or an option cannot be used.
    """
    given = setup or Setup()

    def failed(name: str, message: str) -> BestFit:
        return BestFit(name, "failed", message)

    def compute(batch: Batch) -> list[BestFit]:
        free = Free(batch, given)
        return [_result(free, row, correlations=correlations) for row in range(len(batch.names))]

    return each_hypothesis(workspace, patches, given, compute=compute, failed=failed, impossible=lambda _batch, _row: "")


class Free:
    """The free fits of a batch's rows to the observed data."""

    def __init__(self, batch: Batch, setup: Setup) -> None:
        self.batch, self.setup = batch, setup
        self.model = Model(batch, setup.xp)
        self.fitter = Fitter(batch, self.model, setup.seed)
        self.fit = self._fit()

    def _fit(self) -> Fit:
        """From the initial values and, with a parameter of interest, from the background's fit; the lower minimum counts."""
        batch, fitter = self.batch, self.fitter
        poi = 0.0 if batch.poi is None else float(np.median(batch.init[:, batch.poi]))
        starts = [batch.init, np.where(batch.fixed, batch.init, fitter.background_start(poi))]
        jobs = [Job(self.model, fitter.rows, start, batch.fixed) for start in starts]
        first, second = fitter.run(jobs)
        found = fitter.begin(jobs[0], first, starts[1:])
        fitter.absorb(found, jobs[1], second)
        return found

    def status(self, row: int) -> str:
        """Status of a row's fit."""
        return STATUSES[self.fit.status[row]]

    def message(self, row: int) -> str:
        """What kept it from plain convergence."""
        return describe(self.fitter, self.fit, row, "free fit")

    def covariance(self, row: int) -> tuple[Floats, Flags] | None:
        """Covariance of a row's parameters and which are free; see `hessian.covariance`."""
        return covariance(self.fitter, self.model, self.fit.theta[row], row, self.batch.fixed[row])


def _result(free: Free, row: int, *, correlations: bool) -> BestFit:
    batch, found = free.batch, free.fit
    name, status, message = batch.names[row], free.status(row), free.message(row)
    if status == "failed":
        return BestFit(name, status, f"patch `{name}`: {message}")
    columns = batch.columns(row)
    covered = free.covariance(row)
    uncertainties: tuple[float | None, ...] = (None,) * len(columns)
    matrix = None
    if covered is None:
        message = "; ".join(filter(None, (message, INDEFINITE)))
    else:
        total, known = covered
        deviation = np.sqrt(np.diag(total))
        uncertainties = tuple(float(deviation[column]) if known[column] else None for column in columns)
        matrix = _correlations(total, deviation, known, columns) if correlations else None
    return BestFit(
        name,
        status,
        message,
        parameters=tuple(batch.parameters(row)),
        best_fit=tuple(map(float, found.theta[row, columns])),
        uncertainties=uncertainties,
        correlations=matrix,
        twice_nll=float(2 * (found.nll[row] + free.model.nll_offset[row])),
        edm=float(found.edm[row]),
        iterations=int(found.iterations[row]),
    )


def _correlations(total: Floats, deviation: Floats, known: Flags, columns: Any) -> tuple[tuple[float | None, ...], ...]:
    scale = np.where(known, 1.0 / np.where(known, deviation, 1.0), np.nan)
    matrix = (total * scale[:, None] * scale[None, :])[np.ix_(columns, columns)]
    return tuple(tuple(None if np.isnan(value) else float(value) for value in line) for line in matrix)
