"""Covariance of the parameters at a minimum, from the exact Hessian of the likelihood."""

import numpy as np

from pyhf_endpoint.histfactory.arrays import Floats, to_numpy
from pyhf_endpoint.histfactory.fits import Fitter, Flags
from pyhf_endpoint.histfactory.likelihood import Model

__all__ = ["covariance"]

_STEP = 6e-6  # cube root of the rounding of doubles: the best central difference, in units of a parameter's width
_FLAT = 1e-9  # smallest eigenvalue, relative to the parameters' own curvatures, that is not the rounding of a flat direction
_ROWS = 64  # points evaluated at once: bounds memory


def covariance(fitter: Fitter, model: Model, theta: Floats, row: int, fixed: Flags) -> tuple[Floats, Flags] | None:
    """Return the covariance [P, P] of a row's parameters at `theta` [P] and which of them are free [P].

    The Hessian is the central difference of the analytic gradient. Parameters that are fixed, or at a bound, have no variance;
    the others' variances are conditional on them.

    Returns:
        None where the Hessian is not positive definite: `theta` is no minimum, or the data do not tell all parameters apart.
    """
    batch = fitter.batch
    lower, upper = batch.lower[row], batch.upper[row]
    free = ~(fixed | (theta <= lower) | (theta >= upper))
    columns = np.nonzero(free)[0]
    total = np.zeros((len(theta), len(theta)))
    if not len(columns):
        return total, free
    single = model.take(np.array([row]))
    at = single.evaluate(single.xp.asarray(theta[None]))
    scaled = to_numpy(at.jacobian)[0] * np.sqrt(to_numpy(at.weight)[0])[:, None]
    curvature = (scaled * scaled).sum(axis=0) + to_numpy(at.diagonal)[0]
    width = 1.0 / np.sqrt(np.where(curvature > 0, curvature, 1.0))
    step = np.minimum(_STEP * width, 0.5 * np.minimum(theta - lower, upper - theta))[columns]
    hessian = np.empty((len(columns), len(columns)))
    for first in range(0, len(columns), _ROWS // 2):
        part = slice(first, first + _ROWS // 2)
        shifts = np.zeros((len(columns[part]), len(theta)))
        shifts[np.arange(len(shifts)), columns[part]] = step[part]
        points = np.concatenate([theta + shifts, theta - shifts])
        several = single.take(np.zeros(len(points), dtype=np.intp))
        with np.errstate(all="ignore"):
            gradient = to_numpy(several.gradient(several.xp.asarray(points)))[:, columns]
        up, down = gradient[: len(shifts)], gradient[len(shifts) :]
        hessian[part] = (up - down) / (2 * step[part, None])
    # What is left of the gradient bends a flat direction a little; to first order it stays flat, which this tells
    first_order = scaled[:, columns].T @ scaled[:, columns] + np.diag(to_numpy(at.diagonal)[0][columns])
    inverse = _inverse(0.5 * (hessian + hessian.T))
    if inverse is None or _inverse(first_order) is None:
        return None
    total[np.ix_(columns, columns)] = inverse
    return total, free


def _inverse(hessian: Floats) -> Floats | None:
    """Invert a positive definite matrix whose rows may differ much in scale."""
    diagonal = np.diag(hessian)
    if not np.isfinite(hessian).all() or (diagonal <= 0).any():
        return None
    scale = 1.0 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(hessian * scale[:, None] * scale[None, :])
    if values[0] < _FLAT:
        return None
    return np.asarray((vectors / values) @ vectors.T * scale[:, None] * scale[None, :])
