"""The arrays of one batch, assembled from the records of a walk."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.errors import FitError
from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.batch import Batch, Names, Rows, Shared, Sizes
from pyhf_endpoint.histfactory.constraints import Constraints, Widths, poisson_widths, stat_widths
from pyhf_endpoint.histfactory.faults import explain
from pyhf_endpoint.histfactory.parameters import FREE_KINDS, index_settings
from pyhf_endpoint.histfactory.records import BACKGROUND
from pyhf_endpoint.histfactory.spec import Hypothesis
from pyhf_endpoint.histfactory.tables import (
    Axes,
    Flat,
    factor_table,
    flatten,
    histogram_tables,
    nominal_tables,
    norm_tables,
    numbers_of,
    one_hot,
    padding,
    places_of,
)
from pyhf_endpoint.histfactory.walk import Own, Walk

__all__ = ["FaultyRowsError", "build"]

Integers = npt.NDArray[np.intp]
_BEYOND = "so large or so small that their ratios or differences are beyond double precision; check their units"


@dataclass(frozen=True)
class Numbers:
    """The data of all records."""

    nominal: Flat
    hist: Flat
    stat: Flat
    shape: Flat
    norm: Floats
    """High and low factors [2, N] of normsys."""


class FaultyRowsError(Exception):
    """Hypotheses whose numbers cannot be used, or a background of which that is true."""

    def __init__(self, rows: dict[int, str], background: str | None = None) -> None:
        super().__init__(rows, background)
        self.rows, self.background = rows, background


def build(walk: Walk, hypotheses: Sequence[Hypothesis], owns: Sequence[Own], codes: tuple[str, str]) -> Batch:
    """Assemble a batch; `codes` are those of normsys and histosys.

    Raises:
        FaultyRowsError: Which hypotheses, or whether the background, cannot be used, and why.
    """
    try:
        numbers = _numbers(walk)
        counts = np.array([[count for channel in hypothesis.channels for count in channel.observed] for hypothesis in hypotheses])
        if counts.dtype.kind == "O":  # among the integers is one of more than 64 bits
            counts = np.array([array("d", row) for row in counts])
        sound = _all_finite(numbers) and counts.dtype.kind in "if" and bool(np.isfinite(counts).all() and (counts >= 0).all())
    except (OverflowError, TypeError, ValueError):
        sound = False
    if not sound:
        raise _explained(hypotheses)
    with np.errstate(all="ignore"):
        batch = _assemble(walk, hypotheses, owns, codes, numbers)
    _check_range(batch)
    rows = replace(batch.rows, counts=np.concatenate([counts, counts[-1:]]).astype(float))
    full = replace(batch, rows=rows)
    return replace(full.take(range(len(hypotheses))), background=full.take([len(hypotheses)]))


def _numbers(walk: Walk) -> Numbers:
    records = walk.records
    return Numbers(
        nominal=flatten(records.nominal),
        hist=flatten(records.hist),
        stat=flatten(records.stat),
        shape=flatten(records.shape),
        norm=np.array(numbers_of(records.norm)),
    )


def _all_finite(numbers: Numbers) -> bool:
    flats = (numbers.nominal, numbers.hist, numbers.stat, numbers.shape)
    return bool(np.isfinite(numbers.norm).all() and (numbers.norm > 0).all()) and all(
        bool(np.isfinite(values).all()) for flat in flats for values in flat.values
    )


def _explained(hypotheses: Sequence[Hypothesis]) -> FaultyRowsError:
    background = explain(hypotheses[0], own=False)
    messages = {row: explain(hypothesis, own=True) for row, hypothesis in enumerate(hypotheses)}
    faulty = {row: message for row, message in messages.items() if message}
    if not faulty and not background:
        background = "numbers that cannot be read as such"
    return FaultyRowsError(faulty, background)


def _check_range(batch: Batch) -> None:
    """Require that what was computed from finite numbers is finite, too.

    Raises:
        FaultyRowsError: It is not.
    """
    if not all(np.isfinite(values).all() for values in vars(batch.shared).values()):
        raise FaultyRowsError({}, f"yields and variations {_BEYOND}")
    faulty: dict[int, str] = {}
    for name in ("linear", "curve", "poly", "log_high", "log_low"):
        values = getattr(batch.rows, name)
        for row in np.nonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))[0]:
            faulty.setdefault(int(row), f"yields and variations {_BEYOND}")
    for values in (batch.rows.precision, batch.rows.factor, batch.rows.centre):
        for row, column in zip(*np.nonzero(~np.isfinite(values)), strict=True):
            which = next(name for name, (_, columns) in batch.sets[row].items() if column in columns)
            faulty.setdefault(int(row), f"parameter `{which}`: uncertainties {_BEYOND}")
    if last := faulty.pop(len(batch.names) - 1, None):
        raise FaultyRowsError({}, last)
    if faulty:
        raise FaultyRowsError(faulty)


def _order(walk: Walk) -> tuple[Sizes, Integers, Integers]:
    """Sizes (bins aside), the column of each alpha, and the place of each multiplier among the multipliers."""
    moves, scales = set(walk.records.hist.targets), set(walk.records.norm.targets)
    inert = [alpha for alpha in range(len(walk.alphas)) if alpha not in moves | scales]
    active = sorted(moves - scales) + sorted(moves & scales) + sorted(scales - moves)
    free = [number for number, kind in enumerate(walk.kinds) if kind in FREE_KINDS]
    constrained = [number for number, kind in enumerate(walk.kinds) if kind not in FREE_KINDS]
    alphas = np.zeros(len(walk.alphas), dtype=np.intp)
    alphas[active + inert] = np.arange(len(walk.alphas))
    multipliers = np.zeros(len(walk.kinds), dtype=np.intp)
    multipliers[constrained + free] = len(inert) + np.arange(len(walk.kinds))
    row, slot, *_ = places_of(walk.records.nominal)
    slots = [1 + int(slot[which].max(initial=0)) for which in (row == BACKGROUND, row != BACKGROUND)]
    sizes = Sizes(
        bins=sum(walk.bins),
        channels=len(walk.bins),
        slots=slots[0],
        own_slots=slots[1],
        hist=len(moves),
        both=len(moves & scales),
        norm=len(scales),
        multipliers=len(inert) + len(walk.kinds),
        free=len(free),
    )
    return sizes, alphas, multipliers


def _names(owns: Sequence[Own], sizes: Sizes, alphas: Integers, multipliers: Integers) -> list[Names]:
    moves, scales = alphas.tolist(), (sizes.alphas + multipliers).tolist()
    return [
        {
            name: (ref.kind, tuple([(moves if ref.kind == "alpha" else scales)[number] for number in ref.ids]))
            for name, ref in own.sets.items()
        }
        for own in owns
    ]


def _stripped(hypothesis: Hypothesis) -> Hypothesis:
    return replace(
        hypothesis, name="", index=-1, operations=(), channels=tuple(replace(channel, own=()) for channel in hypothesis.channels)
    )


def _assemble(
    walk: Walk, hypotheses: Sequence[Hypothesis], owns: Sequence[Own], codes: tuple[str, str], numbers: Numbers
) -> Batch:
    """Rows of all hypotheses and, last, one without own samples; observed counts are left empty."""
    sizes, alphas, multipliers = _order(walk)
    axes = Axes(len(hypotheses) + 1, sizes.bins, sizes.channels, sizes.slots, sizes.own_slots)
    common, *own_names = _names([walk.background, *owns], sizes, alphas, multipliers)
    terms = _constraints(axes, sizes, multipliers, (numbers.stat, numbers.shape), (common, own_names), hypotheses)
    nominals = nominal_tables(axes, numbers.nominal)
    linear, curve = histogram_tables(axes, nominals, numbers.hist, alphas, sizes.hist)
    poly, log_high, log_low = norm_tables(
        axes, (walk.records.norm, numbers.norm), codes[0], alphas - (sizes.alphas - sizes.norm), sizes.norm
    )
    table = factor_table(axes, walk, multipliers, sizes.multipliers)
    both = np.concatenate([linear[0], curve[0]], axis=2)
    flat_bins = sizes.bins * sizes.slots
    poi = hypotheses[0].poi
    columns = {**common, **own_names[0]}.get(poi, ("", (None,)))[1]
    return Batch(
        names=(*(hypothesis.name for hypothesis in hypotheses), ""),
        indices=(*(hypothesis.index for hypothesis in hypotheses), -1),
        channels=tuple(walk.channels),
        channel_bins=tuple(walk.bins),
        poi=columns[0],
        normsys=codes[0],
        histosys=codes[1],
        sizes=sizes,
        shared=Shared(
            nominal=nominals[0],
            hist=both,
            hist_flat=np.ascontiguousarray(both.reshape(flat_bins, 2 * sizes.hist).T),
            curve_flat=np.ascontiguousarray(curve[0].reshape(flat_bins, sizes.hist)),
            poly=poly[0],
            log_high=log_high[0],
            log_low=log_low[0],
            factors=table,
            onehot=one_hot(table, sizes.multipliers),
            **dict(zip(("channel", "pad", "unpad"), padding(walk.bins), strict=True)),
        ),
        rows=Rows(
            nominal=nominals[1],
            linear=linear[1],
            curve=curve[1],
            poly=poly[1],
            log_high=log_high[1],
            log_low=log_low[1],
            precision=terms.precision,
            factor=terms.factor,
            lower=terms.lower,
            upper=terms.upper,
            counts=np.zeros((axes.rows, axes.bins)),
            centre=terms.centre,
        ),
        init=terms.init,
        fixed=terms.fixed,
        present=terms.present,
        hypotheses=(*hypotheses, _stripped(hypotheses[0])),
        sets=(*({**common, **names} for names in own_names), common),
        background=None,
    )


def _constraints(
    axes: Axes,
    sizes: Sizes,
    multipliers: Integers,
    flats: tuple[Flat, Flat],
    names: tuple[Names, list[Names]],
    hypotheses: Sequence[Hypothesis],
) -> Constraints:
    shape = (axes.rows, sizes.parameters)
    column = sizes.alphas + multipliers
    widths = Widths(*stat_widths(flats[0], column, shape), *poisson_widths(flats[1], column, shape))
    try:
        terms = Constraints(axes.rows, sizes.alphas, sizes.parameters, index_settings(hypotheses[0].settings))
        terms.fill(names[0], widths)
    except FitError as fault:
        raise FaultyRowsError({}, str(fault)) from None
    faulty = terms.fill_rows(names[1], widths)
    if faulty:
        raise FaultyRowsError(faulty)
    return terms
