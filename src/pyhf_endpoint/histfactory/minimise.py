"""Minimise any number of likelihoods: a few dozen go down side by side, those that arrive make room for the next.

A row has converged when its estimated distance to the minimum (EDM, the decrease that the quadratic model predicts) is small and
Newton's step alone agrees. How the rows go down is told in `descent`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Array, Floats, immutable, to_numpy
from pyhf_endpoint.histfactory.descent import Descent
from pyhf_endpoint.histfactory.likelihood import Model

__all__ = ["Known", "Minimum", "distance", "minimise", "minimise_rows"]

Integers = npt.NDArray[np.intp]

_SIDE_BY_SIDE = 48  # rows: enough to share the interpreter's overhead, few enough for the processor's caches
_COMPACT = 0.85  # rows are dropped once no more than this share is still moving
_ROOM = 0.25  # share of the places that must be free before rows that wait get them
_NEAR = 0.01  # EDM below which a row belongs to the minimum that it is close to


@dataclass(frozen=True)
class Minimum:
    """Result of each row, in the host's memory."""

    theta: Floats
    """[H, P]"""
    nll: Floats
    """[H] saturated; the EDM is already subtracted, which leaves an error of second order."""
    edm: Floats
    """[H]"""
    iterations: Integers
    converged: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Known:
    """A minimum of each row that is known already: fits that end there or in a higher one are given up."""

    nll: Floats
    """[H] infinite where none is known."""
    theta: Floats
    """[H, P]"""
    stiffness: Floats
    """[H, P] curvature of the constraints, which tells how far a point is from the minimum."""

    def reached(self, rows: Integers, theta: Floats, nll: Floats, edm: Floats) -> npt.NDArray[np.bool_]:
        """Whether rows are on their way to the known minimum or to a higher one."""
        gap = nll - self.nll[rows]
        apart = theta - self.theta[rows]
        away = 0.5 * np.einsum("hp,hp,hp->h", self.stiffness[rows], apart, apart)
        same = (edm < _NEAR) & (np.abs(gap - edm) < 0.3 * edm + 1e-9) & (away < 2 * edm + 1e-9)
        higher = (edm < 5 * _NEAR) & (gap > 4 * edm + 1e-9)
        return np.asarray(same | higher)


@dataclass
class _Fits:
    """All rows of one call: what to do, and what was found."""

    tolerance: Floats
    limit: Integers
    known: Known | None
    found: Minimum

    def record(self, rows: Integers, which: npt.NDArray[np.bool_], at: tuple[Descent, Array], *, converged: Array) -> None:
        """Keep where the rows `which` of those side by side are."""
        descent, edm = at
        target, estimate, settled = rows[which], to_numpy(edm)[which], converged[which]
        self.found.theta[target] = to_numpy(descent.state.theta)[which]
        self.found.nll[target] = to_numpy(descent.state.nll)[which] - np.where(settled, estimate, 0.0)
        self.found.edm[target], self.found.converged[target] = estimate, settled


def minimise(model: Model, start: Array, fixed: Array, *, tolerance: Array = 1e-9, limit: Array = 150) -> Minimum:
    """Minimise the negative log-likelihood of every row within its bounds.

    Args:
        model: The likelihoods.
        start: [H, P] where to start; clipped to the bounds.
        fixed: [H, P] parameters that stay at their starting value.
        tolerance: On the EDM, a number or [H].
        limit: Number of iterations, a number or [H].

    Returns:
        Rows that did not converge are marked, not raised: those whose start is outside the likelihood's domain, whose steps
        became too small, or that ran into `limit`.
    """
    return minimise_rows(model.take, start, fixed, tolerance=tolerance, limit=limit)


def minimise_rows(
    pick: Callable[[Integers], Model],
    start: Floats,
    fixed: npt.NDArray[np.bool_],
    *,
    tolerance: Array = 1e-9,
    limit: Array = 150,
    known: Known | None = None,
) -> Minimum:
    """As `minimise`, but the model of the rows with given numbers is asked for when their turn has come.

    Args:
        pick: From numbers of rows [N] to their model.
        start: [H, P]
        fixed: [H, P]
        tolerance: On the EDM, a number or [H].
        limit: Number of iterations, a number or [H].
        known: Minima that are not to be found again; rows that are on their way there are marked as not converged.
    """
    start = np.asarray(to_numpy(start))
    count, missing = len(start), np.full(len(start), np.inf)
    blank = Minimum(np.array(start), missing, missing.copy(), np.zeros(count, dtype=np.intp), np.zeros(count, dtype=bool))
    fits = _Fits(np.broadcast_to(tolerance, count), np.broadcast_to(limit, count), known, blank)
    with np.errstate(all="ignore"):
        _loop(pick, start, np.asarray(to_numpy(fixed)), fits)
    return fits.found


def _begin(pick: Callable[[Integers], Model], rows: Integers, start: Floats, fixed: npt.NDArray[np.bool_]) -> Descent:
    model = pick(rows)
    xp = model.xp
    held, theta = xp.asarray(fixed[rows]), xp.asarray(start[rows])
    inside = xp.minimum(xp.maximum(theta, model.rows.lower), model.rows.upper)
    return Descent(model, xp.where(held, theta, inside), held)


def _loop(pick: Callable[[Integers], Model], start: Floats, fixed: npt.NDArray[np.bool_], fits: _Fits) -> None:
    rows = np.zeros(0, dtype=np.intp)
    live = np.zeros(0, dtype=bool)
    descent: Descent | None = None
    direction: Array = None
    begun = 0
    while True:
        if descent is not None:
            direction = _settle(descent, rows, live, fits)
            if live.sum() <= (0.0 if immutable(direction) else _COMPACT) * len(live):
                kept = np.nonzero(live)[0]
                rows, live = rows[kept], live[kept]
                if len(kept):
                    descent.take(kept)
                    direction = direction[kept]
                else:
                    descent = None
        room = _SIDE_BY_SIDE - len(rows)
        if begun < len(start) and (descent is None or room >= _ROOM * _SIDE_BY_SIDE):
            fresh = np.arange(begun, min(begun + room, len(start)))
            begun = fresh[-1] + 1
            beginning = _begin(pick, fresh, start, fixed)
            nowhere = beginning.xp.zeros_like(beginning.state.theta)
            rows, live = np.concatenate([rows, fresh]), np.concatenate([live, np.ones(len(fresh), dtype=bool)])
            if descent is None:
                descent, direction = beginning, nowhere
            else:
                descent.join(beginning)
                direction = descent.xp.concatenate([direction, nowhere])
        if descent is None:
            return
        descent.advance(direction)
        live &= np.isfinite(to_numpy(descent.state.nll))  # a start outside the likelihood's domain


def _settle(descent: Descent, rows: Integers, live: npt.NDArray[np.bool_], fits: _Fits) -> Array:
    """Record the rows that have arrived or must stop, take them off `live`, and return the direction of the others."""
    found = descent.direction()
    fits.found.iterations[rows[live]] += 1
    whole, stuck = to_numpy(descent.state.step == 1), descent.stuck()
    # Rounding makes an EDM negative: a little at the minimum, but without bound where numbers are too large
    close = live & whole & (np.abs(to_numpy(found[1])) < fits.tolerance[rows])
    (direction, edm), doubtful = descent.doubt(found, close & ~stuck, fits.tolerance[rows])
    arrived = close & ~stuck & ~doubtful
    late = live & (stuck | (fits.found.iterations[rows] >= fits.limit[rows]))
    given_up = np.zeros(len(rows), dtype=bool)
    if fits.known is not None:
        theta, nll, estimate = (to_numpy(array) for array in (descent.state.theta, descent.state.nll, edm))
        given_up = live & whole & fits.known.reached(rows, theta, nll, estimate)
    done = arrived | late | given_up
    if done.any():
        fits.record(rows, done, (descent, edm), converged=arrived & ~given_up)
        live &= ~done
    return direction


def distance(model: Model, theta: Array, fixed: Array) -> tuple[Floats, Floats]:
    """Likelihood [H] and EDM [H] at a point, from the Newton step alone."""
    xp = model.xp
    with np.errstate(all="ignore"):
        descent = Descent(model, xp.asarray(theta), xp.asarray(fixed))
        descent.advance(xp.zeros_like(descent.state.theta))
        edm = descent.direction()[1]
    return np.array(to_numpy(descent.state.nll)), np.array(to_numpy(edm))
