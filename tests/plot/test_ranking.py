"""The ranking: bars, pulls and what is written, against the numbers of the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.plot import impacts, ranking, style
from pyhf_endpoint.plot.impacts import measured
from pyhf_endpoint.results import ResultsFile
from tests.plot.grids import grid
from tests.plot.others import file_of, impact, ranked, ranking_file
from tests.plot.test_pictures import drawn, marks


def axes_of(results: ResultsFile, **options: Any) -> tuple[Axes, Axes]:
    with style.paper():
        pulls, bars = impacts.figure(results, **options).axes
    return pulls, bars


def test_everything_is_drawn(tmp_path: Path) -> None:
    file = ranking_file([impact(0, free=True, name="mu_Top"), *map(impact, range(1, 6))])
    path, words = drawn(tmp_path, ranking, file, title="A search")
    assert {"A search", "mu_Top", "theta_5", "1.19 ± 0.76", "Pull ± constraint"} <= set(words)
    assert r"signal: $\hat{\mu}$ = 0.19 ± 0.17" in words
    counts = {gid: marks(path, gid) for gid in ("post-up", "post-down", "pre-up", "pre-down", "pull", "constraint")}
    assert counts == {"post-up": 6, "post-down": 6, "pre-up": 5, "pre-down": 5, "pull": 5, "constraint": 5}
    assert [marks(path, f"line{at}") for at in ("-1", "+0", "+1")] == [1, 1, 1]


def test_bars_and_pulls_hold_the_numbers_of_the_file() -> None:
    # Given in the wrong order: the largest impact stands on top.
    pulls, bars = axes_of(ranking_file([impact(3, pull=-1.2, constraint=0.5), impact(0, free=True), impact(1)]))
    widths: dict[str | None, list[float]] = {}
    for bar in bars.patches:
        widths.setdefault(bar.get_gid(), []).append(bar.get_width())  # type: ignore[attr-defined]
    np.testing.assert_allclose(widths["post-up"], [1, 1 / 2, 1 / 4])
    np.testing.assert_allclose(widths["post-down"], [-0.9, -0.45, -0.225])
    np.testing.assert_allclose(widths["pre-up"], [0.55, 0.275])
    lines: dict[str | None, list[Any]] = {}
    for line in pulls.lines:
        lines.setdefault(line.get_gid(), []).append(line.get_xydata())
    np.testing.assert_allclose(np.concatenate(lines["pull"]), [[0.3, 1], [-1.2, 2]])
    np.testing.assert_allclose(np.concatenate(lines["constraint"])[2:], [[-1.7, 2], [-0.7, 2]])
    assert [label.get_text() for label in pulls.get_yticklabels()] == ["theta_0", "theta_1", "theta_3"]
    assert pulls.get_ylim() == (2.5, -0.5)
    for axes in (pulls, bars):
        low, high = axes.get_xlim()
        assert low == -high


def test_of_two_bars_on_one_side_the_shorter_lies_on_top() -> None:
    _, bars = axes_of(ranking_file([impact(0, post_up=0.2, post_down=0.5), impact(1, post_up=0.4, post_down=0.1)]))
    order = {(bar.get_gid(), round(bar.get_y() + 0.39)): bar.get_zorder() for bar in bars.patches}  # type: ignore[attr-defined]
    assert order["post-up", 0] > order["post-down", 0]
    assert order["post-up", 1] < order["post-down", 1]
    assert order["pre-up", 0] > max(order["post-up", 0], order["post-down", 0])


def test_colours_differ_in_grey() -> None:
    light = [float(np.dot((0.299, 0.587, 0.114), to_rgb(colour))) for colour in (impacts._UP, impacts._DOWN)]
    assert abs(light[0] - light[1]) > 0.25


def test_top_and_what_is_left_out(tmp_path: Path) -> None:
    lost = impact(9, name="lost", pre_up=None, pre_down=None, post_up=None, post_down=None)
    file = ranking_file([lost, *map(impact, range(8))])
    path, words = drawn(tmp_path, ranking, file, top=3)
    assert "The 3 nuisance parameters of 9 with the largest impact" in words
    assert "1 of 9 nuisance parameters without a usable impact, ranked" in " ".join(words)
    assert marks(path, "post-up") == 3
    assert "theta_2" in words
    assert "theta_3" not in words
    pulls, _ = axes_of(file)
    assert pulls.get_yticklabels()[-1].get_text() == "lost"
    with pytest.raises(UsageError, match="`top` is 0"):
        ranking(file, path, top=0)


def test_the_figure_grows_with_the_parameters() -> None:
    with style.paper():
        few, many = (impacts.figure(ranking_file([*map(impact, range(n))]), top=60) for n in (5, 55))
    assert many.get_size_inches()[1] - few.get_size_inches()[1] == pytest.approx(50 * impacts._ROW_IN)


@pytest.mark.parametrize("case", ["one", "twenty", "long", "title", "sixty"])
def test_text_is_inside_and_the_legend_off_the_axes(case: str) -> None:
    names = {"long": "ATLAS_EtaIntercalibration_NonClosure_highE_2018_" + 3 * "very_long_", "title": "a $b_ c"}
    count = {"one": 1, "sixty": 60}.get(case, 20)
    rows = [impact(i, free=i % 4 == 0, name=f"{names.get(case, 'theta')}_{i}") for i in range(count)]
    with style.paper():
        figure = impacts.figure(ranking_file(rows), top=60, title="A long title " * 10 if case == "title" else None)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pulls, bars = figure.axes
        block: Any = pulls.get_legend()
        legend = block.get_window_extent()
        boxes: dict[str, Any] = {
            text.get_text(): Text.get_window_extent(text) for text in figure.findobj(Text) if text.get_text()
        }
    label = bars.xaxis.label.get_window_extent()
    assert legend.y0 >= label.y1
    assert label.y0 >= pulls.get_window_extent().y1
    if case == "title":
        assert boxes[figure.get_suptitle()].y0 >= legend.y1
    assert [text for text, box in boxes.items() if box.min.min() < 0 or (box.max > figure.bbox.max).any()] == []
    names_of = [label.get_window_extent() for label in pulls.get_yticklabels()]
    assert not [i for i, box in enumerate(names_of) if box.count_overlaps(names_of[i + 1 :])]
    assert pulls.get_window_extent().width > 0.3 * figure.bbox.width


def test_the_hypothesis_is_chosen_by_name(tmp_path: Path) -> None:
    file = file_of(
        "ranking", [ranked([impact(0)], name=f"signal_{i}00", status="failed" if i == 3 else "converged") for i in (1, 2, 3)]
    )
    with pytest.raises(UsageError, match="choose one `hypothesis` of signal_100, signal_200, signal_300"):
        ranking(file, tmp_path / "a.svg")
    with pytest.raises(UsageError, match=r"`signal_20`\. Did you mean `signal_200`\? There are signal_100"):
        ranking(file, tmp_path / "a.svg", hypothesis="signal_20")
    with pytest.raises(ResultsError, match="nothing to draw of signal_300: its status is `failed`"):
        ranking(file, tmp_path / "a.svg", hypothesis="signal_300")
    _, words = drawn(tmp_path, ranking, file, hypothesis="signal_200")
    assert any(word.startswith("signal_200: ") for word in words)


def test_what_cannot_be_ranked(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no free nuisance parameters"):
        ranking(ranking_file([]), tmp_path / "a.svg")
    with pytest.raises(ResultsError, match="holds no results yet"):
        ranking(file_of("ranking", []), tmp_path / "a.svg")
    with pytest.raises(
        ResultsError, match=r"kind `ranking`; these are of the kind `hypotest`: draw `contour` or `brazil` instead"
    ):
        ranking(grid(), tmp_path / "a.svg")


@pytest.mark.parametrize(
    ("value", "uncertainty", "text"),
    [
        (1.19472, 0.76327, "1.19 ± 0.76"),
        (0.89, 0.1, "0.89 ± 0.10"),
        (-0.5, 12.3, "0 ± 12"),
        (0.123456, 0.00123, "0.1235 ± 0.0012"),
        (1.5, None, "1.5"),
        (2.0, 0.0, "2"),
        (1.0, 1e-9, "1 ± 1e-09"),
    ],
)
def test_rounding(value: float, uncertainty: float | None, text: str) -> None:
    assert measured(value, uncertainty) == text
