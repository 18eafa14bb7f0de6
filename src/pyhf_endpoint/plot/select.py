"""Picks from a results file the records of one picture: a plane, a line along a label, or a scan of the parameter of interest."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyhf_endpoint.errors import ResultsError, UsageError, did_you_mean
from pyhf_endpoint.results import UNFINISHED, HypotestResult, ResultsFile

__all__ = ["Points", "Value", "along", "choose_poi", "plane", "scan", "varying"]

Value = float | str


@dataclass(frozen=True)
class Points:
    """The records of one picture.

    Attributes:
        axes: Names of the coordinates (d of them).
        coordinates: Where usable results lie, shape (n, d).
        observed: Observed CLs, shape (n,); NaN where blind.
        expected: Expected CLs at -2, -1, 0, 1, 2 standard deviations, shape (n, 5).
        failed: Where no usable result came out, shape (m, d).
        poi_test: Tested value of the parameter of interest; None where it is itself the axis.
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
        """Where there is an observed CLs, shape (n,)."""
        return np.isfinite(self.observed)

    @property
    def blind(self) -> bool:
        """No usable result has an observed CLs."""
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
    poi_test = choose_poi(results, poi_test)
    records, fixed = _slice(results, poi_test, fix)
    labels = results.header.labels
    for name in (x, y):
        _check_label(name, labels, fixed)
    if x is not None and x == y:
        raise UsageError(f"both axes are `{x}`; give two different labels of {_quoted(labels)}")
    free = [label for label in varying(labels, records) if label not in (x, y)]
    need = 2 - sum(name is not None for name in (x, y))
    if len(free) < need:
        raise ResultsError(
            f"an exclusion contour needs two labels that vary; of {_quoted(labels) or 'none'} here {_quoted(free) or 'none'}"
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
    poi_test = choose_poi(results, poi_test)
    records, fixed = _slice(results, poi_test, fix)
    labels = results.header.labels
    _check_label(label, labels, fixed)
    free = varying(labels, records)
    if label is None and len(free) > 1:
        raise UsageError(
            f"{_quoted(free)} vary; choose one with `along` and a value of each other with `fix`,"
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
    _check_any(results)
    names = list(dict.fromkeys(result.name for result in results.hypotests()))
    if hypothesis is None and len(names) == 1:
        hypothesis = names[0]
    if hypothesis is None:
        raise UsageError(f"choose one `hypothesis` of {_listing(names)}")
    if hypothesis not in names:
        raise UsageError(
            f"no results for the hypothesis `{hypothesis}`.{did_you_mean(hypothesis, names)} There are {_listing(names)}"
        )
    records = [result for result in results.hypotests() if result.name == hypothesis]
    return _arrange(records, [(result.poi_test,) for result in records], ("poi",), None, ())


def choose_poi(results: ResultsFile, poi_test: float | None) -> float:
    """Return the tested value of the parameter of interest to draw: the given one, the only one, or 1.

    Raises:
        UsageError: The given one was not tested, or several were and none of them is 1.
        ResultsError: There are no results.
    """
    _check_any(results)
    tested = sorted({result.poi_test for result in results.hypotests()})
    if poi_test is None and len(tested) == 1:
        return tested[0]
    matches = [value for value in tested if _same(value, 1.0 if poi_test is None else poi_test)]
    if not matches and poi_test is None:
        raise UsageError(f"several values of the parameter of interest were tested; choose `poi_test` from {_listing(tested)}")
    if not matches:
        raise UsageError(f"the parameter of interest was not tested at {poi_test:g}; choose `poi_test` from {_listing(tested)}")
    return matches[0]


def varying(labels: Sequence[str], records: Iterable[HypotestResult]) -> list[str]:
    """Return the labels that take several values among the records."""
    columns = zip(*(map(_value, record.values) for record in records), strict=False)
    return [label for label, column in zip(labels, columns, strict=False) if len(set(column)) > 1]


def _slice(
    results: ResultsFile, poi_test: float, fix: Mapping[str, Value] | None
) -> tuple[list[HypotestResult], dict[str, Value]]:
    """Keep the records at one tested value and at the fixed values of labels."""
    labels = results.header.labels
    records = [result for result in results.hypotests() if result.poi_test == poi_test]
    for record in records:
        if len(record.values) != len(labels):
            raise ResultsError(
                f"the result of {record.name} has {len(record.values)} values for the {len(labels)} labels {_quoted(labels)}"
            )
    fixed: dict[str, Value] = {}
    for label, wanted in (fix or {}).items():
        _check_label(label, labels, {})
        index = labels.index(label)
        kept = [record for record in records if _same(_value(record.values[index]), _value(wanted))]
        if not kept:
            there = {_value(record.values[index]) for record in records}
            raise UsageError(f"no results with {label} = {wanted}; choose from {_listing(there)}")
        records, fixed[label] = kept, _value(wanted)
    return records, fixed


def _points(
    results: ResultsFile, records: list[HypotestResult], axes: tuple[str, ...], poi_test: float, fixed: Mapping[str, Value]
) -> Points:
    labels = results.header.labels
    rest: list[tuple[str, Value]] = []
    for index, label in enumerate(labels):
        there = {_value(record.values[index]) for record in records}
        if label in axes:
            words = [value for value in there if isinstance(value, str)]
            if words:
                raise UsageError(
                    f"`{label}` cannot be an axis: its values {_listing(words)} are not numbers; fix it at one of them"
                )
        elif len(there) > 1:
            raise UsageError(f"`{label}` takes several values; choose one with `fix`: {_listing(there)}")
        else:
            rest.append((label, fixed.get(label, next(iter(there)))))
    columns = [labels.index(axis) for axis in axes]
    coordinates = [tuple(float(record.values[column]) for column in columns) for record in records]
    return _arrange(records, coordinates, axes, poi_test, tuple(rest))


def _arrange(
    records: Sequence[HypotestResult],
    coordinates: Sequence[tuple[float, ...]],
    axes: tuple[str, ...],
    poi_test: float | None,
    fixed: tuple[tuple[str, Value], ...],
) -> Points:
    """Sort the records by their coordinates and part usable ones from failed ones."""
    order = sorted(range(len(records)), key=lambda i: coordinates[i])
    for i, j in itertools.pairwise(order):
        if coordinates[i] == coordinates[j]:
            where = ", ".join(f"{axis} = {value:g}" for axis, value in zip(axes, coordinates[i], strict=True))
            raise ResultsError(
                f"{records[i].name} and {records[j].name} lie at the same point ({where}); leave one out of the patch set"
            )
    good = [i for i in order if _usable(records[i])]
    observed = [records[i].CLs_obs for i in good]
    shape = (-1, len(axes))
    return Points(
        axes=axes,
        coordinates=np.array([coordinates[i] for i in good], dtype=np.float64).reshape(shape),
        observed=np.array([math.nan if value is None else value for value in observed], dtype=np.float64),
        expected=np.array([records[i].CLs_exp for i in good], dtype=np.float64).reshape(-1, 5),
        failed=np.array([coordinates[i] for i in order if i not in set(good)], dtype=np.float64).reshape(shape),
        poi_test=poi_test,
        fixed=fixed,
    )


def _usable(record: HypotestResult) -> bool:
    return record.status not in UNFINISHED and record.CLs_exp is not None and all(map(math.isfinite, record.CLs_exp))


def _check_any(results: ResultsFile) -> None:
    if not results.hypotests():
        raise ResultsError("the results file holds no results yet; wait for the run's first ones, or continue it with --resume")


def _check_label(name: str | None, labels: Sequence[str], fixed: Mapping[str, Value]) -> None:
    if name is not None and name not in labels:
        raise UsageError(f"no label `{name}`.{did_you_mean(name, labels)} The results have {_quoted(labels) or 'no labels'}")
    if name is not None and name in fixed:
        raise UsageError(f"`{name}` is fixed at {fixed[name]}, so it cannot be an axis; leave it out of `fix`")


def _value(value: Value) -> Value:
    """Read a number written as text as the number: patch sets may hold either."""
    try:
        return float(value)
    except ValueError:
        return value


def _same(a: Value, b: Value) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _listing(values: Iterable[Value], most: int = 20) -> str:
    """Write the values in order; of many the first and the last."""
    ordered = sorted(values, key=lambda value: (isinstance(value, str), value))
    words = [value if isinstance(value, str) else f"{value:g}" for value in ordered]
    if len(words) > most:
        words = [*words[: most - 1], "...", words[-1]]
    return ", ".join(words) + (f" ({len(ordered)} in all)" if len(ordered) > most else "")
