"""Newton steps with the approximate Hessian J' diag(w) J + diag(D), for all rows at once."""

from typing import TYPE_CHECKING

from pyhf_endpoint.histfactory.arrays import Array

if TYPE_CHECKING:
    from pyhf_endpoint.histfactory.likelihood import Evaluation, Model

__all__ = ["newton"]

_RIDGE = 1e-10  # relative; keeps parameters that the data cannot tell apart from making the system singular


def newton(model: "Model", at: "Evaluation", vector: Array, free: Array, damping: Array) -> Array:
    """Multiply the inverse of the approximate Hessian, restricted to free parameters, to a vector.

    Args:
        model: Gives the array namespace and the sizes.
        at: Where the Hessian is taken.
        vector: [H, P]
        free: [H, P] ones and zeros.
        damping: [H] curvature given to parameters without a constraint, in units of their allowed range. It keeps steps within
            reach along valleys, in which parameters compensate each other.

    Returns:
        [H, P], zero where not free.
    """
    xp = model.xp
    scaled = at.jacobian * xp.sqrt(at.weight)[:, :, None]
    bounded = model.sizes.parameters - model.sizes.free
    span = model.rows.upper[:, bounded:] - model.rows.lower[:, bounded:]
    flat = damping[:, None] / xp.maximum(span * span, 1e-30)
    diagonal = xp.concatenate([at.diagonal[:, :bounded], flat], axis=1)
    if model.sizes.bins < model.sizes.parameters:
        return _by_bins(model, scaled, diagonal, vector * free, free)
    return _by_parameters(model, scaled * free[:, None, :], diagonal, vector * free, free)


def _by_parameters(model: "Model", scaled: Array, diagonal: Array, vector: Array, free: Array) -> Array:
    """One P x P system a row."""
    xp = model.xp
    hessian = xp.matmul(xp.swapaxes(scaled, 1, 2), scaled)
    own = (scaled * scaled).sum(axis=1)
    diagonal = diagonal * free + (1.0 - free) + _RIDGE * own + 1e-30
    system = hessian + diagonal[:, :, None] * xp.eye(model.sizes.parameters)
    return xp.linalg.solve(system, vector[:, :, None])[:, :, 0] * free


def _by_bins(model: "Model", scaled: Array, diagonal: Array, vector: Array, free: Array) -> Array:
    """The Woodbury identity on constrained parameters, the Schur complement on free ones: a B x B and a U x U system a row."""
    xp, sizes = model.xp, model.sizes
    bounded = sizes.parameters - sizes.free
    inner, outer = scaled[:, :, :bounded], scaled[:, :, bounded:] * free[:, None, bounded:]
    inverse = free[:, :bounded] / xp.maximum(diagonal[:, :bounded], 1e-12)
    spread = inner * inverse[:, None, :]
    kernel = xp.matmul(spread, xp.swapaxes(inner, 1, 2)) + xp.eye(sizes.bins)
    right = xp.concatenate([xp.matmul(spread, vector[:, :bounded, None]), outer], axis=2)
    solved = xp.linalg.solve(kernel, right)
    reduced, through = solved[:, :, 0], solved[:, :, 1:]
    transposed = xp.swapaxes(outer, 1, 2)
    schur = xp.matmul(transposed, through)
    identity = xp.eye(sizes.free)
    size = (schur * identity).sum(axis=2)
    schur = schur + identity * ((1.0 - free[:, bounded:]) + diagonal[:, bounded:] + _RIDGE * size)[:, :, None]
    target = vector[:, bounded:] - xp.matmul(transposed, reduced[:, :, None])[:, :, 0]
    unbound = xp.linalg.solve(schur, target[:, :, None])[:, :, 0] * free[:, bounded:]
    rest = reduced + xp.matmul(through, unbound[:, :, None])[:, :, 0]
    constrained = inverse * (vector[:, :bounded] - xp.matmul(rest[:, None, :], inner)[:, 0])
    return xp.concatenate([constrained, unbound], axis=1)
