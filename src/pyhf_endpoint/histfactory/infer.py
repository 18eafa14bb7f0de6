"""Hypothesis tests of a whole grid with the profile likelihood ratio and asymptotic distributions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import ModuleType
from typing import Any

import numpy as np

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.histfactory.asymptotics import cls_values
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.compile import Patch, compile_patches
from pyhf_endpoint.histfactory.describe import describe_all
from pyhf_endpoint.histfactory.faults import is_number, shown
from pyhf_endpoint.histfactory.fits import Fit
from pyhf_endpoint.histfactory.profile import Profile, Profiled
from pyhf_endpoint.histfactory.result import STATUSES, HypotestResult, worst

__all__ = ["TEST_STATISTICS", "chunks", "hypotest", "outside_bounds", "parts", "untestable"]

TEST_STATISTICS = ("q", "qtilde")
_COMPILED = 128  # hypotheses compiled at a time: bounds memory
_EPSILON = float(np.finfo(float).eps)
_ROUNDING = 1e-6  # of a test statistic
_FITTED = 128  # rows fitted side by side: enough to amortise the interpreter, few enough for the processor's caches


def hypotest(
    workspace: Mapping[str, Any],
    patches: Iterable[Patch],
    *,
    poi_tests: Sequence[float] = (1.0,),
    test_stat: str = "qtilde",
    measurement: str | None = None,
    normsys: str = "code4",
    histosys: str = "code4p",
    seed: int = 0,
    blind: bool = False,
    xp: ModuleType = np,
) -> list[HypotestResult]:
    """Test every hypothesis at every value of the parameter of interest (POI), as `pyhf.infer.hypotest` does one by one.

    Args:
        workspace: A HistFactory workspace, usually background only.
        patches: Name and JSON patch of each hypothesis.
        poi_tests: Values of the POI.
        test_stat: `qtilde` or `q`.
        measurement: Name of the measurement, by default the first.
        normsys: Interpolation of normalisations, `code4` or `code1`.
        histosys: Interpolation of histograms, `code4p`, `code2` or `code0`.
        seed: Of the random starts that strongly excluded hypotheses get.
        blind: Compute expected values only. As in pyhf the Asimov data come from a fit of the observed data with the POI at 0;
            no fit with a signal sees the observed data.
        xp: Array namespace: `numpy`, `cupy` or `jax.numpy`.

    Returns:
        Results for each patch and, within it, each POI value. A patch that cannot be computed has the status `failed`.

    Raises:
        InputError: The workspace or an option cannot be used.
    """
    if test_stat not in TEST_STATISTICS:
        raise InputError(f"test_stat: `{test_stat}` is not among {', '.join(TEST_STATISTICS)}")
    if not len(poi_tests) or not all(map(is_number, poi_tests)):
        raise InputError(f"poi_tests: [{', '.join(map(shown, poi_tests))}] is not a list of finite numbers")
    options = _Options(tuple(map(float, poi_tests)), test_stat, seed, blind)
    results: list[HypotestResult] = []
    for chunk in chunks(patches):
        compiled = compile_patches(workspace, chunk, measurement=measurement, normsys=normsys, histosys=histosys)
        names = {index: patch[0] for index, patch in chunk}
        found = {
            index: [_failed(names[index], value, message) for value in options.values]
            for index, message in compiled.failures.items()
        }
        for batch in compiled.batches:
            for part in parts(batch, len(options.values)):
                found |= zip(part.indices, _test(part, options, xp), strict=True)
        results += [result for index, _ in chunk for result in found[index]]
    return results


@dataclass(frozen=True)
class _Options:
    values: tuple[float, ...]
    test_stat: str
    seed: int
    blind: bool


def chunks(patches: Iterable[Patch]) -> Iterator[list[tuple[int, Patch]]]:
    """Number patches and group them for compilation."""
    numbered = iter(enumerate(patches))
    while chunk := list(islice(numbered, _COMPILED)):
        yield chunk


def parts(batch: Batch, values: int) -> Iterator[Batch]:
    """Split a batch into pieces that are fitted side by side, smaller where each row is fitted at many POI values."""
    size = max(4, _FITTED // values)
    for first in range(0, len(batch.names), size):
        yield batch.take(range(first, min(first + size, len(batch.names))))


def _failed(name: str, value: float, message: str) -> HypotestResult:
    return HypotestResult(name, value, "failed", message)


def _test(batch: Batch, options: _Options, xp: ModuleType) -> list[list[HypotestResult]]:
    """Results of each row of a batch."""
    messages = [untestable(batch, row) for row in range(len(batch.names))]
    results = [
        [_failed(name, value, f"patch `{name}`: {message}") for value in options.values]
        for name, message in zip(batch.names, messages, strict=True)
    ]
    runnable = [row for row, message in enumerate(messages) if not message]
    if runnable:
        profile = Profile(batch.take(runnable), options.seed, xp)
        profiled = profile.run(options.values, blind=options.blind)
        tables = [_table(profile, one, options.test_stat) for one in profiled]
        for place, row in enumerate(runnable):
            results[row] = [table[place] for table in tables]
    return results


def untestable(batch: Batch, row: int) -> str:
    """Why a hypothesis' POI cannot be tested; empty if it can."""
    if batch.poi is None:
        return "the measurement defines no parameter of interest"
    if batch.fixed[row, batch.poi]:
        return f"the parameter of interest `{batch.hypotheses[row].poi}` is fixed; free it to test it"
    return outside_bounds(batch, row, 0.0, "the background-only hypothesis")


def outside_bounds(batch: Batch, row: int, value: float, what: str) -> str:
    """Say that a POI value is outside its bounds; empty if it is not."""
    lower, upper = batch.lower[row, batch.poi], batch.upper[row, batch.poi]
    if lower <= value <= upper:
        return ""
    return f"{what} sets `{batch.hypotheses[row].poi}` to {value:g}, outside its bounds [{lower:g}, {upper:g}]"


def _table(profile: Profile, one: Profiled, test_stat: str) -> list[HypotestResult]:
    """Results of all rows at one POI value."""
    q = one.q_asimov if one.q is None else one.q
    observed, band = cls_values(q, one.q_asimov, test_stat)
    return [_result(profile, one, row, float(observed[row]), tuple(map(float, band[row]))) for row in range(len(q))]


def _lost_to_rounding(one: Profiled, row: int) -> str:
    """Say where likelihoods are so large that what is left of their differences is rounding; empty if they are not."""
    largest = max(abs(float(fit.nll[row])) for _, fit in one.fits())
    q = float((one.q_asimov if one.q is None else one.q)[row])
    if not _EPSILON * largest > _ROUNDING * max(1.0, q):
        return ""
    return f"a likelihood of {largest:.1e} leaves nothing but rounding in its differences; check the yields against the data"


def _result(profile: Profile, one: Profiled, row: int, observed: float, band: tuple[float, ...]) -> HypotestResult:
    batch, name, fits = profile.batch, profile.batch.names[row], one.fits()
    message = outside_bounds(batch, row, one.value, "the tested hypothesis") or describe_all(profile.fitter, fits, row)
    status = worst([STATUSES[fit.status[row]] for _, fit in fits])
    if status == "failed" or outside_bounds(batch, row, one.value, ""):
        return _failed(name, one.value, f"patch `{name}`: {message}")

    if lost := _lost_to_rounding(one, row):
        status, message = "not_converged", "; ".join(filter(None, (lost, message)))

    def twice(fit: Fit) -> float:
        return float(2 * (fit.nll[row] + profile.offset[row]))

    result = HypotestResult(
        name,
        one.value,
        status,
        message,
        cls_exp=(band[0], band[1], band[2], band[3], band[4]),
        q_asimov=float(one.q_asimov[row]),
        twice_nll_background=twice(one.null),
        edm=float(max(fit.edm[row] for _, fit in fits)),
        iterations=int(sum(fit.iterations[row] for _, fit in fits)),
    )
    if one.free is None or one.fixed is None or one.q is None:
        return result
    return replace(
        result,
        cls_obs=observed,
        mu_hat=float(one.free.theta[row, batch.poi]),
        q=float(one.q[row]),
        twice_nll_free=twice(one.free),
        twice_nll_fixed=twice(one.fixed),
    )
