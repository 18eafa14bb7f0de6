"""The pictures themselves: what their files hold, that all text is inside and nothing lies over the data."""

import html
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.path import Path as Outline
from matplotlib.text import Text

from pyhf_endpoint.errors import InputError, MissingExtraError, ResultsError, UsageError
from pyhf_endpoint.plot import bands, brazil, contour, exclusion, style
from pyhf_endpoint.plot.geometry import exclusion_lines
from pyhf_endpoint.results import ResultsFile
from tests.plot.grids import MASSES, expected, grid, observed, poi_scan, result, results_file

SVG = "{http://www.w3.org/2000/svg}"
LINE = [(100.0 * i, 0.0) for i in range(1, 11)]


def texts(path: Path) -> list[str]:
    """Return the picture's texts; of those with mathematics, which SVG holds letter by letter, the source."""
    tree = ET.parse(path, ET.XMLParser(target=ET.TreeBuilder(insert_comments=True)))
    plain = [node for node in tree.iter(f"{SVG}text") if not len(node)]
    sources = [node for node in tree.iter() if callable(node.tag)]  # comments
    return [html.unescape(node.text or "").strip() for node in plain + sources]


def marks(path: Path, gid: str) -> int:
    """Count what is drawn in the groups of this id."""
    return sum(
        len(list(group.iter(f"{SVG}use"))) or len(list(group.iter(f"{SVG}path")))
        for group in ET.parse(path).iter(f"{SVG}g")
        if group.get("id") == gid
    )


def drawn(tmp_path: Path, draw: Callable[..., None], results: ResultsFile, **options: Any) -> tuple[Path, list[str]]:
    path = tmp_path / "picture.svg"
    draw(results, path, **options)
    return path, texts(path)


def winding(rings: Sequence[Any], points: Any) -> Any:
    """How often the rings run around each point: where it is not zero, the band is filled."""
    turns = (np.sign(np.sum(r[:-1, 0] * r[1:, 1] - r[1:, 0] * r[:-1, 1])) * Outline(r).contains_points(points) for r in rings)
    return np.sum(list(turns), axis=0)


def three_labels() -> ResultsFile:
    return results_file(
        [result((m1, m2, dm), 4 - m1 / 250 + dm / 20, name=f"{m1}_{m2}_{dm}") for m1, m2 in MASSES for dm in (5.0, 10.0)],
        ("m_C1N2", "m_N1", "dm"),
    )


def half_blind() -> ResultsFile:
    records = grid().hypotests()
    return results_file([r.model_copy(update={"CLs_obs": None}) if i % 10 == 0 else r for i, r in enumerate(records)])


def test_contour(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, contour, grid(), title="A search")
    assert {"A search", "Observed limit", "Expected limit (±1σ)", "Tested: excluded", "Tested: not excluded"} <= set(words)
    assert r"Limits at 95% CL, $\mu$ = 1" in words
    assert r"$m_{\mathrm{C1N2}}$ [GeV]" in words
    assert r"$m_{\mathrm{N1}}$ [GeV]" in words
    assert not any("pyhf" in word for word in words)
    excluded = int((observed(grid()) < 0.05).sum())
    assert marks(path, "points-excluded") == excluded
    assert marks(path, "points-allowed") == 125 - excluded
    assert [marks(path, gid) for gid in ("observed", "expected", "band", "points-failed")] == [1, 1, 1, 0]


def test_contour_draws_the_lines_of_the_geometry() -> None:
    with style.paper():
        axes = exclusion.figure(grid(), exclusion.Options()).axes[0]
    lines: dict[str | None, Any] = {line.get_gid(): line.get_xydata() for line in axes.lines}
    (seen,) = exclusion_lines(MASSES, observed(grid()))
    (median,) = exclusion_lines(MASSES, expected(grid())[:, 2])
    np.testing.assert_allclose(lines["observed"], seen)
    np.testing.assert_allclose(lines["expected"], median)
    # The data fluctuated up by 0.3 standard deviations, so less is excluded than expected.
    assert seen[:, 0].max() < median[:, 0].max()
    rings = next(patch for patch in axes.patches if patch.get_gid() == "band").get_path().to_polygons()
    for line in (seen, median):
        inside = 0.5 * (line[1:] + line[:-1])
        assert winding(rings, inside).all()
    assert not winding(rings, [(300, 50), (1100, 100)]).any()


def test_blind_contour(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, contour, grid(blind=True))
    assert "Blind: expected results only" in words
    assert "Expected limit (±1σ)" in words
    assert {"Tested: exclusion expected", "Tested: no exclusion expected"} <= set(words)
    assert not any("bserved" in word for word in words)
    assert marks(path, "observed") == 0
    assert marks(path, "points-excluded") == (expected(grid())[:, 2] < 0.05).sum()


def test_failed_points_are_crossed_and_left_out(tmp_path: Path) -> None:
    # Failed points among the excluded ones: the line must not bend towards them.
    path, words = drawn(tmp_path, contour, grid(failed=[7, 40, 41, 88]))
    assert "No usable fit" in words
    assert "4 of 125 tested points without a usable fit, left out" in words
    assert marks(path, "points-failed") == 4
    assert marks(path, "points-excluded") + marks(path, "points-allowed") == 121
    hidden = drawn(tmp_path, contour, grid(failed=[7]), show_points=False)
    assert "1 of 125 tested points without a usable fit, left out" in hidden[1]
    assert marks(hidden[0], "points-failed") == marks(hidden[0], "points-excluded") == 0


def test_points_without_an_observed_result_are_counted(tmp_path: Path) -> None:
    _, words = drawn(tmp_path, contour, half_blind())
    assert "13 of 125 tested points without an observed result" in words
    assert "Points without an observed result are marked by the expected" in " ".join(words)
    assert "Observed limit" in words


@pytest.mark.parametrize(
    ("significance", "sentence", "gid"),
    [
        (0.1, "none of the 125 tested points is excluded", "points-allowed"),
        (9.0, "all 125 tested points are excluded", "points-excluded"),
    ],
)
def test_nothing_or_everything_excluded(tmp_path: Path, significance: float, sentence: str, gid: str) -> None:
    path, words = drawn(tmp_path, contour, grid(lambda m1, m2: significance))
    assert f"Observed: {sentence}" in words
    assert f"Expected: {sentence}" in words
    assert not any("limit" in word for word in words)
    assert [marks(path, name) for name in ("observed", "expected", "band", gid)] == [0, 0, 0, 125]


def test_a_band_without_its_median(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, contour, grid(lambda m1, m2: 1.8 - m1 / 2000))
    assert "Expected ±1σ" in words
    assert "Expected: none of the 125 tested points is excluded" in words
    assert [marks(path, name) for name in ("expected", "band")] == [0, 1]


def test_values(tmp_path: Path) -> None:
    _, words = drawn(tmp_path, contour, grid(), values=True)
    assert "Numbers: observed CLs where it is at least 0.001" in words
    cls = observed(grid())
    numbers = sorted(f"{value:.3f}" if value < 0.0995 else f"{value:.2f}" for value in cls[cls >= 0.001])
    assert sorted(word for word in words if word[0] in "01" and "." in word) == numbers


def test_crowded_values_do_not_overlap() -> None:
    masses = [(x, y) for x in (100.0, 108.0, 125.0, 140.0, 148.0, 500.0) for y in (20.0, 30.0, 40.0, 300.0)]
    with style.paper():
        figure = exclusion.figure(grid(lambda m1, m2: 2.5 - m2 / 100, masses=masses), exclusion.Options(values=True))
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == len(masses)
    assert not [i for i, box in enumerate(boxes) if box.count_overlaps(boxes[i + 1 :])]


def test_a_plane_of_three_labels(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`dm` takes several values; choose one with `fix`: 5, 10"):
        contour(three_labels(), tmp_path / "a.svg")
    _, words = drawn(tmp_path, contour, three_labels(), fix={"dm": 10})
    assert r"Limits at 95% CL, $\mu$ = 1, dm = 10 GeV" in words
    _, words = drawn(tmp_path, contour, three_labels(), fix={"dm": 5}, x="m_N1", y="m_C1N2", unit={"dm": "MeV"})
    assert r"Limits at 95% CL, $\mu$ = 1, dm = 5 MeV" in words
    assert r"$m_{\mathrm{N1}}$" in words


def test_collinear_points_suggest_the_other_picture(tmp_path: Path) -> None:
    diagonal = [(100.0 * i, 50.0 * i) for i in range(5)]
    with pytest.raises(ResultsError, match=r"span a plane.*draw `brazil` along one label"):
        contour(grid(masses=diagonal), tmp_path / "a.svg")
    with pytest.raises(ResultsError, match="here are 0;"):
        contour(grid(failed=range(125)), tmp_path / "a.svg")
    assert not (tmp_path / "a.svg").exists()


def test_theory_curve(tmp_path: Path) -> None:
    curve = tmp_path / "curve.csv"
    curve.write_text("m1,m2\n100,0\n5000,2450\n")
    path, words = drawn(tmp_path, contour, grid(), theory=curve, theory_label="A model")
    assert "A model" in words
    assert marks(path, "theory") == 1
    assert "1000" in words
    assert "5000" not in words  # the curve does not stretch the axes
    with pytest.raises(
        InputError, match=r"its x runs from 0.2 to 1, the plot's from 161.6 to 1198.4; give it in the plot's units"
    ):
        contour(grid(), path, theory=[(0.2, 0.0), (1.0, 0.5)])


def test_bands_along_a_label(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, brazil, grid(), along="m_C1N2", fix={"m_N1": 0.0})
    assert {
        "Observed",
        "Expected median",
        "Expected ±1σ",
        "Expected ±2σ",
        r"$\mathrm{CL}_{s}$ = 0.05",
        r"$\mu$ = 1, $m_{\mathrm{N1}}$ = 0 GeV",
        r"$m_{\mathrm{C1N2}}$ [GeV]",
        r"$\mathrm{CL}_{s}$",
    } <= set(words)
    assert [marks(path, gid) for gid in ("band-1", "band-2", "expected", "observed", "level")] == [1, 1, 1, 1, 1]
    below = (observed(grid())[[m2 == 0 for _, m2 in MASSES]] < 1e-4).sum()
    assert marks(path, "points-below") == below > 0


def test_bands_hold_the_numbers_of_the_file() -> None:
    file = grid(masses=LINE)
    with style.paper():
        axes = bands.figure(file, bands.Options()).axes[0]
    lines: dict[str | None, Any] = {line.get_gid(): line.get_xydata() for line in axes.lines}
    shown: dict[str | None, Any] = {c.get_gid(): c.get_paths()[0].vertices for c in axes.collections}
    masses = np.array(LINE)[:, 0]
    np.testing.assert_allclose(lines["observed-points"], np.column_stack([masses, observed(file)]))
    compared = 0
    for mass, cls in zip(masses, expected(file), strict=True):
        if cls[0] < 1e-6:  # far below what is drawn
            continue
        compared += 1
        (median,) = lines["expected"][lines["expected"][:, 0] == mass][:, 1]
        assert median == pytest.approx(cls[2])
        for gid, low, high in (("band-2", 0, 4), ("band-1", 1, 3)):
            edges = shown[gid][shown[gid][:, 0] == mass][:, 1]
            assert (edges.min(), edges.max()) == pytest.approx((cls[low], cls[high]))
    assert compared >= 4
    assert axes.get_yscale() == "log"


def test_a_narrow_range_is_drawn_linearly() -> None:
    file = grid(lambda m1, m2: 0.5, masses=LINE)
    with style.paper():
        axes = bands.figure(file, bands.Options()).axes[0]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] == 0


def test_scan_of_the_parameter_of_interest(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, brazil, poi_scan())
    assert "signal_500_100: upper limits at 95% CL" in words
    assert r"Signal strength $\mu$" in words
    seen = next(word for word in words if word.startswith("Observed:"))
    median = next(word for word in words if word.startswith("Expected:"))
    # CLs_exp(n) = Phi(n - 2.2 mu) / Phi(n) = 0.05, so mu = (n - Phi^-1(0.05 Phi(n))) / 2.2; the steps of 0.2 cost 1%.
    assert float(seen.removeprefix(r"Observed: $\mu$ < ")) == pytest.approx(2.1678 / 2.2, rel=0.01)
    assert float(median.split()[3]) == pytest.approx(1.95996 / 2.2, rel=0.01)
    low, high = (float(median.strip(")").split()[i]) for i in (5, 7))
    assert low == pytest.approx(1.4100 / 2.2, rel=0.01)
    assert high == pytest.approx(2.7278 / 2.2, rel=0.01)
    assert [marks(path, gid) for gid in ("observed-limit", "expected-limit")] == [1, 1]


def test_scan_that_does_not_reach_the_limit(tmp_path: Path) -> None:
    path, words = drawn(tmp_path, brazil, poi_scan(blind=True, per_unit=0.8))
    assert "Expected: limit above 2.00 (±1σ: 1.76 to > 2.00)" in words
    assert "Expected: limit above 2.00" in drawn(tmp_path, brazil, poi_scan(blind=True, per_unit=0.5))[1]
    assert "Blind: expected results only" in words
    assert [marks(path, gid) for gid in ("observed", "observed-limit", "expected-limit")] == [0, 0, 0]


def test_which_of_the_two_uses(tmp_path: Path) -> None:
    output = tmp_path / "a.svg"
    several = poi_scan(("a", "b"))
    with pytest.raises(UsageError, match=r"no results for the hypothesis `c`\. There are a, b"):
        brazil(several, output, hypothesis="c")
    _, words = drawn(tmp_path, brazil, several, hypothesis="b")
    assert "b: upper limits at 95% CL" in words
    with pytest.raises(UsageError, match="which takes no `along`"):
        brazil(several, output, hypothesis="b", along="m_N1")
    with pytest.raises(ResultsError, match=r"signal_200.0_0.0 was tested at one value"):
        brazil(grid(), output, hypothesis="signal_200.0_0.0")
    with pytest.raises(UsageError, match="`m_C1N2`, `m_N1` vary; choose one with `along`"):
        brazil(grid(), output)
    with pytest.raises(UsageError, match=r"no results with m_N1 = 1; choose from 0, 25"):
        brazil(grid(), output, along="m_C1N2", fix={"m_N1": 1})
    with pytest.raises(ResultsError, match=r"at least 2 points with results, here is 1 \(9 without a usable fit\)"):
        brazil(grid(masses=LINE, failed=range(1, 10)), output)
    assert not output.exists()


PROCESS = r"$\tilde{\chi}^{\pm}_1\tilde{\chi}^0_2 \to W h\,\tilde{\chi}^0_1\tilde{\chi}^0_1$"
CASES: dict[str, tuple[Any, ResultsFile, dict[str, Any], dict[str, Any]]] = {
    "everything at once": (
        exclusion,
        grid(failed=[7, 88]),
        {
            "title": f"{PROCESS}, " * 3,
            "values": True,
            "theory": ((200, 0), (1200, 600)),
            "theory_label": "A model with a name of many words that goes on",
        },
        {},
    ),
    "nothing": (exclusion, grid(lambda m1, m2: 0.1), {}, {}),
    "special labels": (exclusion, grid(labels=("a$b_%\\{", "$\\bad$ χ̃")), {"title": "100% $"}, {}),
    "slice": (
        bands,
        grid(failed=[50]),
        {"theory": ((200, 0.001), (1200, 1.0))},
        {"along": "m_C1N2", "fix": {"m_N1": 0.0}},
    ),
    "scan above": (
        bands,
        poi_scan(per_unit=0.5),
        {"title": "A scan", "theory": ((0, 0.5), (2, 0.1)), "theory_label": "Something else"},
        {},
    ),
    "scan of a long name": (bands, poi_scan(("C1N2_Wh_hbb_" * 12,)), {}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_text_is_inside_the_figure_and_the_legend_off_the_data(case: str) -> None:
    module, results, options, choice = CASES[case]
    with style.paper():
        figure = module.figure(results, module.Options(**options), **choice)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        (axes,) = figure.axes
        data, legend = axes.get_window_extent(), axes.get_legend().get_window_extent()
        boxes = {text.get_text(): text.get_window_extent() for text in figure.findobj(Text) if text.get_text()}
    assert data.width > 0.7 * figure.bbox.width
    assert data.height > 0.4 * figure.bbox.height
    assert legend.y0 >= data.y1
    assert legend.x1 <= figure.bbox.x1
    if options.get("title"):
        assert boxes[figure.get_suptitle()].y0 >= legend.y1
    outside = [text for text, box in boxes.items() if box.min.min() < 0 or (box.max > figure.bbox.max).any()]
    assert outside == []


@pytest.mark.parametrize(("suffix", "start"), [(".pdf", b"%PDF"), (".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_every_format_twice_the_same(tmp_path: Path, suffix: str, start: bytes) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for output in (first, second):
        brazil(poi_scan(), output)
    data = first.read_bytes()
    assert data.startswith(start)
    assert data == second.read_bytes()
    assert b"CreationDate" not in data
    assert b"dc:date" not in data
    if suffix == ".pdf":
        assert b"/FontFile2" in data  # the fonts come along, as outlines that a journal accepts
        assert b"/Type3" not in data


def test_colours_of_a_png(tmp_path: Path) -> None:
    contour(grid(), tmp_path / "a.png")
    pixels = imread(tmp_path / "a.png")[:, :, :3]
    assert pixels.shape == (1120, 1280, 3)
    for colour, least in ((style.OBSERVED, 800), (style.EXPECTED, 500), (style.TWO_SIGMA, 20000)):
        close = np.abs(pixels - mpl.colors.to_rgb(colour)).max(axis=2) < 0.02
        assert close.sum() > least


def test_a_wrong_suffix_is_said_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.pdf, \.png, \.svg"):
        contour(results_file([]), tmp_path / "a.gif")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_is_imported_without_matplotlib() -> None:
    assert run("import sys, pyhf_endpoint.plot; print('matplotlib' in sys.modules)") == "False\n"


def test_drawing_leaves_pyplot_alone(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from pyhf_endpoint.plot import contour; from tests.plot.grids import grid;"
    output = tmp_path / "a.png"
    assert run(f"{code} contour(grid(), Path({str(output)!r})); print('matplotlib.pyplot' in sys.modules)") == "False\n"
    assert output.exists()


def test_without_the_extra() -> None:
    code = """
import sys
from pathlib import Path
sys.modules["matplotlib"] = None
from pyhf_endpoint.errors import MissingExtraError
from pyhf_endpoint.plot import brazil, contour, ranking, scan
for draw in (brazil, contour, ranking, scan):
    try:
        draw(None, Path("a.pdf"))
    except MissingExtraError as error:
        print(error)
"""
    assert run(code) == f"{MissingExtraError('plot', 'drawing plots')}\n" * 4
