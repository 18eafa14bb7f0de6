"""Profile likelihoods against pyhf's fits with one parameter held."""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
import pyhf
import pytest

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.histfactory import USABLE, Grid, Scan, Setup, fit, scan
from tests.reference import Reference, backend, tight_optimizer
from tests.workspaces import case, patched

pytestmark = pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")

CODES = {"normsys": "code4", "histosys": "code4p"}


@pytest.fixture(autouse=True, scope="module")
def pyhf_backend() -> Iterator[None]:
    """NumPy, whose fits of small workspaces are over before JAX has compiled them, and no less exact."""
    with backend("numpy", tight_optimizer()):
        yield


@cache
def reference(name: str, patch: str) -> Reference:
    grid = case(name)
    return Reference.of(patched(grid.workspace, dict(grid.patches)[patch]), grid.measurement, CODES)


def one(name: str, patch: str, parameter: str, grid: Grid | None = None) -> Scan:
    """The scan of one hypothesis, in the company of all others."""
    at = case(name)
    found = scan(at.workspace, at.patches, [parameter], Setup(measurement=at.measurement), grid=grid)
    return dict(zip((patch for patch, _ in at.patches), found, strict=True))[patch][0]


def held(known: Reference, parameter: str, value: float) -> float:
    """pyhf's -2 log L with one parameter fixed."""
    config = known.model.config
    place = config.par_names.index(parameter)
    start, fixed = list(config.suggested_init()), list(config.suggested_fixed())
    start[place], fixed[place] = value, True
    return float(pyhf.infer.mle.fit(known.data, known.model, init_pars=start, fixed_params=fixed, return_fitted_val=True)[1])


@pytest.mark.parametrize(
    ("name", "patch", "parameter", "values"),
    [
        ("normsys", "as_it_is", "mu", (0.0, 0.4, 2.5)),
        ("histosys", "as_it_is", "tilt", (-1.5, -0.2, 2.0)),
        ("staterror", "as_it_is", "stat_SR[1]", (0.8, 1.1)),
        ("shapesys", "as_it_is", "uncorrelated[0]", (0.85, 1.2)),
        ("shapefactor", "as_it_is", "shape[2]", (0.7, 1.3)),
        ("several_signal_samples", "as_it_is", "scale", (-2.0, 1.0)),
        ("measurement_all_settings", "as_it_is", "mu", (-0.5, 3.0)),
        ("patches_of_one_structure", "signal_6.0", "mu", (0.0, 0.3, 1.0)),
        ("patches_of_one_structure", "signal_0.25", "k_top", (0.9, 1.2)),
        ("patches", "add_two_samples", "jes", (-1.0, 1.0)),
    ],
)
def test_profile_likelihood(name: str, patch: str, parameter: str, values: tuple[float, ...]) -> None:
    found, known = one(name, patch, parameter, Grid(values)), reference(name, patch)
    assert found.status in USABLE, found
    assert (found.name, found.parameter, found.grid) == (patch, parameter, values)
    best, lowest = pyhf.infer.mle.fit(known.data, known.model, return_fitted_val=True)
    expected = [held(known, parameter, value) - float(lowest) for value in values]
    assert found.twice_delta_nll == pytest.approx(expected, rel=0, abs=1e-6)
    assert found.best_fit == pytest.approx(float(best[known.model.config.par_names.index(parameter)]), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "parameter"), [("several_signal_samples", "mu"), ("staterror", "stat_SR[0]"), ("normsys", "scale")]
)
def test_default_grid(name: str, parameter: str) -> None:
    """Three standard deviations to either side, within the bounds."""
    found, best = one(name, "as_it_is", parameter), fit(case(name).workspace, case(name).patches)[0]
    place = best.parameters.index(parameter)
    centre, sigma = best.best_fit[place], best.uncertainties[place]
    assert sigma is not None
    lower, upper = reference(name, "as_it_is").model.config.suggested_bounds()[place]
    assert found.best_fit == centre
    assert found.grid == pytest.approx(np.linspace(max(lower, centre - 3 * sigma), min(upper, centre + 3 * sigma), 31))
    heights = np.array(found.twice_delta_nll, dtype=float)
    assert (heights >= 0).all()
    bottom = int(heights.argmin())
    assert (np.diff(heights[: bottom + 1]) < 0).all()
    assert (np.diff(heights[bottom:]) > 0).all()
    # The curvature at the minimum is that of the uncertainty
    near = one(name, "as_it_is", parameter, Grid((centre - 0.01 * sigma, centre, centre + 0.01 * sigma)))
    heights = np.array(near.twice_delta_nll, dtype=float)
    assert heights[1] == pytest.approx(0.0, abs=1e-8)
    assert heights[0] + heights[2] == pytest.approx(2e-4, rel=1e-3)


def test_other_width_and_number_of_steps() -> None:
    best = fit(case("normsys").workspace, case("normsys").patches)[0]
    place = best.parameters.index("scale")
    sigma = best.uncertainties[place]
    assert sigma is not None
    found = one("normsys", "as_it_is", "scale", Grid(steps=5, width=1.5))
    expected = [best.best_fit[place] + 1.5 * sigma * share for share in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    assert found.grid == pytest.approx(expected, abs=1e-12)
    assert len(found.twice_delta_nll) == 5


def test_default_grid_of_a_parameter_at_its_bound() -> None:
    """It has no uncertainty: the whole range."""
    found = one("all_modifiers", "as_it_is", "fakes_CR[0]", Grid(steps=6))
    assert found.status in USABLE, found
    assert found.grid == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    assert found.twice_delta_nll[0] == pytest.approx(0.0, abs=1e-8)
    known = reference("all_modifiers", "as_it_is")
    expected = held(known, "fakes_CR[0]", 2.0) - held(known, "fakes_CR[0]", 0.0)
    assert found.twice_delta_nll[1] == pytest.approx(expected, rel=0, abs=1e-6)


def test_several_parameters_of_several_hypotheses() -> None:
    at = case("patches_of_one_structure")
    found = scan(at.workspace, at.patches[:2], ["jes", "mu"], grid=Grid((0.5,)))
    assert [[(result.name, result.parameter) for result in line] for line in found] == [
        [(patch, parameter) for parameter in ("jes", "mu")] for patch, _ in at.patches[:2]
    ]
    for line in found:
        for result in line:
            known = reference(at.name, result.name)
            lowest = float(pyhf.infer.mle.fit(known.data, known.model, return_fitted_val=True)[1])
            assert result.twice_delta_nll == pytest.approx([held(known, result.parameter, 0.5) - lowest], rel=0, abs=1e-6)


def test_unknown_parameter() -> None:
    found = one("patches_of_one_structure", "signal_1.0", "k_topp")
    assert found.status == "failed"
    assert found.message == "patch `signal_1.0`: there is no parameter `k_topp`. Did you mean `k_top`?"
    assert (found.grid, found.twice_delta_nll, found.best_fit) == ((), (), None)


def test_values_outside_the_bounds() -> None:
    found = one("normsys", "as_it_is", "mu", Grid((1.0, 11.0)))
    assert found.status == "failed"
    assert found.message == "patch `as_it_is`: `mu` cannot be held at 11, outside its bounds [0, 10]"


def test_fixed_parameter() -> None:
    found = one("measurement_all_settings", "as_it_is", "jer")
    assert found.status == "failed"
    assert found.message == "patch `as_it_is`: `jer` is fixed; free it in the measurement to scan it"


def test_parameter_without_an_effect() -> None:
    found = one("patches_with_zeros", "zero_signal", "mu", Grid((0.0, 3.0, 10.0)))
    assert found.status in USABLE, found
    assert found.twice_delta_nll == pytest.approx([0.0, 0.0, 0.0], abs=1e-7)


def test_a_value_where_the_likelihood_is_zero() -> None:
    """A gap in the scan, not its end."""
    at = case("normfactor")
    nothing = [{"op": "replace", "path": "/channels/0/samples/0/data", "value": [0.0]}]
    found = scan(at.workspace, [("signal_only", nothing)], ["mu"], grid=Grid((0.0, 1.0, 3.0)))[0][0]
    assert found.status == "not_converged"
    assert found.twice_delta_nll[0] is None
    assert found.twice_delta_nll[1:] == pytest.approx([2 * (3 * mu - 8 - 8 * np.log(3 * mu / 8)) for mu in (1.0, 3.0)], abs=1e-6)
    assert "no minimum found at 0" in found.message


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid(steps=1), "grid: 1 steps are too few; take at least 2"),
        (Grid(width=0.0), "grid: its width of 0 standard deviations is not a positive number"),
        (Grid(width=math.inf), "grid: its width of inf standard deviations is not a positive number"),
    ],
)
def test_bad_grids(grid: Grid, message: str) -> None:
    with pytest.raises(InputError) as raised:
        one("normsys", "as_it_is", "mu", grid)
    assert str(raised.value) == message


def test_a_patch_that_fails() -> None:
    at = case("normfactor")
    found = scan(at.workspace, [("bad", [{"op": "remove", "path": "/channels/9"}]), *at.patches], ["mu", "nu"], grid=Grid((1.0,)))
    assert [[result.status for result in line] for line in found] == [["failed", "failed"], ["converged", "failed"]]
