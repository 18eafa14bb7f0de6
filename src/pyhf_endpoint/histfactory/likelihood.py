"""The likelihood of all hypotheses of a batch at once, and its derivatives.

The negative log-likelihood is written in its saturated form, in which each term is zero at its own optimum, so that nothing
cancels where counts are large: a Poisson term is `n (u - log(1 + u))` with `u = (rate - n) / n`, a Gaussian one
`(theta - a)**2 / (2 sigma**2)`. The terms are those of pyhf (arXiv:2103.02182, eq. 1 and table 1).
"""

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from pyhf_endpoint.histfactory.arrays import Array, Floats, to_numpy
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.rates import RateModel

__all__ = ["Evaluation", "Model"]

_CURVATURE_FLOOR = 0.2  # share of a constraint's own curvature that the Hessian's diagonal keeps
_SMALLEST_RATE = 1e-6  # below this, the Hessian takes a bin's expected information as if its rate were this


@dataclass(frozen=True)
class Evaluation:
    """The likelihood around one point, [H, ...]; H0 = J' diag(weight) J + diag(diagonal) approximates its Hessian."""

    nll: Array
    gradient: Array
    jacobian: Array
    """[H, B, P] derivative of the rates."""
    weight: Array
    """[H, B]"""
    diagonal: Array
    """[H, P]"""


class Model(RateModel):
    """The likelihoods of a batch on arrays of a namespace `xp` (numpy, cupy or jax.numpy), in double precision."""

    def __init__(self, batch: Batch, xp: ModuleType = np) -> None:
        super().__init__(batch, xp)
        self._counting = bool((np.asarray(batch.rows.factor) > 0).any())  # whether there is any shapesys

    def nll(self, theta: Array) -> Array:
        """Negative log-likelihood [H] in saturated form; infinite outside the domain. See `nll_offset`."""
        return self._nll(theta, self.rates(theta))

    def gradient(self, theta: Array) -> Array:
        """Derivative of the negative log-likelihood [H, P]."""
        return self.evaluate(theta).gradient

    @property
    def nll_offset(self) -> Floats:
        """[H] what makes `nll + nll_offset` equal pyhf's `-model.logpdf`: the normalisation of all terms."""
        log_gamma = np.vectorize(math.lgamma, otypes=[float])
        counts, centre, factor, precision = (
            to_numpy(array) for array in (self.rows.counts, self.rows.centre, self.rows.factor, self.rows.precision)
        )
        auxiliary = factor * centre
        normal = np.where(precision > 0, 0.5 * math.log(2 * math.pi) - 0.5 * np.log(np.where(precision > 0, precision, 1.0)), 0.0)
        total = normal.sum(axis=1)
        for count, used in ((counts, np.ones_like(counts, dtype=bool)), (auxiliary, factor > 0)):
            safe = np.where(count > 0, count, 1.0)
            total += np.where(used, count - np.where(count > 0, count * np.log(safe), 0.0) + log_gamma(count + 1), 0.0).sum(
                axis=1
            )
        return np.asarray(total)

    def evaluate(self, theta: Array, side: Array = 1.0) -> Evaluation:
        """Likelihood, gradient and the ingredients of its Hessian at `theta` [H, P].

        Args:
            theta: Parameters.
            side: +1 or -1: from which side derivatives at a kink (code0 and code1 at alpha = 0) are taken.
        """
        xp, rows, sizes = self.xp, self.rows, self.sizes
        parts = self.parts(theta, side)
        yields = parts.shifted * parts.scale
        rate = yields.sum(axis=2)
        jacobian = self.columns(parts, yields)
        positive = rate > 0
        residual = 1.0 - rows.counts / xp.where(positive, rate, 1.0)
        slope, diagonal = self._constraint(theta)
        gradient = xp.matmul(residual[:, None, :], jacobian)[:, 0] + slope
        weight = xp.where(positive, 1.0 / xp.maximum(rate, _SMALLEST_RATE), 0.0)
        if sizes.alphas:
            constraint = diagonal[:, : sizes.alphas]
            # One-sided variations curve strongly around 0 (psi'' = 30 in code4p): plain Gauss-Newton would not converge.
            curved = constraint + self.curvature(parts, theta, residual)
            floored = xp.maximum(curved, _CURVATURE_FLOOR * constraint)
            diagonal = xp.concatenate([floored, diagonal[:, sizes.alphas :]], axis=1)
        return Evaluation(self._nll(theta, rate), gradient, jacobian, weight, diagonal)

    def _constraint(self, theta: Array) -> tuple[Array, Array]:
        """First and second derivative of the constraint terms [H, P]."""
        xp, rows = self.xp, self.rows
        pull = theta - rows.centre
        if not self._counting:
            return rows.precision * pull, rows.precision
        value = xp.where((rows.factor > 0) & (theta > 0), theta, 1.0)
        return (rows.precision + rows.factor / value) * pull, rows.precision + rows.factor * rows.centre / (value * value)

    def bend(self, theta: Array) -> Array:
        """[H, alphas] second derivative of the likelihood by each alpha at zero, as far as its variations are one-sided."""
        xp = self.xp
        parts = self.parts(theta)
        rate = (parts.shifted * parts.scale).sum(axis=2)
        residual = 1.0 - self.rows.counts / xp.where(rate > 0, rate, 1.0)
        return self.curvature_at_zero(parts, residual)

    def _nll(self, theta: Array, rate: Array) -> Array:
        """Where events were counted the rate must be positive; an empty bin allows zero (pyhf, even less)."""
        xp, rows = self.xp, self.rows
        counts, seen = rows.counts, rows.counts > 0
        outside = xp.any((rate < 0) | (seen & (rate <= 0)), axis=1)
        total = xp.where(seen, counts * self._excess(seen & (rate > 0), rate, counts), rate).sum(axis=1)
        total = total + (0.5 * rows.precision * (theta - rows.centre) ** 2).sum(axis=1)
        if not self._counting:
            return xp.where(outside | ~xp.isfinite(total), xp.inf, total)
        counting = slice(self.sizes.alphas, self.sizes.parameters - self.sizes.free)  # columns that may hold shapesys
        value, factor, centre = theta[:, counting], rows.factor[:, counting], rows.centre[:, counting]
        counted = factor > 0
        outside = outside | xp.any(counted & (value <= 0), axis=1)
        centred = counted & (centre > 0)
        poisson = xp.where(centred, factor * centre * self._excess(centred & (value > 0), value, centre), factor * value)
        total = total + xp.where(counted, poisson, 0.0).sum(axis=1)
        return xp.where(outside | ~xp.isfinite(total), xp.inf, total)

    def _excess(self, valid: Array, value: Array, centre: Array) -> Array:
        """Return u - log(1 + u) with u = value / centre - 1, where valid; near u = 0 from u, else from the ratio."""
        xp = self.xp
        ratio = xp.where(valid, value, 1.0) / xp.where(valid, centre, 1.0)
        u = xp.where(valid, value - centre, 0.0) / xp.where(valid, centre, 1.0)
        near = xp.abs(u) < 0.5
        return u - xp.where(near, xp.log1p(xp.where(near, u, 0.0)), xp.log(ratio))
