"""Discovery significances against pyhf's test of the background-only hypothesis with q0."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pyhf
import pytest

from pyhf_endpoint.histfactory import USABLE, Setup, Significance, significance
from tests.reference import Reference, backend, tight_optimizer
from tests.workspaces import Case, case, patched

pytestmark = pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")

CODES = {"normsys": "code4", "histosys": "code4p"}
TOLERANCE = 1e-6  # absolute, on p-values


@pytest.fixture(autouse=True, scope="module")
def pyhf_backend() -> Iterator[None]:
    """NumPy, whose fits of small workspaces are over before JAX has compiled them, and no less exact."""
    with backend("numpy", tight_optimizer()):
        yield


EXCESS = [{"op": "replace", "path": "/observations/0/data", "value": [58, 68]}]  # so that the signal is above its bound


@cache
def grid_of(name: str) -> Case:
    """A case, where it has two observed bins also with more events in them."""
    found = case(name)
    few = found.workspace["observations"][0]["data"] == [55, 48]
    return replace(found, patches=(*found.patches, ("excess", EXCESS))) if few else found


@cache
def ours(name: str, blind: bool = False) -> dict[str, Significance]:
    grid = grid_of(name)
    found = significance(grid.workspace, grid.patches, Setup(measurement=grid.measurement), blind=blind)
    assert [result.name for result in found] == [patch for patch, _ in grid.patches]
    return {result.name: result for result in found}


def theirs(grid: Case, patch: str) -> tuple[float, float]:
    """Observed and expected p-values."""
    known = Reference.of(patched(grid.workspace, dict(grid.patches)[patch]), grid.measurement, CODES)
    observed, expected = pyhf.infer.hypotest(0.0, known.data, known.model, test_stat="q0", return_expected=True)
    return float(observed), float(expected)


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("normfactor", "as_it_is"),
        ("normsys", "excess"),
        ("histosys", "excess"),
        ("staterror", "as_it_is"),
        ("staterror", "excess"),
        ("shapesys", "excess"),
        ("shapefactor", "as_it_is"),
        ("all_modifiers", "as_it_is"),
        ("several_signal_samples", "as_it_is"),
        ("measurement_all_settings", "as_it_is"),
        ("patches", "add_two_samples"),
        ("patches", "move_and_copy"),
        ("patches_of_one_structure", "signal_0.25"),
        ("patches_of_one_structure", "signal_6.0"),
    ],
)
def test_p_values(name: str, patch: str) -> None:
    found = ours(name)[patch]
    observed, expected = theirs(grid_of(name), patch)
    assert found.status in USABLE, found
    assert found.p0_obs == pytest.approx(observed, rel=1e-5, abs=TOLERANCE)
    assert found.p0_exp == pytest.approx(expected, rel=1e-5, abs=TOLERANCE)
    for z, p in ((found.z_obs, found.p0_obs), (found.z_exp, found.p0_exp)):
        assert z is not None
        assert p == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)), rel=1e-12)


def grid_with(counts: list[float], bounds: tuple[float, float] = (0.0, 10.0)) -> Case:
    """One structure of patches with other observations."""
    grid = case("patches_of_one_structure")
    operations: list[Mapping[str, Any]] = [
        {"op": "replace", "path": "/observations/0/data", "value": counts},
        {
            "op": "add",
            "path": "/measurements/0/config/parameters/-",
            "value": {"name": "mu", "inits": [0.2], "bounds": [list(bounds)]},
        },
    ]
    return Case("counted", patched(grid.workspace, operations), grid.patches)


@pytest.mark.parametrize("lower", [0.0, -1.0])
def test_a_downward_fluctuation_is_no_discovery(lower: float) -> None:
    """Whether or not the signal may be negative."""
    grid = grid_with([14, 8], (lower, 10.0))
    found = {result.name: result for result in significance(grid.workspace, grid.patches)}
    assert all(result.status in USABLE for result in found.values())
    for result in found.values():
        assert result.z_obs == 0.0
        assert result.p0_obs == 0.5
        assert result.mu_hat is not None
        assert result.mu_hat == 0.0 if lower == 0.0 else result.mu_hat < 0
        assert result.z_exp is not None
        assert result.z_exp > 0
    observed, expected = theirs(grid, "signal_1.0")
    assert observed == pytest.approx(0.5, abs=1e-4)  # the square root of a rounding error
    assert found["signal_1.0"].p0_exp == pytest.approx(expected, abs=TOLERANCE)


def test_a_large_excess() -> None:
    """Far in the tail, where a p-value has no digits left beside one."""
    grid = grid_with([90, 70])
    found = {result.name: result for result in significance(grid.workspace, grid.patches)}["signal_6.0"]
    known = Reference.of(patched(grid.workspace, dict(grid.patches)["signal_6.0"]), None, CODES)
    model, data = known.model, known.data
    _, null = pyhf.infer.mle.fixed_poi_fit(0.0, data, model, return_fitted_val=True)
    best, free = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
    assert found.z_obs == pytest.approx(math.sqrt(float(null) - float(free)), rel=1e-6)
    assert found.z_obs is not None
    assert found.z_obs > 5
    assert found.p0_obs == pytest.approx(0.5 * math.erfc(found.z_obs / math.sqrt(2)), rel=1e-12)
    assert found.mu_hat == pytest.approx(float(best[model.config.poi_index]), rel=1e-4)


def test_blind() -> None:
    """Nothing observed comes out, and the expected significance is the same."""
    for patch, found in ours("patches_of_one_structure", blind=True).items():
        assert (found.z_obs, found.p0_obs, found.mu_hat) == (None, None, None)
        assert found.z_exp == pytest.approx(ours("patches_of_one_structure")[patch].z_exp, abs=1e-9)


def test_order_and_company() -> None:
    grid = case("patches")
    for patches in (grid.patches[::-1], grid.patches[1:4]):
        for found in significance(grid.workspace, patches):
            same = ours("patches")[found.name]
            assert found.z_obs == pytest.approx(same.z_obs, abs=1e-6), found.name
            assert found.z_exp == pytest.approx(same.z_exp, abs=1e-6), found.name


def test_no_sensitivity() -> None:
    found = ours("patches_with_zeros")["zero_signal"]
    assert found.status in USABLE
    assert found.z_obs == pytest.approx(0.0, abs=1e-4)
    assert found.z_exp == pytest.approx(0.0, abs=1e-4)


def test_hypotheses_without_a_significance() -> None:
    grid = case("patches_of_one_structure")
    narrow = grid_with([24, 13], (0.0, 0.5))
    found = significance(narrow.workspace, [("bad", [{"op": "remove", "path": "/channels/9"}]), *grid.patches[:1]])
    assert [result.status for result in found] == ["failed", "failed"]
    assert found[1].message == ("patch `signal_0.25`: the expected significance sets `mu` to 1, outside its bounds [0, 0.5]")
    assert (found[1].z_obs, found[1].z_exp) == (None, None)
