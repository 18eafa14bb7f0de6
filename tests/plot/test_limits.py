"""Upper limits by interpolation in log CLs."""

import numpy as np
import pytest
from scipy.special import ndtr

from pyhf_endpoint.plot.limits import UpperLimit, upper_limit


def test_exponential_cls_is_interpolated_exactly() -> None:
    poi = np.array([0.0, 0.7, 1.9, 4.0])
    limit = upper_limit(poi, np.exp(-2 * poi))
    assert limit.kind == "found"
    assert limit.value == pytest.approx(np.log(20) / 2, rel=1e-12)


def test_a_tested_value_at_the_level_is_the_limit() -> None:
    assert upper_limit([0, 1, 2], [1.0, 0.05, 0.001]) == UpperLimit(1.0, "found")


def test_the_last_crossing_counts() -> None:
    limit = upper_limit([0, 1, 2, 3, 4], [1.0, 0.01, 0.2, 0.0125, 0.001])
    assert limit.value == pytest.approx(2.5)


def test_outside_the_tested_values() -> None:
    assert upper_limit([0, 1, 2], [1.0, 0.5, 0.06]) == UpperLimit(2.0, "above")
    assert upper_limit([0.5, 1, 2], [0.04, 0.01, 0.0]) == UpperLimit(0.5, "below")


def test_zero_cls_is_taken_as_five_sigma() -> None:
    floor = ndtr(-5.0)
    assert upper_limit([1, 2], [0.5, 0.0]) == upper_limit([1, 2], [0.5, floor])


@pytest.mark.parametrize(
    ("limit", "text", "sentence"),
    [
        (UpperLimit(0.98412, "found"), "0.984", r"$\mu$ < 0.984"),
        (UpperLimit(2.0, "above"), "> 2.00", "limit above 2.00"),
        (UpperLimit(123.4, "found"), "123", r"$\mu$ < 123"),
        (UpperLimit(0.0, "below"), "< 0", "limit below 0"),
    ],
)
def test_text(limit: UpperLimit, text: str, sentence: str) -> None:
    assert str(limit) == text
    assert limit.sentence() == sentence
