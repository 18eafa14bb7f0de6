"""Where else a likelihood may have a minimum: starts for a second look at fits that pull parameters far.

One-sided systematics make likelihoods with several minima, most of which differ in the sign of a single alpha: shifted up or
down, such a systematic changes the rates alike. A flipped alpha is judged by the likelihood there: where it is not low the way
leads back, and so it does unless the likelihood is lower than a parabola through the known minimum would have it.
"""

import numpy as np

from pyhf_endpoint.histfactory.arrays import Floats, to_numpy
from pyhf_endpoint.histfactory.fits import Fit, Fitter, Flags, Integers
from pyhf_endpoint.histfactory.minimise import distance

__all__ = ["flips", "idle", "mirrored"]

_PULL = 0.1  # of an alpha that is worth flipping; nearer to zero it may be on the top between two wells
_WELLS = (-0.6, 0.6)  # where these are then sought: alphas of order 1 are what wells are made of
# and the curvature at zero, relative to its constraint's, that its one-sidedness takes off. With -1 a double well begins; what is
# taken off changes between the minimum, where it is looked up, and zero.
_BENT = -0.75
# Rise to the flipped alpha, over the curvature that one-sidedness takes off times its square, from which on there is no minimum
# there: a double well a**4 / 4 - b a**2 / 2 + t a has then just lost its upper one.
_WELL = 2 / 3
_DEEP = -1.5  # curvature at zero below which the other well is looked into at any height: other parameters may bring it down
_PARABOLA = 1.3  # rise over estimated distance from which on the way leads back; 1 where the likelihood is a parabola
_BLOCK = 48  # points evaluated at once


def flips(fitter: Fitter, fit: Fit, rows: Integers) -> list[tuple[Floats, Integers]]:
    """Starts [H, P] with one alpha flipped each, with the rows in which that may lead to another minimum."""
    alphas, model = fitter.batch.sizes.alphas, fit.model
    if not len(rows) or not alphas:
        return []
    some, theta = model.take(rows), fit.theta[rows]
    bent = to_numpy(some.bend(some.xp.asarray(theta)))
    place, column, value = _other_sides(theta[:, :alphas], np.where(fit.fixed[rows][:, :alphas], 0.0, bent))
    if not len(place):
        return []
    flipped = theta[place]
    flipped[np.arange(len(place)), column] = value
    inside = np.clip(flipped, fitter.batch.lower[rows[place]], fitter.batch.upper[rows[place]])
    flipped = np.where(fit.fixed[rows[place]], flipped, inside)
    rise = np.concatenate([_heights(fit, rows[place[part]], flipped[part]) for part in _blocks(len(place))])
    bent_there = bent[place, column]
    low = np.nonzero((rise < -_WELL * bent_there * theta[place, column] ** 2) | (bent_there < _DEEP))[0]
    promising = [part[_promising(fit, rows[place[part]], flipped[part])] for part in (low[block] for block in _blocks(len(low)))]
    chosen = np.concatenate([low[:0], *promising])
    return _by_rank(fit, rows[place[chosen]], flipped[chosen])


def _other_sides(alphas: Floats, bent: Floats) -> tuple[Integers, Integers, Floats]:
    """Rows, sorted, and columns [N] of alphas that may have another well, and where in it to start."""
    pulled = np.abs(alphas) > _PULL
    flipped = np.nonzero(pulled & (bent < _BENT))
    on_top = np.nonzero(~pulled & (bent < -1.0))
    place, column = (np.concatenate([first, second, second]) for first, second in zip(flipped, on_top, strict=True))
    value = np.concatenate([-alphas[flipped], *(np.full(len(on_top[0]), well) for well in _WELLS)])
    order = np.argsort(place, kind="stable")
    return place[order], column[order], value[order]


def _blocks(count: int) -> list[slice]:
    return [slice(first, first + _BLOCK) for first in range(0, count, _BLOCK)]


def _heights(fit: Fit, rows: Integers, theta: Floats) -> Floats:
    """How much higher the likelihood [N] is at `theta` [N, P] than at the minimum of each row."""
    model = fit.model.take(rows)
    with np.errstate(all="ignore"):
        return np.asarray(to_numpy(model.nll(model.xp.asarray(theta))) - fit.nll[rows])


def _promising(fit: Fit, rows: Integers, theta: Floats) -> Flags:
    """Whether the likelihood at `theta` [N, P] is lower than a parabola through the known minimum of each row."""
    nll, edm = distance(fit.model.take(rows), theta, fit.fixed[rows])
    with np.errstate(invalid="ignore"):  # where both are infinite
        return np.asarray(nll - fit.nll[rows] < _PARABOLA * edm)


def _by_rank(fit: Fit, rows: Integers, theta: Floats) -> list[tuple[Floats, Integers]]:
    """The first start of each row, the second of each that has two, and so on; `rows` is sorted."""
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    found = []
    for number in range(rank.max(initial=-1) + 1):
        start = np.array(fit.theta)
        start[rows[rank == number]] = theta[rank == number]
        found.append((start, rows[rank == number]))
    return found


def mirrored(fitter: Fitter, fit: Fit, rows: Integers) -> Floats:
    """Start [H, P] with all one-sided alphas flipped together in some rows: such alphas may hold each other in place."""
    start, model = np.array(fit.theta), fit.model.take(rows)
    with np.errstate(all="ignore"):
        bent = to_numpy(model.bend(model.xp.asarray(fit.theta[rows])))
    flipped = np.array(fit.theta[rows])
    flipped[:, : bent.shape[1]] *= np.where(bent < _BENT, -1.0, 1.0)
    inside = np.clip(flipped, fitter.batch.lower[rows], fitter.batch.upper[rows])
    start[rows] = np.where(fit.fixed[rows], start[rows], inside)
    return start


def idle(fitter: Fitter, fit: Fit) -> list[tuple[Floats, Integers]]:
    """A start [H, P] for rows with a factor at zero that leaves other factors of its samples nothing to multiply.

    The likelihood is flat along these, a saddle more often than a minimum: with the other sign of one of them, the factor at zero
    may well want to grow. They and those at a bound begin anew, with the other sign where they may have it.
    """
    batch, free = fitter.batch, fitter.unconstrained
    theta, moving = fit.theta[:, free], ~fit.fixed[:, free]
    rows = np.nonzero(((theta == 0) & moving).any(axis=1) & np.isfinite(fit.nll))[0]
    if not len(rows):
        return []
    model = fit.model.take(rows)
    with np.errstate(all="ignore"):
        columns = to_numpy(model.jacobian(model.xp.asarray(fit.theta[rows])))[:, :, free]
    useless = moving[rows] & ~np.abs(columns).any(axis=1)
    some = useless.any(axis=1)
    rows, useless = rows[some], useless[some]
    lower, upper, init = batch.lower[rows][:, free], batch.upper[rows][:, free], batch.init[rows][:, free]
    anew = np.where(lower < 0, np.where(init > 0, -init, -1.0), init)
    at_bound = moving[rows] & ((theta[rows] <= lower) | (theta[rows] >= upper))
    start = np.array(fit.theta)
    start[rows, free] = np.where(useless | at_bound, np.clip(anew, lower, upper), theta[rows])
    return [(start, rows)]
