"""Steps of the descent that `minimise` takes: quasi-Newton directions of many rows, and what they learn from each step.

The Hessian is approximated by `newton`'s and corrected by the last few changes of the gradient (L-BFGS, Nocedal & Wright,
algorithm 7.4, with Newton's matrix as H0). Parameters at a bound that the gradient pushes against are held there.

A remembered change may mislead: one step into a place where the likelihood is all but infinite (a shapesys with few auxiliary
counts near zero) teaches an enormous curvature, which makes every later step and EDM along it tiny. Such changes are not
remembered, and `doubt` holds seeming convergence against Newton's step alone, which remembers nothing.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Array, Floats, join, put, take, to_numpy
from pyhf_endpoint.histfactory.kinks import Kinks
from pyhf_endpoint.histfactory.likelihood import Evaluation, Model
from pyhf_endpoint.histfactory.newton import newton

__all__ = ["Descent", "State"]

_MEMORY = 6
_SHRINK = 0.3  # of a step that did not decrease the likelihood enough
_SMALLEST_STEP = 1e-9
_ROUNDING = 1e-13  # relative to the likelihood: changes below it are rounding
_STIFFER = 1e3  # curvature along a step, relative to what was expected, that is not of the minimum's surroundings
_FLAT = 1e-4  # curvature across a parameter's range that is always assumed; what changes less than 5e-7 there counts as flat
_DAMPED = 10.0  # the same after a step that did not decrease the likelihood enough
_DOUBT = 10.0  # factor between the EDM of Newton's step alone and that with what was remembered; usually 0.5 to 3


@dataclass(frozen=True)
class State:
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
        """The ingredients of Newton's matrix."""
        return Evaluation(self.nll, self.gradient, self.jacobian, self.weight, self.diagonal)


class Descent:
    """Rows that go down side by side: their model, where they are, and the last changes of parameters and gradient.

    Rows that begin are not evaluated yet: `advance` by nothing does that, for them as for those that are on their way.
    """

    def __init__(self, model: Model, theta: Array, fixed: Array) -> None:
        xp, sizes, count = model.xp, model.sizes, theta.shape[0]
        self.model, self.xp = model, xp
        self.kinks = Kinks(model, count)
        jacobian, weight = xp.zeros((count, sizes.bins, sizes.parameters)), xp.zeros((count, sizes.bins))
        nowhere, nothing, ones = xp.full(count, xp.inf), xp.zeros_like(theta), xp.ones(count)
        self.state = State(theta, nowhere, nothing, jacobian, weight, nothing, ones, fixed)
        self.pairs: list[tuple[Array, Array, Array]] = []

    def take(self, rows: npt.NDArray[np.intp]) -> None:
        """Go on with some rows only."""
        self.model, self.kinks, self.state = self.model.take(rows), self.kinks.take(rows), take(self.state, rows)
        self.pairs = [(change[rows], response[rows], rho[rows]) for change, response, rho in self.pairs]

    def join(self, other: "Descent") -> None:
        """Go on with the rows of another descent, which has not been advanced yet, too."""
        xp, count = self.xp, other.state.theta.shape[0]
        self.model, self.kinks = type(self.model).join([self.model, other.model]), self.kinks.join(other.kinks)
        self.state = join([self.state, other.state], xp)
        nothing, none = xp.zeros_like(other.state.theta), xp.zeros(count)
        self.pairs = [
            (xp.concatenate([change, nothing]), xp.concatenate([response, nothing]), xp.concatenate([rho, none]))
            for change, response, rho in self.pairs
        ]

    def stuck(self) -> npt.NDArray[np.bool_]:
        """Which rows' steps have become too small."""
        return np.asarray(to_numpy(self.state.step < _SMALLEST_STEP))

    def direction(self) -> tuple[Array, Array]:
        """Direction of descent [H, P] and EDM [H]."""
        xp, state = self.xp, self.state
        free = self._free()
        vector = state.gradient * free
        shares = []
        for change, response, rho in reversed(self.pairs):
            share = (rho * xp.einsum("hp,hp->h", change, vector))[:, None]
            shares.append(share)
            vector = vector - share * response
        step = newton(xp, state.curvature(), vector, free, self._flat())
        for (change, response, rho), share in zip(self.pairs, reversed(shares), strict=True):
            correction = (rho * xp.einsum("hp,hp->h", response, step))[:, None]
            step = step + (share - correction) * change
        step = step * free
        edm = 0.5 * xp.einsum("hp,hp->h", state.gradient, step)
        uphill = to_numpy(~(edm >= 0))
        if uphill.any():  # the remembered changes mislead: forget them
            self._forget(uphill)
            index = np.nonzero(uphill)[0]
            plain, plain_edm = self._plain(index)
            return put(-step, index, plain), put(edm, index, plain_edm)
        return -step, edm

    def doubt(
        self, found: tuple[Array, Array], close: npt.NDArray[np.bool_], tolerance: Floats
    ) -> tuple[tuple[Array, Array], npt.NDArray[np.bool_]]:
        """Hold rows that seem to have converged against Newton's step alone.

        Args:
            found: What `direction` returned.
            close: [H] the rows.
            tolerance: [H]

        Returns:
            Direction and EDM, and the rows that are contradicted: they have forgotten all and take Newton's step.
        """
        direction, edm = found
        doubtful = np.zeros(len(close), dtype=bool)
        index = np.nonzero(close)[0]
        if not len(index):
            return found, doubtful
        plain, plain_edm = self._plain(index)
        wrong = ~(np.abs(to_numpy(plain_edm)) <= _DOUBT * tolerance[index])
        if wrong.any():
            index, kept = index[wrong], np.nonzero(wrong)[0]
            doubtful[index] = True
            self._forget(doubtful)
            direction, edm = put(direction, index, plain[kept]), put(edm, index, plain_edm[kept])
        return (direction, edm), doubtful

    def advance(self, direction: Array) -> None:
        """Try the next point; rows where it is too bad stay, with a smaller step, but learn from it."""
        xp, state, kinks = self.xp, self.state, self.kinks
        lower, upper = kinks.bounds(self.model, state.theta)
        moved = xp.minimum(xp.maximum(state.theta + state.step[:, None] * direction, lower), upper)
        theta = xp.where(state.fixed, state.theta, moved)
        at, reached = kinks.evaluate(self.model, theta)
        change = theta - state.theta
        self._remember(change, reached.same_side(kinks, at.gradient, theta) - state.gradient, at.nll, direction)
        promised = xp.minimum((state.gradient * change).sum(axis=1), 0.0)
        accepted = at.nll <= state.nll + 1e-4 * promised + _ROUNDING * xp.abs(state.nll)
        step = xp.where(accepted, 1.0, state.step * _SHRINK)
        back = np.nonzero(~to_numpy(accepted))[0]
        reached_state = State(theta, at.nll, at.gradient, at.jacobian, at.weight, at.diagonal, step, state.fixed)
        if len(back):
            stayed = replace(take(state, back), step=step[back])
            both = ((getattr(reached_state, field.name), getattr(stayed, field.name)) for field in fields(State))
            reached_state = State(*(new if new is state.fixed else put(new, back, old) for new, old in both))
            reached = reached.where(accepted[:, None], kinks)
        self.state, self.kinks = reached_state, reached

    def _remember(self, change: Array, response: Array, nll: Array, direction: Array) -> None:
        xp, state = self.xp, self.state
        product = (change * response).sum(axis=1)
        size = xp.sqrt((change * change).sum(axis=1) * (response * response).sum(axis=1))
        expected = -state.step * state.step * (state.gradient * direction).sum(axis=1)
        good = xp.isfinite(nll) & (product > 1e-8 * size) & (product < _STIFFER * expected)
        rho = xp.where(good, 1.0 / xp.where(good, product, 1.0), 0.0)
        self.pairs = [*self.pairs[-_MEMORY + 1 :], (change, xp.where(good[:, None], response, 0.0), rho)]

    def _forget(self, rows: npt.NDArray[np.bool_]) -> None:
        xp = self.xp
        gone = xp.asarray(rows)
        self.pairs = [(change, response, xp.where(gone, 0.0, rho)) for change, response, rho in self.pairs]

    def _plain(self, rows: npt.NDArray[np.intp]) -> tuple[Array, Array]:
        """Newton's direction and EDM of some rows, without what was remembered."""
        few, free = take(self.state, rows), self._free()[rows]
        step = newton(self.xp, few.curvature(), few.gradient, free, self._flat()[rows])
        return -step, 0.5 * (few.gradient * step).sum(axis=1)

    def _free(self) -> Array:
        """[H, P] 1 where a parameter may move, 0 where it is fixed or pressed against a bound or into a kink."""
        state, rows = self.state, self.model.rows
        at_lower = (state.theta <= rows.lower) & (state.gradient > 0)
        at_upper = (state.theta >= rows.upper) & (state.gradient < 0)
        return 1.0 - (at_lower | at_upper | state.fixed | self.kinks.held)

    def _flat(self) -> Array:
        """[H, U] curvature given to parameters without a constraint, see `newton`."""
        xp, rows, sizes = self.xp, self.model.rows, self.model.sizes
        bounded = sizes.parameters - sizes.free
        span = rows.upper[:, bounded:] - rows.lower[:, bounded:]
        return xp.where(self.state.step == 1, _FLAT, _DAMPED)[:, None] / xp.maximum(span * span, 1e-30)
