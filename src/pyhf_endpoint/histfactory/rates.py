"""Expected rates and their derivatives, for all hypotheses of a batch at once.

With pyhf's notation (arXiv:2103.02182, eq. 1-6; CERN-OPEN-2012-016, eq. 10-12) the rate of bin b is the sum over samples s of
`(nominal + sum of histosys shifts) * product of normsys factors * product of multipliers`.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Self

import numpy as np

from pyhf_endpoint.histfactory.arrays import Array, extrapolate, join, matmul_second, move, require_float64, take
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.interpolate import BEND_AT_ZERO, NORMSYS_CODES, Additive, additive, bend

__all__ = ["Parts", "RateModel"]

_PER_BEND = 2.0 / BEND_AT_ZERO  # from a polynomial's c_2 to the share of psi'' that it bends by


@dataclass(frozen=True)
class Parts:
    """Pieces of the rates that their derivatives are made of."""

    shift: Additive
    shifted: Array
    """[H, B, S + G] nominal yields and shifts."""
    scale: Array
    """[H, B, S + G] product of all factors."""
    norm: Array
    """[H, B, S + G] product of normsys factors."""
    norm_slope: Array
    """[H, norm, C S] derivative of each factor over the factor."""
    own_slope: Array
    """[H, C, G, norm] the same for own samples."""
    multipliers: list[Array]
    """K arrays [H, B, S + G]."""


class RateModel:
    """The rates of a batch on arrays of a namespace `xp` (numpy, cupy or jax.numpy), in double precision."""

    def __init__(self, batch: Batch, xp: ModuleType = np) -> None:
        require_float64(xp)
        self.batch, self.xp, self.sizes = batch, xp, batch.sizes
        self.shared, self.rows = move(batch.shared, xp), move(batch.rows, xp)
        self.inner = NORMSYS_CODES[batch.normsys]
        self._dense = xp is not np
        poly = self.shared.poly
        self._factors = xp.concatenate([xp.ones_like(poly[:, :1]), poly], axis=1)
        self._bends = poly[:, 1].T * _PER_BEND
        self._members = 1.0 * (self.shared.channel == xp.arange(self.sizes.channels)[:, None])
        self._slopes = poly * xp.arange(1.0, 7.0)[:, None]

    def take(self, rows: Array) -> Self:
        """The same model, of the selected hypotheses only; `batch` still describes all of them."""
        return self._with(take(self.rows, rows))

    def with_data(self, counts: Array, centre: Array) -> Self:
        """The same model with other observed counts [H, B] and constraint centres [H, P]."""
        return self._with(replace(self.rows, counts=counts, centre=centre))

    @classmethod
    def join(cls, models: Sequence[Self]) -> Self:
        """The rows of several models of one batch, end to end, for instance of the same hypotheses with different data."""
        return models[0]._with(join([model.rows for model in models], models[0].xp))

    def _with(self, rows: object) -> Self:
        model = copy(self)
        model.rows = rows  # type: ignore[assignment]
        return model

    def rates(self, theta: Array) -> Array:
        """Expected rates [H, B] at `theta` [H, P], in pyhf's order of bins."""
        parts = self.parts(theta)
        return (parts.shifted * parts.scale).sum(axis=2)

    def jacobian(self, theta: Array) -> Array:
        """Derivatives of the rates [H, B, P]."""
        parts = self.parts(theta)
        return self.columns(parts, parts.shifted * parts.scale)

    def parts(self, theta: Array, side: Array = 1.0) -> Parts:
        """Evaluate everything that rates and their derivatives are made of."""
        xp, shared, rows, sizes = self.xp, self.shared, self.rows, self.sizes
        count, bins, channels, slots, own = theta.shape[0], sizes.bins, sizes.channels, sizes.slots, sizes.own_slots
        moving, scaling = theta[:, : sizes.hist], theta[:, sizes.alphas - sizes.norm : sizes.alphas]
        if not isinstance(side, float):
            side = side[:, : sizes.hist], side[:, sizes.alphas - sizes.norm : sizes.alphas]
        else:
            side = side, side
        shift = additive(self.batch.histosys, xp, moving, side[0])
        phi, psi = shift[:2]
        shifted = shared.nominal + xp.matmul(xp.concatenate([phi, psi], axis=1), shared.hist_flat).reshape(count, bins, slots)
        flat = (count, bins * own, sizes.hist)
        moved = xp.matmul(rows.linear.reshape(flat), phi[:, :, None]) + xp.matmul(rows.curve.reshape(flat), psi[:, :, None])
        shifted = xp.concatenate([shifted, rows.nominal + moved.reshape(count, bins, own)], axis=2)
        factor, slope = self._norm_factors(scaling, side[1])
        own_factor, own_slope = self._own_norm_factors(scaling, side[1])
        norm = xp.concatenate([xp.prod(factor, axis=1).reshape(count, channels, slots), xp.prod(own_factor, axis=3)], axis=2)
        norm = norm[:, shared.channel]
        extended = xp.concatenate([theta[:, sizes.alphas :], xp.ones((count, 1))], axis=1)
        multipliers = [extended[:, level] for level in shared.factors]
        scale = norm * multipliers[0]
        for multiplier in multipliers[1:]:
            scale *= multiplier
        slope /= factor
        own_slope /= own_factor
        return Parts(shift, shifted, scale, norm, slope, own_slope, multipliers)

    def _norm_factors(self, alpha: Array, side: Array) -> tuple[Array, Array]:
        """Factors of background samples and their derivatives [H, norm, C S] at `alpha` [H, norm]."""
        xp, shared = self.xp, self.shared
        square = alpha * alpha
        cube, fourth = square * alpha, square * square
        powers = xp.stack([xp.ones_like(alpha), alpha, square, cube, fourth, fourth * alpha, fourth * square], axis=2)
        factor, slope = matmul_second(xp, powers, self._factors), matmul_second(xp, powers[:, :, :-1], self._slopes)
        if not self._dense and self.inner > 0:
            where = np.nonzero(np.abs(alpha) >= self.inner)
            logs = shared.log_high[where[1]], shared.log_low[where[1]]
            extrapolate(factor, slope, alpha[where], where, logs)
            return factor, slope
        a = alpha[:, :, None]
        upward = (a > 0) | ((a == 0) & (xp.broadcast_to(side, alpha.shape)[:, :, None] > 0))
        return self._extrapolated(a, upward, (factor, slope), (shared.log_high, shared.log_low))

    def _own_norm_factors(self, alpha: Array, side: Array) -> tuple[Array, Array]:
        """The same for own samples [H, C, G, norm]."""
        xp, poly = self.xp, self.rows.poly
        a = alpha[:, None, None, :]
        factor = poly[:, 5] * a
        slope = factor + 0.0
        factor += poly[:, 4]
        slope += factor
        for power in (3, 2, 1, 0):  # Horner's rule, on arrays that are changed in place where the library allows it
            factor *= a
            factor += poly[:, power]
            slope *= a
            slope += factor
        factor *= a
        factor += 1.0
        if not self._dense and self.inner > 0:
            row, column = np.nonzero(np.abs(alpha) >= self.inner)
            where = row, slice(None), slice(None), column
            logs = self.rows.log_high[where], self.rows.log_low[where]
            extrapolate(factor, slope, alpha[row, column], where, logs)
            return factor, slope
        upward = (a > 0) | ((a == 0) & (xp.broadcast_to(side, alpha.shape)[:, None, None, :] > 0))
        return self._extrapolated(a, upward, (factor, slope), (self.rows.log_high, self.rows.log_low))

    def _extrapolated(
        self, a: Array, upward: Array, inside: tuple[Array, Array], logs: tuple[Array, Array]
    ) -> tuple[Array, Array]:
        """Exponentials outside the polynomial's range, without shapes that depend on the data."""
        xp = self.xp
        outside = xp.abs(a) >= self.inner
        rate = xp.where(upward, logs[0], -logs[1])
        factor = xp.exp(rate * xp.where(outside, a, 0.0))
        return xp.where(outside, factor, inside[0]), xp.where(outside, rate * factor, inside[1])

    def columns(self, parts: Parts, yields: Array) -> Array:
        """Columns of the histosys, normsys and multiplier parameters; those that do both get the sum of both."""
        xp, sizes = self.xp, self.sizes
        moving, scaling, multiplying = self._moving(parts), self._scaling(parts, yields), self._multiplying(parts)
        first = sizes.hist - sizes.both
        middle = moving[:, :, first:] + scaling[:, :, : sizes.both]
        return xp.concatenate([moving[:, :, :first], middle, scaling[:, :, sizes.both :], multiplying], axis=2)

    def _moving(self, parts: Parts) -> Array:
        """Columns [H, B, hist] of the parameters that move histograms."""
        xp, sizes, rows = self.xp, self.sizes, self.rows
        slope = parts.shift[2][:, None, :]
        common = matmul_second(xp, parts.scale[:, :, : sizes.slots], self.shared.hist)
        columns = slope * common[:, :, sizes.hist :]
        columns += common[:, :, : sizes.hist]
        for slot in range(sizes.own_slots):
            own = slope * rows.curve[:, :, slot]
            own += rows.linear[:, :, slot]
            own *= parts.scale[:, :, sizes.slots + slot, None]
            columns += own
        return columns

    def _scaling(self, parts: Parts, yields: Array) -> Array:
        """[H, B, norm]: yields times the logarithmic slopes of their factors."""
        xp, sizes, shared = self.xp, self.sizes, self.shared
        count, longest = yields.shape[0], shared.pad.shape[1]
        slopes = xp.moveaxis(parts.norm_slope.reshape(count, sizes.norm, sizes.channels, sizes.slots), 1, 3)
        padded = xp.concatenate([yields[:, :, : sizes.slots], xp.zeros((count, 1, sizes.slots))], axis=1)[:, shared.pad]
        columns = xp.matmul(padded, slopes).reshape(count, sizes.channels * longest, sizes.norm)[:, shared.unpad]
        for slot in range(sizes.own_slots):
            own = parts.own_slope[:, :, slot][:, shared.channel]
            own *= yields[:, :, sizes.slots + slot, None]
            columns += own
        return columns

    def _multiplying(self, parts: Parts) -> Array:
        """[H, B, M]: each factor's derivative is the product of all others."""
        products = []
        base = parts.shifted * parts.norm
        for level in range(len(parts.multipliers)):
            product = base
            for other, multiplier in enumerate(parts.multipliers):
                if other != level:
                    product = product * multiplier
            products.append(product)
        return matmul_second(self.xp, self.xp.concatenate(products, axis=2), self.shared.onehot)

    def curvature(self, parts: Parts, theta: Array, residual: Array) -> Array:
        """Second derivative of the Poisson terms by each alpha, as far as its interpolation is not a straight line.

        Args:
            parts: Of the rates at `theta`.
            theta: [H, P]
            residual: [H, B] derivative of the Poisson terms by each rate.

        Returns:
            [H, alphas] exact for histosys, approximate for normsys (see `interpolate.bend`).
        """
        sizes = self.sizes
        moving, scaling = self._bend_pulls(parts, residual)
        return self._merged(moving * parts.shift[3], scaling * bend(self.xp, theta[:, sizes.alphas - sizes.norm : sizes.alphas]))

    def curvature_at_zero(self, parts: Parts, residual: Array) -> Array:
        """The same [H, alphas] if each alpha were at zero and all else as it is, where alphas bend as in code4 and code4p."""
        moving, scaling = self._bend_pulls(parts, residual)
        return BEND_AT_ZERO * self._merged(moving, scaling)

    def _bend_pulls(self, parts: Parts, residual: Array) -> tuple[Array, Array]:
        """Derivative of the Poisson terms by each psi [H, hist], and by what stands for it in normsys [H, norm]."""
        xp, sizes = self.xp, self.sizes
        count, slots = residual.shape[0], sizes.slots
        pull = residual[:, :, None] * parts.scale
        common = xp.matmul(pull[:, :, :slots].reshape(count, sizes.bins * slots), self.shared.curve_flat)
        flat = (count, sizes.bins * sizes.own_slots)
        own = xp.matmul(pull[:, :, slots:].reshape(flat)[:, None, :], self.rows.curve.reshape((*flat, sizes.hist)))[:, 0]
        summed = xp.matmul(self._members, pull * parts.shifted)
        scaled = xp.matmul(summed[:, :, :slots].reshape(count, sizes.channels * slots), self._bends)
        flat = (count, sizes.channels * sizes.own_slots)
        bends = self.rows.poly[:, 1].reshape((*flat, sizes.norm))
        own_scaled = xp.matmul(summed[:, :, slots:].reshape(flat)[:, None, :], bends)[:, 0]
        return common + own, scaled + own_scaled * _PER_BEND

    def _merged(self, moving: Array, scaling: Array) -> Array:
        """Put [H, hist] and [H, norm] into the columns [H, alphas]; alphas that do both get the sum."""
        first, both = self.sizes.hist - self.sizes.both, self.sizes.both
        middle = moving[:, first:] + scaling[:, :both]
        return self.xp.concatenate([moving[:, :first], middle, scaling[:, both:]], axis=1)
