"""Lines and bands against contours known in closed form."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from scipy.special import ndtr, ndtri

from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.plot.geometry import MAX_SIGNIFICANCE, exclusion_band, exclusion_lines, significance, triangulate
from tests.plot.grids import MASSES, expected, grid, observed, separation

SQUARE = np.array([(x, y) for x in np.linspace(0, 1000, 11) for y in np.linspace(0, 10, 6)])
Z0 = -ndtri(0.05)


def cls_of(z: Any) -> Any:
    return ndtr(-np.asarray(z))


def signed_area(rings: Sequence[Any]) -> float:
    return float(sum(0.5 * np.sum(r[:-1, 0] * r[1:, 1] - r[1:, 0] * r[:-1, 1]) for r in rings))


def test_significance_is_the_normal_quantile_and_bounded() -> None:
    np.testing.assert_allclose(significance([0.5, 0.05, ndtr(-3.0)]), [0, 1.6448536269514722, 3], atol=1e-12)
    np.testing.assert_array_equal(significance([0.0, 1e-300, 1.0]), [MAX_SIGNIFICANCE, MAX_SIGNIFICANCE, -MAX_SIGNIFICANCE])


def test_a_linear_significance_gives_the_exact_line() -> None:
    # z falls with x and y: CLs = 0.05 on x + 50 y = 730.
    z = Z0 + (730 - SQUARE[:, 0] - 50 * SQUARE[:, 1]) / 200
    (line,) = exclusion_lines(SQUARE, cls_of(z))
    np.testing.assert_allclose(line[:, 0] + 50 * line[:, 1], 730, rtol=1e-9)
    ends = line[[0, -1]][np.argsort(line[[0, -1], 0])]
    np.testing.assert_allclose(ends, [(230, 10), (730, 0)], rtol=1e-9)


def test_the_line_does_not_depend_on_the_units_of_an_axis() -> None:
    z = Z0 + (730 - SQUARE[:, 0] - 50 * SQUARE[:, 1] ** 1.1) / 200
    (line,) = exclusion_lines(SQUARE, cls_of(z))
    (scaled,) = exclusion_lines(SQUARE * [1e-3, 1e5], cls_of(z))
    np.testing.assert_allclose(np.sort(scaled / [1e-3, 1e5], axis=0), np.sort(line, axis=0), rtol=1e-9)


@pytest.mark.parametrize("which", ["observed", "expected"])
def test_a_curved_contour_on_a_grid_of_masses(which: str) -> None:
    shift = 0.3 if which == "observed" else 0.0
    cls = observed(grid()) if which == "observed" else expected(grid())[:, 2]
    (line,) = exclusion_lines(MASSES, cls)
    critical = shift - ndtri(0.05 * ndtr(shift))  # the Asimov significance at which CLs is 0.05
    for m1, m2 in line:
        slope = np.hypot(separation(m1 + 1, m2) - separation(m1, m2), separation(m1, m2 + 1) - separation(m1, m2))
        assert abs(separation(m1, m2) - critical) / slope < 10.0  # GeV, on cells of 40 GeV by 100 GeV
    assert line[:, 1].min() == 0
    assert max(m2 - m1 / 2 for m1, m2 in line) == pytest.approx(0, abs=1e-9)  # ends on the grid's upper edge


def test_a_closed_line_repeats_its_first_point() -> None:
    centre = np.hypot(SQUARE[:, 0] - 500, 100 * (SQUARE[:, 1] - 5))
    (line,) = exclusion_lines(SQUARE, cls_of(Z0 + (260 - centre) / 200))
    np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_allclose(np.hypot(line[:, 0] - 500, 100 * (line[:, 1] - 5)), 260, atol=45)


def test_two_islands_are_two_lines() -> None:
    z = Z0 + (120 - np.minimum(SQUARE[:, 0], 1000 - SQUARE[:, 0])) / 100
    lines = exclusion_lines(SQUARE, cls_of(z))
    assert sorted(round(float(line[0, 0]), 6) for line in lines) == [120, 880]


def test_zero_cls_is_a_bounded_significance() -> None:
    points = [(0, 0), (0, 1), (100, 0), (100, 1)]
    (line,) = exclusion_lines(points, [0.0, 0.0, 0.5, 0.5])
    np.testing.assert_allclose(line[:, 0], 100 * (1 - Z0 / MAX_SIGNIFICANCE), rtol=1e-9)


@pytest.mark.parametrize("cls", [0.2, 0.05, 1.0, 0.01, 0.0])
def test_no_line_where_nothing_or_everything_is_excluded(cls: float) -> None:
    assert exclusion_lines(SQUARE, np.full(len(SQUARE), cls)) == []
    assert exclusion_band(SQUARE, np.full(len(SQUARE), cls), np.full(len(SQUARE), cls)) == []


def test_nothing_is_drawn_outside_the_tested_points() -> None:
    z = Z0 + (900 - SQUARE[:, 0] - 60 * SQUARE[:, 1]) / 200
    band = exclusion_band(SQUARE, cls_of(z - 1), cls_of(z + 1))
    for line in [*exclusion_lines(SQUARE, cls_of(z)), *band]:
        assert (line >= -1e-9).all()
        assert (line <= [1000 + 1e-9, 10 + 1e-9]).all()


def test_the_band_fills_what_lies_between_its_lines() -> None:
    z = Z0 + (500 - SQUARE[:, 0]) / 200
    rings = exclusion_band(SQUARE, cls_of(z - 1), cls_of(z + 1))  # from x = 300 to x = 700
    assert signed_area(rings) == pytest.approx(400 * 10)
    assert all((ring[0] == ring[-1]).all() for ring in rings)


def test_the_band_reaches_the_edge_where_its_inner_line_does_not_cross() -> None:
    z = Z0 + (100 - SQUARE[:, 0]) / 200
    assert signed_area(exclusion_band(SQUARE, cls_of(z - 1), cls_of(z + 1))) == pytest.approx(300 * 10)
    z = Z0 + (900 - SQUARE[:, 0]) / 200
    assert signed_area(exclusion_band(SQUARE, cls_of(z - 1), cls_of(z + 1))) == pytest.approx(300 * 10)


def test_a_ring_shaped_band_leaves_its_middle_open() -> None:
    centre = np.hypot(SQUARE[:, 0] - 500, 100 * (SQUARE[:, 1] - 5))
    z = Z0 + (260 - centre) / 200
    rings = exclusion_band(SQUARE, cls_of(z - 0.6), cls_of(z + 0.6))
    outer, inner = (exclusion_lines(SQUARE, cls_of(z + d))[0] for d in (0.6, -0.6))
    assert signed_area(rings) == pytest.approx(abs(signed_area([outer])) - abs(signed_area([inner])))
    windings = sum(int(Outline(ring).contains_point((500, 5))) * np.sign(signed_area([ring])) for ring in rings)
    assert windings == 0


def test_thin_triangles_on_the_border_are_masked() -> None:
    # The middle of the upper edge lies a little low: the triangle above it spans the whole edge.
    points = [(0, 0), (50, 0), (100, 0), (0, 10), (50, 9.99), (100, 10)]
    triangles = triangulate(points)
    kept = triangles.get_masked_triangles()
    assert len(kept) == len(triangles.triangles) - 1
    assert not any(set(triangle) == {3, 4, 5} for triangle in kept.tolist())


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_points(count: int) -> None:
    with pytest.raises(ResultsError, match=rf"at least 3 tested points with results, here are {count}.*`brazil`"):
        exclusion_lines(MASSES[:count], [0.1, 0.01][:count])


@pytest.mark.parametrize(
    "points",
    [
        [(100.0 * i, 0.0) for i in range(6)],
        [(100.0 * i, 50.0 * i + 7) for i in range(6)],
        [(0.1 * i, 0.3 * i) for i in range(7)],
    ],
)
def test_points_on_a_line(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ResultsError, match=r"points that span a plane, but the \d tested points lie on a line.*`brazil`"):
        exclusion_lines(points, np.linspace(0.001, 0.9, len(points)))
