"""Newton steps with the approximate Hessian J' diag(w) J + diag(D), for all rows at once."""

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from pyhf_endpoint.histfactory.arrays import Array

if TYPE_CHECKING:
    from pyhf_endpoint.histfactory.likelihood import Evaluation

__all__ = ["newton"]

_RIDGE = 1e-10  # relative; keeps parameters that the data cannot tell apart from making the system singular


def newton(xp: ModuleType, at: "Evaluation", vector: Array, free: Array, flat: Array) -> Array:
    """Multiply the inverse of the approximate Hessian, restricted to free parameters, to a vector.

    Args:
        xp: Array namespace.
        at: Where the Hessian is taken.
        vector: [H, P]
        free: [H, P] ones and zeros.
        flat: [H, U] curvature given to the last parameters, those without a constraint. It keeps steps within reach along
            valleys, in which parameters compensate each other.

    Returns:
        [H, P], zero where not free.
    """
    root = xp.sqrt(at.weight)[:, :, None]
    if at.jacobian.shape[1] < at.jacobian.shape[2]:
        return _by_bins(xp, (at.jacobian, root), at.diagonal, vector * free, free, flat)
    scaled = at.jacobian * root
    bounded = vector.shape[1] - flat.shape[1]
    diagonal = xp.concatenate([at.diagonal[:, :bounded], flat], axis=1)
    return _by_parameters(xp, scaled * free[:, None, :], diagonal, vector * free, free)


def _by_parameters(xp: ModuleType, scaled: Array, diagonal: Array, vector: Array, free: Array) -> Array:
    """One P x P system a row."""
    hessian = xp.matmul(xp.swapaxes(scaled, 1, 2), scaled)
    own = (scaled * scaled).sum(axis=1)
    diagonal = diagonal * free + (1.0 - free) + _RIDGE * own + 1e-30
    system = hessian + diagonal[:, :, None] * xp.eye(vector.shape[1])
    return _solve(xp, system, vector[:, :, None])[:, :, 0] * free


def _by_bins(xp: ModuleType, factors: tuple[Array, Array], diagonal: Array, vector: Array, free: Array, flat: Array) -> Array:
    """The Woodbury identity on constrained parameters, the Schur complement on free ones: a B x B and a U x U system a row."""
    jacobian, root = factors
    unbound = flat.shape[1]
    bounded = vector.shape[1] - unbound
    inner, outer = jacobian[:, :, :bounded], jacobian[:, :, bounded:] * (free[:, None, bounded:] * root)
    inverse = free[:, :bounded] / xp.maximum(diagonal[:, :bounded], 1e-12)
    # J stays as it is and the small matrices are scaled instead: the largest array is read twice and written once
    kernel = xp.matmul(inner * inverse[:, None, :], xp.swapaxes(inner, 1, 2))
    kernel = kernel * (root * xp.swapaxes(root, 1, 2)) + xp.eye(jacobian.shape[1])
    right = xp.concatenate([xp.matmul(inner, (inverse * vector[:, :bounded])[:, :, None]) * root, outer], axis=2)
    solved = _solve(xp, kernel, right)
    reduced, through = solved[:, :, 0], solved[:, :, 1:]
    transposed = xp.swapaxes(outer, 1, 2)
    schur = xp.matmul(transposed, through)
    identity = xp.eye(unbound)
    size = (schur * identity).sum(axis=2)
    schur = schur + identity * ((1.0 - free[:, bounded:]) + flat + _RIDGE * size)[:, :, None]
    target = vector[:, bounded:] - xp.matmul(transposed, reduced[:, :, None])[:, :, 0]
    last = _solve(xp, schur, target[:, :, None])[:, :, 0] * free[:, bounded:]
    rest = (reduced + xp.matmul(through, last[:, :, None])[:, :, 0]) * root[:, :, 0]
    constrained = inverse * (vector[:, :bounded] - xp.matmul(rest[:, None, :], inner)[:, 0])
    return xp.concatenate([constrained, last], axis=1)


def _solve(xp: ModuleType, matrices: Array, right: Array) -> Array:
    """Solve the system of each row; not a number where a matrix is singular to rounding, which must not stop the other rows."""
    try:
        return xp.linalg.solve(matrices, right)
    except np.linalg.LinAlgError:  # NumPy's way; other namespaces leave such rows without numbers by themselves
        if len(matrices) == 1:
            return np.full_like(right, np.nan)
        return np.concatenate([_solve(xp, matrices[row : row + 1], right[row : row + 1]) for row in range(len(matrices))])
