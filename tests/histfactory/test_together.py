"""A hypothesis is compiled to the same numbers, bit for bit, alone and among others."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pyhf_endpoint.histfactory import Batch, compile_workspace
from pyhf_endpoint.histfactory.compile import Patch

Json = dict[str, Any]

BINS = {"CR": 1, "SR": 3, "VR": 2}
MU = {"name": "mu", "type": "normfactor", "data": None}


def norm(name: str, high: float, low: float) -> Json:
    return {"name": name, "type": "normsys", "data": {"hi": high, "lo": low}}


def histo(name: str, high: Sequence[float], low: Sequence[float]) -> Json:
    return {"name": name, "type": "histosys", "data": {"hi_data": list(high), "lo_data": list(low)}}


def per_bin(kind: str, name: str, data: Sequence[float]) -> Json:
    return {"name": name, "type": kind, "data": list(data)}


def background() -> Json:
    """Three channels with all that a signal may share."""
    channels = []
    for name, bins in BINS.items():
        modifiers = [norm(f"sys{number}", 1.1, 0.95) for number in range(3)]
        modifiers += [histo(f"sys{number}", [10.0 + number] * bins, [8.0] * bins) for number in range(2, 5)]
        modifiers += [norm("idle", 1, 1), per_bin("staterror", f"mc_{name}", [0.5] * bins)]
        channels.append({"name": name, "samples": [{"name": "bkg", "data": [9.0] * bins, "modifiers": modifiers}]})
    return {
        "version": "1.0.0",
        "channels": channels,
        "observations": [{"name": name, "data": [9] * bins} for name, bins in BINS.items()],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": [{"name": "theory2", "bounds": [[-3.0, 3.0]]}]}}],
    }


def signal(name: str, modifiers: Mapping[str, Sequence[Json]], data: Mapping[str, Sequence[float]]) -> Patch:
    operations = [
        {
            "op": "add",
            "path": f"/channels/{list(BINS).index(channel)}/samples/-",
            "value": {"name": f"signal_{name}", "data": list(data[channel]), "modifiers": list(modifiers[channel])},
        }
        for channel in modifiers
    ]
    return name, operations


def drawn(number: int) -> Patch:
    """A signal with modifiers by chance: of the background or its own, flat or not, in any order, as published ones have them."""
    rng = random.Random(number)
    modifiers: dict[str, list[Json]] = {}
    data = {channel: [rng.uniform(0.5, 3.0) for _ in range(bins)] for channel, bins in BINS.items()}
    for channel, yields in data.items():
        found = []
        for name in [*(f"sys{place}" for place in range(5)), "idle", *(f"theory{place}" for place in range(3)), f"own_{number}"]:
            if rng.random() < 0.6:
                high, low = (rng.choice([1.0, rng.uniform(0.8, 1.2)]) for _ in range(2))
                found.append(norm(name, high, low))
            if rng.random() < 0.6:
                up, down = (rng.choice([1.0, rng.uniform(0.8, 1.2)]) for _ in range(2))
                found.append(histo(name, [up * value for value in yields], [down * value for value in yields]))
        rng.shuffle(found)
        modifiers[channel] = [MU, *found, per_bin("staterror", f"mc_{channel}", [0.1 * value for value in yields])]
        modifiers[channel].append(per_bin("shapesys", f"shape_{number}_{channel}", [0.2 * value for value in yields]))
        rng.shuffle(modifiers[channel])
    return signal(str(number), modifiers, data)


def arrays(batch: Batch, row: int) -> dict[str, npt.NDArray[Any]]:
    """All that a batch says about one hypothesis, by parameter, wherever its columns are."""
    rows, sizes, columns = batch.rows, batch.sizes, batch.columns(row)
    found = {name: getattr(rows, name)[row][columns] for name in ("precision", "factor", "lower", "upper", "centre")}
    found |= {"init": batch.init[row][columns], "fixed": batch.fixed[row][columns], "nominal": rows.nominal[row]}
    for name, column in zip(batch.parameters(row), columns, strict=True):
        if column < sizes.hist:
            found |= {f"{name} {part}": getattr(rows, part)[row][..., column] for part in ("linear", "curve")}
        if 0 <= (scale := column - (sizes.alphas - sizes.norm)) < sizes.norm:
            found |= {f"{name} {part}": getattr(rows, part)[row][..., scale] for part in ("poly", "log_high", "log_low")}
    own = batch.shared.factors[:, :, sizes.slots :]
    found["factors"] = np.sort(np.searchsorted(np.sort(columns), sizes.alphas + own[own < sizes.multipliers]))
    return {name: values for name, values in found.items() if name == "fixed" or np.any(values)}


def check_against_alone(patches: Sequence[Patch], batches: int = 1) -> None:
    together = compile_workspace(background(), patches)
    assert len(together) == batches
    assert sum(len(batch.names) for batch in together) == len(patches)
    for batch in together:
        for row, index in enumerate(batch.indices):
            (alone,) = compile_workspace(background(), [patches[index]])
            assert batch.parameters(row) == alone.parameters(0)
            one, other = arrays(batch, row), arrays(alone, 0)
            assert one.keys() == other.keys()
            for name, values in one.items():
                assert np.array_equal(values, other[name]), name


def test_generated_signals() -> None:
    check_against_alone([drawn(number) for number in range(12)])


FLAT = {"SR": [1.0, 2.0, 3.0]}
UP, DOWN = [1.5, 2.0, 3.0], [0.5, 2.0, 3.0]
MOVES = histo("theory0", UP, DOWN)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([MU, histo("sys2", UP, DOWN)], [MU, histo("sys2", FLAT["SR"], FLAT["SR"])]),
        ([MU, norm("sys2", 1.1, 0.9)], [MU, norm("sys2", 1, 1.0)]),
        ([MU, MOVES], [MU, norm("theory0", 1.1, 0.9)]),
        (
            [MU, histo("theory0", UP, DOWN), norm("theory1", 1.2, 0.7)],
            [MU, norm("theory1", 1.3, 0.8), histo("theory0", UP, DOWN)],
        ),
        (
            [MU, norm("theory_100", 1.1, 0.9), histo("sys2", UP, DOWN)],
            [MU, norm("theory_200", 1.2, 0.8), histo("sys2", DOWN, UP)],
        ),
        ([MU, norm("theory2", 1.1, 0.9)], [MU, norm("theory3", 1.2, 0.8)]),
        ([MU, per_bin("shapesys", "shape_1", UP)], [MU, per_bin("shapesys", "shape_2", DOWN)]),
    ],
    ids=["flat histosys", "flat normsys", "other types", "other order", "own alphas", "a setting for one", "own shapesys"],
)
def test_pairs_of_signals(first: Sequence[Json], second: Sequence[Json]) -> None:
    check_against_alone([signal("first", {"SR": first}, FLAT), signal("second", {"SR": second}, FLAT)])


def test_a_name_that_is_an_alpha_for_one_patch_and_a_multiplier_for_the_next() -> None:
    kinds = [[MU, norm("x", 1.1, 0.9)], [MU, {**MU, "name": "x"}], [MU, per_bin("shapesys", "x", UP)]]
    check_against_alone([signal(str(number), {"SR": kind}, FLAT) for number, kind in enumerate(kinds)], batches=3)


def test_settings_hold_for_the_name_they_are_given_for() -> None:
    """Two patches' own alphas share a column, though only one of them is mentioned in the measurement."""
    patches = [signal(name, {"SR": [MU, norm(name, 1.1, 0.9)]}, FLAT) for name in ("theory1", "theory2", "theory3")]
    (batch,) = compile_workspace(background(), patches)
    (column,) = {batch.sets[row][name][1][0] for row, (name, _) in enumerate(patches)}
    assert batch.upper[:, column].tolist() == [5.0, 3.0, 5.0]


@pytest.mark.parametrize("sides", [(UP, FLAT["SR"]), (FLAT["SR"], DOWN)], ids=["up", "down"])
def test_a_histosys_that_moves_on_one_side_only_counts(sides: tuple[list[float], list[float]]) -> None:
    (batch,) = compile_workspace(background(), [signal("one", {"SR": [MU, histo("sys2", *sides)]}, FLAT)])
    assert np.unique(batch.rows.linear[0]).tolist() == [0.0, 0.25]
