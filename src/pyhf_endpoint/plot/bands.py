"""Draws CLs with its expected bands, along one label of the patch set or against the parameter of interest."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.plot import style
from pyhf_endpoint.plot.choices import Value
from pyhf_endpoint.plot.geometry import LEVEL
from pyhf_endpoint.plot.limits import UpperLimit, log_cls, upper_limit
from pyhf_endpoint.plot.select import Points, along, scan
from pyhf_endpoint.results import ResultsFile

__all__ = ["Options", "figure"]

Array = NDArray[np.float64]

# CLs that spans more than this factor is drawn on a logarithmic axis, which reaches down to _FLOOR at most.
_DECADES_FACTOR = 30.0
_FLOOR = 1e-4


@dataclass(frozen=True)
class Options:
    """How the picture looks; see `pyhf_endpoint.plot.brazil`."""

    title: str | None = None
    unit: style.Unit = "GeV"
    theory: tuple[tuple[float, float], ...] = ()
    theory_label: str = "Theory"


def figure(
    results: ResultsFile,
    options: Options,
    *,
    along: str | None = None,
    fix: Mapping[str, Value] | None = None,
    hypothesis: str | None = None,
    poi_test: float | None = None,
) -> Figure:
    """Return the figure; see `pyhf_endpoint.plot.brazil`."""
    points = _select(results, along, fix, hypothesis, poi_test)
    if len(points.coordinates) < 2:
        raise ResultsError(
            f"a curve of CLs needs at least 2 points with results, here {'is' if len(points.coordinates) == 1 else 'are'}"
            f" {len(points.coordinates)} ({len(points.failed)} without a usable fit); compute more, or choose another slice"
        )
    picture, axes = style.new_figure(options.title, height=5.2)
    is_scan = points.poi_test is None
    notes = style.setting_notes(points, options.unit)
    if is_scan:
        names = {result.name for result in results.hypotests()}
        notes.insert(0, f"{style.safe_text(hypothesis or names.pop())}: upper limits at 95% CL")
    entries = _draw_cls(axes, points, with_limits=is_scan)
    _set_scale(axes, points)
    entries += _draw_outside(axes, points)
    entries += style.draw_theory(axes, options.theory, options.theory_label)
    axes.set_xlabel(r"Signal strength $\mu$" if is_scan else style.axis_label(points.axes[0], options.unit))
    axes.set_ylabel(r"$\mathrm{CL}_{s}$")
    style.legend_above(axes, entries, notes)
    return picture


def _select(
    results: ResultsFile, label: str | None, fix: Mapping[str, Value] | None, hypothesis: str | None, poi_test: float | None
) -> Points:
    """Decide between a scan of the parameter of interest and a line along a label."""
    tested = {result.poi_test for result in results.hypotests()}
    single = len({result.name for result in results.hypotests()}) == 1
    if hypothesis is not None:
        given = {"along": label, "fix": fix or None, "poi_test": poi_test}
        extra = [name for name, value in given.items() if value is not None]
        if extra:
            raise UsageError(
                f"`hypothesis` draws a scan of the parameter of interest, which takes no `{extra[0]}`; give one of the two"
            )
        if len(tested) > 1:
            return scan(results, hypothesis)
        scan(results, hypothesis)  # an unknown name is the first thing to hear about
        raise ResultsError(
            f"{hypothesis} was tested at one value of the parameter of interest only; compute several, or draw along a label"
        )
    if single and len(tested) > 1 and label is None and poi_test is None:
        return scan(results)
    return along(results, label, fix, poi_test)


def _draw_cls(axes: Axes, points: Points, *, with_limits: bool) -> list[style.Entry]:
    """Draw bands, lines and observed points; in a scan mark the upper limits and write them into the legend."""
    x, expected = points.coordinates[:, 0], points.expected.T
    for low, high, color, gid in ((0, 4, style.TWO_SIGMA, "band-2"), (1, 3, style.ONE_SIGMA, "band-1")):
        fine, lower = _refine(x, expected[low])
        axes.fill_between(fine, lower, _refine(x, expected[high])[1], color=color, linewidth=0, gid=gid, zorder=1)
    axes.plot(*_refine(x, expected[2]), color="black", linestyle="--", linewidth=1.5, zorder=3, gid="expected")
    axes.axhline(LEVEL, color=style.OBSERVED, linestyle=":", linewidth=1.4, zorder=2, gid="level")
    texts = {"expected": "Expected median", "observed": "Observed"}
    if with_limits:
        texts["expected"] = _mark_expected_limit(axes, x, expected)
    entries: list[style.Entry] = []
    if not points.blind:
        at, observed = x[points.seen], points.observed[points.seen]
        axes.plot(*_refine(at, observed), color="black", linewidth=1.5, zorder=4, gid="observed")
        axes.plot(at, observed, "o", color="black", markersize=4, zorder=4, gid="observed-points")
        if with_limits:
            limit = upper_limit(at, observed)
            _mark_limit(axes, limit, "observed-limit", filled=True)
            texts["observed"] = f"Observed: {limit.sentence()}"
        entries.append((Line2D([], [], color="black", linewidth=1.5, marker="o", markersize=4), texts["observed"]))
    return [
        *entries,
        (Line2D([], [], color="black", linestyle="--", linewidth=1.5), texts["expected"]),
        (Line2D([], [], color=style.OBSERVED, linestyle=":", linewidth=1.4), r"$\mathrm{CL}_{s}$ = 0.05"),
        (Patch(color=style.ONE_SIGMA), "Expected ±1σ"),
        (Patch(color=style.TWO_SIGMA), "Expected ±2σ"),
    ]


def _mark_expected_limit(axes: Axes, poi: Array, expected: Array) -> str:
    """Mark the expected limit; return its legend entry with the interval of one standard deviation."""
    low, median, high = (upper_limit(poi, expected[i]) for i in (1, 2, 3))
    _mark_limit(axes, median, "expected-limit", filled=False)
    text = f"Expected: {median.sentence()}"
    return text if low == high else f"{text} (±1σ: {low} to {high})"


def _mark_limit(axes: Axes, limit: UpperLimit, gid: str, *, filled: bool) -> None:
    """Mark where CLs crosses 0.05 and drop a thin line to the axis."""
    if limit.kind != "found":
        return
    axes.plot([limit.value] * 2, [_FLOOR, LEVEL], color="black", linewidth=0.8, linestyle="-" if filled else "--", zorder=3)
    face = "black" if filled else "white"
    axes.plot([limit.value], [LEVEL], "D", color="black", markerfacecolor=face, markersize=5, zorder=5, gid=gid)


def _draw_outside(axes: Axes, points: Points) -> list[style.Entry]:
    """Mark what has no place on the vertical axis: failed points, and observed CLs below its end."""
    entries: list[style.Entry] = []
    at_bottom: dict[str, Any] = {"linestyle": "none", "transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 6}
    if len(points.failed):
        x = points.failed[:, 0]
        (marks,) = axes.plot(x, [0.03] * len(x), **style.FAILED_MARK, **at_bottom, gid="points-failed")
        entries.append((marks, "No usable fit"))
    below = points.seen & (points.observed < axes.get_ylim()[0])
    if below.any():
        x = points.coordinates[below, 0]
        (marks,) = axes.plot(x, [0.02] * len(x), marker="v", markersize=4.5, color="black", **at_bottom, gid="points-below")
        entries.append((marks, "Observed, below the axis"))
    return entries


def _set_scale(axes: Axes, points: Points) -> None:
    """Choose a logarithmic axis where CLs spans decades; show all of the horizontal axis, failed points too."""
    cls = np.concatenate([points.expected.ravel(), points.observed[points.seen], [LEVEL]])
    low, high = float(cls.min()), float(cls.max())
    if high > _DECADES_FACTOR * low:
        axes.set_yscale("log")
        axes.set_ylim(max(low / 1.5, _FLOOR), high * 1.5)
    else:
        axes.set_ylim(0, high * 1.06)
    x = np.concatenate([points.coordinates[:, 0], points.failed[:, 0]])
    margin = 0.02 * (x.max() - x.min())
    axes.set_xlim(x.min() - margin, x.max() + margin)


def _refine(x: Array, cls: Array, parts: int = 16) -> tuple[Array, Array]:
    """Interpolate linearly in log CLs between the points, as the limits do, so that picture and limits agree on either scale."""
    fine = np.unique(np.concatenate([np.linspace(a, b, parts + 1) for a, b in itertools.pairwise(x)] or [x]))
    return fine, np.exp(np.interp(fine, x, log_cls(cls)))
