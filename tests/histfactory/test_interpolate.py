"""Interpolation codes by hand at points where each of their pieces can be computed on paper."""

import math

import numpy as np
import pytest

from pyhf_endpoint.histfactory.interpolate import HISTOSYS_CODES, NORMSYS_CODES, additive, polynomial, variations

# nominal 10, up 14, down 8: linear = (14 - 8) / 2 = 3, curve = (14 + 8 - 20) / 16 = 1 / 8
SHIFTS = [
    ("code0", 2.0, 8.0),  # 2 (14 - 10)
    ("code0", -2.0, -4.0),  # -2 (10 - 8)
    ("code0", 0.5, 2.0),
    ("code2", 0.5, 1.75),  # a = 1, b = 3: a / 4 + b / 2
    ("code2", -1.0, -2.0),  # a - b
    ("code2", 3.0, 10.0),  # (b + 2 a) (3 - 1), as pyhf 0.7.6 has it
    ("code2", -3.0, -3.0),  # (b - 2 a) (-3), likewise
    ("code4p", 1.0, 4.0),
    ("code4p", 2.0, 8.0),
    ("code4p", -2.0, -4.0),
    ("code4p", 0.5, 1.5 + (15 / 4 - 10 / 16 + 3 / 64) / 8),
]


@pytest.mark.parametrize(("code", "alpha", "shift"), SHIFTS)
def test_histosys(code: str, alpha: float, shift: float) -> None:
    linear, curve = variations(*(np.array([value]) for value in (10.0, 14.0, 8.0)))
    phi, psi, _, _ = additive(code, np, np.array([alpha]))
    assert phi * linear + psi * curve == pytest.approx(shift)


@pytest.mark.parametrize("code", HISTOSYS_CODES)
@pytest.mark.parametrize("alpha", [-2.3, -0.7, 0.4, 1.6])
def test_slopes_are_those_of_the_values(code: str, alpha: float) -> None:
    step = 1e-5
    low, middle, high = (additive(code, np, np.array([alpha + shift])) for shift in (-step, 0.0, step))
    assert (high[0] - low[0]) / (2 * step) == pytest.approx(1.0)
    assert (high[1] - low[1]) / (2 * step) == pytest.approx(middle[2])
    assert (high[2] - low[2]) / (2 * step) == pytest.approx(middle[3], abs=1e-6)


@pytest.mark.parametrize(("side", "slope"), [(1.0, 8.0), (-1.0, -8.0)])
def test_slope_at_the_kink_is_taken_from_the_given_side(side: float, slope: float) -> None:
    assert additive("code0", np, np.zeros(1), np.full(1, side))[2] == slope


@pytest.mark.parametrize(("high", "low"), [(1.3, 0.8), (1.1, 1.2), (0.5, 3.0)])
def test_polynomial_meets_both_exponentials_to_second_order(high: float, low: float) -> None:
    coefficients, log_high, log_low = polynomial("code4", np.array([high]), np.array([low]))
    poly = np.polynomial.Polynomial([1.0, *coefficients[:, 0]])
    assert (log_high[0], log_low[0]) == (math.log(high), math.log(low))
    for alpha, factor, rate in ((1.0, high, math.log(high)), (-1.0, low, -math.log(low))):
        for order in range(3):
            assert poly.deriv(order)(alpha) == pytest.approx(factor * rate**order)


def test_code1_has_no_polynomial() -> None:
    assert NORMSYS_CODES["code1"] == 0
    assert not polynomial("code1", np.array([1.2]), np.array([0.9]))[0].any()
