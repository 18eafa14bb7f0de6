"""Best fits against pyhf's, and uncertainties against the exact Hessian of pyhf's likelihood."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyhf
import pytest

from pyhf_endpoint.histfactory import USABLE, BestFit, Setup, fit
from tests.reference import Reference, backend, tight_optimizer
from tests.workspaces import Case, case, patched

jax = pytest.importorskip("jax", reason="the extra `jax` is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")

CODES = {"normsys": "code4", "histosys": "code4p"}
SELECTED = [
    ("two_normfactors", "as_it_is"),
    ("normsys", "as_it_is"),
    ("histosys", "excess"),
    ("staterror", "excess"),
    ("shapesys", "excess"),
    ("shapefactor", "as_it_is"),
    ("all_modifiers", "as_it_is"),
    ("several_signal_samples", "as_it_is"),
    ("zero_uncertainties", "as_it_is"),
    ("measurement_all_settings", "as_it_is"),
    ("patches", "add_two_samples"),
    ("patches_with_own_parameters", "number_of_signals"),
    ("patches_of_one_structure", "signal_0.25"),
    ("patches_of_one_structure", "signal_3.0"),
]
CURVED = [SELECTED[place] for place in (2, 3, 4, 5, 6, 7, 9)]  # compiling takes a second each


EXCESS = [{"op": "replace", "path": "/observations/0/data", "value": [58, 68]}]  # so that the signal is above its bound


@cache
def grid_of(name: str) -> Case:
    """A case, where it has two observed bins also with more events in them."""
    found = case(name)
    few = found.workspace["observations"][0]["data"] == [55, 48]
    return replace(found, patches=(*found.patches, ("excess", EXCESS))) if few else found


@pytest.fixture(autouse=True, scope="module")
def pyhf_backend() -> Iterator[None]:
    """NumPy, whose fits of small workspaces are over before JAX has compiled them, and no less exact."""
    with backend("numpy", tight_optimizer()):
        yield


@cache
def ours(name: str) -> dict[str, BestFit]:
    """All hypotheses of a case at once."""
    grid = grid_of(name)
    found = fit(grid.workspace, grid.patches, Setup(measurement=grid.measurement), correlations=True)
    assert [result.name for result in found] == [patch for patch, _ in grid.patches]
    return {result.name: result for result in found}


@cache
def reference(name: str, patch: str) -> Reference:
    grid = grid_of(name)
    return Reference.of(patched(grid.workspace, dict(grid.patches)[patch]), grid.measurement, CODES)


def free_columns(model: Any, point: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Parameters that are neither fixed nor at a bound."""
    lower, upper = np.array(model.config.suggested_bounds()).T
    fixed = np.array(model.config.suggested_fixed())
    return np.nonzero(~fixed & (point > lower) & (point < upper))[0]


def exact_covariance(known: Reference, point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Inverse of the Hessian of -log L in the free parameters, the others held."""
    with backend("jax", tight_optimizer()):
        data = pyhf.tensorlib.astensor(known.data)
        hessian = jax.jit(jax.hessian(lambda values: -known.model.logpdf(values, data)[0]))(pyhf.tensorlib.astensor(point))
    columns = free_columns(known.model, point)
    return np.asarray(np.linalg.inv(np.asarray(hessian)[np.ix_(columns, columns)]))


@pytest.mark.parametrize(("name", "patch"), SELECTED)
def test_best_fit(name: str, patch: str) -> None:
    found, known = ours(name)[patch], reference(name, patch)
    best, twice_nll = pyhf.infer.mle.fit(known.data, known.model, return_fitted_val=True)
    assert found.status in USABLE, found
    assert list(found.parameters) == known.model.config.par_names
    assert found.twice_nll is not None
    assert found.twice_nll <= float(twice_nll) + 1e-6
    assert found.twice_nll == pytest.approx(float(twice_nll), abs=1e-5)
    for parameter, value, other, sigma in zip(found.parameters, found.best_fit, best, found.uncertainties, strict=True):
        assert value == pytest.approx(float(other), rel=0, abs=1e-4 * (1.0 if sigma is None else sigma)), parameter


@pytest.mark.parametrize(("name", "patch"), SELECTED)
def test_likelihood_is_that_of_the_point(name: str, patch: str) -> None:
    found, known = ours(name)[patch], reference(name, patch)
    at = known.model.logpdf(pyhf.tensorlib.astensor(found.best_fit), pyhf.tensorlib.astensor(known.data))
    assert found.twice_nll == pytest.approx(-2 * float(at[0]), rel=0, abs=1e-7)


@pytest.mark.parametrize(("name", "patch"), CURVED)
def test_uncertainties_and_correlations(name: str, patch: str) -> None:
    found, known = ours(name)[patch], reference(name, patch)
    point = np.array(found.best_fit)
    columns, covariance = free_columns(known.model, point), exact_covariance(known, point)
    sigma = np.sqrt(np.diag(covariance))
    assert [place for place, value in enumerate(found.uncertainties) if value is not None] == list(columns)
    assert [found.uncertainties[column] for column in columns] == pytest.approx(list(sigma), rel=1e-5)
    assert found.correlations is not None
    matrix = np.array(found.correlations, dtype=float)  # None becomes NaN
    np.testing.assert_allclose(matrix[np.ix_(columns, columns)], covariance / np.outer(sigma, sigma), rtol=0, atol=1e-5)
    without = np.setdiff1d(np.arange(len(point)), columns)
    assert np.isnan(matrix[without]).all()
    assert np.isnan(matrix[:, without]).all()


def test_correlations_only_where_asked_for() -> None:
    grid = case("staterror")
    found = fit(grid.workspace, grid.patches)[0]
    assert found.correlations is None
    assert found.uncertainties == ours("staterror")["as_it_is"].uncertainties


def test_fixed_parameters_have_no_uncertainty() -> None:
    found = ours("measurement_all_settings")["as_it_is"]
    place = found.parameters.index("jer")
    assert (found.best_fit[place], found.uncertainties[place]) == (-0.5, None)
    alone = ours("measurement_all_but_poi_fixed")["as_it_is"]
    assert [name for name, sigma in zip(alone.parameters, alone.uncertainties, strict=True) if sigma is not None] == ["mu"]


def test_parameters_at_a_bound_have_no_uncertainty() -> None:
    found = ours("all_modifiers")["as_it_is"]
    place = found.parameters.index("fakes_CR[0]")
    assert found.status == "at_boundary"
    assert found.message == "free fit: `fakes_CR[0]` at its bound 0"
    assert (found.best_fit[place], found.uncertainties[place]) == (0.0, None)


def test_parameter_of_interest_at_its_bound() -> None:
    """Which is no reason for concern: the others' uncertainties are those at that bound."""
    grid = case("patches_of_one_structure")
    counts = [{"op": "replace", "path": "/observations/0/data", "value": [12, 7]}]
    found = fit(grid.workspace, [("low", [*counts, *grid.patches[1][1]])])[0]
    assert found.status == "converged"
    place = found.parameters.index("mu")
    assert (found.best_fit[place], found.uncertainties[place]) == (0.0, None)
    assert sum(value is None for value in found.uncertainties) == 1


def test_without_a_parameter_of_interest() -> None:
    grid = case("patches_of_one_structure")
    nothing = [{"op": "replace", "path": "/measurements/0/config/poi", "value": ""}]
    found = fit(grid.workspace, [("background", nothing)])[0]
    assert found.status == "converged"
    assert "mu" not in found.parameters
    assert None not in found.uncertainties


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("patches_with_zeros", "zero_signal"),
        ("patches", "add_elsewhere"),  # where a free normalisation does the same
        ("patches_with_own_parameters", "names_swapped"),  # whose signal has a second factor
    ],
)
def test_parameters_that_the_data_do_not_tell_apart(name: str, patch: str) -> None:
    found = ours(name)[patch]
    assert found.status in USABLE
    assert "the Hessian at the best fit is not positive definite, so there are no uncertainties" in found.message
    assert set(found.uncertainties) == {None}
    assert found.correlations is None


@pytest.mark.parametrize("name", ["patches", "patches_of_one_structure"])
def test_order_and_company(name: str) -> None:
    grid = case(name)
    for patches in (grid.patches[::-1], grid.patches[2:3]):
        for found in fit(grid.workspace, patches):
            same = ours(name)[found.name]
            assert found.twice_nll == pytest.approx(same.twice_nll, rel=0, abs=1e-7)
            assert found.parameters == same.parameters
            assert (found.status in USABLE) == (same.status in USABLE)
            assert [value is None for value in found.uncertainties] == [value is None for value in same.uncertainties]
            # A flat direction leaves the point open
            if "not positive definite" not in found.message:
                sigma = np.array([1.0 if value is None else value for value in same.uncertainties])
                assert (np.abs(np.subtract(found.best_fit, same.best_fit)) < 1e-4 * sigma).all()


def test_a_patch_that_fails() -> None:
    grid = case("patches_of_one_structure")
    found = fit(grid.workspace, [("bad", [{"op": "remove", "path": "/channels/9"}]), *grid.patches[:1]])
    assert [result.status for result in found] == ["failed", "converged"]
    assert found[0].message.startswith("patch `bad`")
    assert (found[0].parameters, found[0].twice_nll) == ((), None)
