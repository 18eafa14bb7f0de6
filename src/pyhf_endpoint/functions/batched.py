"""The batched engine: all hypotheses of a chunk in one go."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from pyhf_endpoint import histfactory
from pyhf_endpoint.errors import FitError, InputError
from pyhf_endpoint.functions.settings import (
    FitSettings,
    HypotestSettings,
    RankingSettings,
    ScanSettings,
    Settings,
    SignificanceSettings,
    UpperLimitSettings,
)

__all__ = ["fit", "hypotest", "ranking", "scan", "significance", "upper_limit"]

Json = dict[str, Any]
_Found = TypeVar("_Found")
# Each function returns one list per patch with one outcome per point, and raises a FitError where the workspace itself cannot be
# used, which all its hypotheses share.
Outcomes = list[list[Json]]


def hypotest(workspace: Json, patches: Sequence[Json], settings: HypotestSettings) -> Outcomes:
    """Test every hypothesis at every value."""
    results = _run(
        lambda: histfactory.hypotest(
            workspace,
            _named(patches),
            poi_tests=settings.poi_test,
            test_stat=settings.test_stat,
            measurement=settings.measurement,
            normsys=settings.normsys,
            histosys=settings.histosys,
            seed=settings.seed,
            blind=settings.blind,
        )
    )
    count = len(settings.poi_test)
    outcomes = [_hypotest(result) for result in results]
    return [outcomes[i : i + count] for i in range(0, len(outcomes), count)]


def _hypotest(result: histfactory.HypotestResult) -> Json:
    return {
        "CLs_obs": result.cls_obs,
        "CLs_exp": result.cls_exp,
        "status": result.status,
        "message": result.message,
        "mu_hat": result.mu_hat,
        "twice_nll_free": result.twice_nll_free,
        "twice_nll_fixed": result.twice_nll_fixed,
        "twice_nll_background": result.twice_nll_background,
        "q_asimov": result.q_asimov,
        "edm": result.edm,
        "iterations": result.iterations,
    }


def upper_limit(workspace: Json, patches: Sequence[Json], settings: UpperLimitSettings) -> Outcomes:
    """Find every hypothesis' upper limits."""
    results = _run(
        lambda: histfactory.upper_limit(
            workspace,
            _named(patches),
            _setup(settings),
            level=settings.level,
            tolerance=settings.tolerance,
            test_stat=settings.test_stat,
            blind=settings.blind,
        )
    )
    return [[_outcome(result)] for result in results]


def fit(workspace: Json, patches: Sequence[Json], settings: FitSettings) -> Outcomes:
    """Fit every hypothesis to the data."""
    results = _run(lambda: histfactory.fit(workspace, _named(patches), _setup(settings), correlations=settings.correlations))
    return [[_outcome(result)] for result in results]


def significance(workspace: Json, patches: Sequence[Json], settings: SignificanceSettings) -> Outcomes:
    """Find every hypothesis' discovery significance."""
    results = _run(lambda: histfactory.significance(workspace, _named(patches), _setup(settings), blind=settings.blind))
    return [[_outcome(result)] for result in results]


def scan(workspace: Json, patches: Sequence[Json], settings: ScanSettings) -> Outcomes:
    """Scan every hypothesis' profile likelihood along every parameter."""
    grid = histfactory.Grid(settings.grid, settings.steps, settings.width)
    results = _run(lambda: histfactory.scan(workspace, _named(patches), settings.parameters, _setup(settings), grid=grid))
    return [[_outcome(result) for result in row] for row in results]


def ranking(workspace: Json, patches: Sequence[Json], settings: RankingSettings) -> Outcomes:
    """Rank every hypothesis' nuisance parameters."""
    results = _run(lambda: histfactory.ranking(workspace, _named(patches), _setup(settings)))
    return [[_outcome(result)] for result in results]


def _run(compute: Callable[[], list[_Found]]) -> list[_Found]:
    try:
        return compute()
    except InputError as error:
        raise FitError(str(error)) from error


def _named(patches: Sequence[Json]) -> list[tuple[str, list[Json]]]:
    return [(patch["name"], patch["patch"]) for patch in patches]


def _setup(settings: Settings) -> histfactory.Setup:
    return histfactory.Setup(
        measurement=settings.measurement, normsys=settings.normsys, histosys=settings.histosys, seed=settings.seed
    )


def _outcome(result: Any) -> Json:
    """A result's fields are its record's, but for the name."""
    return {key: value for key, value in asdict(result).items() if key != "name"}
