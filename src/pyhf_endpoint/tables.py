"""Results as tables: rows of plain values, CSV and JSON."""

import csv
import io
from collections.abc import Iterator, Sequence

import orjson

from pyhf_endpoint.results import ResultsFile

__all__ = ["columns", "rows", "to_csv", "to_json"]

_EXPECTED = ("CLs_exp_-2", "CLs_exp_-1", "CLs_exp_0", "CLs_exp_1", "CLs_exp_2")
Cell = str | float | None


def columns(results: ResultsFile) -> list[str]:
    """Return the names of the columns: name, the patch set's labels, then the numbers."""
    return ["name", *results.header.labels, "poi_test", "CLs_obs", *_EXPECTED, "status", "message", "wall_s", "worker"]


def rows(results: ResultsFile) -> Iterator[list[Cell]]:
    """Yield one list of cells per record, in the file's order; None where there is no number."""
    for result in results.results:
        expected: Sequence[float | None] = result.CLs_exp or [None] * len(_EXPECTED)
        numbers = [result.poi_test, result.CLs_obs, *expected]
        yield [result.name, *result.values, *numbers, result.status, result.message, result.wall_s, result.worker]


def to_csv(results: ResultsFile) -> str:
    """Return the records as CSV with a header line; empty cells where there is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns(results))
    writer.writerows(rows(results))
    return text.getvalue()


def to_json(results: ResultsFile) -> str:
    """Return the header and the records as one JSON object."""
    return orjson.dumps(results.model_dump(mode="json"), option=orjson.OPT_INDENT_2).decode() + "\n"
