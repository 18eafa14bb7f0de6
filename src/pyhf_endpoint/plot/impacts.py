"""Draws the ranking of nuisance parameters: impacts on the parameter of interest as bars, pulls and constraints as points."""

import math
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.plot import style
from pyhf_endpoint.plot.choices import choose_name, finished, records_of
from pyhf_endpoint.results import Impact, RankingResult, ResultsFile

__all__ = ["figure", "measured", "size"]

# Dark and light, so that they differ in grey too.
_UP: Final = "#5b8fd0"
_DOWN: Final = "#ffcf94"
_UP_EDGE: Final = "#123a70"
_DOWN_EDGE: Final = "#b3640a"
_ROW_IN: Final = 0.27
_LONGEST_NAME: Final = 80


def figure(results: ResultsFile, *, hypothesis: str | None = None, top: int = 20, title: str | None = None) -> Figure:
    """Return the figure; see `pyhf_endpoint.plot.ranking`."""
    if top < 1:
        raise UsageError(f"`top` is {top}; draw at least 1 parameter")
    records = records_of(results, "ranking", RankingResult)
    name = choose_name((record.name for record in records), hypothesis)
    record = finished(next(record for record in records if record.name == name))
    ranked = sorted(record.impacts, key=size, reverse=True)
    shown = ranked[:top]
    if not shown:
        raise ResultsError(f"{name} has no free nuisance parameters, so there is nothing to rank")
    labels = [style.safe_text(_short(impact.parameter)) for impact in shown]
    width, height = 7.2 + 0.075 * max(0, max(map(len, labels)) - 26), 2.7 + _ROW_IN * len(shown)
    picture, pulls = style.new_figure(title, width=width, height=height)
    bars = pulls.twiny()
    # The pulls' axes hold the points, which must lie over the bars; the bars' frame and background must not hide them.
    pulls.set_zorder(bars.get_zorder() + 1)
    pulls.patch.set_visible(False)
    entries = _draw_bars(bars, shown) + _draw_pulls(pulls, shown)
    pulls.set_yticks(range(len(shown)), labels, fontsize=9)
    pulls.tick_params(axis="y", which="minor", left=False, right=False)
    pulls.tick_params(axis="y", which="major", left=False, right=False)
    pulls.set_ylim(len(shown) - 0.5, -0.5)
    style.legend_above(pulls, entries, _notes(record, ranked, shown), lift=0.5)
    return picture


def size(impact: Impact) -> float:
    """Return the larger of the post-fit impacts; -1 where there is none."""
    return max((abs(shift) for shift in (impact.post_up, impact.post_down) if shift is not None), default=-1.0)


def measured(value: float, uncertainty: float | None) -> str:
    """Write a value and its uncertainty, rounded to the uncertainty's two leading digits; three of the value's without one."""
    if uncertainty is None or not math.isfinite(uncertainty) or uncertainty <= 0:
        return f"{value:.3g}"
    decimals = max(0, 1 - math.floor(math.log10(uncertainty)))
    if decimals > 5:
        return f"{value:.4g} ± {uncertainty:.2g}"
    return f"{round(value, decimals) + 0.0:.{decimals}f} ± {uncertainty:.{decimals}f}"


def _notes(record: RankingResult, ranked: Sequence[Impact], shown: Sequence[Impact]) -> list[str]:
    best = "" if record.mu_hat is None else rf": $\hat{{\mu}}$ = {measured(record.mu_hat, record.mu_uncertainty)}"
    notes = [f"{style.safe_text(record.name)}{best}"]
    if len(shown) < len(ranked):
        notes.append(f"The {len(shown)} nuisance parameters of {len(ranked)} with the largest impact")
    missing = sum(size(impact) < 0 for impact in ranked)
    if missing:
        notes.append(f"{missing} of {len(ranked)} nuisance parameters without a usable impact, ranked last")
    return notes


def _draw_bars(axes: Axes, shown: Sequence[Impact]) -> list[style.Entry]:
    """Draw the impacts; of two on the same side the shorter lies over the longer."""
    largest = 0.0
    entries: dict[str, style.Entry] = {}
    for row, impact in enumerate(shown):
        shifts = (
            (impact.post_up, "post-up", {"color": _UP}, "Impact, post-fit: +1σ"),
            (impact.post_down, "post-down", {"color": _DOWN}, "Impact, post-fit: −1σ"),
            (impact.pre_up, "pre-up", {"fill": False, "edgecolor": _UP_EDGE}, "Impact, pre-fit: +1σ"),
            (impact.pre_down, "pre-down", {"fill": False, "edgecolor": _DOWN_EDGE, "linestyle": "--"}, "Impact, pre-fit: −1σ"),
        )
        for shift, gid, look, text in shifts:
            if shift is None:
                continue
            above = 3 if gid.startswith("pre") else 1
            axes.barh(row, shift, height=0.78, linewidth=0.9, gid=gid, zorder=above + 1 / (1 + abs(shift)), **look)
            entries[gid] = (Patch(linewidth=0.9, **look), text)
            largest = max(largest, abs(shift))
    # Room on both sides, zero in the middle: there the pulls have theirs.
    reach = 1.15 * largest or 1.0
    axes.set_xlim(-reach, reach)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel(r"Impact on the signal strength, $\Delta\hat{\mu}$", labelpad=5)
    axes.tick_params(axis="x", which="both", bottom=False)
    return [entries[gid] for gid in ("post-up", "post-down", "pre-up", "pre-down") if gid in entries]


def _draw_pulls(axes: Axes, shown: Sequence[Impact]) -> list[style.Entry]:
    """Draw pulls with their constraints; write the best fit of what has no pull at the right."""
    reach = 1.8
    for at in (-1, 0, 1):
        axes.axvline(at, color=style.POINT, linewidth=0.8, linestyle="-" if at == 0 else ":", zorder=1, gid=f"line{at:+d}")
    entries: dict[str, style.Entry] = {}
    for row, impact in enumerate(shown):
        if impact.pull is None:
            text = measured(impact.best_fit, impact.uncertainty)
            axes.text(1.015, row, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5, gid="free")
            entries["free"] = (Line2D([], [], linestyle="none"), "At the right: unconstrained, best fit")
            continue
        axes.plot(impact.pull, row, "o", color="black", markersize=4, zorder=5, gid="pull")
        width = impact.constraint or 0.0
        if width:
            ends = [impact.pull - width, impact.pull + width]
            axes.plot(ends, [row, row], color="black", linewidth=1.3, zorder=5, gid="constraint")
        entries["pull"] = (Line2D([], [], color="black", linewidth=1.3, marker="o", markersize=4), "Pull ± constraint")
        reach = max(reach, 1.1 * (abs(impact.pull) + width))
    axes.set_xlim(-reach, reach)
    axes.set_xlabel(r"Pull, $(\hat{\theta} - \theta_{0})\,/\,\Delta\theta$")
    axes.tick_params(axis="x", which="both", top=False)
    return [entries[gid] for gid in ("pull", "free") if gid in entries]


def _short(name: str) -> str:
    """Leave out the middle of a name that would push the picture aside."""
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 21]}…{name[-20:]}"
