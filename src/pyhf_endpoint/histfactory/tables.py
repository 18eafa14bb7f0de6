"""Records of modifiers turned into the arrays that rates are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.interpolate import polynomial, variations
from pyhf_endpoint.histfactory.records import BACKGROUND, Table
from pyhf_endpoint.histfactory.walk import Walk

__all__ = [
    "Axes",
    "Flat",
    "factor_table",
    "flatten",
    "histogram_tables",
    "nominal_tables",
    "norm_tables",
    "numbers_of",
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


def flatten(table: Table) -> Flat:
    """Lay records out one after the other.

    Raises:
        ValueError: Lists of the wrong length, or with something else than numbers.
    """
    values = tuple(numbers_of(table))
    row, slot, channel, target = places_of(table)
    sizes = np.array(table.bins, dtype=np.intp)
    lengths = sizes[channel]
    place = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    row, slot, first, target = (np.repeat(of_record, lengths) for of_record in (row, slot, starts[channel], target))
    return Flat(row, slot, target, first + place, place, values)


def numbers_of(table: Table) -> list[Floats]:
    """The parts of a table.

    Raises:
        ValueError: Lists of the wrong length, or something else than numbers.
    """
    if not table.sound:
        raise ValueError("lists of the wrong length, or something else than numbers")
    return [np.array(part, dtype=float) for part in table.parts]


def places_of(table: Table) -> tuple[Integers, Integers, Integers, Integers]:
    """Row, slot, channel and target of each record, each [N]."""
    samples = np.array(table.places, dtype=np.intp).reshape(-1, 4)
    row, slot, channel = np.repeat(samples[:, :3].T, samples[:, 3], axis=1)
    return row, slot, channel, np.array(table.targets, dtype=np.intp)


def nominal_tables(axes: Axes, flat: Flat) -> Pair:
    """Nominal yields [B, S] and [H, B, G]."""
    shared, own = np.zeros((axes.bins, axes.slots)), np.zeros((axes.rows, axes.bins, axes.own_slots))
    (values,) = flat.values
    common = flat.row == BACKGROUND
    shared[flat.bin[common], flat.slot[common]] = values[common]
    own[flat.row[~common], flat.bin[~common], flat.slot[~common]] = values[~common]
    return shared, own


def histogram_tables(axes: Axes, nominals: Pair, flat: Flat, column: Integers, width: int) -> tuple[Pair, Pair]:
    """`linear` and `curve` of histosys, each [B, S, width] and [H, B, G, width]; `column` gives each alpha's place."""
    common, target = flat.row == BACKGROUND, column[flat.target]
    shared_at = flat.bin[common], flat.slot[common]
    own_at = flat.row[~common], flat.bin[~common], flat.slot[~common]
    pairs = []
    for shared_values, own_values in zip(
        variations(nominals[0][shared_at], *(values[common] for values in flat.values)),
        variations(nominals[1][own_at], *(values[~common] for values in flat.values)),
        strict=True,
    ):
        shared = np.zeros((axes.bins, axes.slots, width))
        own = np.zeros((axes.rows, axes.bins, axes.own_slots, width))
        shared[(*shared_at, target[common])] = shared_values
        own[(*own_at, target[~common])] = own_values
        pairs.append((shared, own))
    return pairs[0], pairs[1]


def norm_tables(axes: Axes, records: tuple[Table, Floats], code: str, column: Integers, width: int) -> tuple[Pair, Pair, Pair]:
    """Polynomials [width, 6, C S] and [H, 6, C, G, width], then both logarithms without the axis of length 6, of normsys.

    `records` come with their high and low factors [2, N].
    """
    table, factors = records
    row, slot, channel, target = places_of(table)
    target, common = column[target], row == BACKGROUND
    shared_at = target[common], (channel * axes.slots + slot)[common]
    own_at = row[~common], ((channel * axes.own_slots + slot) * width + target)[~common]
    poly, *logarithms = polynomial(code, *factors)
    shared_poly = np.zeros((width, 6, axes.channels * axes.slots))
    own_poly = np.zeros((axes.rows, 6, axes.channels * axes.own_slots * width))
    shared_poly[shared_at[0], :, shared_at[1]] = poly.T[common]
    own_poly[own_at[0], :, own_at[1]] = poly.T[~common]
    pairs = [(shared_poly, own_poly.reshape(axes.rows, 6, axes.channels, axes.own_slots, width))]
    for values in logarithms:
        shared, own = np.zeros_like(shared_poly[:, 0]), np.zeros_like(own_poly[:, 0])
        shared[shared_at], own[own_at] = values[common], values[~common]
        pairs.append((shared, own.reshape(axes.rows, axes.channels, axes.own_slots, width)))
    return pairs[0], pairs[1], pairs[2]


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
