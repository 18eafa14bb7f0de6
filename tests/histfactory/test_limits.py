"""Upper limits: CLs of pyhf at each of them is the level, whatever else is in the batch, and what has no limit says so."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pyhf
import pytest

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.histfactory import USABLE, Setup, UpperLimit, hypotest, upper_limit
from tests.reference import Reference, backend, tight_optimizer
from tests.workspaces import Case, case, patched

pytestmark = pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")

Patch = tuple[str, Sequence[Mapping[str, Any]]]

CODES = {"normsys": "code4", "histosys": "code4p"}
SHARP = 1e-6  # tolerance of the search where the search itself is tested
NOISE = 1e-5  # relative to the level: what pyhf's minima are exact to


@pytest.fixture(autouse=True, scope="module")
def pyhf_backend() -> Iterator[None]:
    """NumPy, whose fits of small workspaces are over before JAX has compiled them, and no less exact."""
    with backend("numpy", tight_optimizer()):
        yield


@cache
def reference(name: str, patch: str) -> Reference:
    grid = case(name)
    return Reference.of(patched(grid.workspace, dict(grid.patches)[patch]), grid.measurement, CODES)


def limits(grid: Case, patches: Sequence[Patch] | None = None, **options: Any) -> dict[str, UpperLimit]:
    chosen = grid.patches if patches is None else patches
    found = upper_limit(grid.workspace, chosen, Setup(measurement=grid.measurement), **options)
    assert [result.name for result in found] == [name for name, _ in chosen]
    return {result.name: result for result in found}


def cls_at(known: Reference, poi: float, test_stat: str = "qtilde") -> tuple[float, list[float]]:
    """pyhf's observed and expected CLs."""
    observed, band = pyhf.infer.hypotest(poi, known.data, known.model, test_stat=test_stat, return_expected_set=True)
    return float(observed), [float(value) for value in band]


def assert_same(one: Sequence[float | None] | None, other: Sequence[float | None] | None) -> None:
    """Equal limits, or none in the same places."""
    assert one is not None
    assert other is not None
    assert [limit is None for limit in one] == [limit is None for limit in other]
    assert [limit for limit in one if limit is not None] == pytest.approx([x for x in other if x is not None], rel=1e-5)


def assert_at_level(found: UpperLimit, known: Reference, level: float, tolerance: float, test_stat: str = "qtilde") -> None:
    """CLs is the level at the observed and the five expected limits."""
    assert found.status in USABLE, found
    assert found.limit_obs is not None
    assert found.limit_exp is not None
    assert cls_at(known, found.limit_obs, test_stat)[0] == pytest.approx(level, rel=tolerance + NOISE)
    for place, limit in enumerate(found.limit_exp):
        assert limit is not None
        assert cls_at(known, limit, test_stat)[1][place] == pytest.approx(level, rel=tolerance + NOISE), place


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("normsys", "as_it_is"),
        ("histosys", "as_it_is"),
        ("staterror", "as_it_is"),
        ("shapesys", "as_it_is"),
        ("shapefactor", "as_it_is"),
        ("several_signal_samples", "as_it_is"),
        ("patches", "add_two_samples"),
        ("patches_of_one_structure", "signal_2.0"),
    ],
)
def test_cls_is_the_level(name: str, patch: str) -> None:
    found = limits(case(name), tolerance=SHARP)[patch]
    assert found.limit_exp is not None
    assert sorted(found.limit_exp, key=float) == list(found.limit_exp)  # type: ignore[arg-type]
    assert_at_level(found, reference(name, patch), 0.05, SHARP)


def test_default_tolerance() -> None:
    """Which is looser: CLs is that close to the level, and the limit that close to the sharp one."""
    found, sharp = limits(case("lumi"))["as_it_is"], limits(case("lumi"), tolerance=SHARP)["as_it_is"]
    assert_at_level(found, reference("lumi", "as_it_is"), 0.05, 1e-4)
    assert found.iterations <= sharp.iterations
    assert found.limit_obs == pytest.approx(sharp.limit_obs, rel=1e-4)
    assert found.limit_exp == pytest.approx(sharp.limit_exp, rel=1e-4)


@pytest.mark.parametrize("level", [0.01, 0.1, 0.32])
def test_other_levels(level: float) -> None:
    found = limits(case("several_signal_samples"), level=level, tolerance=SHARP)["as_it_is"]
    assert_at_level(found, reference("several_signal_samples", "as_it_is"), level, SHARP)


@pytest.mark.parametrize("name", ["staterror", "measurement_constrained_poi"])
def test_unbounded_statistic(name: str) -> None:
    """The second has a parameter of interest that may be negative."""
    found = limits(case(name), test_stat="q", tolerance=SHARP)["as_it_is"]
    assert_at_level(found, reference(name, "as_it_is"), 0.05, SHARP, "q")


@pytest.mark.parametrize("name", ["normfactor", "several_signal_samples"])
def test_equal_to_the_upper_limit_of_pyhf(name: str) -> None:
    found = limits(case(name), tolerance=SHARP)["as_it_is"]
    known = reference(name, "as_it_is")
    observed, expected = pyhf.infer.intervals.upper_limits.upper_limit(known.data, known.model, rtol=1e-8)
    assert found.limit_obs == pytest.approx(float(observed), rel=1e-4)
    assert found.limit_exp == pytest.approx([float(value) for value in expected], rel=1e-4)


def test_limits_above_the_bound_are_none() -> None:
    found = limits(case("patches_of_one_structure"), tolerance=SHARP)["signal_0.25"]
    assert found.status == "at_boundary"
    assert found.message == (
        "the limits +1 sigma, +2 sigma, observed are above the upper bound 10 of `mu`; raise it in the measurement"
    )
    assert found.limit_obs is None
    assert found.limit_exp is not None
    assert found.limit_exp[3:] == (None, None)
    observed, band = cls_at(reference("patches_of_one_structure", "signal_0.25"), 10.0)
    assert observed > 0.05
    assert min(band[3:]) > 0.05 > max(band[:3])
    for place, limit in enumerate(found.limit_exp[:3]):
        assert limit is not None
        at_limit = cls_at(reference("patches_of_one_structure", "signal_0.25"), limit)[1][place]
        assert at_limit == pytest.approx(0.05, rel=SHARP + NOISE)


def test_one_limit_above_the_bound() -> None:
    found = limits(case("measurement_all_settings"))["as_it_is"]
    assert found.message == "the limit +2 sigma is above the upper bound 4 of `mu`; raise it in the measurement"
    assert found.status == "at_boundary"
    assert found.limit_exp is not None
    assert [limit is None for limit in found.limit_exp] == [False] * 4 + [True]
    assert found.limit_obs is not None


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("patches_with_zeros", "zero_signal"),
        ("patches_that_reach_into_the_background", "shapefactor_in_same_channel"),
        ("patches_with_own_parameters", "names_swapped"),  # scaled by a second factor, which takes the signal away
    ],
)
def test_no_sensitivity_has_no_limit(name: str, patch: str) -> None:
    grid = case(name)
    for patches in (None, [(patch, dict(grid.patches)[patch])]):
        found = limits(grid, patches)[patch]
        assert found.status in {"at_boundary", "restarted"}, found
        assert "above the upper bound 10 of `mu`" in found.message
        assert found.limit_obs is None
        assert found.limit_exp == (None,) * 5


def test_signals_of_any_size() -> None:
    """Limits far from where the search starts, on both sides."""
    sample = {"name": "signal", "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
    patches = [
        (
            f"signal_{size}",
            [{"op": "add", "path": "/channels/0/samples/-", "value": {**sample, "data": [3.0 * size, 2.5 * size]}}],
        )
        for size in (1.0, 0.25, 100.0, 1e4)
    ]
    found = limits(case("patches_of_one_structure"), patches, tolerance=SHARP)
    one = found["signal_1.0"]
    assert one.limit_obs is not None
    assert one.limit_exp is not None
    for size in (100.0, 1e4):
        other = found[f"signal_{size}"]
        assert other.status in USABLE, other
        assert other.limit_obs == pytest.approx(one.limit_obs / size, rel=1e-5)
        assert other.limit_exp == pytest.approx([limit / size for limit in one.limit_exp if limit is not None], rel=1e-5)


def test_blind() -> None:
    grid = case("patches_of_one_structure")
    blind, sighted = limits(grid, blind=True, tolerance=SHARP), limits(grid, tolerance=SHARP)
    for name, found in blind.items():
        assert found.limit_obs is None
        assert_same(found.limit_exp, sighted[name].limit_exp)
        assert "observed" not in found.message
        assert found.iterations < sighted[name].iterations


@pytest.mark.parametrize("name", ["patches_of_one_structure", "patches", "patches_with_own_parameters"])
def test_order_and_company(name: str) -> None:
    grid = case(name)
    together = limits(grid, tolerance=SHARP)
    for patches in (grid.patches[::-1], grid.patches[1::2], grid.patches[2:3]):
        for patch, found in limits(grid, patches, tolerance=SHARP).items():
            same = together[patch]
            assert found.status == same.status
            assert found.message == same.message
            assert_same(found.limit_exp, same.limit_exp)
            assert_same([found.limit_obs], [same.limit_obs])


def test_the_hypothesis_test_agrees() -> None:
    grid = case("all_modifiers")
    found = limits(grid, tolerance=SHARP)["as_it_is"]
    assert found.limit_obs is not None
    assert found.limit_exp is not None
    values = [found.limit_obs, *(limit or math.nan for limit in found.limit_exp)]
    tests = hypotest(grid.workspace, grid.patches, poi_tests=values)
    assert tests[0].cls_obs == pytest.approx(0.05, rel=2 * SHARP)
    for place, tested in enumerate(tests[1:]):
        assert tested.cls_exp is not None
        assert tested.cls_exp[place] == pytest.approx(0.05, rel=2 * SHARP)


def test_hypotheses_without_a_limit() -> None:
    failed = limits(case("measurement_another_poi"))["as_it_is"]
    assert (failed.status, failed.limit_obs, failed.limit_exp) == ("failed", None, None)
    assert "patch `as_it_is`" in failed.message
    grid = case("patches_of_one_structure")
    bad = [{"op": "remove", "path": "/channels/9"}]
    fixed = [
        *dict(grid.patches)["signal_1.0"],
        {"op": "add", "path": "/measurements/0/config/parameters/-", "value": {"name": "mu", "fixed": True}},
    ]
    found = limits(grid, [("bad", bad), *grid.patches[1:2], ("fixed", fixed)])
    assert found["bad"].status == "failed"
    assert found["bad"].limit_exp is None
    assert found["fixed"].status == "failed"
    assert found["fixed"].message == "patch `fixed`: the parameter of interest `mu` is fixed; free it to test it"
    assert found["signal_1.0"].status == "converged"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 0.0}, "level: 0 is not between 0 and 1"),
        ({"level": 1.0}, "level: 1 is not between 0 and 1"),
        ({"level": math.nan}, "level: nan is not between 0 and 1"),
        ({"tolerance": 0.0}, "tolerance: 0 is not between 0 and 1"),
        ({"tolerance": math.nan}, "tolerance: nan is not between 0 and 1"),
        ({"test_stat": "q0"}, "test_stat: `q0` is not among q, qtilde"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        limits(case("normfactor"), **options)
    assert str(raised.value) == message
