"""The profile likelihood: its intervals against a parabola's, its gaps, and what is written."""

import math
from pathlib import Path

import numpy as np
import pytest

from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.plot import likelihood, scan, style
from pyhf_endpoint.plot.likelihood import Interval, curve
from tests.plot.grids import grid
from tests.plot.others import file_of, parabola
from tests.plot.test_pictures import drawn, marks


def test_a_parabola_has_its_intervals_to_rounding() -> None:
    record = parabola(best=0.4, width=0.5)
    line = curve(record.grid, record.twice_delta_nll, record.best_fit)
    for level in (1.0, 4.0):
        (found,) = line.intervals(level)
        reach = 0.5 * math.sqrt(level)
        np.testing.assert_allclose((found.low, found.high), (0.4 - reach, 0.4 + reach), atol=1e-12)
        assert not found.low_open
        assert not found.high_open
    (piece,) = line.pieces
    np.testing.assert_allclose(piece[1], ((piece[0] - 0.4) / 0.5) ** 2, atol=1e-12)


def test_an_interval_that_the_scan_or_a_gap_cuts_off_is_open() -> None:
    record = parabola(best=0.4, width=0.5, grid=[0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5], missing=[3])
    line = curve(record.grid, record.twice_delta_nll, record.best_fit)
    assert line.gaps.tolist() == [0.75]
    assert len(line.pieces) == 2
    assert line.intervals(1.0) == [Interval(0.0, 0.5, low_open=True, high_open=True)]
    first, second = line.intervals(4.0)
    assert first == Interval(0.0, 0.5, low_open=True, high_open=True)
    assert (second.low, second.low_open, second.high_open) == (1.0, True, False)
    assert second.high == pytest.approx(1.4)


def test_two_minima_give_two_intervals() -> None:
    x = np.linspace(-3, 3, 61)
    line = curve(x.tolist(), (((x**2 - 4) ** 2) / 4).tolist(), 2.0)
    low, high = line.intervals(1.0)
    # |x^2 - 4| = 2
    np.testing.assert_allclose((high.low, high.high), (math.sqrt(2), math.sqrt(6)), atol=2e-3)
    np.testing.assert_allclose((low.low, low.high), (-math.sqrt(6), -math.sqrt(2)), atol=2e-3)


@pytest.mark.parametrize("best", [None, -0.3, 5.0])
def test_a_best_fit_that_is_unknown_or_outside_is_not_marked(tmp_path: Path, best: float | None) -> None:
    record = parabola(best=0.5, grid=[0.0, 0.25, 0.5, 0.75, 1.0]).model_copy(update={"best_fit": best})
    path, words = drawn(tmp_path, scan, file_of("scan", [record]))
    assert marks(path, "best") == 0
    assert not any("Best fit" in word for word in words)
    assert "68% CL: 0.000 to 1.00" not in words
    assert marks(path, "curve") == 1


def test_everything_is_drawn(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, scan, file_of("scan", [parabola()]), title="A search")
    assert {
        "A search",
        "signal: profile likelihood of mu",
        "Best fit: 0.40",
        "68% CL: -0.10 to 0.90",
        "95% CL: -0.60 to 1.40",
    } <= set(words)
    assert [marks(path, gid) for gid in ("curve", "best", "level-1", "level-4", "end-1", "end-4", "gaps")] == [
        1,
        1,
        1,
        1,
        2,
        2,
        0,
    ]
    assert marks(path, "points") == 13
    assert not any(word.startswith("*") for word in words)


def test_gaps_are_said(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, scan, file_of("scan", [parabola(missing=[0, 7, 8])]))
    assert "3 of 13 scanned values without a usable fit, left out" in words
    assert "* end of the scan or a gap: the interval may reach further" in words
    assert "68% CL: -0.10 to 0.50*" in words
    assert marks(path, "curve") == 2
    assert marks(path, "gaps") == 3


def test_a_negative_rise_within_the_fits_tolerance_counts_as_none() -> None:
    line = curve([0.0, 1.0, 2.0], [1.0, -1e-9, 1.0], 1.0)
    assert line.intervals(0.25)[0] == Interval(0.5, 1.5)


def test_hypothesis_and_parameter_are_chosen_by_name(tmp_path: Path) -> None:
    file = file_of("scan", [parabola(name=name, parameter=p) for name in ("signal_1", "signal_2") for p in ("mu", "lumi")])
    output = tmp_path / "a.svg"
    with pytest.raises(UsageError, match="choose one `hypothesis` of signal_1, signal_2"):
        scan(file, output)
    with pytest.raises(UsageError, match="choose one `parameter` of lumi, mu"):
        scan(file, output, hypothesis="signal_1")
    with pytest.raises(UsageError, match=r"no results for the parameter `lum`\. Did you mean `lumi`\?"):
        scan(file, output, hypothesis="signal_1", parameter="lum")
    assert not output.exists()
    _, words = drawn(tmp_path, scan, file, hypothesis="signal_2", parameter="lumi")
    assert "signal_2: profile likelihood of lumi" in words


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    output = tmp_path / "a.svg"
    with pytest.raises(ResultsError, match="its status is `failed`: no minimum found"):
        scan(file_of("scan", [parabola(status="failed")]), output)
    with pytest.raises(ResultsError, match="has 1 of the at least 2 usable values"):
        scan(file_of("scan", [parabola(missing=range(1, 13))]), output)
    with pytest.raises(ResultsError, match=r"`scan` draws results of the kind `scan`; these are of the kind `hypotest`"):
        scan(grid(), output)
    with style.paper(), pytest.raises(ResultsError, match="no results yet"):
        likelihood.figure(file_of("scan", []))
