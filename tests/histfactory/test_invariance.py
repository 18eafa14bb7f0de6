"""What a hypothesis' CLs must not depend on: the order of the patches, how many are fitted at once, what others there are."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from pyhf_endpoint.histfactory import USABLE, HypotestResult, hypotest
from tests.strategies import DETERMINISTIC, grids
from tests.workspaces import Case, case

Patch = tuple[str, Sequence[Mapping[str, Any]]]

TOLERANCE = 1e-7  # absolute, on CLs
MANY = 70  # more than are fitted at once
GRIDS = ("patches_of_one_structure", "patches", "patches_with_own_parameters", "patches_with_zeros")


def run(grid: Case, patches: Sequence[Patch]) -> dict[str, HypotestResult]:
    """Results by name; they must come in the order of the patches."""
    results = hypotest(grid.workspace, patches, measurement=grid.measurement)
    assert [r.name for r in results] == [name for name, _ in patches]
    return {r.name: r for r in results}


def assert_same(found: Mapping[str, HypotestResult], expected: Mapping[str, HypotestResult]) -> None:
    """Equal CLs for every hypothesis that both have."""
    for name in found.keys() & expected.keys():
        one, other = found[name], expected[name]
        assert (one.status in USABLE) == (other.status in USABLE), (one, other)
        if one.status in USABLE:
            assert one.cls_obs == pytest.approx(other.cls_obs, rel=0, abs=TOLERANCE), (one, other)
            assert one.cls_exp == pytest.approx(other.cls_exp, rel=0, abs=TOLERANCE), (one, other)


def shuffled(patches: Sequence[Patch]) -> list[Patch]:
    return random.Random(1).sample(patches, len(patches))


@pytest.mark.parametrize("name", GRIDS)
def test_order_of_patches(name: str) -> None:
    grid = case(name)
    expected = run(grid, grid.patches)
    assert any(r.status in USABLE for r in expected.values())
    assert_same(run(grid, grid.patches[::-1]), expected)
    assert_same(run(grid, shuffled(grid.patches)), expected)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("name", GRIDS)
def test_size_of_chunks(name: str, size: int) -> None:
    grid = case(name)
    chunks = [run(grid, grid.patches[start : start + size]) for start in range(0, len(grid.patches), size)]
    assert_same({k: r for chunk in chunks for k, r in chunk.items()}, run(grid, grid.patches))


@pytest.mark.parametrize("name", GRIDS)
def test_extra_patches(name: str) -> None:
    grid = case(name)
    few = shuffled(grid.patches)[: len(grid.patches) // 2]
    assert_same(run(grid, few), run(grid, grid.patches))


EMPTY = {"name": "nothing", "data": [0.0, 0.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
FAILING: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "impossible operation": [{"op": "remove", "path": "/channels/9"}],
    "events where none can be": [{"op": "replace", "path": "/channels/0/samples", "value": [EMPTY]}],
}


@pytest.mark.parametrize("reason", FAILING)
def test_a_patch_that_fails_disturbs_no_other(reason: str) -> None:
    grid = case("patches_of_one_structure")
    found = run(grid, [*grid.patches[:2], ("bad", FAILING[reason]), *grid.patches[2:]])
    assert found["bad"].status == "failed"
    assert "bad" in found["bad"].message
    assert found["bad"].cls_obs is None
    expected = run(grid, grid.patches)
    assert len(found.keys() & expected.keys()) == len(grid.patches)
    assert_same(found, expected)


def scaled(number: int) -> Patch:
    """A signal whose strength and shape grow with its number."""
    data = [0.15 * (number + 1), 0.06 * (number + 1) ** 1.2]
    modifiers = [
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": f"stat_{number}", "type": "staterror", "data": [0.1 * x for x in data]},
        {"name": "theory", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1 + 0.001 * number}},
    ]
    sample = {"name": f"signal_{number}", "data": data, "modifiers": modifiers}
    return f"signal_{number}", [{"op": "add", "path": "/channels/0/samples/-", "value": sample}]


def test_more_patches_than_are_fitted_at_once() -> None:
    grid = case("patches_of_one_structure")
    patches = [scaled(number) for number in range(MANY)]
    expected = run(grid, patches)
    assert all(r.status in USABLE for r in expected.values())
    assert_same(run(grid, patches[::-1]), expected)
    alone = [run(grid, [patches[number]]) for number in (0, 1, MANY // 2, MANY - 2, MANY - 1)]
    assert_same({k: r for one in alone for k, r in one.items()}, expected)


def test_stronger_signals_are_excluded_more() -> None:
    """That the results above are results: CLs of ever stronger signals fall."""
    grid = case("patches_of_one_structure")
    values = [r.cls_exp[2] for r in run(grid, [scaled(number) for number in range(0, MANY, 10)]).values() if r.cls_exp]
    assert len(values) == len(range(0, MANY, 10))
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.5 > 0.05 > values[-1]


def test_the_name_of_a_hypothesis_is_only_a_name() -> None:
    grid = case("patches_of_one_structure")
    _, operations = grid.patches[2]
    one, other = run(grid, [("one", operations), *grid.patches, ("other", operations)]), run(grid, grid.patches)
    assert_same({grid.patches[2][0]: one["one"]}, other)
    assert_same({grid.patches[2][0]: one["other"]}, other)


@pytest.mark.parametrize("test_stat", ["qtilde", "q"])
@pytest.mark.parametrize("others", [False, True])
def test_no_sensitivity_excludes_nothing(others: bool, test_stat: str) -> None:
    """A signal that a free background can mimic exactly: both hypotheses coincide, whatever rounding makes of q."""
    grid = case("patches")
    patches = [p for p in grid.patches if others or p[0] == "add_elsewhere"]
    found = next(r for r in hypotest(grid.workspace, patches, test_stat=test_stat) if r.name == "add_elsewhere")
    assert found.cls_obs == pytest.approx(1.0, abs=1e-4)
    assert found.cls_exp == pytest.approx((1.0,) * 5, abs=1e-4)


@given(grid=grids())
@settings(DETERMINISTIC, max_examples=8)
def test_drawn_grids(grid: Case) -> None:
    expected = run(grid, grid.patches)
    assert_same(run(grid, grid.patches[::-1]), expected)
    assert_same(run(grid, grid.patches[:1]), expected)
