"""Compiled batches against the oracle and pyhf: parameters, settings, rates and likelihood; derivatives against differences."""

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given

from pyhf_endpoint.errors import FitError, InputError
from pyhf_endpoint.histfactory import Batch, Model, compile_workspace
from tests.oracle import HISTOSYS_CODES, NORMSYS_CODES, Oracle
from tests.reference import Reference, backend
from tests.strategies import DETERMINISTIC, between, codes, grids, point_from, unit_points, workspaces
from tests.workspaces import CASES, REJECTED, Case, Rejected, case, patched

Floats = npt.NDArray[np.float64]
Json = Mapping[str, Any]
Units = Sequence[float]
Codes = Mapping[str, str]

# pyhf validates measurements through a part of jsonschema that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")

CODES = [{"normsys": n, "histosys": h} for n, h in itertools.product(NORMSYS_CODES, HISTOSYS_CODES)]
TOLERANCE = 1e-10  # relative
STEP = 1e-4  # of the fourth-order differences
EDGES = (-1.0, 0.0, 1.0)  # where some interpolation code has a kink or a jump


@pytest.fixture(autouse=True, scope="module")
def numpy_backend() -> Iterator[None]:
    with backend("numpy"):
        yield


@dataclass(frozen=True)
class Row:
    """One hypothesis of a batch with the oracle of its patched workspace."""

    batch: Batch
    number: int
    workspace: Json
    oracle: Oracle

    def theta(self, values: Sequence[float]) -> Floats:
        return self.batch.embed(self.number, values)


def compiled(grid: Case, interpolation: Codes) -> list[tuple[Batch, list[Row]]]:
    """Compile a case and pair every row with its oracle; each patch must come out exactly once."""
    batches = compile_workspace(grid.workspace, grid.patches, measurement=grid.measurement, **interpolation)
    assert sorted(i for batch in batches for i in batch.indices) == list(range(len(grid.patches)))
    found = []
    for batch in batches:
        rows = []
        for number, index in enumerate(batch.indices):
            name, operations = grid.patches[index]
            assert batch.names[number] == name
            workspace = patched(grid.workspace, operations)
            rows.append(Row(batch, number, workspace, Oracle(workspace, grid.measurement, **interpolation)))
        found.append((batch, rows))
    return found


def assert_same_settings(row: Row) -> None:
    batch, number, oracle = row.batch, row.number, row.oracle
    columns = batch.columns(number)
    assert batch.parameters(number) == oracle.parameters
    assert batch.init[number, columns].tolist() == oracle.inits
    assert batch.lower[number, columns].tolist() == oracle.lower
    assert batch.upper[number, columns].tolist() == oracle.upper
    assert batch.fixed[number, columns].tolist() == oracle.fixed
    assert sorted(columns) == np.nonzero(batch.present[number])[0].tolist()
    assert batch.fixed[number][~batch.present[number]].all()
    if batch.poi is not None:
        assert oracle.parameters[list(columns).index(batch.poi)].removesuffix("[0]") == oracle.poi


def points(rows: Sequence[Row], units: Units) -> list[list[float]]:
    """Parameter values of each row: where the likelihood exists, or, if that is nowhere on the way, the initial values."""
    return [point_from(row.oracle, units) or row.oracle.inits for row in rows]


def assert_same_values(batch: Batch, rows: Sequence[Row], values: Sequence[Sequence[float]]) -> None:
    """All rows at once against the oracle, one by one."""
    model = Model(batch)
    theta = np.array([row.theta(v) for row, v in zip(rows, values, strict=True)])
    rates, nll = model.rates(theta), model.nll(theta) + model.nll_offset
    for row, value, rate, ours in zip(rows, values, rates, nll, strict=True):
        point = dict(zip(row.oracle.parameters, value, strict=True))
        assert np.all(np.abs(rate - row.oracle.rates(point)) <= TOLERANCE * np.asarray(row.oracle.turnover(point)))
        exact = row.oracle.nll(point)
        if math.isfinite(exact):
            assert ours == pytest.approx(exact, rel=TOLERANCE, abs=TOLERANCE * row.oracle.nll_scale(point))
        else:
            assert ours == math.inf


def assert_same_as_pyhf(row: Row, measurement: str | None, interpolation: Codes, values: Sequence[float]) -> None:
    """One row against pyhf itself."""
    reference = Reference.of(row.workspace, measurement, interpolation)
    point = dict(zip(row.oracle.parameters, values, strict=True))
    model, theta = Model(row.batch.take([row.number])), row.theta(values)[None]
    deviation = np.abs(model.rates(theta)[0] - reference.model.expected_actualdata(values))
    assert np.all(deviation <= TOLERANCE * np.asarray(row.oracle.turnover(point)))
    if math.isfinite(row.oracle.nll(point)):
        theirs = -float(reference.model.logpdf(values, reference.data)[0])
        scale = row.oracle.nll_scale(point)
        assert float(model.nll(theta)[0] + model.nll_offset[0]) == pytest.approx(theirs, rel=TOLERANCE, abs=TOLERANCE * scale)


def check(grid: Case, interpolation: Codes, many_units: Sequence[Units]) -> None:
    for batch, rows in compiled(grid, interpolation):
        for row in rows:
            assert_same_settings(row)
        for units in many_units:
            values = points(rows, units)
            assert_same_values(batch, rows, values)
        for row, value in zip(rows, values, strict=True):
            assert_same_as_pyhf(row, grid.measurement, interpolation, value)


def dice(grid: Case) -> list[Units]:
    """A few scattered points, and the same move for all parameters: on, inside and outside the edges at alpha = +-1."""
    generator = random.Random(grid.name)
    edges = [[u] for u in (0.0, 0.19, 0.198, 0.2, 0.202, 0.21, -0.19, -0.198, -0.2, -0.202, -0.21)]
    return [*edges, *([generator.uniform(-1, 1) for _ in range(64)] for _ in range(4))]


@pytest.mark.parametrize("interpolation", CODES, ids=lambda c: f"{c['normsys']}-{c['histosys']}")
@pytest.mark.parametrize("grid", CASES, ids=str)
def test_table(grid: Case, interpolation: Codes) -> None:
    check(grid, interpolation, dice(grid))


@given(workspace=workspaces(), interpolation=codes, units=unit_points)
@DETERMINISTIC
def test_drawn_workspaces(workspace: Json, interpolation: Codes, units: Units) -> None:
    check(Case("drawn", workspace), interpolation, [units])


@given(grid=grids(), interpolation=codes, units=unit_points)
@DETERMINISTIC
def test_drawn_patches(grid: Case, interpolation: Codes, units: Units) -> None:
    check(grid, interpolation, [units])


def differences(function: Callable[[Floats], Floats], theta: Floats) -> Floats:
    """Derivatives of [H, ...] with respect to each column of `theta` [H, P], by fourth-order differences, along a last axis."""
    slopes = []
    for column in range(theta.shape[1]):
        step = np.zeros_like(theta)
        step[:, column] = STEP
        near, far = function(theta + step) - function(theta - step), function(theta + 2 * step) - function(theta - 2 * step)
        slopes.append((8 * near - far) / (12 * STEP))
    return np.stack(slopes, axis=-1)


def check_derivatives(grid: Case, interpolation: Codes, units: Units) -> int:
    """Compare wherever the likelihood exists and no edge of an interpolation is near; return for how many rows it did."""
    compared = 0
    for batch, rows in compiled(grid, interpolation):
        placed = [(row, point_from(row.oracle, units)) for row in rows]
        usable = [(row, v) for row, v in placed if v is not None and min(abs(x - e) for x in v for e in EDGES) > 2.5 * STEP]
        if not usable:
            continue
        compared += len(usable)
        model = Model(batch.take([row.number for row, _ in usable]))
        theta = np.array([row.theta(v) for row, v in usable])
        turnover = np.array([row.oracle.turnover(dict(zip(row.oracle.parameters, v, strict=True))) for row, v in usable])
        jacobian, slopes = model.jacobian(theta), differences(model.rates, theta)
        assert np.all(np.abs(jacobian - slopes) <= 1e-7 * (np.abs(slopes) + turnover[:, :, None]))
        gradient, slopes = model.gradient(theta), differences(model.nll, theta)
        rounding = 1e-14 * model.nll(theta)[:, None] / STEP
        assert np.all(np.abs(gradient - slopes) <= 1e-6 * (1 + np.abs(slopes)) + rounding)
        absent = ~batch.present[[row.number for row, _ in usable]]
        assert not gradient[absent].any()
        assert not jacobian.swapaxes(1, 2)[absent].any()
    return compared


# Away from the initial values, where many parameters sit on an edge.
SHIFTED = 0.0137


@pytest.mark.parametrize("interpolation", CODES, ids=lambda c: f"{c['normsys']}-{c['histosys']}")
@pytest.mark.parametrize("grid", CASES, ids=str)
def test_derivatives_of_table(grid: Case, interpolation: Codes) -> None:
    generator = random.Random(grid.name)
    many_units = [[generator.uniform(-0.6, 0.6) for _ in range(64)] for _ in range(3)]
    assert sum(check_derivatives(grid, interpolation, units) for units in many_units) >= len(grid.patches)


@given(grid=grids(), interpolation=codes, units=unit_points)
@DETERMINISTIC
def test_derivatives_of_drawn_patches(grid: Case, interpolation: Codes, units: Units) -> None:
    assume(check_derivatives(grid, interpolation, [u * 0.9 + SHIFTED for u in units]) > 0)


@pytest.mark.parametrize("name", ["all_modifiers", "patches_with_zeros"])
def test_jax_agrees_with_numpy(name: str) -> None:
    jax = pytest.importorskip("jax", reason="the extra `jax` is not installed")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        for batch, rows in compiled(case(name), CODES[-1]):
            theta = np.array([row.theta(v) for row, v in zip(rows, points(rows, dice(case(name))[-1]), strict=True)])
            ours, other = Model(batch), Model(batch, jax.numpy)
            for function in ("rates", "nll", "gradient", "jacobian"):
                expected = getattr(ours, function)(theta)
                found = np.asarray(getattr(other, function)(jax.numpy.asarray(theta)))
                assert found == pytest.approx(expected, rel=1e-11, abs=1e-11)
    finally:
        jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("wrong", REJECTED, ids=str)
def test_workspaces_without_one_meaning_are_refused(wrong: Rejected) -> None:
    with pytest.raises((InputError, FitError)):
        compile_workspace(wrong.workspace, [("as_it_is", [])])


@pytest.mark.parametrize("code", [{"normsys": "code4p"}, {"histosys": "code4"}, {"normsys": "code0"}, {"histosys": "code1"}])
def test_codes_that_pyhf_lacks_for_a_modifier_are_refused(code: Codes) -> None:
    with pytest.raises(InputError, match=next(iter(code))):
        compile_workspace(case("normsys").workspace, [("as_it_is", [])], **code)


SIGNAL = {"name": "another", "data": [1.0], "modifiers": []}
SHORT_STATERROR = {"name": "stat", "type": "staterror", "data": [0.1]}  # of a set that covers two channels


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/channels/0/samples/-", "value": {**SIGNAL, "modifiers": [SHORT_STATERROR]}},
        {"op": "add", "path": "/channels/0/samples/-", "value": {**SIGNAL, "data": [1.0, 2.0]}},
        {"op": "add", "path": "/channels/0/samples/-", "value": {**SIGNAL, "name": "background"}},
        {
            "op": "add",
            "path": "/channels/0/samples/-",
            "value": {**SIGNAL, "modifiers": [{"name": "stat", "type": "lumi", "data": None}]},
        },
        {"op": "test", "path": "/channels/0/name", "value": "left"},
        {"op": "remove", "path": "/channels/0/samples/7"},
        {"op": "replace", "path": "/channels/0/nothing", "value": 1},
        {"op": "add", "path": "/channels/0/samples/9", "value": {}},
        {"op": "copy", "from": "/nowhere", "path": "/channels/0"},
        {"op": "remove", "path": "/measurements"},
        {"op": "remove", "path": "/observations/0"},
    ],
)
def test_patches_that_cannot_be_carried_out_are_refused(operation: Json) -> None:
    with pytest.raises(FitError, match="bad_patch"):
        compile_workspace(case("staterror_over_two_channels").workspace, [("good_patch", []), ("bad_patch", [operation])])


def test_units_reach_the_bounds() -> None:
    """The points of all these tests do cover the whole range."""
    oracle = Oracle(case("all_modifiers").workspace)
    assert between(oracle, [1.0]) == oracle.upper
    assert between(oracle, [-1.0]) == pytest.approx(oracle.lower, abs=1e-15)


@pytest.mark.parametrize("value", [0.5, 1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("parameter", ["mu", "uncorrelated[0]", "scale"])
def test_tiny_rates_keep_their_digits(parameter: str, value: float) -> None:
    """The saturated form must not lose in u = rate / count - 1 what the rate still has: gammas may go down to 1e-10."""
    sample = {
        "name": "all",
        "data": [50.0],
        "modifiers": [
            {"name": "mu", "type": "normfactor", "data": None},
            {"name": "scale", "type": "normfactor", "data": None},
            {"name": "uncorrelated", "type": "shapesys", "data": [3.0]},
        ],
    }
    workspace = {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": [sample]}],
        "observations": [{"name": "SR", "data": [55]}],
        "measurements": [{"name": "only", "config": {"poi": "mu", "parameters": []}}],
    }
    [(batch, [row])] = compiled(Case("tiny", workspace), CODES[-1])
    point = dict.fromkeys(row.oracle.parameters, 1.0) | {parameter: value}
    theta = row.theta([point[name] for name in row.oracle.parameters])[None]
    model = Model(batch)
    assert float(model.nll(theta)[0] + model.nll_offset[0]) == pytest.approx(row.oracle.nll(point), rel=1e-12)
