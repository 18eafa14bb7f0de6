"""The oracle against pyhf itself: names, settings, rates, auxiliary data and likelihood."""

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings

from tests.oracle import HISTOSYS_CODES, NORMSYS_CODES, Oracle, factor_between, shift_between
from tests.reference import Reference, backend
from tests.strategies import DETERMINISTIC, codes, grids, point_from, unit_points, workspaces
from tests.workspaces import CASES, REJECTED, Case, Rejected, patched

Json = Mapping[str, Any]

# pyhf validates through a part of jsonschema that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")

CODES = [{"normsys": n, "histosys": h} for n, h in itertools.product(NORMSYS_CODES, HISTOSYS_CODES)]
TOLERANCE = 1e-10  # relative


@pytest.fixture(autouse=True, scope="module")
def numpy_backend() -> Iterator[None]:
    with backend("numpy"):
        yield


def assert_same_settings(oracle: Oracle, model: Any, data: Sequence[float]) -> None:
    assert oracle.parameters == model.config.par_names
    assert oracle.inits == model.config.suggested_init()
    assert list(zip(oracle.lower, oracle.upper, strict=True)) == [tuple(b) for b in model.config.suggested_bounds()]
    assert oracle.fixed == model.config.suggested_fixed()
    assert oracle.poi == model.config.poi_name
    assert [*oracle.observed, *oracle.auxdata] == pytest.approx(data, rel=1e-13)


def assert_same_values(oracle: Oracle, model: Any, data: Sequence[float], values: Sequence[float]) -> None:
    point = dict(zip(oracle.parameters, values, strict=True))
    deviation = np.abs(np.subtract(oracle.rates(point), model.expected_actualdata(values)))
    assert np.all(deviation <= TOLERANCE * np.asarray(oracle.turnover(point)))
    if model.config.nauxdata:
        assert oracle.expected_auxdata(point) == pytest.approx(list(model.expected_auxdata(values)), rel=TOLERANCE)
    ours, theirs = oracle.nll(point), -float(model.logpdf(values, data)[0])
    assert math.isfinite(ours)
    assert ours == pytest.approx(theirs, rel=TOLERANCE, abs=TOLERANCE * oracle.nll_scale(point))


def check(workspace: Json, measurement: str | None, interpolation: Mapping[str, str], points: Sequence[Sequence[float]]) -> int:
    """Compare at each point at which the likelihood exists; return how many those were."""
    oracle = Oracle(workspace, measurement, **interpolation)
    reference = Reference.of(workspace, measurement, interpolation)
    model, data = reference.model, reference.data
    assert_same_settings(oracle, model, data)
    placed = [values for values in (point_from(oracle, units) for units in points) if values is not None]
    for values in placed:
        assert_same_values(oracle, model, data, values)
    return len(placed)


@pytest.mark.parametrize("interpolation", CODES, ids=lambda c: f"{c['normsys']}-{c['histosys']}")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_table_agrees_with_pyhf(case: Case, interpolation: Mapping[str, str]) -> None:
    dice = random.Random(case.name)
    for _, operations in case.patches:
        # The same move for all: on, inside and outside the edges at alpha = +-1, for the usual bounds of +-5.
        edges = [[u] for u in (0.0, 0.19, 0.198, 0.2, 0.202, 0.21, -0.19, -0.198, -0.2, -0.202, -0.21)]
        units = [*edges, *([dice.uniform(-1, 1) for _ in range(64)] for _ in range(4))]
        assert check(patched(case.workspace, operations), case.measurement, interpolation, units) == len(units)


@given(workspace=workspaces(), interpolation=codes, units=unit_points)
@DETERMINISTIC
def test_drawn_workspaces_agree_with_pyhf(workspace: Json, interpolation: Mapping[str, str], units: Sequence[float]) -> None:
    check(workspace, None, interpolation, [units])


@given(grid=grids(), interpolation=codes, units=unit_points)
@DETERMINISTIC
def test_drawn_patches_agree_with_pyhf(grid: Case, interpolation: Mapping[str, str], units: Sequence[float]) -> None:
    for _, operations in grid.patches:
        check(patched(grid.workspace, operations), None, interpolation, [units])


@given(grid=grids())
@settings(DETERMINISTIC, max_examples=20)
def test_drawn_workspaces_follow_the_schema(grid: Case) -> None:
    for _, operations in grid.patches:
        pyhf.schema.validate(patched(grid.workspace, operations), "workspace.json")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_table_follows_the_schema(case: Case) -> None:
    for _, operations in case.patches:
        pyhf.schema.validate(patched(case.workspace, operations), "workspace.json")


@pytest.mark.parametrize("case", REJECTED, ids=str)
def test_workspaces_without_one_meaning_are_refused(case: Rejected) -> None:
    with pytest.raises(ValueError, match=r"cannot share|twice|not for a|must give|does not cover|modifies nothing"):
        Oracle(case.workspace)


@pytest.mark.parametrize("case", REJECTED, ids=str)
def test_pyhf_refuses_what_the_table_says(case: Rejected) -> None:
    if not case.pyhf:
        assert pyhf.Workspace(case.workspace).model().config.npars > 0
        return
    with pytest.raises((pyhf.exceptions.InvalidModel, pyhf.exceptions.InvalidNameReuse, AssertionError, TypeError)):
        pyhf.Workspace(case.workspace).model()


def test_unknown_measurement_is_refused() -> None:
    with pytest.raises(ValueError, match="no measurement `other`"):
        Oracle(CASES[0].workspace, "other")


@pytest.mark.parametrize("code", HISTOSYS_CODES)
def test_shifts_pass_through_their_templates(code: str) -> None:
    """The defining property of an interpolation, independent of pyhf: contents at -1, 0 and +1 are the templates."""
    assert [10.0 + shift_between(code, alpha, 7.0, 10.0, 11.0) for alpha in (-1.0, 0.0, 1.0)] == pytest.approx([7.0, 10.0, 11.0])


@pytest.mark.parametrize("code", NORMSYS_CODES)
def test_factors_pass_through_their_templates(code: str) -> None:
    assert [factor_between(code, alpha, 0.7, 1.1) for alpha in (-1.0, 0.0, 1.0)] == pytest.approx([0.7, 1.0, 1.1])


def smooth_shift(alpha: float) -> float:
    return shift_between("code4p", alpha, 7.0, 10.0, 11.0)


def smooth_factor(alpha: float) -> float:
    return factor_between("code4", alpha, 0.7, 1.1)


@pytest.mark.parametrize("edge", [-1.0, 1.0])
@pytest.mark.parametrize("interpolate", [smooth_shift, smooth_factor])
def test_smooth_interpolations_join_with_slope_and_curvature(interpolate: Callable[[float], float], edge: float) -> None:
    h = 1e-3
    sides = [[interpolate(edge + direction * i * h) for i in range(4)] for direction in (-1, 1)]
    below, above = [(-11 * y[0] + 18 * y[1] - 9 * y[2] + 2 * y[3]) / (6 * h) for y in sides]
    assert below == pytest.approx(-above, abs=1e-6)
    below, above = [(2 * y[0] - 5 * y[1] + 4 * y[2] - y[3]) / h**2 for y in sides]
    assert below == pytest.approx(above, abs=0.1)
