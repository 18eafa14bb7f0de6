"""CLs values against pyhf at tight tolerance: equal where both found the same minima, and no minimum of ours ever higher."""

from collections.abc import Iterator
from functools import cache

import pytest

from pyhf_endpoint.histfactory import USABLE, HypotestResult, hypotest
from tests.reference import Outcome, Reference, backend, tight_hypotest, tight_optimizer
from tests.workspaces import FITTED, Case, case, patched

pytest.importorskip("jax", reason="the extra `jax` is not installed")

# pyhf validates measurements through a part of jsonschema that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.*RefResolver.*:DeprecationWarning")

TOLERANCE = 1e-6  # absolute, on CLs and on -log L
CODES = {"normsys": "code4", "histosys": "code4p"}


@pytest.fixture(autouse=True, scope="module")
def jax_backend() -> Iterator[None]:
    with backend("jax", tight_optimizer()):
        yield


@cache
def ours(name: str, test_stat: str, poi_tests: tuple[float, ...]) -> list[HypotestResult]:
    """All hypotheses of a case at once, as the package fits them."""
    grid = case(name)
    return hypotest(grid.workspace, grid.patches, measurement=grid.measurement, test_stat=test_stat, poi_tests=poi_tests)


def theirs(grid: Case, patch: str, test_stat: str, poi_test: float) -> Outcome:
    workspace = patched(grid.workspace, dict(grid.patches)[patch])
    return tight_hypotest(Reference.of(workspace, grid.measurement, CODES), poi_test, test_stat)


def compare(name: str, patch: str, test_stat: str = "qtilde", poi_test: float = 1.0) -> None:
    found = next(r for r in ours(name, test_stat, (0.5, 1.0, 2.0)) if (r.name, r.poi_test) == (patch, poi_test))
    expected = theirs(case(name), patch, test_stat, poi_test)
    assert found.status in USABLE, found.message
    for fit in ("twice_nll_free", "twice_nll_fixed", "twice_nll_background"):
        # These workspaces have one minimum each, which pyhf finds too: neither may be higher.
        assert getattr(found, fit) == pytest.approx(getattr(expected, fit), rel=0, abs=2 * TOLERANCE), fit
    assert found.cls_obs == pytest.approx(expected.cls_obs, rel=0, abs=TOLERANCE)
    assert found.cls_exp == pytest.approx(expected.cls_exp, rel=0, abs=TOLERANCE)


@pytest.mark.parametrize("grid", [c for c in FITTED if len(c.patches) == 1], ids=str)
def test_single_hypotheses(grid: Case) -> None:
    compare(grid.name, grid.patches[0][0])


@pytest.mark.parametrize("patch", ["signal_0.25", "signal_2.0", "signal_6.0"])
def test_hypotheses_of_one_batch(patch: str) -> None:
    compare("patches_of_one_structure", patch)


@pytest.mark.parametrize("patch", ["move_and_copy", "add_two_samples"])
def test_hypotheses_of_several_batches(patch: str) -> None:
    compare("patches", patch)


@pytest.mark.parametrize("poi_test", [0.5, 2.0])
def test_other_values_of_the_poi(poi_test: float) -> None:
    compare("staterror", "as_it_is", poi_test=poi_test)


@pytest.mark.parametrize("name", ["measurement_all_settings", "one_sided"])
def test_unbounded_statistic(name: str) -> None:
    compare(name, "as_it_is", test_stat="q")
