"""Minimise all likelihoods of a batch at once: projected quasi-Newton steps, converged rows leave.

The Hessian is approximated by `newton`'s and corrected by the last ten changes of the gradient (L-BFGS, Nocedal & Wright,
algorithm 7.4, with Newton's matrix as H0). Parameters at a bound that the gradient pushes against are held there. A row has
converged when its estimated distance to the minimum (EDM, the decrease that the quadratic model predicts) is small.

A remembered change may mislead: one step into a place where the likelihood is all but infinite (a shapesys with few auxiliary
counts near zero) teaches an enormous curvature, which makes every later step and EDM along it tiny. Such changes are not
remembered, and no row has converged before Newton's step alone, which remembers nothing, agrees that the minimum is close.
"""

from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Array, Floats, put, take, to_numpy
from pyhf_endpoint.histfactory.kinks import Kinks
from pyhf_endpoint.histfactory.likelihood import Evaluation, Model
from pyhf_endpoint.histfactory.newton import newton

__all__ = ["Minimum", "distance", "minimise"]

_MEMORY = 10
_SHRINK = 0.3  # of a step that did not decrease the likelihood enough
_SMALLEST_STEP = 1e-9
_COMPACT = 0.85  # rows are dropped once no more than this share is still moving
_ROUNDING = 1e-13  # relative to the likelihood: changes below it are rounding
_STIFFER = 1e3  # curvature along a step, relative to what was expected, that is not of the minimum's surroundings
_FLAT = 1e-4  # damping, see `newton`: nothing whose likelihood changes by more than 5e-7 over a parameter's range counts as flat
_DAMPED = 10.0  # the same after a step that did not decrease the likelihood enough
_DOUBT = 10.0  # factor between the EDM of Newton's step alone and that with what was remembered; usually 0.5 to 3


@dataclass(frozen=True)
class Minimum:
    """Result of each row, in the host's memory."""

    theta: Floats
    """[H, P]"""
    nll: Floats
    """[H] saturated; the EDM is already subtracted, which leaves an error of second order."""
    edm: Floats
    """[H]"""
    iterations: npt.NDArray[np.intp]
    converged: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _State:
    """Where each row is, [H, ...]."""

    theta: Array
    nll: Array
    gradient: Array
    jacobian: Array
    weight: Array
    diagonal: Array
    step: Array
    """[H] share of the direction that the next step takes."""
    fixed: Array

    def curvature(self) -> Evaluation:
        return Evaluation(self.nll, self.gradient, self.jacobian, self.weight, self.diagonal)

    def damping(self, xp: ModuleType) -> Array:
        """[H] see `newton`."""
        return xp.where(self.step == 1, _FLAT, _DAMPED)


class _Memory:
    """The last changes of parameters and gradient."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Array, Array, Array]] = []

    def add(self, change: Array, response: Array, rho: Array) -> None:
        self.pairs = [*self.pairs[-_MEMORY + 1 :], (change, response, rho)]

    def take(self, rows: Array) -> None:
        self.pairs = [(change[rows], response[rows], rho[rows]) for change, response, rho in self.pairs]

    def forget(self, xp: object, rows: Array) -> None:
        self.pairs = [(change, response, xp.where(rows, 0.0, rho)) for change, response, rho in self.pairs]  # type: ignore[attr-defined]


def minimise(model: Model, start: Array, fixed: Array, *, tolerance: Array = 1e-9, limit: int = 150) -> Minimum:
    """Minimise the negative log-likelihood of every row within its bounds.

    Args:
        model: The likelihoods.
        start: [H, P] where to start; clipped to the bounds.
        fixed: [H, P] parameters that stay at their starting value.
        tolerance: On the EDM, a number or [H].
        limit: Number of iterations.

    Returns:
        Rows that did not converge are marked, not raised: those whose start is outside the likelihood's domain, whose steps
        became too small, or that ran into `limit`.
    """
    xp = model.xp
    fixed = xp.asarray(fixed)
    start = xp.asarray(start)
    theta = xp.where(fixed, start, xp.minimum(xp.maximum(start, model.rows.lower), model.rows.upper))
    kinks = Kinks(model)
    with np.errstate(all="ignore"):
        return _loop(model, kinks, theta, fixed, np.broadcast_to(tolerance, (theta.shape[0],)), limit)


def _loop(model: Model, kinks: Kinks, theta: Array, fixed: Array, tolerance: Floats, limit: int) -> Minimum:
    xp, count = model.xp, theta.shape[0]
    at, kinks = kinks.evaluate(model, theta)
    state = _State(theta, at.nll, at.gradient, at.jacobian, at.weight, at.diagonal, xp.ones(count), fixed)
    memory = _Memory()
    result = _blank(theta)
    rows = np.arange(count)
    live = to_numpy(xp.isfinite(state.nll)).copy()
    for iteration in range(1, limit + 1):
        direction, edm = _direction(model, kinks, state, memory)
        close, stuck = to_numpy(edm) < tolerance[rows], to_numpy(state.step < _SMALLEST_STEP)
        done = live & ((close & to_numpy(state.step == 1)) | stuck)
        close = done & ~stuck
        if close.any():
            direction, edm, doubtful = _doubt(model, kinks, state, memory, (direction, edm), close, tolerance[rows])
            done &= ~doubtful
        if done.any():
            _record(result, rows, done, state, edm, iteration, converged=~stuck)
            live &= ~done
        if not live.any():
            break
        if live.sum() <= _COMPACT * len(live):
            rows, keep = rows[live], np.nonzero(live)[0]
            model, kinks, state, direction = model.take(keep), kinks.take(keep), take(state, keep), direction[keep]
            memory.take(keep)
            live = np.ones(len(keep), dtype=bool)
        state, kinks = _advance(model, kinks, state, direction, memory)
    if live.any():
        _, edm = _direction(model, kinks, state, memory)
        _record(result, rows, live, state, edm, limit, converged=np.zeros(len(live), dtype=bool))
    return result


def _blank(theta: Array) -> Minimum:
    """What is known of rows before they have moved."""
    count = theta.shape[0]
    missing = np.full(count, np.inf)
    return Minimum(
        np.array(to_numpy(theta)), missing, missing.copy(), np.zeros(count, dtype=np.intp), np.zeros(count, dtype=bool)
    )


def _record(
    result: Minimum,
    rows: npt.NDArray[np.intp],
    which: npt.NDArray[np.bool_],
    state: _State,
    edm: Array,
    iteration: int,
    *,
    converged: npt.NDArray[np.bool_],
) -> None:
    """Copy the rows `which` into the result's arrays."""
    target, estimate = rows[which], to_numpy(edm)[which]
    result.theta[target] = to_numpy(state.theta)[which]
    result.nll[target] = to_numpy(state.nll)[which] - np.where(converged[which], estimate, 0.0)
    result.edm[target], result.iterations[target], result.converged[target] = estimate, iteration, converged[which]


def _free(model: Model, kinks: Kinks, state: _State) -> Array:
    """[H, P] 1 where a parameter may move, 0 where it is fixed or pressed against a bound or into a kink."""
    at_lower = (state.theta <= model.rows.lower) & (state.gradient > 0)
    at_upper = (state.theta >= model.rows.upper) & (state.gradient < 0)
    return 1.0 - (at_lower | at_upper | state.fixed | kinks.held)


def _direction(model: Model, kinks: Kinks, state: _State, memory: _Memory) -> tuple[Array, Array]:
    """Direction of descent [H, P] and EDM [H]."""
    xp = model.xp
    free, curvature = _free(model, kinks, state), state.curvature()
    vector = state.gradient * free
    shares = []
    for change, response, rho in reversed(memory.pairs):
        share = (rho * xp.einsum("hp,hp->h", change, vector))[:, None]
        shares.append(share)
        vector = vector - share * response
    step = newton(model, curvature, vector, free, state.damping(xp))
    for (change, response, rho), share in zip(memory.pairs, reversed(shares), strict=True):
        correction = (rho * xp.einsum("hp,hp->h", response, step))[:, None]
        step = step + (share - correction) * change
    step = step * free
    edm = 0.5 * xp.einsum("hp,hp->h", state.gradient, step)
    uphill = ~(edm >= 0)
    index = np.nonzero(to_numpy(uphill))[0]
    if len(index):  # the remembered changes mislead: forget them
        memory.forget(xp, uphill)
        plain, plain_edm = _plain(model, kinks, state, index)
        return put(-step, index, plain), put(edm, index, plain_edm)
    return -step, edm


def _plain(model: Model, kinks: Kinks, state: _State, index: npt.NDArray[np.intp]) -> tuple[Array, Array]:
    """Newton's direction and EDM of some rows, without what was remembered."""
    few, here = model.take(index), take(state, index)
    free = _free(few, kinks.take(index), here)
    step = newton(few, here.curvature(), here.gradient, free, here.damping(model.xp))
    return -step, 0.5 * (here.gradient * step).sum(axis=1)


def _doubt(
    model: Model,
    kinks: Kinks,
    state: _State,
    memory: _Memory,
    found: tuple[Array, Array],
    close: npt.NDArray[np.bool_],
    tolerance: Floats,
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Hold rows that seem to have converged against Newton's step alone; those that it contradicts forget and take that step."""
    direction, edm = found
    index = np.nonzero(close)[0]
    plain, plain_edm = _plain(model, kinks, state, index)
    wrong = ~(to_numpy(plain_edm) <= _DOUBT * tolerance[index])
    doubtful = np.zeros(len(close), dtype=bool)
    if wrong.any():
        index, kept = index[wrong], np.nonzero(wrong)[0]
        doubtful[index] = True
        memory.forget(model.xp, model.xp.asarray(doubtful))
        direction, edm = put(direction, index, plain[kept]), put(edm, index, plain_edm[kept])
    return direction, edm, doubtful


def _advance(model: Model, kinks: Kinks, state: _State, direction: Array, memory: _Memory) -> tuple[_State, Kinks]:
    """Try the next point; rows where it is too bad stay, with a smaller step, but learn from it."""
    xp = model.xp
    lower, upper = kinks.bounds(model, state.theta)
    moved = xp.minimum(xp.maximum(state.theta + state.step[:, None] * direction, lower), upper)
    theta = xp.where(state.fixed, state.theta, moved)
    at, reached = kinks.evaluate(model, theta)
    change = theta - state.theta
    response = reached.same_side(kinks, at.gradient, theta) - state.gradient
    promised = xp.minimum((state.gradient * change).sum(axis=1), 0.0)
    accepted = at.nll <= state.nll + 1e-4 * promised + _ROUNDING * xp.abs(state.nll)
    product = (change * response).sum(axis=1)
    size = xp.sqrt((change * change).sum(axis=1) * (response * response).sum(axis=1))
    expected = -state.step * state.step * (state.gradient * direction).sum(axis=1)
    good = xp.isfinite(at.nll) & (product > 1e-8 * size) & (product < _STIFFER * expected)
    memory.add(change, xp.where(good[:, None], response, 0.0), xp.where(good, 1.0 / xp.where(good, product, 1.0), 0.0))
    step = xp.where(accepted, 1.0, state.step * _SHRINK)
    if bool(accepted.all()):
        state = _State(theta, at.nll, at.gradient, at.jacobian, at.weight, at.diagonal, step, state.fixed)
        return state, reached
    flat, deep = accepted[:, None], accepted[:, None, None]
    kept = replace(
        state,
        theta=xp.where(flat, theta, state.theta),
        nll=xp.where(accepted, at.nll, state.nll),
        gradient=xp.where(flat, at.gradient, state.gradient),
        jacobian=xp.where(deep, at.jacobian, state.jacobian),
        weight=xp.where(flat, at.weight, state.weight),
        diagonal=xp.where(flat, at.diagonal, state.diagonal),
        step=step,
    )
    return kept, reached.where(flat, kinks)


def distance(model: Model, theta: Array, fixed: Array) -> tuple[Floats, Floats]:
    """Likelihood [H] and EDM [H] at a point, from the Newton step alone."""
    xp = model.xp
    fixed, theta = xp.asarray(fixed), xp.asarray(theta)
    with np.errstate(all="ignore"):
        at, kinks = Kinks(model).evaluate(model, theta)
        state = _State(theta, at.nll, at.gradient, at.jacobian, at.weight, at.diagonal, xp.ones(theta.shape[0]), fixed)
        edm = _direction(model, kinks, state, _Memory())[1]
    return np.array(to_numpy(at.nll)), np.array(to_numpy(edm))
