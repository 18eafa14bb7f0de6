"""The minimiser on likelihoods whose minimum is known on paper, and on such as are awkward."""

import math
from typing import Any

import numpy as np
import pytest

from pyhf_endpoint.histfactory import Model, compile_workspace
from pyhf_endpoint.histfactory.fallback import solve
from pyhf_endpoint.histfactory.minimise import Minimum, distance, minimise

Json = dict[str, Any]

MU = {"name": "mu", "type": "normfactor", "data": None}


def model(data: list[float], counts: list[float], *modifiers: Json, **codes: str) -> Model:
    """One channel with one sample."""
    spec = {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": [{"name": "s", "data": data, "modifiers": list(modifiers)}]}],
        "observations": [{"name": "SR", "data": counts}],
        "measurements": [{"name": "m", "config": {"poi": "", "parameters": []}}],
    }
    (batch,) = compile_workspace(spec, [("x", [])], **codes)
    return Model(batch)


def minimum(fitted: Model, **options: float) -> Minimum:
    return minimise(fitted, fitted.batch.init, fitted.batch.fixed, **options)


def test_a_free_normalisation_takes_the_ratio_of_observed_to_expected() -> None:
    found = minimum(model([4.0, 6.0], [12.0, 3.0], MU))
    assert found.converged.all()
    assert found.theta[0, 0] == pytest.approx(1.5, abs=1e-4)
    assert found.nll[0] == pytest.approx(12 * math.log(12 / 6) - 6 + 3 * math.log(3 / 9) + 6, abs=1e-9)
    assert found.edm[0] < 1e-9


@pytest.mark.parametrize(("counts", "bound"), [(0.0, 0.0), (500.0, 10.0)])
def test_a_parameter_stops_at_its_bound(counts: float, bound: float) -> None:
    found = minimum(model([4.0], [counts], MU))
    assert found.converged.all()
    assert found.theta[0, 0] == bound


def test_a_shapesys_shares_the_pull_between_data_and_constraint() -> None:
    # Poisson(30 | 20 g) Poisson(400 | 400 g), 400 = (20 / 1)**2: the minimum is at g = (30 + 400) / (20 + 400)
    found = minimum(model([20.0], [30.0], {"name": "g", "type": "shapesys", "data": [1.0]}), tolerance=1e-14)
    assert found.theta[0, 0] == pytest.approx(430 / 420, abs=1e-8)


def test_parameters_that_do_the_same_converge_along_their_valley() -> None:
    found = minimum(model([4.0, 6.0], [12.0, 3.0], MU, {**MU, "name": "k"}))
    assert found.converged.all()
    assert found.theta[0].prod() == pytest.approx(1.5, abs=1e-4)


def test_a_start_outside_the_domain_is_reported_not_raised() -> None:
    fitted = model([4.0], [3.0], MU)
    found = minimise(fitted, np.zeros((1, 1)), np.ones((1, 1), dtype=bool))
    assert not found.converged.any()
    assert found.nll[0] == math.inf


def test_a_limit_on_iterations_leaves_rows_unconverged() -> None:
    found = minimum(model([4.0, 6.0], [40.0, 3.0], MU), limit=1)
    assert not found.converged.any()
    assert found.iterations[0] == 1
    assert math.isfinite(found.nll[0])


@pytest.mark.parametrize("counts", [20.0, 24.0, 14.0])
def test_a_kink_holds_its_parameter_where_both_sides_rise(counts: float) -> None:
    # 20 events, up 22, down 20 (no effect) or 26: with code0 the slope jumps at 0
    shape = {"name": "a", "type": "histosys", "data": {"hi_data": [22.0], "lo_data": [26.0]}}
    fitted = model([20.0], [counts], shape, histosys="code0")
    found = minimum(fitted)
    assert found.converged.all()
    around = np.linspace(-1, 1, 2001)
    values = fitted.take(np.zeros(2001, dtype=int)).nll(around[:, None])
    near = np.abs(around - found.theta[0, 0]) < 0.2
    assert found.nll[0] <= values[near].min() + 1e-9
    assert (found.theta[0, 0] == 0) == (counts < 21)


def test_the_edge_of_the_domain_needs_the_fallback() -> None:
    # An empty bin of 1 event that falls by 3 per sigma: the likelihood falls until the rate is zero, at alpha = -1/3
    shape = {"name": "a", "type": "histosys", "data": {"hi_data": [4.0], "lo_data": [-2.0]}}
    fitted = model([1.0], [0.0], shape)
    assert not minimum(fitted).converged.any()
    theta, nll, edm, _, converged = solve(fitted, fitted.batch.init[0], fitted.batch.fixed[0], 1e-9)
    assert converged
    assert theta[0] == pytest.approx(-1 / 3, abs=1e-6)
    assert nll == pytest.approx(1 / 18, abs=1e-6)
    assert edm < 1e-8


def test_distance_is_half_the_newton_decrement() -> None:
    fitted = model(
        [100.0], [110.0], {"name": "a", "type": "normsys", "data": {"hi": math.e**0.1, "lo": math.e**-0.1}}, normsys="code1"
    )
    _, edm = distance(fitted, np.zeros((1, 1)), np.zeros((1, 1), dtype=bool))
    assert edm[0] == pytest.approx(0.5 * 1.0 / 2.0)  # gradient 100 * 0.1 * (1 - 110 / 100) = -1, Hessian 10**2 / 100 + 1 = 2
