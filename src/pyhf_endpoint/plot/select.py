"""Picks from a results file the records of one picture: a plane, a line along a label, or a scan of the parameter of interest."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyhf_endpoint.errors import ResultsError, UsageError, did_you_mean
from pyhf_endpoint.plot.choices import Value, choose_name, listing, number, quoted, records_of, same
from pyhf_endpoint.results import UNFINISHED, HypotestResult, ResultsFile, UpperLimitResult

__all__ = ["Points", "Record", "along", "choose_poi", "plane", "scan", "varying"]

#: What has an observed and five expected numbers: CLs, or upper limits.
Record = HypotestResult | UpperLimitResult


@dataclass(frozen=True)
class Points:
    """The records of one picture.

    Attributes:
        axes: Names of the coordinates (d of them).
        coordinates: Where usable results lie, shape (n, d).
        observed: Observed CLs or upper limits, shape (n,); NaN where blind.
        expected: The expected ones at -2, -1, 0, 1, 2 standard deviations, shape (n, 5). A limit above the bound of the
            parameter of interest is infinite.
        failed: Where no usable result came out, shape (m, d).
        poi_test: Tested value of the parameter of interest; None where it is itself the axis, and for limits on it.
        fixed: The labels that are not axes, with their one value.
    """

    axes: tuple[str, ...]
    coordinates: NDArray[np.float64]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    failed: NDArray[np.float64]
    poi_test: float | None
    fixed: tuple[tuple[str, Value], ...] = ()

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Where there is an observed result, shape (n,)."""
        return ~np.isnan(self.observed)

    @property
    def blind(self) -> bool:
        """No usable result has an observed one."""
        return not self.seen.any()


def plane(
    results: ResultsFile,
    x: str | None = None,
    y: str | None = None,
    fix: Mapping[str, Value] | None = None,
    poi_test: float | None = None,
) -> Points:
    """Return the points in the plane of two labels.

    Args:
        results: The results file.
        x: First label; by default the first that varies and is not `y`.
        y: Second label; by default the first that varies and is not `x`.
        fix: Values of other labels.
        poi_test: Tested value of the parameter of interest.

    Raises:
        UsageError: A label or value that does not exist, or a choice that is left open.
        ResultsError: The results have no two labels that vary.
    """
    every, poi_test = _tested(results, poi_test)
    records, fixed = _slice(results, every, fix)
    labels = results.header.labels
    for name in (x, y):
        _check_label(name, labels, fixed)
    if x is not None and x == y:
        raise UsageError(f"both axes are `{x}`; give two different labels of {quoted(labels)}")
    free = [label for label in varying(labels, records) if label not in (x, y)]
    need = 2 - sum(name is not None for name in (x, y))
    if len(free) < need:
        raise ResultsError(
            f"an exclusion contour needs two labels that vary; of {quoted(labels) or 'none'} here {quoted(free) or 'none'}"
            f" {'does' if len(free) == 1 else 'do'}: draw `brazil` instead"
        )
    chosen = iter(free)
    x, y = (next(chosen) if name is None else name for name in (x, y))
    return _points(results, records, (x, y), poi_test, fixed)


def along(
    results: ResultsFile, label: str | None = None, fix: Mapping[str, Value] | None = None, poi_test: float | None = None
) -> Points:
    """Return the points along one label, sorted by it.

    Args:
        results: The results file.
        label: The label; by default the only one that varies.
        fix: Values of other labels.
        poi_test: Tested value of the parameter of interest.

    Raises:
        UsageError: A label or value that does not exist, or a choice that is left open.
        ResultsError: No label varies.
    """
    every, poi_test = _tested(results, poi_test)
    records, fixed = _slice(results, every, fix)
    labels = results.header.labels
    _check_label(label, labels, fixed)
    free = varying(labels, records)
    if label is None and len(free) > 1:
        raise UsageError(
            f"{quoted(free)} vary; choose one with `along` and a value of each other with `fix`,"
            " or a `hypothesis` that was tested at several values of the parameter of interest"
        )
    if label is None and not free:
        raise ResultsError("no label varies among the results, so there is no axis to draw along; compute more hypotheses")
    return _points(results, records, (label or free[0],), poi_test, fixed)


def scan(results: ResultsFile, hypothesis: str | None = None) -> Points:
    """Return one hypothesis's points against the tested value of the parameter of interest, sorted by it.

    Raises:
        UsageError: No hypothesis has this name, or there are several and none is named.
        ResultsError: There are no results.
    """
    tests = records_of(results, "hypotest", HypotestResult)
    hypothesis = choose_name((result.name for result in tests), hypothesis)
    records = [result for result in tests if result.name == hypothesis]
    return _arrange(records, [(result.poi_test,) for result in records], ("poi",), None, (), blind=False)


def choose_poi(results: ResultsFile, poi_test: float | None) -> float:
    """Return the tested value of the parameter of interest to draw: the given one, the only one, or 1.

    Raises:
        UsageError: The given one was not tested, or several were and none of them is 1.
        ResultsError: There are no results.
    """
    tested = sorted({result.poi_test for result in records_of(results, "hypotest", HypotestResult)})
    if poi_test is None and len(tested) == 1:
        return tested[0]
    matches = [value for value in tested if same(value, 1.0 if poi_test is None else poi_test)]
    if not matches and poi_test is None:
        raise UsageError(f"several values of the parameter of interest were tested; choose `poi_test` from {listing(tested)}")
    if not matches:
        raise UsageError(f"the parameter of interest was not tested at {poi_test:g}; choose `poi_test` from {listing(tested)}")
    return matches[0]


def varying(labels: Sequence[str], records: Iterable[Record]) -> list[str]:
    """Return the labels that take several values among the records."""
    columns = zip(*(map(number, record.values) for record in records), strict=False)
    return [label for label, column in zip(labels, columns, strict=False) if len(set(column)) > 1]


def _tested(results: ResultsFile, poi_test: float | None) -> tuple[list[Record], float | None]:
    """Return the upper limits, or the tests at one value of the parameter of interest with that value."""
    if results.header.kind == "upper-limit":
        if poi_test is not None:
            raise UsageError("upper limits are on the parameter of interest itself, so there is no `poi_test` to choose")
        return list(records_of(results, "upper-limit", UpperLimitResult)), None
    poi_test = choose_poi(results, poi_test)
    return [result for result in results.hypotests() if result.poi_test == poi_test], poi_test


def _slice(results: ResultsFile, records: list[Record], fix: Mapping[str, Value] | None) -> tuple[list[Record], dict[str, Value]]:
    """Keep the records at the fixed values of labels."""
    labels = results.header.labels
    for record in records:
        if len(record.values) != len(labels):
            raise ResultsError(
                f"the result of {record.name} has {len(record.values)} values for the {len(labels)} labels {quoted(labels)}"
            )
    fixed: dict[str, Value] = {}
    for label, wanted in (fix or {}).items():
        _check_label(label, labels, {})
        index = labels.index(label)
        kept = [record for record in records if same(number(record.values[index]), number(wanted))]
        if not kept:
            there = {number(record.values[index]) for record in records}
            raise UsageError(f"no results with {label} = {wanted}; choose from {listing(there)}")
        records, fixed[label] = kept, number(wanted)
    return records, fixed


def _points(
    results: ResultsFile, records: list[Record], axes: tuple[str, ...], poi_test: float | None, fixed: Mapping[str, Value]
) -> Points:
    labels = results.header.labels
    rest: list[tuple[str, Value]] = []
    for index, label in enumerate(labels):
        there = {number(record.values[index]) for record in records}
        if label in axes:
            words = [value for value in there if isinstance(value, str)]
            if words:
                raise UsageError(
                    f"`{label}` cannot be an axis: its values {listing(words)} are not numbers; fix it at one of them"
                )
        elif len(there) > 1:
            raise UsageError(f"`{label}` takes several values; choose one with `fix`: {listing(there)}")
        else:
            rest.append((label, fixed.get(label, next(iter(there)))))
    columns = [labels.index(axis) for axis in axes]
    coordinates = [tuple(float(record.values[column]) for column in columns) for record in records]
    return _arrange(records, coordinates, axes, poi_test, tuple(rest), blind=bool(results.header.settings.get("blind")))


def _arrange(
    records: Sequence[Record],
    coordinates: Sequence[tuple[float, ...]],
    axes: tuple[str, ...],
    poi_test: float | None,
    fixed: tuple[tuple[str, Value], ...],
    *,
    blind: bool,
) -> Points:
    """Sort the records by their coordinates and part usable ones from failed ones."""
    order = sorted(range(len(records)), key=lambda i: coordinates[i])
    for i, j in itertools.pairwise(order):
        if coordinates[i] == coordinates[j]:
            where = ", ".join(f"{axis} = {value:g}" for axis, value in zip(axes, coordinates[i], strict=True))
            raise ResultsError(
                f"{records[i].name} and {records[j].name} lie at the same point ({where}); leave one out of the patch set"
            )
    found = [_numbers(record, blind=blind) for record in records]
    good = [i for i in order if found[i] is not None]
    usable = [numbers for i in good if (numbers := found[i]) is not None]
    shape = (-1, len(axes))
    return Points(
        axes=axes,
        coordinates=np.array([coordinates[i] for i in good], dtype=np.float64).reshape(shape),
        observed=np.array([numbers[0] for numbers in usable], dtype=np.float64),
        expected=np.array([numbers[1:] for numbers in usable], dtype=np.float64).reshape(-1, 5),
        failed=np.array([coordinates[i] for i in order if i not in set(good)], dtype=np.float64).reshape(shape),
        poi_test=poi_test,
        fixed=fixed,
    )


def _numbers(record: Record, *, blind: bool) -> tuple[float, ...] | None:
    """Return the observed and the expected numbers; None without usable ones.

    An observed one that does not exist is NaN. A limit that does not exist lies above the parameter's bound, unless the run was
    blind, and is infinite.
    """
    if isinstance(record, UpperLimitResult):
        observed, expected, absent = record.limit_obs, record.limit_exp, math.inf
    else:
        observed, expected, absent = record.CLs_obs, record.CLs_exp, math.nan
    if record.status in UNFINISHED or expected is None:
        return None
    numbers = tuple(absent if value is None else value for value in expected)
    if not all(value is None or math.isfinite(value) for value in expected):
        return None
    return ((math.nan if blind else absent) if observed is None else observed, *numbers)


def _check_label(name: str | None, labels: Sequence[str], fixed: Mapping[str, Value]) -> None:
    if name is not None and name not in labels:
        raise UsageError(f"no label `{name}`.{did_you_mean(name, labels)} The results have {quoted(labels) or 'no labels'}")
    if name is not None and name in fixed:
        raise UsageError(f"`{name}` is fixed at {fixed[name]}, so it cannot be an axis; leave it out of `fix`")
