"""Interpolation between the variations of a systematic, in a form in which the data factor out.

Histogram variations (histosys) add `phi(alpha) * linear + psi(alpha) * curve` to the nominal yield, with
`linear = (hi - lo) / 2` and `curve = (hi + lo - 2 nominal) / 16`. Normalisations (normsys) multiply it by
`hi ** alpha` or `lo ** -alpha`, within |alpha| < `inner` replaced by the polynomial `1 + sum_i c_i alpha ** i`.
The codes are those of CERN-OPEN-2012-016, section 4.1, as pyhf 0.7.6 evaluates them (arXiv:2103.02182).
"""

from collections.abc import Callable
from types import ModuleType

import numpy as np

from pyhf_endpoint.histfactory.arrays import Array, Floats

__all__ = [
    "BEND_AT_ZERO",
    "HISTOSYS_CODES",
    "NORMSYS_CODES",
    "SMOOTH_CODES",
    "Additive",
    "additive",
    "bend",
    "polynomial",
    "variations",
]

Additive = tuple[Array, Array, Array, Array]
"""phi, psi, psi', psi''; phi' is 1 throughout."""

NORMSYS_CODES = {"code1": 0.0, "code4": 1.0}
"""Codes that normsys accepts, each with `inner`, the half-width of its polynomial's range."""

BEND_AT_ZERO = 30.0
"""psi'' of code4p at alpha = 0."""

SMOOTH_CODES = frozenset({"code2", "code4", "code4p"})
"""Codes without a kink at alpha = 0."""


def variations(nominal: Floats, high: Floats, low: Floats) -> tuple[Floats, Floats]:
    """Return `linear` and `curve` of histogram variations, elementwise."""
    up, down = high - nominal, nominal - low
    return 0.5 * (up + down), 0.0625 * (up - down)


def _code0(xp: ModuleType, alpha: Array, side: Array) -> Additive:
    sign = xp.where(alpha == 0, side, xp.sign(alpha))
    return alpha, 8 * xp.abs(alpha), 8 * sign, xp.zeros_like(alpha)


def _code2(xp: ModuleType, alpha: Array, side: Array) -> Additive:  # noqa: ARG001
    # Beyond |alpha| = 1 the published code continues as a straight line; pyhf 0.7.6 evaluates (b + 2a)(alpha - 1) above and
    # (b - 2a) alpha below, which steps at both ends. We follow it, so that results agree.
    above, below = alpha > 1, alpha < -1
    psi = xp.where(above, 16 * (alpha - 1), xp.where(below, -16 * alpha, 8 * alpha * alpha))
    slope = xp.where(above, 16.0, xp.where(below, -16.0, 16 * alpha))
    return xp.where(above, alpha - 1, alpha), psi, slope, xp.where(above | below, 0.0, 16.0)


def _code4p(xp: ModuleType, alpha: Array, side: Array) -> Additive:  # noqa: ARG001
    square = alpha * alpha
    inside = square < 1
    psi = xp.where(inside, square * (square * (3 * square - 10) + 15), 8 * xp.abs(alpha))
    slope = xp.where(inside, alpha * (square * (18 * square - 40) + 30), 8 * xp.sign(alpha))
    return alpha, psi, slope, bend(xp, alpha)


def bend(xp: ModuleType, alpha: Array) -> Array:
    """Psi'' of code4p; the polynomials of code4 bend alike, by c_2 / 15 of it, up to the square of their logarithmic slope."""
    square = alpha * alpha
    return xp.where(square < 1, square * (90 * square - 120) + BEND_AT_ZERO, 0.0)


HISTOSYS_CODES: dict[str, Callable[[ModuleType, Array, Array], Additive]] = {"code0": _code0, "code2": _code2, "code4p": _code4p}
"""Codes that histosys accepts."""


def additive(code: str, xp: ModuleType, alpha: Array, side: Array = 1.0) -> Additive:
    """Evaluate a histosys code.

    Args:
        code: A key of `HISTOSYS_CODES`.
        xp: Array namespace.
        alpha: Parameters, any shape.
        side: +1 or -1, the side from which slopes are taken at the kink of code0 at alpha = 0.

    Returns:
        phi, psi and the first and second derivative of psi, each of the shape of `alpha`.
    """
    return HISTOSYS_CODES[code](xp, alpha, side)


# Inverse of the boundary conditions of code4 at alpha = +-1: value, slope and curvature of the exponentials on both sides.
_BOUNDARY = (
    np.array(
        [
            [15, -15, -7, -7, 1, -1],
            [24, 24, -9, 9, 1, 1],
            [-10, 10, 10, 10, -2, 2],
            [-24, -24, 14, -14, -2, -2],
            [3, -3, -3, -3, 1, -1],
            [8, 8, -5, 5, 1, 1],
        ]
    )
    / 16.0
)


def polynomial(code: str, high: Floats, low: Floats) -> tuple[Floats, Floats, Floats]:
    """Return what normsys factors are computed from.

    Args:
        code: A key of `NORMSYS_CODES`.
        high: [N] factors at alpha = +1, positive.
        low: [N] factors at alpha = -1, positive.

    Returns:
        Coefficients c_1 .. c_6 [6, N] (zero for code1, which has no polynomial), log(high) [N] and log(low) [N].
    """
    log_high, log_low = np.log(high), np.log(low)
    if code == "code1":
        return np.zeros((6, len(high))), log_high, log_low
    conditions = [high - 1, low - 1, log_high * high, -log_low * low, log_high**2 * high, log_low**2 * low]
    return _BOUNDARY @ np.stack(conditions), log_high, log_low
