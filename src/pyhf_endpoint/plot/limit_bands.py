"""Draws upper limits on the parameter of interest with their expected bands along one label of the patch set."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.plot import select, style
from pyhf_endpoint.plot.bands import Options
from pyhf_endpoint.plot.choices import Value
from pyhf_endpoint.plot.select import Points
from pyhf_endpoint.results import ResultsFile

__all__ = ["figure"]

Array = NDArray[np.float64]

# Limits that span more than this factor are drawn on a logarithmic axis.
_DECADES_FACTOR: Final = 15.0
_PARTS: Final = 16


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
    if hypothesis is not None:
        raise UsageError(
            "`hypothesis` draws CLs against the parameter of interest, which a file of upper limits lacks; leave it out"
        )
    points = select.along(results, along, fix, poi_test)
    every = np.column_stack([points.observed, points.expected])
    known = int(np.count_nonzero(np.isfinite(every).any(axis=1)))
    if known < 2:
        raise ResultsError(
            f"a curve of upper limits needs at least 2 points with a limit, here {'is' if known == 1 else 'are'} {known}"
            f" ({len(every) - known} with all limits above the parameter's bound, {len(points.failed)} without a usable fit);"
            " compute more, or choose another slice"
        )
    picture, axes = style.new_figure(options.title, height=5.2)
    notes = style.setting_notes(points, options.unit, f"Upper limits at {style.confidence(results)}% CL")
    beyond = int(np.count_nonzero(np.isinf(every).any(axis=1)))
    if beyond:
        notes.append(rf"Gaps: limits above the bound of $\mu$, at {beyond} of {len(every)} points")
    bands = _draw_bands(axes, points)
    entries = _draw_lines(axes, points) + bands
    _set_scale(axes, points)
    entries += _draw_outside(axes, points) + style.draw_theory(axes, options.theory, options.theory_label)
    axes.set_xlabel(style.axis_label(points.axes[0], options.unit))
    axes.set_ylabel(r"Upper limit on the signal strength $\mu$")
    style.legend_above(axes, entries, notes)
    return picture


def _draw_bands(axes: Axes, points: Points) -> list[style.Entry]:
    """Fill the bands where both their ends are known; at a point between two gaps a bar stands for the band."""
    entries: list[style.Entry] = []
    bands = ((1, 3, style.ONE_SIGMA, "band-1", "Expected ±1σ", 1.1), (0, 4, style.TWO_SIGMA, "band-2", "Expected ±2σ", 1.0))
    for low, high, color, gid, text, order in bands:
        pieces = list(_pieces(points.coordinates[:, 0], points.expected[:, [low, high]]))
        for x, ends in pieces:
            if len(x) > 1:
                axes.fill_between(x, ends[:, 0], ends[:, 1], color=color, linewidth=0, gid=gid, zorder=order)
            else:
                axes.plot([x[0]] * 2, ends[0], color=color, linewidth=6, solid_capstyle="butt", gid=gid, zorder=order)
        if pieces:
            entries.append((Patch(color=color), text))
    return entries


def _draw_lines(axes: Axes, points: Points) -> list[style.Entry]:
    """Draw the median expected and the observed limit, and the line at 1, below which the signal is excluded."""
    x = points.coordinates[:, 0]
    entries: list[style.Entry] = []
    if not points.blind:
        for at, limit in _pieces(x, points.observed[:, None]):
            axes.plot(at, limit[:, 0], color="black", linewidth=1.5, zorder=4, gid="observed")
        known = np.isfinite(points.observed)
        axes.plot(x[known], points.observed[known], "o", color="black", markersize=4, zorder=4, gid="observed-points")
        entries.append((Line2D([], [], color="black", linewidth=1.5, marker="o", markersize=4), "Observed"))
    for at, limit in _pieces(x, points.expected[:, [2]]):
        mark = "_" if len(at) == 1 else ""
        axes.plot(at, limit[:, 0], color="black", linestyle="--", marker=mark, linewidth=1.5, zorder=3, gid="expected")
    axes.axhline(1.0, color=style.OBSERVED, linestyle=":", linewidth=1.4, zorder=2, gid="level")
    return [
        *entries,
        (Line2D([], [], color="black", linestyle="--", linewidth=1.5), "Expected median"),
        (Line2D([], [], color=style.OBSERVED, linestyle=":", linewidth=1.4), r"$\mu$ = 1: excluded below"),
    ]


def _draw_outside(axes: Axes, points: Points) -> list[style.Entry]:
    """Mark failed points at the bottom, and at the top those whose observed or median expected limit lies above the bound."""
    x = points.coordinates[:, 0]
    groups: list[tuple[Array, float, str, str, dict[str, Any]]] = [
        (points.failed[:, 0], 0.03, "points-failed", "No usable fit", style.FAILED_MARK),
        (
            x[np.isinf(points.expected[:, 2])],
            0.965,
            "expected-above",
            "Expected, above the bound",
            {"marker": "^", "markersize": 7.5, "color": "black", "markerfacecolor": "none"},
        ),
        (
            x[np.isinf(points.observed)],
            0.965,
            "observed-above",
            "Observed, above the bound",
            {"marker": "^", "markersize": 4, "color": "black"},
        ),
    ]
    entries: list[style.Entry] = []
    for at, height, gid, text, look in groups:
        if len(at):
            where: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 6}
            (marks,) = axes.plot(at, [height] * len(at), linestyle="none", gid=gid, **where, **look)
            entries.append((marks, text))
    return entries


def _set_scale(axes: Axes, points: Points) -> None:
    """Choose a logarithmic axis where the limits span decades; show all of the horizontal axis, failed points too."""
    limits = np.concatenate([points.expected.ravel(), points.observed, [1.0]])
    limits = limits[np.isfinite(limits) & (limits > 0)]
    low, high = float(limits.min()), float(limits.max())
    if high > _DECADES_FACTOR * low:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylim(low / 1.5, high * 1.6)
    else:
        axes.set_ylim(0, high * 1.1)
    x = np.concatenate([points.coordinates[:, 0], points.failed[:, 0]])
    margin = 0.02 * (x.max() - x.min())
    axes.set_xlim(x.min() - margin, x.max() + margin)


def _pieces(x: Array, limits: Array) -> Iterator[tuple[Array, Array]]:
    """Part curves, shape (n, k), where one of them has no value; interpolate linearly in the logarithm, as the contour does."""
    known: NDArray[np.bool_] = np.asarray(np.isfinite(limits).all(axis=1))
    for rows in np.split(np.arange(len(x)), np.flatnonzero(np.diff(known.astype(int))) + 1):
        if not len(rows) or not known[rows[0]]:
            continue
        at, log = x[rows], np.log(np.maximum(limits[rows], 1e-12))
        steps = [np.linspace(a, b, _PARTS, endpoint=False) for a, b in itertools.pairwise(at)]
        fine = np.concatenate([*steps, at[-1:]])
        yield fine, np.exp(np.column_stack([np.interp(fine, at, column) for column in log.T]))
