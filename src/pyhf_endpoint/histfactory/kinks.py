"""Parameters whose interpolation has a kink at zero (histosys code0, normsys code1), and how a descent deals with it.

Each step stays on one side of every kink, as in orthant-wise descent (Andrew & Gao, ICML 2007): a parameter that would cross
zero stops there, and goes on from there to whichever side descends, or is held if neither does.
"""

from typing import TYPE_CHECKING

from pyhf_endpoint.histfactory.arrays import Array
from pyhf_endpoint.histfactory.interpolate import SMOOTH_CODES

if TYPE_CHECKING:
    from pyhf_endpoint.histfactory.likelihood import Evaluation, Model

__all__ = ["Kinks"]


class Kinks:
    """State of the kinks at one point of each row; without kinked codes it does nothing."""

    def __init__(self, model: "Model", count: int) -> None:
        xp, sizes = model.xp, model.sizes
        self.xp = xp
        column = xp.arange(sizes.parameters)
        moves = (column < sizes.hist) & (model.batch.histosys not in SMOOTH_CODES)
        scales = (column >= sizes.alphas - sizes.norm) & (column < sizes.alphas) & (model.batch.normsys not in SMOOTH_CODES)
        self.kinked: Array = (moves | scales)[None, :]
        self.active = not {model.batch.histosys, model.batch.normsys} <= SMOOTH_CODES
        shape = (count, sizes.parameters) if self.active else (1, 1)
        self.held: Array = xp.zeros(shape, dtype=bool)
        """[H, P] at a kink that descends on neither side."""
        self.side: Array = xp.ones(shape)
        """[H, P] +1 or -1: the side on which a row moves next, or on which it lies."""
        self.slopes: tuple[Array, Array] = xp.zeros(shape), xp.zeros(shape)
        """Gradients from the left and from the right."""

    def evaluate(self, model: "Model", theta: Array) -> tuple["Evaluation", "Kinks"]:
        """Evaluate the likelihood at `theta`, at a kink on the side to which it descends, with the state there."""
        if not self.active:
            return model.evaluate(theta), self
        xp = self.xp
        ones = xp.ones_like(theta)
        right, left = model.evaluate(theta, ones), model.evaluate(theta, -ones)
        at_kink = self.kinked & (theta == 0)
        leftward = at_kink & (left.gradient > 0) & ~(right.gradient < 0)
        reached = self._next()
        reached.slopes = (left.gradient, right.gradient)
        reached.held = at_kink & (left.gradient <= 0) & (right.gradient >= 0)
        reached.side = xp.where(at_kink, xp.where(leftward, -1.0, 1.0), xp.where(theta < 0, -1.0, 1.0))
        at = type(right)(
            right.nll,
            xp.where(leftward, left.gradient, right.gradient),
            xp.where(leftward[:, None, :], left.jacobian, right.jacobian),
            right.weight,
            right.diagonal,
        )
        return at, reached

    def bounds(self, model: "Model", theta: Array) -> tuple[Array, Array]:
        """Bounds of the next step [H, P]: those of the model, and zero for parameters that would cross it."""
        lower, upper = model.rows.lower, model.rows.upper
        if not self.active:
            return lower, upper
        xp = self.xp
        above = self.kinked & ((theta > 0) | ((theta == 0) & (self.side > 0)))
        below = self.kinked & ~above
        return xp.where(above, xp.maximum(lower, 0.0), lower), xp.where(below, xp.minimum(upper, 0.0), upper)

    def same_side(self, before: "Kinks", gradient: Array, theta: Array) -> Array:
        """The gradient as seen from the side where the step began, so that its change is that of a smooth function."""
        if not self.active:
            return gradient
        at_kink = self.kinked & (theta == 0)
        return self.xp.where(at_kink, self.xp.where(before.side < 0, *self.slopes), gradient)

    def where(self, accepted: Array, other: "Kinks") -> "Kinks":
        """This state in the rows `accepted` [H, 1], the other one elsewhere."""
        if not self.active:
            return self
        mixed = self._next()
        mixed.held = self.xp.where(accepted, self.held, other.held)
        mixed.side = self.xp.where(accepted, self.side, other.side)
        mixed.slopes = self.slopes
        return mixed

    def join(self, other: "Kinks") -> "Kinks":
        """The rows of both, end to end."""
        if not self.active:
            return self
        both = self._next()
        xp = self.xp
        both.held, both.side = xp.concatenate([self.held, other.held]), xp.concatenate([self.side, other.side])
        left, right = (xp.concatenate(pair) for pair in zip(self.slopes, other.slopes, strict=True))
        both.slopes = (left, right)
        return both

    def take(self, rows: Array) -> "Kinks":
        """Select rows."""
        if not self.active:
            return self
        chosen = self._next()
        chosen.held, chosen.side = self.held[rows], self.side[rows]
        chosen.slopes = (self.slopes[0][rows], self.slopes[1][rows])
        return chosen

    def _next(self) -> "Kinks":
        copy = object.__new__(Kinks)
        copy.__dict__.update(self.__dict__)
        return copy
