"""The last resort for one hypothesis: SciPy's bounded minimiser on our likelihood, with all rates kept non-negative."""

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Floats, to_numpy
from pyhf_endpoint.histfactory.likelihood import Model
from pyhf_endpoint.histfactory.minimise import distance, minimise

__all__ = ["solve"]

_LARGE = 1e30  # stands for infinity, on which SLSQP's line search chokes
_BOUND = 1e-12  # distance from a bound, relative where the bound is above 1, that is rounding
_EDGE = 1e-7  # a rate below this share of the channel's largest counts as zero


def solve(model: Model, start: Floats, fixed: npt.NDArray[np.bool_], tolerance: float) -> tuple[Floats, float, float, int, bool]:
    """Minimise a single row with SLSQP, then polish.

    Args:
        model: A model of one row.
        start: [P]
        fixed: [P]
        tolerance: On the EDM.

    Returns:
        Parameters [P], likelihood, EDM, iterations and whether this is a minimum. On the edge of the likelihood's domain, where
        a rate is zero, the EDM is that of the gradient without the part that pushes over the edge (the KKT conditions).
    """
    import scipy.optimize

    free = ~fixed
    lower, upper = to_numpy(model.rows.lower)[0], to_numpy(model.rows.upper)[0]
    empty = to_numpy(model.rows.counts)[0] == 0
    theta = np.where(fixed, start, np.clip(start, lower, upper))

    def whole(values: Floats) -> Floats:
        full = theta.copy()
        full[free] = values
        return full[None]

    def objective(values: Floats) -> tuple[float, Floats]:
        at = model.evaluate(model.xp.asarray(whole(values)))
        nll, gradient = float(at.nll[0]), to_numpy(at.gradient)[0][free]
        return (nll, gradient) if np.isfinite(nll) and np.isfinite(gradient).all() else (_LARGE, np.zeros_like(values))

    constraint = {
        "type": "ineq",
        "fun": lambda values: to_numpy(model.rates(model.xp.asarray(whole(values))))[0][empty],
        "jac": lambda values: to_numpy(model.jacobian(model.xp.asarray(whole(values))))[0][empty][:, free],
    }
    with np.errstate(all="ignore"):
        found = scipy.optimize.minimize(
            objective,
            theta[free],
            jac=True,
            method="SLSQP",
            bounds=np.stack([lower, upper], axis=1)[free],
            constraints=[constraint] if empty.any() else [],
            options={"maxiter": 500, "ftol": 1e-13},
        )
    point = whole(_onto_bounds(found.x, lower[free], upper[free]))
    best = minimise(model, point, fixed[None], tolerance=tolerance)
    nll, edm = distance(model, point, fixed[None])
    if best.converged[0] and best.nll[0] <= nll[0] + 1e-9:
        return best.theta[0], float(best.nll[0]), float(best.edm[0]), int(found.nit + best.iterations[0]), True
    edm[0] = _edge_distance(model, point, fixed)
    return (
        point[0],
        float(nll[0]),
        float(edm[0]),
        int(found.nit),
        bool(np.isfinite(nll[0]) and abs(edm[0]) < max(tolerance, 1e-8)),
    )


def _onto_bounds(values: Floats, lower: Floats, upper: Floats) -> Floats:
    """Move what is next to a bound, or beyond it, onto it: SLSQP stops within rounding of bounds."""
    low, high = (bound + sign * _BOUND * np.maximum(1.0, np.abs(bound)) for bound, sign in ((lower, 1.0), (upper, -1.0)))
    return np.where(values <= low, lower, np.where(values >= high, upper, values))


def _edge_distance(model: Model, point: Floats, fixed: npt.NDArray[np.bool_]) -> float:
    """EDM at a point where rates are zero; infinite where no rate is."""
    import scipy.optimize

    rates = to_numpy(model.rates(model.xp.asarray(point)))[0]
    active = (rates <= _EDGE * max(rates.max(), 1.0)) & (to_numpy(model.rows.counts)[0] == 0)
    lower, upper = to_numpy(model.rows.lower)[0], to_numpy(model.rows.upper)[0]
    at = model.evaluate(model.xp.asarray(point))
    gradient, jacobian = to_numpy(at.gradient)[0], to_numpy(at.jacobian)[0]
    free = ~fixed & ~((point[0] <= lower) & (gradient > 0)) & ~((point[0] >= upper) & (gradient < 0))
    if not active.any() or not np.isfinite(gradient).all():
        return float("inf")
    inverse = 1.0 / np.maximum(to_numpy(at.diagonal)[0][free], 1e-6)
    scale = np.sqrt(inverse)
    _, residual = scipy.optimize.nnls(jacobian[active][:, free].T * scale[:, None], gradient[free] * scale)
    return float(0.5 * residual**2)
