"""Results as tables: rows of plain values, CSV and JSON."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from pyhf_endpoint.results import ResultsFile

__all__ = ["Cell", "columns", "rows", "to_csv", "to_json"]

Cell: TypeAlias = str | float | None
_BAND = ("-2", "-1", "0", "1", "2")
_COMMON = ("status", "message", "wall_s", "worker")


@dataclass(frozen=True)
class _Layout:
    """A kind's own columns, and the lists of cells that one record gives: one list, or one per entry of the record."""

    columns: tuple[str, ...]
    cells: Callable[[Any], Iterator[list[Cell]]]


def _with_band(before: tuple[str, ...], observed: str, expected: str) -> _Layout:
    def cells(record: Any) -> Iterator[list[Cell]]:
        band = getattr(record, expected) or (None,) * len(_BAND)
        yield [*(getattr(record, name) for name in before), getattr(record, observed), *band]

    return _Layout((*before, observed, *(f"{expected}_{sigma}" for sigma in _BAND)), cells)


def _plain(*names: str) -> _Layout:
    return _Layout(names, lambda record: iter([[getattr(record, name) for name in names]]))


def _fit(record: Any) -> Iterator[list[Cell]]:
    for row in zip(record.parameters, record.best_fit, record.uncertainties, strict=True):
        yield list(row)


def _scan(record: Any) -> Iterator[list[Cell]]:
    for value, height in zip(record.grid, record.twice_delta_nll, strict=True):
        yield [record.parameter, value, height]


_IMPACT = ("parameter", "best_fit", "uncertainty", "pull", "constraint", "pre_up", "pre_down", "post_up", "post_down")


def _ranking(record: Any) -> Iterator[list[Cell]]:
    for impact in record.impacts:
        yield [getattr(impact, name) for name in _IMPACT]


_LAYOUTS: Mapping[str, _Layout] = {
    "hypotest": _with_band(("poi_test",), "CLs_obs", "CLs_exp"),
    "upper-limit": _with_band((), "limit_obs", "limit_exp"),
    "fit": _Layout(("parameter", "best_fit", "uncertainty"), _fit),
    "significance": _plain("z_obs", "p0_obs", "z_exp", "p0_exp", "mu_hat"),
    "scan": _Layout(("parameter", "value", "twice_delta_nll"), _scan),
    "ranking": _Layout(_IMPACT, _ranking),
}


def columns(results: ResultsFile) -> list[str]:
    """Return the names of the columns: name, the patch set's labels, the kind's own, and what every record has."""
    return ["name", *results.header.labels, *_LAYOUTS[results.header.kind].columns, *_COMMON]


def rows(results: ResultsFile) -> Iterator[list[Cell]]:
    """Yield lists of cells in the file's order; None where there is no number.

    A record of a fit, a scan or a ranking gives one row for each parameter or value, and one with empty cells if it has none.
    """
    layout = _LAYOUTS[results.header.kind]
    for result in results.results:
        common = [getattr(result, name) for name in _COMMON]
        found = list(layout.cells(result)) or [[None] * len(layout.columns)]
        yield from ([result.name, *result.values, *cells, *common] for cells in found)


def to_csv(results: ResultsFile) -> str:
    """Return the records as CSV with a header line; empty cells where there is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns(results))
    writer.writerows(rows(results))
    return text.getvalue()


def to_json(results: ResultsFile) -> str:
    """Return the header and the records as one JSON object."""
    whole = {"header": results.header.model_dump(mode="json"), "results": [r.model_dump(mode="json") for r in results.results]}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n"
