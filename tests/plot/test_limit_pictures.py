"""Contours and bands of upper limits: where limits cross 1, what lies above the bound, and what is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.plot import bands, brazil, contour, exclusion, limit_bands, style
from pyhf_endpoint.plot.select import along, plane
from tests.plot.grids import MASSES
from tests.plot.others import file_of, limit, limits, parabola
from tests.plot.test_pictures import drawn, marks, winding

LINE = [(100.0 * i, 0.0) for i in range(1, 13)]
# The logarithm of the limit is linear in the plane, so the line at 1 is straight, and exact.
PLANE = [(x, y) for x in np.linspace(200, 1200, 11) for y in np.linspace(0, 500, 6)]


def test_the_contour_lies_where_the_limit_is_1() -> None:
    with style.paper():
        axes = exclusion.figure(limits(PLANE), exclusion.Options()).axes[0]
    lines: dict[str | None, Any] = {line.get_gid(): line.get_xydata() for line in axes.lines}
    for gid, factor in (("expected", 1.0), ("observed", 1.5)):
        found = [limit(*point) * factor for point in lines[gid]]
        np.testing.assert_allclose(found, 1.0, rtol=1e-9)
    rings = next(patch for patch in axes.patches if patch.get_gid() == "band").get_path().to_polygons()
    inside = [(700.0, 50.0), (700 + 145, 20.0), (700 - 145, 20.0)]  # a factor of 2 is 150 in mass
    assert winding(rings, inside).all()
    assert not winding(rings, [(700 + 160, 20.0), (700 - 160, 20.0)]).any()


def test_contour_says_how_it_reads_limits(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, contour, limits(failed=[3]), title="A search")
    assert {"A search", "Limits at 95% CL", r"Excluded where the upper limit on $\mu$ is below 1"} <= set(words)
    assert {"Observed limit", "Expected limit (±1σ)", "Tested: excluded", "No usable fit"} <= set(words)
    observed = [1.5 * limit(*point) for i, point in enumerate(MASSES) if i != 3]
    assert marks(path, "points-excluded") == sum(number < 1 for number in observed)
    assert not any("bound" in word for word in words)


def test_a_limit_above_the_bound_does_not_exclude_and_counts_as_the_largest(tmp_path: Path) -> None:
    file = limits(PLANE, bound=3.0)
    path, words = drawn(tmp_path, contour, file)
    drawn_limits = [[limit(*point) * factor for factor in (0.5, 1, 2, 1.5)] for point in PLANE]
    cap = max(number for row in drawn_limits for number in row if number <= 3)
    beyond = sum(max(row) > 3 for row in drawn_limits)
    assert rf"Limits above the bound of $\mu$, at {beyond} of 66 points, count as {cap:.3g}" in words
    excluded = sum(row[3] < 1 for row in drawn_limits)
    assert [marks(path, "points-excluded"), marks(path, "points-allowed")] == [excluded, 66 - excluded]


@pytest.mark.parametrize(
    ("bound", "sentence"), [(0.0, "none of the 125 tested points is"), (np.inf, "all 125 tested points are")]
)
def test_nothing_or_everything_excluded(tmp_path: Path, bound: float, sentence: str) -> None:
    masses = MASSES if bound == 0 else [(m1 - 1500, m2) for m1, m2 in MASSES]
    path, words = drawn(tmp_path, contour, limits(masses, bound=bound))
    assert f"Observed: {sentence} excluded" in words
    assert [marks(path, gid) for gid in ("observed", "expected", "band")] == [0, 0, 0]


def test_values_of_limits(tmp_path: Path) -> None:
    _, words = drawn(tmp_path, contour, limits(PLANE, bound=5), values=True)
    assert "Numbers: observed upper limit on" in " ".join(words)
    shown = [1.5 * limit(*point) for point in PLANE if 1.5 * limit(*point) <= 5]
    for number in shown:
        assert (f"{number:.2f}" if number >= 0.0995 else f"{number:.3f}") in words


def test_bands_hold_the_numbers_of_the_file() -> None:
    with style.paper():
        axes = limit_bands.figure(limits(LINE), bands.Options(), along="m_C1N2").axes[0]
    lines: dict[str | None, Any] = {line.get_gid(): line.get_xydata() for line in axes.lines}
    for gid, factor in (("expected", 1.0), ("observed", 1.5)):
        np.testing.assert_allclose(lines[gid][:, 1], [factor * limit(x, 0) for x in lines[gid][:, 0]], rtol=1e-9)
    for collection in axes.collections:
        ends = collection.get_paths()[0].vertices
        factors = np.unique(np.round([y / limit(x, 0) for x, y in np.asarray(ends)], 6))
        expected = {"band-1": [0.5, 2], "band-2": [0.25, 4]}[str(collection.get_gid())]
        np.testing.assert_allclose(factors, expected)
    assert axes.get_yscale() == "log"


def test_limits_of_one_size_are_drawn_linearly() -> None:
    with style.paper():
        axes = limit_bands.figure(limits([(700.0, 0.0), (750.0, 0.0)]), bands.Options()).axes[0]
    # From a quarter to four times 1.26, which is above 15; without the outer ones it would be linear.
    assert axes.get_yscale() == "log"
    with style.paper():
        axes = limit_bands.figure(limits([(700.0, 0.0), (750.0, 0.0)], bound=3), bands.Options()).axes[0]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] == 0


def test_limits_above_the_bound_are_gaps(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, brazil, limits(LINE, bound=5.0), along="m_C1N2", title="A search")
    numbers = np.array([[limit(*point) * factor for factor in (1.5, 1, 4)] for point in LINE])
    beyond = numbers > 5
    assert rf"Gaps: limits above the bound of $\mu$, at {beyond.any(axis=1).sum()} of 12 points" in words
    assert marks(path, "observed-points") == (~beyond[:, 0]).sum()
    assert marks(path, "observed-above") == beyond[:, 0].sum()
    assert marks(path, "expected-above") == beyond[:, 1].sum()
    assert {"Observed, above the bound", "Expected, above the bound", r"$\mu$ = 1: excluded below"} <= set(words)
    assert r"Upper limits at 95% CL, $m_{\mathrm{N1}}$ = 0 GeV" in words


def test_a_gap_in_the_middle_parts_the_lines(tmp_path: Path) -> None:
    records = list(limits(LINE).results)
    records[5] = records[5].model_copy(update={"limit_obs": None, "limit_exp": (0.1, 0.2, None, None, None)})
    records[3] = records[3].model_copy(update={"limit_obs": None})
    path, _ = drawn(tmp_path, brazil, file_of("upper-limit", records))
    assert [marks(path, gid) for gid in ("expected", "band-1", "band-2")] == [2, 2, 2]
    assert marks(path, "observed-points") == 10
    records[7] = records[5].model_copy(update={"name": "other", "values": (800.0, 0.0)})
    path, _ = drawn(tmp_path, brazil, file_of("upper-limit", records))
    assert marks(path, "band-1") == 3  # the point between the two gaps has its bar


def test_blind_limits_are_not_taken_for_limits_above_the_bound(tmp_path: Path) -> None:
    _, words = drawn(tmp_path, brazil, limits(LINE, blind=True), along="m_C1N2")
    assert "Blind: expected results only" in words
    assert not any("bound" in word or word == "Observed" for word in words)
    _, words = drawn(tmp_path, contour, limits(blind=True))
    assert "Tested: exclusion expected" in words
    assert plane(limits(blind=True)).blind
    points = along(limits(LINE, bound=0.0), "m_C1N2")
    assert not points.blind
    assert np.isinf(points.observed).all()


def test_options_that_limits_have_no_use_for(tmp_path: Path) -> None:
    output = tmp_path / "a.svg"
    with pytest.raises(UsageError, match="`hypothesis` draws CLs"):
        brazil(limits(LINE), output, hypothesis="signal_100_0")
    for draw in (brazil, contour):
        with pytest.raises(UsageError, match="no `poi_test` to choose"):
            draw(limits(), output, poi_test=1.0)
    with pytest.raises(ResultsError, match=r"here are 0 \(12 with all limits above the parameter's bound, 0 without"):
        brazil(limits(LINE, bound=0.0), output)
    with pytest.raises(ResultsError, match=r"here is 1 \(0 with"):
        brazil(limits(LINE, failed=range(1, 12)), output)


@pytest.mark.parametrize("draw", [brazil, contour])
def test_a_kind_that_a_picture_cannot_draw(tmp_path: Path, draw: Any) -> None:
    with pytest.raises(
        ResultsError, match="kinds `hypotest` and `upper-limit`; these are of the kind `scan`: draw `scan` instead"
    ):
        draw(file_of("scan", [parabola()]), tmp_path / "a.svg")
    with pytest.raises(ResultsError, match="kind `fit`: no picture draws that kind"):
        draw(file_of("fit", []), tmp_path / "a.svg")
