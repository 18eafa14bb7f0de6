"""Hypothesis tests: pyhf's own numbers where its fit is trivial, statuses with their messages, blinding, tails."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.histfactory import HypotestResult, Model, compile_workspace, hypotest
from pyhf_endpoint.histfactory.asymptotics import cls_values, log_upper_tail
from pyhf_endpoint.histfactory.compile import Patch
from pyhf_endpoint.histfactory.result import worst
from tests.reference import backend

Json = dict[str, Any]

MU = {"name": "mu", "type": "normfactor", "data": None}
JES = {"name": "jes", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8}}


def workspace(
    counts: list[float], data: list[float], *modifiers: Json, poi: str = "mu", parameters: list[Json] | None = None
) -> Json:
    return {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": [{"name": "bkg", "data": data, "modifiers": list(modifiers)}]}],
        "observations": [{"name": "SR", "data": counts}],
        "measurements": [{"name": "m", "config": {"poi": poi, "parameters": parameters or []}}],
    }


def signal(*data: float, name: str = "signal") -> Patch:
    return name, [{"op": "add", "path": "/channels/0/samples/-", "value": {"name": "sig", "data": list(data), "modifiers": [MU]}}]


def one(spec: Json, patch: Patch, **options: Any) -> HypotestResult:
    (result,) = hypotest(spec, [patch], **options)
    return result


@pytest.fixture
def numpy_backend() -> Iterator[None]:
    with backend("numpy"):
        yield


def test_a_counting_experiment_by_hand() -> None:
    """Without nuisance parameters: mu_hat = (n - b) / s, and q from two Poisson terms."""
    result = one(workspace([12.0], [10.0]), signal(8.0))

    def q(n: float) -> float:
        return 2 * (18 - n * math.log(18)) - 2 * (max(n, 10) - n * math.log(max(n, 10)))

    observed, asimov = math.sqrt(q(12.0)), math.sqrt(q(10.0))
    tail = [0.5 * math.erfc(x / math.sqrt(2)) for x in (observed, observed - asimov)]
    assert result.status == "converged"
    assert result.message == ""
    assert result.mu_hat == pytest.approx(0.25, abs=1e-4)
    assert (result.q, result.q_asimov) == pytest.approx((observed**2, asimov**2), abs=1e-8)
    assert result.cls_obs == pytest.approx(tail[0] / tail[1], abs=1e-8)
    assert result.twice_nll_background == pytest.approx(-2 * (12 * math.log(10) - 10 - math.lgamma(13)))


@pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")
@pytest.mark.parametrize(("test_stat", "poi_test"), list(itertools.product(("qtilde", "q"), (0.5, 2.0))))
@pytest.mark.usefixtures("numpy_backend")
def test_both_test_statistics_as_pyhf_has_them(test_stat: str, poi_test: float) -> None:
    import jsonpatch
    import pyhf

    spec, patch = workspace([11.0, 8.0], [10.0, 12.0], JES), signal(4.0, 3.0)
    reference = pyhf.Workspace(jsonpatch.apply_patch(spec, patch[1]))
    pdf = reference.model()
    observed, band = pyhf.infer.hypotest(poi_test, reference.data(pdf), pdf, return_expected_set=True, test_stat=test_stat)
    result = one(spec, patch, test_stat=test_stat, poi_tests=[poi_test])
    assert result.cls_obs == pytest.approx(float(observed), abs=1e-5)
    assert result.cls_exp == pytest.approx([float(value) for value in band], abs=1e-5)


def test_order_of_results() -> None:
    spec = workspace([11.0], [10.0], JES)
    bad: Patch = ("bad", [{"op": "remove", "path": "/nowhere"}])
    results = hypotest(spec, [signal(1.0, name="a"), bad, signal(5.0, name="b")], poi_tests=[2.0, 1.0])
    assert [(r.name, r.poi_test) for r in results] == [(name, mu) for name in ("a", "bad", "b") for mu in (2.0, 1.0)]
    assert [r.status == "failed" for r in results] == [False, False, True, True, False, False]


def test_a_value_does_not_depend_on_which_others_are_tested() -> None:
    spec, patch = workspace([11.0, 8.0], [10.0, 12.0], JES), signal(4.0, 3.0)
    several = {r.poi_test: r.cls_obs for r in hypotest(spec, [patch], poi_tests=[3.0, 1.0, 0.0])}
    assert several[1.0] == pytest.approx(one(spec, patch).cls_obs, abs=1e-9)
    assert several[0.0] == pytest.approx(1.0, abs=1e-9)


def test_blind_results_say_nothing_about_the_observed_signal() -> None:
    spec, patch = workspace([11.0, 8.0], [10.0, 12.0], JES), signal(4.0, 3.0)
    blind, seen = one(spec, patch, blind=True), one(spec, patch)
    assert (blind.cls_obs, blind.mu_hat, blind.q, blind.twice_nll_free, blind.twice_nll_fixed) == (None,) * 5
    assert blind.cls_exp == pytest.approx(seen.cls_exp, abs=1e-8)


def test_a_boundary_is_named() -> None:
    result = one(workspace([60.0], [10.0], JES), signal(5.0))
    assert result.status == "at_boundary"
    assert result.message == "background-only fit: `jes` at its bound 5"


def test_the_parameter_of_interest_at_its_bound_is_plain_convergence() -> None:
    result = one(workspace([4.0], [10.0]), signal(5.0))
    assert (result.status, result.mu_hat) == ("converged", 0.0)


def test_an_edge_is_reached_by_the_fallback() -> None:
    shape = {"name": "a", "type": "histosys", "data": {"hi_data": [4.0], "lo_data": [-2.0]}}
    result = one(workspace([0.0], [1.0], shape), signal(0.5))
    assert result.status == "fallback"
    assert result.cls_obs is not None


def one_sided(counts: list[float], high: list[float], low: list[float]) -> Json:
    tilt = {"name": "tilt", "type": "histosys", "data": {"hi_data": high, "lo_data": low}}
    return workspace(counts, [100.0] * len(counts), tilt, {**MU, "name": "k"})


def lowest(spec: Json, patch: Patch, poi: float | None) -> float:
    """-2 log L at the lowest of the minima that SciPy finds, from pyhf's start and from other values of the first parameter."""
    (batch,) = compile_workspace(spec, [patch])
    model, bounds = Model(batch), np.stack([batch.lower[0], batch.upper[0]], axis=1)
    if poi is not None:
        bounds[batch.poi] = poi

    def objective(theta: Any) -> tuple[float, Any]:
        at = model.evaluate(theta[None])
        return float(at.nll[0]), at.gradient[0]

    found = []
    for first in (batch.init[0, 0], *np.linspace(-1.5, 1.5, 7)):
        start = np.array(batch.init[0])
        start[0] = first
        start = np.clip(start, *bounds.T)
        options = {"ftol": 1e-12, "maxiter": 500}
        found.append(scipy.optimize.minimize(objective, start, jac=True, method="SLSQP", bounds=bounds, options=options).fun)
    return 2 * float(min(found) + model.nll_offset[0])


WELLS = {
    "the other sign is lower": one_sided([100.0, 89.0], [88.0, 74.0], [102.0, 73.0]),
    "small pull": one_sided([108.0, 100.0], [141.0, 88.0], [140.0, 93.0]),
    "a normalisation makes up for it": one_sided([137.0, 91.0], [131.0, 88.0], [116.0, 80.0]),
    "on top between two wells": one_sided([110.0, 86.0], [112.0, 71.0], [103.0, 62.0]),
    "a shallow well": one_sided([84.0, 100.0], [45.0, 56.0], [60.0, 77.0]),
}


@pytest.mark.parametrize("name", WELLS)
@pytest.mark.parametrize("blind", [False, True])
def test_the_background_is_fitted_to_the_lower_well_of_a_one_sided_systematic(name: str, blind: bool) -> None:
    patch = signal(10.0, 2.0)
    result = one(WELLS[name], patch, blind=blind)
    assert result.twice_nll_background == pytest.approx(lowest(WELLS[name], patch, 0.0), rel=0, abs=2e-6)


@pytest.mark.parametrize("blind", [False, True])
def test_no_other_well_is_sought_where_there_is_no_minimum(blind: bool) -> None:
    spec = one_sided([110.0, 86.0, 5.0], [112.0, 71.0, 0.0], [103.0, 62.0, 0.0])
    spec["channels"][0]["samples"][0]["data"][2] = 0.0
    assert one(spec, signal(10.0, 2.0, 0.0), blind=blind).status == "failed"


def test_normalisations_that_stand_in_for_each_other_are_tried_from_their_initial_values() -> None:
    def sample(name: str, data: list[float], *uncertainties: float) -> Json:
        shape = {"name": f"shape_{name}", "type": "shapesys", "data": list(uncertainties)}
        return {"name": name, "data": data, "modifiers": [{**MU, "name": f"k_{name}"}, shape]}

    spec = workspace([34.0, 13.0, 5.0], [20.0, 7.0, 6.5])
    spec["channels"][0]["samples"] = [
        sample("a", [20.0, 7.0, 6.5], 12.0, 2.0, 2.0),
        sample("b", [8.0, 6.0, 3.0], 6.0, 5.0, 2.0),
    ]
    patch = signal(15.0, 10.0, 1.0)
    result = one(spec, patch)
    assert result.status == "restarted"
    assert result.twice_nll_free == pytest.approx(lowest(spec, patch, None), rel=0, abs=2e-5)


def test_a_singular_system_does_not_stop_the_other_hypotheses() -> None:
    steep = {"name": "steep", "type": "normsys", "data": {"hi": 1e12, "lo": 0.9}}
    (name, (operation,)), good = signal(5.0, 8.0, name="bad"), signal(5.0, 8.0, name="good")
    mc = {"name": "mc", "type": "staterror", "data": [2.0, 3.0]}
    bad = name, [{**operation, "value": {**operation["value"], "modifiers": [MU, steep, mc]}}]
    spec = workspace([55.0, 66.0], [50.0, 60.0], JES)
    first, second = hypotest(spec, [good, bad])
    assert first.status == "converged"
    assert first.cls_obs == pytest.approx(one(spec, good).cls_obs)
    assert second.status != "converged"


@pytest.mark.parametrize("yields", [1e20, 1e30])
def test_what_is_lost_to_rounding_is_not_trusted(yields: float) -> None:
    result = one(workspace([55.0, 66.0], [50.0, yields], JES), signal(5.0, 8.0))
    assert result.status == "not_converged"
    assert "leaves nothing but rounding in its differences" in result.message


def test_a_signal_beyond_all_doubt_is_excluded() -> None:
    result = one(workspace([55.0, 66.0], [50.0, 60.0], JES), signal(5.0, 1e20))
    assert (result.status, result.cls_obs) == ("converged", 0.0)


FAILING = [
    (
        workspace([4.0], [0.0]),
        1.0,
        "background-only fit: the likelihood is zero: channel `SR` bin 0 expects 0 events, 4 were observed",
    ),
    (workspace([4.0], [5.0]), 20.0, "the tested hypothesis sets `mu` to 20, outside its bounds [0, 10]"),
    (workspace([4.0], [5.0], poi=""), 1.0, "the measurement defines no parameter of interest"),
    (
        workspace([4.0], [5.0], parameters=[{"name": "mu", "fixed": True}]),
        1.0,
        "the parameter of interest `mu` is fixed; free it to test it",
    ),
    (
        workspace([4.0], [5.0], parameters=[{"name": "mu", "bounds": [[0.5, 2.0]]}]),
        1.0,
        "the background-only hypothesis sets `mu` to 0, outside its bounds [0.5, 2]",
    ),
]


@pytest.mark.parametrize(("spec", "poi_test", "message"), FAILING, ids=[message for _, _, message in FAILING])
def test_what_cannot_be_tested_says_why(spec: Json, poi_test: float, message: str) -> None:
    result = one(spec, signal(3.0), poi_tests=[poi_test])
    assert (result.status, result.cls_obs, result.cls_exp) == ("failed", None, None)
    assert result.message.startswith(f"patch `signal`: {message}")


def test_unusable_options() -> None:
    with pytest.raises(InputError, match=r"^test_stat: `q0` is not among q, qtilde$"):
        hypotest(workspace([4.0], [5.0]), [], test_stat="q0")
    with pytest.raises(
        InputError, match=r"^poi_tests: \[1.0, an integer of about 5001 digits\] is not a list of finite numbers$"
    ):
        hypotest(workspace([4.0], [5.0]), [], poi_tests=[1.0, 10**5000])
    with pytest.raises(InputError, match=r"^poi_tests: \[\] is not a list of finite numbers$"):
        hypotest(workspace([4.0], [5.0]), [], poi_tests=[])
    with pytest.raises(InputError, match=r"^normsys: `code4p` is no interpolation code of it \(choose code1, code4\)"):
        hypotest(workspace([4.0], [5.0]), [signal(1.0)], normsys="code4p")


@pytest.mark.parametrize("x", [-8.0, 0.0, 3.0, 29.999, 30.001, 60.0])
def test_tails_of_the_normal_distribution(x: float) -> None:
    # The bounds of Birnbaum and Sampford enclose the upper tail tightly where it is too small for a double, too
    value = float(log_upper_tail(np.array([x]))[0])
    if x < 25:
        assert value == pytest.approx(math.log(0.5 * math.erfc(x / math.sqrt(2))))
    else:
        density = -0.5 * x * x - 0.5 * math.log(2 * math.pi)
        assert density + math.log(2 / (x + math.sqrt(x * x + 4))) < value < density + math.log(4 / (3 * x + math.sqrt(x * x + 8)))


@pytest.mark.parametrize("rounding", [0.0, 2e-13])
def test_without_sensitivity_nothing_is_excluded(rounding: float) -> None:
    observed, band = cls_values(np.array([1e-9]), np.array([rounding]), "qtilde")
    assert observed == 1.0
    assert (band == 1.0).all()


def test_the_worst_status_counts() -> None:
    assert worst(["converged", "fallback", "at_boundary"]) == "fallback"
