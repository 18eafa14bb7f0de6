"""Draws the profile likelihood along one parameter and reads its intervals off it."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.plot import style
from pyhf_endpoint.plot.choices import choose_name, finished, records_of
from pyhf_endpoint.results import ResultsFile, ScanResult

__all__ = ["Curve", "Interval", "curve", "figure"]

Array = NDArray[np.float64]

# Rises of -2 log of the profile likelihood ratio at the ends of an interval, with the interval's name and its line's colour.
_LEVELS: Final = ((1.0, "68% CL", style.EXPECTED), (4.0, "95% CL", style.OBSERVED))
_PARTS: Final = 24


@dataclass(frozen=True)
class Interval:
    """Where the curve lies at or below a level.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        low_open: The curve ends there, at the end of the scan or at a gap, without having reached the level.
        high_open: The same at the upper end.
    """

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True)
class Curve:
    """A profile likelihood in pieces between gaps, each piece as (values, -2 log of the profile likelihood ratio) of shape (k,).

    Attributes:
        pieces: The pieces, by ascending value.
        points: The scanned points with a usable fit, shape (n, 2).
        gaps: The scanned values without one, shape (m,).
        best: The best-fit value; None where it lies outside the scan or is unknown.
    """

    pieces: tuple[tuple[Array, Array], ...]
    points: Array
    gaps: Array
    best: float | None

    def intervals(self, level: float) -> list[Interval]:
        """Return the intervals in which the curve lies at or below the level, by ascending value."""
        return [interval for piece in self.pieces for interval in _below(*piece, level)]


def figure(
    results: ResultsFile, *, hypothesis: str | None = None, parameter: str | None = None, title: str | None = None
) -> Figure:
    """Return the figure; see `pyhf_endpoint.plot.scan`."""
    records = records_of(results, "scan", ScanResult)
    name = choose_name((record.name for record in records), hypothesis)
    mine = [record for record in records if record.name == name]
    parameter = choose_name((record.parameter for record in mine), parameter, "parameter")
    record = finished(next(record for record in mine if record.parameter == parameter))
    line = curve(record.grid, record.twice_delta_nll, record.best_fit)
    if len(line.points) < 2:
        raise ResultsError(
            f"the scan of {parameter} for {name} has {len(line.points)} of the at least 2 usable values that a curve needs;"
            " scan more values"
        )
    picture, axes = style.new_figure(title, height=5.2)
    entries, is_open = _draw(axes, line)
    notes = [f"{style.safe_text(name)}: profile likelihood of {style.safe_text(parameter)}"]
    if is_open:
        notes.append("* end of the scan or a gap: the interval may reach further")
    if len(line.gaps):
        notes.append(f"{len(line.gaps)} of {len(record.grid)} scanned values without a usable fit, left out")
    axes.set_xlabel(style.safe_text(parameter))
    axes.set_ylabel(r"$-2\,\Delta\,\ln L$")
    style.legend_above(axes, entries, notes)
    return picture


def curve(grid: Sequence[float], rise: Sequence[float | None], best: float | None) -> Curve:
    """Return the curve through a scan: the signed square root, linear for a parabola, is interpolated linearly.

    Args:
        grid: Scanned values.
        rise: -2 log of the profile likelihood ratio at each; None without a usable fit.
        best: The best-fit value, where the rise is 0, if known.
    """
    rows = sorted(zip(grid, rise, strict=True), key=lambda row: row[0])
    usable = [(x, max(y, 0.0)) for x, y in rows if y is not None and math.isfinite(y)]
    gaps = np.array([x for x, y in rows if y is None or not math.isfinite(y)], dtype=np.float64)
    points = np.array(usable, dtype=np.float64).reshape(-1, 2)
    if not usable:
        return Curve((), points, gaps, None)
    inside = best is not None and usable[0][0] <= best <= usable[-1][0]
    vertices = dict(usable)
    if best is not None and inside:
        vertices[best] = 0.0
    centre = best if best is not None else min(usable, key=lambda row: row[1])[0]
    x = np.array(sorted(vertices), dtype=np.float64)
    root = np.array([math.copysign(math.sqrt(vertices[at]), at - centre) for at in x], dtype=np.float64)
    cuts = np.flatnonzero([bool(((gaps > a) & (gaps < b)).any()) for a, b in itertools.pairwise(x)]) + 1
    pieces = tuple(_refine(a, b) for a, b in zip(np.split(x, cuts), np.split(root, cuts), strict=True))
    return Curve(pieces, points, gaps, best if inside else None)


def _refine(x: Array, root: Array) -> tuple[Array, Array]:
    steps = [np.linspace(a, b, _PARTS, endpoint=False) for a, b in itertools.pairwise(x)]
    fine = np.concatenate([*steps, x[-1:]])
    return fine, np.interp(fine, x, root) ** 2


def _below(x: Array, y: Array, level: float) -> list[Interval]:
    """Find the intervals of one piece, with the ends interpolated in the square root of the rise."""
    inside, root, goal = y <= level, np.sqrt(y), math.sqrt(level)
    found: list[Interval] = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        ends = [float(x[start]), float(x[stop - 1])]
        for side, (i, j) in enumerate(((start, start - 1), (stop - 1, stop))):
            if 0 <= j < len(x):
                ends[side] = float(x[i] + (x[j] - x[i]) * (goal - root[i]) / (root[j] - root[i]))
        found.append(Interval(ends[0], ends[1], bool(start == 0), bool(stop == len(x))))
    return found


def _draw(axes: Axes, line: Curve) -> tuple[list[style.Entry], bool]:
    """Draw everything; return the legend and whether an interval in it has an open end."""
    x = np.concatenate([line.points[:, 0], line.gaps])
    margin = 0.02 * (x.max() - x.min())
    axes.set_xlim(x.min() - margin, x.max() + margin)
    top = max(float(line.points[:, 1].max()), _LEVELS[-1][0]) * 1.12
    axes.set_ylim(0, top)
    for at, height in line.pieces:
        axes.plot(at, height, color="black", linewidth=1.6, zorder=3, gid="curve")
    axes.plot(*line.points.T, "o", color="black", markersize=3.5, zorder=3, gid="points", clip_on=False)
    entries: list[style.Entry] = [
        (Line2D([], [], color="black", linewidth=1.6, marker="o", markersize=3.5), "Profile likelihood")
    ]
    if line.best is not None:
        (mark,) = axes.plot(
            line.best, 0, "D", color="black", markerfacecolor="white", markersize=6, zorder=5, gid="best", clip_on=False
        )
        entries.append((mark, f"Best fit: {_digits(line.best, x)}"))
    is_open = False
    for level, name, color in _LEVELS:
        axes.axhline(level, color=color, linestyle=":", linewidth=1.3, zorder=2, gid=f"level-{level:g}")
        intervals = line.intervals(level)
        for interval in intervals:
            is_open |= interval.low_open or interval.high_open
            for end, ends_open in ((interval.low, interval.low_open), (interval.high, interval.high_open)):
                if not ends_open:
                    axes.plot([end, end], [0, level], color=color, linewidth=0.8, zorder=2, gid=f"end-{level:g}")
        text = " and ".join(_words(interval, x) for interval in intervals) or "outside the scan"
        entries.append((Line2D([], [], color=color, linestyle=":", linewidth=1.3), f"{name}: {text}"))
    if len(line.gaps):
        (mark,) = axes.plot(
            line.gaps,
            [0.03] * len(line.gaps),
            linestyle="none",
            transform=axes.get_xaxis_transform(),
            zorder=4,
            gid="gaps",
            **style.FAILED_MARK,
        )
        entries.append((mark, "No usable fit"))
    return entries, is_open


def _words(interval: Interval, x: Array) -> str:
    low, high = _digits(interval.low, x), _digits(interval.high, x)
    return f"{low}{'*' * interval.low_open} to {high}{'*' * interval.high_open}"


def _digits(value: float, x: Array) -> str:
    """Write a value with three digits of the scan's width."""
    width = float(x.max() - x.min())
    decimals = max(0, 2 - math.floor(math.log10(width))) if width > 0 else 3
    return f"{value:.{decimals}f}" if decimals < 6 else f"{value:.4g}"
