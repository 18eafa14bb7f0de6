"""Where else a likelihood may have a minimum: starts for a second look at fits that pull parameters far.

One-sided systematics make likelihoods with several minima, most of which differ in the sign of a single alpha: shifted up or
down, such a systematic changes the rates alike. Flipping an alpha is judged by one evaluation: unless the likelihood there is
lower than a parabola through the known minimum would have it, the way from there leads back.
"""

import numpy as np

from pyhf_endpoint.histfactory.arrays import Floats, to_numpy
from pyhf_endpoint.histfactory.fits import Fit, Fitter, Integers
from pyhf_endpoint.histfactory.minimise import distance

__all__ = ["flips", "mirrored"]

_PULL = 0.3  # of an alpha that is worth flipping
_BENT = -0.05  # and the curvature, relative to its constraint's, that its one-sidedness takes off the likelihood
_PARABOLA = 0.95  # rise over estimated distance from which on the way leads back
_MIRROR = -0.5


def flips(fitter: Fitter, fit: Fit, rows: Integers) -> list[tuple[Floats, Integers]]:
    """Starts [H, P] with one alpha flipped each, with the rows in which that may lead to another minimum."""
    hist, model = fitter.batch.sizes.hist, fit.model
    if not len(rows) or not hist:
        return []
    some, theta = model.take(rows), fit.theta[rows]
    bent = to_numpy(some.bend(some.xp.asarray(theta)))
    worth = (np.abs(theta[:, :hist]) > _PULL) & (bent < _BENT) & ~fit.fixed[rows][:, :hist]
    place, column = np.nonzero(worth)
    if not len(place):
        return []
    flipped = theta[place]
    flipped[np.arange(len(place)), column] *= -1
    inside = np.clip(flipped, fitter.batch.lower[rows[place]], fitter.batch.upper[rows[place]])
    flipped = np.where(fit.fixed[rows[place]], flipped, inside)
    nll, edm = _judged(fit, rows[place], flipped)
    promising = nll - fit.nll[rows[place]] < _PARABOLA * edm
    return _by_rank(fit, rows[place[promising]], flipped[promising])


def _judged(fit: Fit, rows: Integers, theta: Floats, block: int = 48) -> tuple[Floats, Floats]:
    parts = [
        distance(
            fit.model.take(rows[first : first + block]), theta[first : first + block], fit.fixed[rows[first : first + block]]
        )
        for first in range(0, len(rows), block)
    ]
    return np.concatenate([nll for nll, _ in parts]), np.concatenate([edm for _, edm in parts])


def _by_rank(fit: Fit, rows: Integers, theta: Floats) -> list[tuple[Floats, Integers]]:
    """The first start of each row, the second of each that has two, and so on; `rows` is sorted."""
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    found = []
    for number in range(rank.max(initial=-1) + 1):
        start = np.array(fit.theta)
        start[rows[rank == number]] = theta[rank == number]
        found.append((start, rows[rank == number]))
    return found


def mirrored(fitter: Fitter, fit: Fit) -> Floats:
    """Start [H, P] with all alphas on the other side, where several one-sided shifts fit about as well."""
    alphas = np.arange(fitter.batch.sizes.parameters) < fitter.batch.sizes.alphas
    theta = np.where(alphas & ~fit.fixed, _MIRROR * fit.theta, fit.theta)
    return np.asarray(np.where(fit.fixed, theta, np.clip(theta, fitter.batch.lower, fitter.batch.upper)))
