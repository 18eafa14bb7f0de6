"""Impacts against pyhf's fits with a nuisance parameter held off its best fit."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pyhf
import pytest

from pyhf_endpoint.histfactory import USABLE, Impact, Ranking, Setup, fit, ranking
from tests.reference import Reference, backend, tight_optimizer
from tests.workspaces import Case, case, patched

pytestmark = pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")

CODES = {"normsys": "code4", "histosys": "code4p"}
SHIFTS = ("pre_up", "pre_down", "post_up", "post_down")


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
def ours(name: str) -> dict[str, Ranking]:
    grid = grid_of(name)
    found = ranking(grid.workspace, grid.patches, Setup(measurement=grid.measurement))
    assert [result.name for result in found] == [patch for patch, _ in grid.patches]
    return {result.name: result for result in found}


def impact(found: Ranking, parameter: str) -> Impact:
    return next(entry for entry in found.impacts if entry.parameter == parameter)


@cache
def reference(name: str, patch: str) -> Reference:
    grid = grid_of(name)
    return Reference.of(patched(grid.workspace, dict(grid.patches)[patch]), grid.measurement, CODES)


def mu_with(known: Reference, parameter: str, value: float) -> float:
    """pyhf's best-fit parameter of interest with another parameter fixed, clipped to its bounds."""
    config = known.model.config
    place = config.par_names.index(parameter)
    lower, upper = config.suggested_bounds()[place]
    start, fixed = list(config.suggested_init()), list(config.suggested_fixed())
    start[place], fixed[place] = min(max(value, lower), upper), True
    return float(pyhf.infer.mle.fit(known.data, known.model, init_pars=start, fixed_params=fixed)[config.poi_index])


@pytest.mark.parametrize(
    ("name", "patch", "parameter", "width"),
    [
        ("normsys", "excess", "scale", 1.0),
        ("histosys", "excess", "tilt", 1.0),
        ("lumi", "excess", "lumi", 0.02),
        ("staterror", "excess", "stat_SR[1]", 7.0 / 52.0),
        ("shapesys", "excess", "uncorrelated[0]", 3.0 / 50.0),
        ("shapefactor", "as_it_is", "shape[1]", None),
        ("several_signal_samples", "as_it_is", "scale", 1.0),
        ("patches_of_one_structure", "signal_2.0", "jes", 1.0),
        ("patches_of_one_structure", "signal_2.0", "theory", 1.0),
        ("patches_of_one_structure", "signal_2.0", "k_top", None),
        ("measurement_all_settings", "as_it_is", "stat[0]", 0.1),
        ("measurement_all_settings", "as_it_is", "lumi", 0.05),
    ],
)
def test_impacts(name: str, patch: str, parameter: str, width: float | None) -> None:
    found, known = ours(name)[patch], reference(name, patch)
    assert found.status in USABLE, found
    assert found.mu_hat is not None
    assert found.mu_uncertainty is not None
    entry = impact(found, parameter)
    assert entry.uncertainty is not None
    best = pyhf.infer.mle.fit(known.data, known.model)
    centre, mu_hat = (
        float(best[place]) for place in (known.model.config.par_names.index(parameter), known.model.config.poi_index)
    )
    tolerance = 1e-4 * found.mu_uncertainty
    assert found.mu_hat == pytest.approx(mu_hat, rel=0, abs=tolerance)
    assert entry.best_fit == pytest.approx(centre, rel=0, abs=1e-4 * entry.uncertainty)
    sizes = {"pre": width, "post": entry.uncertainty}
    for shift in SHIFTS:
        kind, direction = shift.split("_")
        size, moved = sizes[kind], getattr(entry, shift)
        if size is None:
            assert moved is None
            continue
        value = entry.best_fit + (size if direction == "up" else -size)
        assert moved == pytest.approx(mu_with(known, parameter, value) - mu_hat, rel=0, abs=tolerance), shift
    if width is None:
        assert (entry.pull, entry.constraint) == (None, None)
    else:
        assert entry.constraint == pytest.approx(entry.uncertainty / width)


@pytest.mark.parametrize(
    ("name", "patch", "parameter", "centre", "width"),
    [
        ("normsys", "as_it_is", "scale", 0.0, 1.0),
        ("staterror", "as_it_is", "stat_SR[0]", 1.0, 3.0 / 50.0),
        ("shapesys", "as_it_is", "uncorrelated[1]", 1.0, 7.0 / 52.0),
        ("measurement_all_settings", "as_it_is", "jes", 0.4, 1.0),
        ("measurement_all_settings", "as_it_is", "stat[1]", 0.95, 0.2),
    ],
)
def test_pulls(name: str, patch: str, parameter: str, centre: float, width: float) -> None:
    entry = impact(ours(name)[patch], parameter)
    assert entry.pull == pytest.approx((entry.best_fit - centre) / width, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["all_modifiers", "patches_of_one_structure", "patches", "measurement_all_settings"])
def test_order_and_content(name: str) -> None:
    """Ordered by size; every free nuisance parameter once, none that is fixed, not the parameter of interest."""
    grid = case(name)
    fits = {result.name: result for result in fit(grid.workspace, grid.patches, Setup(measurement=grid.measurement))}
    checked = 0
    for patch, found in ours(name).items():
        if found.status not in USABLE:
            continue
        checked += 1
        config = reference(name, patch).model.config
        fixed = dict(zip(config.par_names, config.suggested_fixed(), strict=True))
        names = [entry.parameter for entry in found.impacts]
        assert sorted(names) == sorted(p for p in config.par_names if not fixed[p] and p != config.poi_name)
        sizes = [entry.size() for entry in found.impacts]
        assert sizes == sorted(sizes, reverse=True)
        best = fits[patch]
        for entry in found.impacts:
            place = best.parameters.index(entry.parameter)
            assert entry.best_fit == pytest.approx(best.best_fit[place], rel=1e-9, abs=1e-9)
            assert entry.uncertainty == near(best.uncertainties[place])
        assert found.mu_uncertainty == near(best.uncertainties[best.parameters.index(config.poi_name)])
    assert checked >= 1


def near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-6)


def test_size_is_the_larger_post_fit_impact() -> None:
    assert Impact("a", 0.0, 1.0, pre_up=9.0, post_up=0.5, post_down=-2.0).size() == 2.0
    assert Impact("a", 0.0, None, pre_up=3.0, pre_down=-4.0).size() == 4.0
    assert Impact("a", 0.0, None).size() == 0.0


def test_parameters_at_a_bound() -> None:
    found = ours("all_modifiers")["as_it_is"]
    entry = impact(found, "fakes_CR[0]")
    assert found.status == "at_boundary"
    assert (entry.best_fit, entry.uncertainty, entry.post_up, entry.post_down) == (0.0, None, None, None)


def test_company() -> None:
    grid = case("patches_of_one_structure")
    alone = ranking(grid.workspace, grid.patches[3:4])[0]
    together = ours(grid.name)[alone.name]
    assert [entry.parameter for entry in alone.impacts] == [entry.parameter for entry in together.impacts]
    assert alone.mu_uncertainty is not None
    for one, other in zip(alone.impacts, together.impacts, strict=True):
        for shift in SHIFTS:
            expected = getattr(other, shift)
            assert getattr(one, shift) == (
                None if expected is None else pytest.approx(expected, rel=0, abs=1e-5 * alone.mu_uncertainty)
            )


def test_parameter_of_interest_at_its_bound() -> None:
    grid = case("patches_of_one_structure")
    counts = [{"op": "replace", "path": "/observations/0/data", "value": [12, 7]}]
    found = ranking(grid.workspace, [("low", [*counts, *grid.patches[1][1]])])[0]
    assert (found.status, found.mu_hat, found.mu_uncertainty) == ("converged", 0.0, None)
    assert found.message == "the parameter of interest is at its bound, so that impacts can only point one way"
    assert all(getattr(entry, shift) is None or getattr(entry, shift) >= 0 for entry in found.impacts for shift in SHIFTS)


def test_without_a_ranking() -> None:
    grid = case("patches_of_one_structure")
    no_poi = [{"op": "replace", "path": "/measurements/0/config/poi", "value": ""}]
    fixed = [
        *grid.patches[1][1],
        {"op": "add", "path": "/measurements/0/config/parameters/-", "value": {"name": "mu", "fixed": True}},
    ]
    bad = [{"op": "remove", "path": "/channels/9"}]
    found = ranking(grid.workspace, [("no_poi", no_poi), ("fixed", fixed), ("bad", bad), *grid.patches[:1]])
    assert [result.status for result in found] == ["failed", "failed", "failed", "converged"]
    assert found[0].message == "patch `no_poi`: the measurement defines no parameter of interest"
    assert found[1].message == "patch `fixed`: the parameter of interest `mu` is fixed; free it to rank impacts on it"
    assert [result.impacts for result in found[:3]] == [(), (), ()]


def test_parameters_that_the_data_do_not_tell_apart() -> None:
    found = ours("patches_with_zeros")["zero_signal"]
    assert found.status == "not_converged"
    assert "the Hessian at the best fit is not positive definite" in found.message
    assert found.impacts == ()


def test_nothing_to_rank() -> None:
    found = ours("measurement_all_but_poi_fixed")["as_it_is"]
    assert (found.status, found.impacts) == ("converged", ())
    assert found.mu_uncertainty is not None
    assert ours("normfactor")["as_it_is"].impacts == ()
