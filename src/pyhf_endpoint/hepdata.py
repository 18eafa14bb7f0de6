"""Results as a data table of a HEPData submission (https://hepdata-submission.readthedocs.io)."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.results import ResultsFile

__all__ = ["to_hepdata"]

_MISSING = "-"  # HEPData's mark of a value that does not exist
# kind -> observed field, expected field, what the numbers are
_FIELDS = {
    "hypotest": ("CLs_obs", "CLs_exp", "CLs"),
    "upper-limit": ("limit_obs", "limit_exp", "Upper limit on the signal strength"),
}


def to_hepdata(results: ResultsFile, *, unit: str = "GeV") -> str:
    """Return the records as the YAML of one data table: observed values, and expected ones with both bands as errors.

    Args:
        results: A file of the kind `hypotest` or `upper-limit`.
        unit: Unit of the patch set's labels; empty for none.

    Raises:
        ResultsError: The file is of another kind, or holds nothing.
    """
    if results.header.kind not in _FIELDS:
        raise ResultsError(f"no HEPData table of the kind `{results.header.kind}`; only of {', '.join(_FIELDS)}")
    if not results.results:
        raise ResultsError("the results file holds no record")
    observed, expected, what = _FIELDS[results.header.kind]
    records = results.results
    independent = [
        {"header": {"name": label, **({"units": unit} if unit else {})}, "values": [{"value": r.values[i]} for r in records]}
        for i, label in enumerate(results.header.labels)
    ] or [{"header": {"name": "Hypothesis"}, "values": [{"value": r.name} for r in records]}]
    columns = [
        {
            "header": {"name": f"{what}, observed"},
            "qualifiers": _qualifiers(results),
            "values": [_plain(getattr(r, observed)) for r in records],
        },
        {
            "header": {"name": f"{what}, expected"},
            "qualifiers": _qualifiers(results),
            "values": [_banded(getattr(r, expected)) for r in records],
        },
    ]
    if results.header.kind == "hypotest":
        independent.append(
            {"header": {"name": "Signal strength"}, "values": [{"value": r.poi_test} for r in results.hypotests()]}
        )
    table = {"independent_variables": independent, "dependent_variables": columns}
    return yaml.safe_dump(table, sort_keys=False, allow_unicode=True)


def _qualifiers(results: ResultsFile) -> list[dict[str, Any]]:
    settings: Mapping[str, Any] = results.header.settings
    found = [{"name": "Test statistic", "value": settings["test_stat"]}]
    if "level" in settings:
        found.append({"name": "Confidence level", "value": round(1 - settings["level"], 10)})
    return found


def _plain(value: float | None) -> dict[str, Any]:
    return {"value": _MISSING if value is None else value}


def _banded(band: Sequence[float | None] | None) -> dict[str, Any]:
    if band is None or band[2] is None:
        return {"value": _MISSING}
    median = band[2]
    errors = [
        {"label": f"{sigma} sigma", "asymerror": {"plus": _off(band[2 + sigma], median), "minus": _off(band[2 - sigma], median)}}
        for sigma in (1, 2)
    ]
    return {"value": median, "errors": errors}


def _off(value: float | None, median: float) -> float | str:
    # HEPData takes an empty error for one that does not exist
    return "" if value is None else value - median
