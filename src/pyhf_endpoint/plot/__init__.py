"""Pictures drawn from a results file alone: the exclusion contour in a plane of masses, and CLs with its expected bands.

`select` picks records, `geometry` and `limits` compute, `style` holds what every picture shares, `exclusion` and `bands` draw.
Matplotlib is the extra `plot`; nothing here imports it before a picture is asked for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pyhf_endpoint.errors import MissingExtraError
from pyhf_endpoint.plot.theory import read_theory
from pyhf_endpoint.results import ResultsFile

__all__ = ["brazil", "contour", "read_theory"]

#: A curve to draw over a picture: a two-column file, or its points.
Curve = Path | Sequence[tuple[float, float]]


def contour(
    results: ResultsFile,
    output: Path,
    *,
    title: str | None = None,
    x: str | None = None,
    y: str | None = None,
    fix: Mapping[str, float | str] | None = None,
    poi_test: float | None = None,
    unit: str | Mapping[str, str] | None = "GeV",
    show_points: bool = True,
    values: bool = False,
    theory: Curve | None = None,
    theory_label: str = "Theory",
) -> None:
    """Draw the exclusion contour at CLs = 0.05 in the plane of two of the patch set's labels.

    Args:
        results: The results file as read.
        output: The picture to write; its suffix (.pdf, .png or .svg) picks the format.
        title: Title above the picture; mathematics between dollar signs is set as such.
        x: Label of the horizontal axis; by default the first label that varies.
        y: Label of the vertical axis; by default the second label that varies.
        fix: Values of the other labels, where they take several.
        poi_test: Tested value of the parameter of interest; by default the only one, or 1.
        unit: Unit of all labels, or a mapping from label to unit; None or empty for none.
        show_points: Mark the tested points, excluded ones differently from others.
        values: Write CLs beside each point.
        theory: A curve drawn over the plane, as a two-column file or as points (x, y) in the axes' units.
        theory_label: The curve's name in the legend.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: A label, value or file suffix that does not exist, or a choice that is left open.
        InputError: The theory file is broken.
        ResultsError: The results do not span a plane, or the picture cannot be written.
    """
    _require_matplotlib()
    from pyhf_endpoint.plot import exclusion, style

    style.check_suffix(output)
    options = exclusion.Options(title, unit, show_points, values, _curve(theory), theory_label)
    with style.paper():
        style.save(exclusion.figure(results, options, x=x, y=y, fix=fix, poi_test=poi_test), output)


def brazil(
    results: ResultsFile,
    output: Path,
    *,
    title: str | None = None,
    along: str | None = None,
    fix: Mapping[str, float | str] | None = None,
    hypothesis: str | None = None,
    poi_test: float | None = None,
    unit: str | Mapping[str, str] | None = "GeV",
    theory: Curve | None = None,
    theory_label: str = "Theory",
) -> None:
    """Draw observed and expected CLs with the bands of one and two standard deviations.

    Either along one of the patch set's labels at one value of the parameter of interest, or, for one hypothesis that was
    tested at several values of the parameter of interest, against that parameter, with the upper limits at CLs = 0.05.
    The second is drawn where `hypothesis` is given or the file holds one hypothesis only.

    Args:
        results: The results file as read.
        output: The picture to write; its suffix (.pdf, .png or .svg) picks the format.
        title: Title above the picture; mathematics between dollar signs is set as such.
        along: Label of the horizontal axis; by default the only label that varies.
        fix: Values of the other labels, where they take several.
        hypothesis: Name of the hypothesis whose scan of the parameter of interest is drawn.
        poi_test: Tested value of the parameter of interest; by default the only one, or 1.
        unit: Unit of all labels, or a mapping from label to unit; None or empty for none.
        theory: A curve drawn over the picture, as a two-column file or as points (x, CLs).
        theory_label: The curve's name in the legend.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: A label, value, hypothesis or file suffix that does not exist, or a choice that is left open.
        InputError: The theory file is broken.
        ResultsError: The results hold fewer than two points of this curve, or the picture cannot be written.
    """
    _require_matplotlib()
    from pyhf_endpoint.plot import bands, style

    style.check_suffix(output)
    options = bands.Options(title, unit, _curve(theory), theory_label)
    with style.paper():
        picture = bands.figure(results, options, along=along, fix=fix, hypothesis=hypothesis, poi_test=poi_test)
        style.save(picture, output)


def _curve(theory: Curve | None) -> tuple[tuple[float, float], ...]:
    if theory is None:
        return ()
    return read_theory(theory) if isinstance(theory, Path) else tuple(theory)


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("plot", "drawing plots") from error
