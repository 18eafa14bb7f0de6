"""Draws the exclusion contour from CLs or upper limits: lines, the expected one-sigma band and the tested points."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from pyhf_endpoint.plot import style
from pyhf_endpoint.plot.choices import Value
from pyhf_endpoint.plot.geometry import LEVEL, level_band, level_lines, significance
from pyhf_endpoint.plot.select import Points, plane
from pyhf_endpoint.results import ResultsFile

__all__ = ["Options", "figure"]

Array = NDArray[np.float64]

# Deep inside the excluded region numbers would crowd the picture and tell nothing.
_SMALLEST_VALUE = 0.001
# What a limit above the parameter's bound counts as at least: more than 1, so that it never excludes.
_SMALLEST_CAP = 2.0


@dataclass(frozen=True)
class Options:
    """How the contour looks; see `pyhf_endpoint.plot.contour`."""

    title: str | None = None
    unit: style.Unit = "GeV"
    show_points: bool = True
    values: bool = False
    theory: tuple[tuple[float, float], ...] = ()
    theory_label: str = "Theory"


@dataclass(frozen=True)
class _Measure:
    """How the numbers at the points are read.

    Attributes:
        height: Turns them into what is interpolated, which rises with the strength of the exclusion.
        at: The height above which a point is excluded.
        what: The numbers' name.
    """

    height: Callable[[Array], Array]
    at: float
    what: str

    def excluded(self, numbers: Array) -> NDArray[np.bool_]:
        """Whether each number excludes."""
        return self.height(numbers) > self.at


def figure(
    results: ResultsFile,
    options: Options,
    *,
    x: str | None = None,
    y: str | None = None,
    fix: Mapping[str, Value] | None = None,
    poi_test: float | None = None,
) -> Figure:
    """Return the figure; see `pyhf_endpoint.plot.contour`."""
    points = plane(results, x, y, fix, poi_test)
    size = (9.6, 7.6) if options.values else (6.4, 5.6)
    picture, axes = style.new_figure(options.title, width=size[0], height=size[1])
    measure, more = _read_limits(points) if results.header.kind == "upper-limit" else (_read_cls(), [])
    notes = style.setting_notes(points, options.unit, f"Limits at {style.confidence(results)}% CL") + more
    entries = _draw_limits(axes, points, measure, notes)
    if options.show_points:
        if not points.blind and not points.seen.all():
            notes.append("Points without an observed result are marked by the expected one")
        entries += _draw_points(axes, points, measure)
    _set_limits(axes, points)
    if options.values:
        notes.append(_draw_values(axes, points, measure))
    entries += style.draw_theory(axes, options.theory, options.theory_label)
    axes.set_xlabel(style.axis_label(points.axes[0], options.unit))
    axes.set_ylabel(style.axis_label(points.axes[1], options.unit))
    style.legend_above(axes, entries, notes)
    return picture


def _read_cls() -> _Measure:
    return _Measure(significance, float(significance(LEVEL)), "CLs")


def _read_limits(points: Points) -> tuple[_Measure, list[str]]:
    """Interpolate the logarithm of upper limits; return the notes that this needs too."""
    drawn = np.column_stack([points.observed, points.expected[:, 1:4]])
    cap = max(float(drawn[np.isfinite(drawn)].max(initial=0.0)), _SMALLEST_CAP)
    notes = [r"Excluded where the upper limit on $\mu$ is below 1"]
    beyond = int(np.isinf(drawn).any(axis=1).sum())
    if beyond:
        notes.append(rf"Limits above the bound of $\mu$, at {beyond} of {len(drawn)} points, count as {cap:.3g}")

    def height(limits: Array) -> Array:
        # A limit of 0 has no logarithm, and far from 1 the value holds no more information.
        return -np.log(np.clip(limits, 1e-6, cap))

    return _Measure(height, 0.0, r"upper limit on $\mu$"), notes


def _draw_limits(axes: Axes, points: Points, measure: _Measure, notes: list[str]) -> list[style.Entry]:
    """Draw band and lines; where there is no line to draw, say so among the notes."""
    entries: list[style.Entry] = []
    at, (low, middle, high) = points.coordinates, (measure.height(points.expected[:, i]) for i in (1, 2, 3))
    band = _draw_band(axes, level_band(at, high, low, measure.at))
    lines = level_lines(at, middle, measure.at)
    median = _draw_lines(axes, lines, "expected", color=style.EXPECTED, linestyle="--", linewidth=1.6)
    if not points.blind:
        numbers = points.observed[points.seen]
        lines = level_lines(at[points.seen], measure.height(numbers), measure.at)
        observed = _draw_lines(axes, lines, "observed", color=style.OBSERVED, linestyle="-", linewidth=2.0)
        if observed:
            entries.append((observed, "Observed limit"))
        else:
            notes.append(_no_line("Observed", measure.excluded(numbers)))
    if median and band:
        entries.append(((band, median), "Expected limit (±1σ)"))
    elif median:
        entries.append((median, "Expected limit"))
    elif band:
        entries.append((band, "Expected ±1σ"))
    if not median:
        notes.append(_no_line("Expected", measure.excluded(points.expected[:, 2])))
    return entries


def _draw_lines(axes: Axes, lines: Sequence[Array], gid: str, **look: Any) -> Line2D | None:
    """Draw the polylines; return one of them for the legend, None where there is none."""
    drawn = [axes.plot(line[:, 0], line[:, 1], gid=gid, zorder=3 + (gid == "observed"), **look)[0] for line in lines]
    return drawn[0] if drawn else None


def _draw_band(axes: Axes, rings: Sequence[Array]) -> Patch | None:
    if not rings:
        return None
    path = Path.make_compound_path(*(Path(ring, closed=True) for ring in rings))
    band = PathPatch(path, facecolor=style.TWO_SIGMA, edgecolor="none", gid="band", zorder=1)
    axes.add_patch(band)
    return band


def _draw_points(axes: Axes, points: Points, measure: _Measure) -> list[style.Entry]:
    """Mark excluded points with filled discs, others with open circles, and those without a usable fit with crosses."""
    below = measure.excluded(_shown(points))
    excluded, allowed = ("exclusion expected", "no exclusion expected") if points.blind else ("excluded", "not excluded")
    disc = {"marker": "o", "markersize": 3.4, "color": style.POINT}
    groups: list[tuple[Array, str, str, dict[str, Any]]] = [
        (points.coordinates[below], "points-excluded", f"Tested: {excluded}", disc),
        (
            points.coordinates[~below],
            "points-allowed",
            f"Tested: {allowed}",
            {**disc, "markerfacecolor": "white", "markeredgewidth": 0.7},
        ),
        (points.failed, "points-failed", "No usable fit", style.FAILED_MARK),
    ]
    entries: list[style.Entry] = []
    for where, gid, text, look in groups:
        if len(where):
            (marks,) = axes.plot(where[:, 0], where[:, 1], linestyle="none", gid=gid, zorder=2.5, **look)
            entries.append((marks, text))
    return entries


def _draw_values(axes: Axes, points: Points, measure: _Measure) -> str:
    """Write the number above each point where it is neither tiny nor infinite; return the note that says what the numbers are."""
    numbers = _shown(points)
    written = (numbers >= _SMALLEST_VALUE) & np.isfinite(numbers)
    places = points.coordinates[written]
    paper = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.3}
    size = _value_size(axes, places)
    for (x, y), value in zip(places, numbers[written], strict=True):
        axes.annotate(
            f"{value:.3f}" if value < 0.0995 else f"{value:.2f}" if value < 99.5 else f"{value:.3g}",
            (x, y),
            xytext=(0, 2.5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=size,
            color=style.POINT,
            zorder=5,
            bbox=paper,
        )
    return f"Numbers: {'expected' if points.blind else 'observed'} {measure.what} where it is at least {_SMALLEST_VALUE:g}"


def _value_size(axes: Axes, places: Array) -> float:
    """Return the largest font size up to 5 points, and not below 3, at which neighbours' numbers stay apart."""
    at = axes.transData.transform(places) * 72 / mpl.rcParams["figure.dpi"]
    across, along = np.abs(at[:, None, :] - at[None, :, :]).transpose(2, 0, 1)
    beside = across[(along < 6) & (across > 0)]
    # Five characters take 2.9 of the font size; the axes are a fifth wider once they are laid out.
    return float(np.clip(beside.min(initial=np.inf) * 1.2 / 3.3, 3.0, 5.0))


def _shown(points: Points) -> Array:
    """The observed numbers, where there is none the median expected."""
    return np.where(points.seen, points.observed, points.expected[:, 2])


def _no_line(which: str, is_excluded: NDArray[np.bool_]) -> str:
    excluded, tested = int(is_excluded.sum()), len(is_excluded)
    if excluded == 0:
        return f"{which}: none of the {tested} tested points is excluded"
    if excluded == tested:
        return f"{which}: all {tested} tested points are excluded"
    return f"{which}: {excluded} of {tested} tested points excluded, too isolated for a contour"


def _set_limits(axes: Axes, points: Points) -> None:
    """Show all points, failed ones too, with a margin."""
    every = np.concatenate([points.coordinates, points.failed])
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.04 * (high - low)
    axes.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))
