"""Pictures drawn from a results file alone: exclusion contours, expected bands, rankings and profile likelihoods.

`choices` and `select` pick records, `geometry` and `limits` compute, `style` holds what every picture shares; `exclusion`,
`bands`, `limit_bands`, `impacts` and `likelihood` draw.
Matplotlib is the extra `plot`; nothing here imports it before a picture is asked for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pyhf_endpoint.errors import MissingExtraError
from pyhf_endpoint.plot.choices import require_kind
from pyhf_endpoint.plot.theory import read_theory
from pyhf_endpoint.results import ResultsFile

__all__ = ["brazil", "contour", "ranking", "read_theory", "scan"]

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
    """Draw the exclusion contour in the plane of two of the patch set's labels.

    Of tests of hypotheses it lies where CLs = 0.05, of upper limits where the limit on the parameter of interest is 1. A limit
    above the parameter's bound excludes nothing; it counts as the largest limit that is known.

    Args:
        results: The results file as read, of the kind `hypotest` or `upper-limit`.
        output: The picture to write; its suffix (.pdf, .png or .svg) picks the format.
        title: Title above the picture; mathematics between dollar signs is set as such.
        x: Label of the horizontal axis; by default the first label that varies.
        y: Label of the vertical axis; by default the second label that varies.
        fix: Values of the other labels, where they take several.
        poi_test: Tested value of the parameter of interest; by default the only one, or 1.
        unit: Unit of all labels, or a mapping from label to unit; None or empty for none.
        show_points: Mark the tested points, excluded ones differently from others.
        values: Write CLs, or the upper limit, beside each point.
        theory: A curve drawn over the plane, as a two-column file or as points (x, y) in the axes' units.
        theory_label: The curve's name in the legend.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: A label, value or file suffix that does not exist, or a choice that is left open.
        InputError: The theory file is broken.
        ResultsError: The results are of another kind or do not span a plane, or the picture cannot be written.
    """
    _require_matplotlib()
    from pyhf_endpoint.plot import exclusion, style

    style.check_suffix(output)
    require_kind(results, "contour")
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
    """Draw observed and expected CLs, or upper limits, with the bands of one and two standard deviations.

    CLs is drawn either along one of the patch set's labels at one value of the parameter of interest, or, for one hypothesis
    that was tested at several values of the parameter of interest, against that parameter, with the upper limits at
    CLs = 0.05. The second is drawn where `hypothesis` is given or the file holds one hypothesis only. Upper limits on the
    parameter of interest are drawn along a label, with gaps where they lie above the parameter's bound.

    Args:
        results: The results file as read, of the kind `hypotest` or `upper-limit`.
        output: The picture to write; its suffix (.pdf, .png or .svg) picks the format.
        title: Title above the picture; mathematics between dollar signs is set as such.
        along: Label of the horizontal axis; by default the only label that varies.
        fix: Values of the other labels, where they take several.
        hypothesis: Name of the hypothesis whose scan of the parameter of interest is drawn.
        poi_test: Tested value of the parameter of interest; by default the only one, or 1.
        unit: Unit of all labels, or a mapping from label to unit; None or empty for none.
        theory: A curve drawn over the picture, as a two-column file or as points (x, CLs) or (x, limit).
        theory_label: The curve's name in the legend.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: A label, value, hypothesis or file suffix that does not exist, or a choice that is left open.
        InputError: The theory file is broken.
        ResultsError: The results are of another kind or hold fewer than two points of this curve, or the picture cannot be
            written.
    """
    _require_matplotlib()
    from pyhf_endpoint.plot import bands, limit_bands, style

    style.check_suffix(output)
    require_kind(results, "brazil")
    options = bands.Options(title, unit, _curve(theory), theory_label)
    with style.paper():
        draw = limit_bands.figure if results.header.kind == "upper-limit" else bands.figure
        picture = draw(results, options, along=along, fix=fix, hypothesis=hypothesis, poi_test=poi_test)
        style.save(picture, output)


def ranking(
    results: ResultsFile, output: Path, *, hypothesis: str | None = None, top: int = 20, title: str | None = None
) -> None:
    """Draw the nuisance parameters by their impact on the parameter of interest, with their pulls and constraints.

    Bars on the upper axis show how far the parameter of interest moves with a parameter held one standard deviation up or
    down; points on the lower axis show its pull, with an error bar of its post-fit over its pre-fit standard deviation.
    An unconstrained parameter has no pull; its best fit and uncertainty stand at the right.

    Args:
        results: The results file as read, of the kind `ranking`.
        output: The picture to write; its suffix (.pdf, .png or .svg) picks the format.
        hypothesis: Name of the hypothesis; by default the only one.
        top: How many parameters to draw at most.
        title: Title above the picture; mathematics between dollar signs is set as such.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: A hypothesis or file suffix that does not exist, a choice that is left open, or `top` below 1.
        ResultsError: The results are of another kind or unusable, or the picture cannot be written.
    """
    _require_matplotlib()
    from pyhf_endpoint.plot import impacts, style

    style.check_suffix(output)
    require_kind(results, "ranking")
    with style.paper():
        style.save(impacts.figure(results, hypothesis=hypothesis, top=top, title=title), output)


def scan(
    results: ResultsFile,
    output: Path,
    *,
    hypothesis: str | None = None,
    parameter: str | None = None,
    title: str | None = None,
) -> None:
    """Draw the profile likelihood along one parameter, with the intervals at 68% and 95% confidence level.

    The intervals are where -2 log of the profile likelihood ratio is at most 1 and 4; between the values of the grid its
    signed square root, a straight line for a parabola, is interpolated. Values without a usable fit leave gaps.

    Args:
        results: The results file as read, of the kind `scan`.
        output: The picture to write; its suffix (.pdf, .png or .svg) picks the format.
        hypothesis: Name of the hypothesis; by default the only one.
        parameter: Name of the scanned parameter; by default the only one.
        title: Title above the picture; mathematics between dollar signs is set as such.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: A hypothesis, parameter or file suffix that does not exist, or a choice that is left open.
        ResultsError: The results are of another kind or unusable, or the picture cannot be written.
    """
    _require_matplotlib()
    from pyhf_endpoint.plot import likelihood, style

    style.check_suffix(output)
    require_kind(results, "scan")
    with style.paper():
        style.save(likelihood.figure(results, hypothesis=hypothesis, parameter=parameter, title=title), output)


def _curve(theory: Curve | None) -> tuple[tuple[float, float], ...]:
    if theory is None:
        return ()
    return read_theory(theory) if isinstance(theory, Path) else tuple(theory)


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("plot", "drawing plots") from error
