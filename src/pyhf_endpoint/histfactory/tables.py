"""Records of modifiers turned into the arrays that rates are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.interpolate import polynomial, variations
from pyhf_endpoint.histfactory.walk import BACKGROUND, Table, Walk

__all__ = [
    "Axes",
    "Flat",
    "factor_table",
    "flatten",
    "histogram_tables",
    "nominal_tables",
    "norm_tables",
    "one_hot",
    "padding",
    "places_of",
]

Integers = npt.NDArray[np.intp]
Pair = tuple[Floats, Floats]
"""Of the background, and of the hypotheses."""


@dataclass(frozen=True)
class Axes:
    """Lengths of the axes while arrays are filled."""

    rows: int
    bins: int
    channels: int
    slots: int
    own_slots: int


@dataclass(frozen=True)
class Flat:
    """Records of one kind, one entry a bin."""

    row: Integers
    slot: Integers
    target: Integers
    """Alpha, or first multiplier of the channel."""
    bin: Integers
    """Among all bins."""
    place: Integers
    """Within the channel."""
    values: tuple[Floats, ...]


def flatten(bins: Sequence[int], table: Table) -> Flat:
    """Lay records out one after the other; `bins` gives the length of each channel's lists.

    Raises:
        ValueError: Lists of the wrong length, or with something else than numbers.
        TypeError: Likewise.
    """
    places = places_of(table)
    sizes = np.array(bins, dtype=np.intp)
    lengths = sizes[places[:, 2]]
    for part in table.parts:
        if not np.array_equal(np.fromiter(map(len, part), dtype=np.intp, count=len(part)), lengths):
            raise ValueError("lists of the wrong length")
    total = int(lengths.sum())
    values = tuple(np.fromiter(chain.from_iterable(part), dtype=float, count=total) for part in table.parts)
    spread = np.repeat(places, lengths, axis=0)
    place = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return Flat(spread[:, 0], spread[:, 1], spread[:, 3], starts[spread[:, 2]] + place, place, values)


def places_of(table: Table) -> Integers:
    """Row, slot, channel and target of each record [N, 4]."""
    return np.array(table.at, dtype=np.intp).reshape(-1, 4)


def nominal_tables(axes: Axes, flat: Flat) -> Pair:
    """Nominal yields [B, S] and [H, B, G]."""
    shared, own = np.zeros((axes.bins, axes.slots)), np.zeros((axes.rows, axes.bins, axes.own_slots))
    (values,) = flat.values
    common = flat.row == BACKGROUND
    shared[flat.bin[common], flat.slot[common]] = values[common]
    own[flat.row[~common], flat.bin[~common], flat.slot[~common]] = values[~common]
    return shared, own


def histogram_tables(axes: Axes, flat: Flat, column: Integers, width: int) -> tuple[Pair, Pair]:
    """`linear` and `curve` of histosys, each [B, S, width] and [H, B, G, width]; `column` gives each alpha's place."""
    common, target = flat.row == BACKGROUND, column[flat.target]
    pairs = []
    for values in variations(*flat.values):
        shared = np.zeros((axes.bins, axes.slots, width))
        own = np.zeros((axes.rows, axes.bins, axes.own_slots, width))
        shared[flat.bin[common], flat.slot[common], target[common]] = values[common]
        own[flat.row[~common], flat.bin[~common], flat.slot[~common], target[~common]] = values[~common]
        pairs.append((shared, own))
    return pairs[0], pairs[1]


def norm_tables(axes: Axes, walk: Walk, code: str, column: Integers, width: int) -> tuple[Pair, Pair, Pair]:
    """Polynomials [width, 6, C S] and [H, 6, C, G, width], then both logarithms without the axis of length 6, of normsys."""
    row, slot, channel, target = places_of(walk.records.norm).T
    target = column[target]
    high, low = (np.array(part, dtype=float) for part in walk.records.norm.parts)
    poly, log_high, log_low = polynomial(code, high, low)
    common = row == BACKGROUND
    shared = np.zeros((width, 8, axes.channels, axes.slots))
    own = np.zeros((axes.rows, 8, axes.channels, axes.own_slots, width))
    content = np.concatenate([poly, log_high[None], log_low[None]]).T
    shared[target[common], :, channel[common], slot[common]] = content[common]
    own[row[~common], :, channel[~common], slot[~common], target[~common]] = content[~common]
    flat = shared.reshape(width, 8, axes.channels * axes.slots)
    pairs = [(flat[:, part], own[:, part]) for part in (slice(0, 6), 6, 7)]
    shared_poly, shared_high, shared_low = (np.ascontiguousarray(pair[0]) for pair in pairs)
    own_poly, own_high, own_low = (np.ascontiguousarray(pair[1]) for pair in pairs)
    return (shared_poly, own_poly), (shared_high, own_high), (shared_low, own_low)


def factor_table(axes: Axes, walk: Walk, column: Integers, multipliers: int) -> Integers:
    """Multipliers of each sample in each bin [K, B, S + G], `multipliers` where there are fewer than K."""
    depth = max((len(factors) for factors in walk.records.factors.values()), default=0) or 1
    table = np.full((depth, axes.bins, axes.slots + axes.own_slots), multipliers, dtype=np.intp)
    starts = np.concatenate([[0], np.cumsum(walk.bins)])
    seen = set()
    for (row, slot, channel), factors in walk.records.factors.items():
        position = slot if row == BACKGROUND else axes.slots + slot
        if (position, channel) in seen:
            continue
        seen.add((position, channel))
        for level, (first, step) in enumerate(sorted(factors)):
            ids = first + step * np.arange(walk.bins[channel])
            table[level, starts[channel] : starts[channel + 1], position] = column[ids]
    return table


def one_hot(table: Integers, multipliers: int) -> Floats:
    """[B, K (S + G), M]: 1 where a factor of a bin is that multiplier."""
    depth, bins, slots = table.shape
    flat = table.transpose(1, 0, 2).reshape(bins, depth * slots)
    return np.asarray(flat[:, :, None] == np.arange(multipliers), dtype=float)


def padding(bins: Sequence[int]) -> tuple[Integers, Integers, Integers]:
    """Channel of each bin, bins laid out as [channel, longest] (`B` where none is), and each bin's place in that layout."""
    total, longest = sum(bins), max(bins)
    channel = np.repeat(np.arange(len(bins)), bins)
    starts = np.cumsum(bins) - np.array(bins)
    unpad = channel * longest + np.arange(total) - starts[channel]
    pad = np.full(len(bins) * longest, total, dtype=np.intp)
    pad[unpad] = np.arange(total)
    return channel, pad.reshape(len(bins), longest), unpad
