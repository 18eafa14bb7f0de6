"""Fits of one hypothesis with one parameter held at many values, side by side."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.bestfit import Free
from pyhf_endpoint.histfactory.fits import Fitter, Flags, Job
from pyhf_endpoint.histfactory.likelihood import Model

__all__ = ["Held", "fit_held"]

_ROWS = 128  # fits side by side: bounds memory


@dataclass(frozen=True)
class Held:
    """What came out, one entry for each held value."""

    theta: Floats
    """[K, P]"""
    nll: Floats
    """[K] saturated."""
    edm: Floats
    iterations: npt.NDArray[np.intp]
    status: npt.NDArray[np.intp]
    """Index into `STATUSES`."""


def fit_held(free: Free, row: int, columns: npt.NDArray[np.intp], values: Floats, covered: Floats | None) -> Held:
    """Fit all other parameters of a hypothesis with the parameter `columns[k]` held at `values[k]`.

    Each fit starts from the best fit, shifted along the covariance, and is tried again from the initial values where its
    likelihood has risen so far that there may be a second minimum.

    Args:
        free: The batch's free fits.
        row: The hypothesis.
        columns: [K]
        values: [K]
        covered: [P, P] covariance at the best fit; None if there is none.
    """
    parts = [
        _fit(free, row, columns[first : first + _ROWS], values[first : first + _ROWS], covered)
        for first in range(0, len(columns), _ROWS)
    ]
    names = Held.__dataclass_fields__
    return Held(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _fit(free: Free, row: int, columns: npt.NDArray[np.intp], values: Floats, covered: Floats | None) -> Held:
    count = len(columns)
    batch = free.batch.take([row] * count)
    model = Model(batch, free.setup.xp)
    fitter = Fitter(batch, model, free.setup.seed)
    fixed = np.array(batch.fixed)
    fixed[np.arange(count), columns] = True
    starts = [_shifted(free, row, columns, values, covered), _set(batch.init, columns, values)]
    # A shift along the covariance may leave the bounds, or the likelihood's domain: the best fit itself is the second try
    plain = _set(np.repeat(free.fit.theta[row][None], count, axis=0), columns, values)
    job = Job(model, fitter.rows, starts[0], fixed)
    found = fitter.begin(job, fitter.run([job])[0], [plain, starts[1]])
    risen = np.nonzero(found.nll > free.fit.nll[row] + 0.5)[0]
    if len(risen):
        again = Job(model, risen, starts[1], fixed)
        fitter.absorb(found, again, fitter.run([again])[0])
    return Held(found.theta, found.nll, found.edm, found.iterations, found.status)


def _shifted(free: Free, row: int, columns: npt.NDArray[np.intp], values: Floats, covered: Floats | None) -> Floats:
    best = free.fit.theta[row]
    theta = np.repeat(best[None], len(columns), axis=0)
    if covered is not None:
        variance = covered[columns, columns]
        known = variance > 0
        slope = np.where(known[:, None], covered[columns] / np.where(known, variance, 1.0)[:, None], 0.0)
        theta = theta + slope * (values - best[columns])[:, None]
        inside = np.clip(theta, free.batch.lower[row], free.batch.upper[row])
        theta = np.where(_held(free, row), best, inside)
    return _set(theta, columns, values)


def _held(free: Free, row: int) -> Flags:
    return np.asarray(free.batch.fixed[row])


def _set(theta: Floats, columns: npt.NDArray[np.intp], values: Floats) -> Floats:
    theta = np.array(theta)
    theta[np.arange(len(columns)), columns] = values
    return theta
