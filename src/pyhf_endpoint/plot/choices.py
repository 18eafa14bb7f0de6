"""Chooses what to draw among what a results file holds, and says what there is where the choice is wrong or left open."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from pyhf_endpoint.errors import ResultsError, UsageError, did_you_mean
from pyhf_endpoint.results import UNFINISHED, Kind, Result, ResultsFile

__all__ = ["PICTURES", "Value", "choose_name", "finished", "listing", "number", "quoted", "records_of", "require_kind", "same"]

Value = float | str

_Record = TypeVar("_Record", bound=Result)

#: The kinds of results that each picture draws.
PICTURES: Final[dict[str, tuple[Kind, ...]]] = {
    "contour": ("hypotest", "upper-limit"),
    "brazil": ("hypotest", "upper-limit"),
    "ranking": ("ranking",),
    "scan": ("scan",),
}


def require_kind(results: ResultsFile, picture: str) -> None:
    """Raise unless the picture can draw results of this kind.

    Raises:
        ResultsError: It cannot.
    """
    kinds, found = PICTURES[picture], results.header.kind
    if found in kinds:
        return
    others = [name for name, drawn in PICTURES.items() if found in drawn]
    remedy = f"draw {' or '.join(f'`{name}`' for name in others)} instead" if others else "no picture draws that kind"
    raise ResultsError(
        f"`{picture}` draws results of the kind{'s' if len(kinds) > 1 else ''} {quoted(kinds, ' and ')};"
        f" these are of the kind `{found}`: {remedy}"
    )


def records_of(results: ResultsFile, kind: Kind, record: type[_Record]) -> tuple[_Record, ...]:
    """Return the records of a kind, at least one.

    Raises:
        ResultsError: The file holds another kind, or no records.
    """
    found = results.of(kind, record)
    if not found:
        raise ResultsError("the results file holds no results yet; wait for the run's first ones, or continue it with --resume")
    return found


def choose_name(names: Iterable[str], wanted: str | None, what: str = "hypothesis") -> str:
    """Return the wanted name, or the only one.

    Raises:
        UsageError: There is no such name, or there are several and none is wanted.
    """
    names = list(dict.fromkeys(names))
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        raise UsageError(f"choose one `{what}` of {listing(names)}")
    if wanted not in names:
        raise UsageError(f"no results for the {what} `{wanted}`.{did_you_mean(wanted, names)} There are {listing(names)}")
    return wanted


def finished(record: _Record) -> _Record:
    """Return a record that has usable numbers.

    Raises:
        ResultsError: It has none.
    """
    if record.status in UNFINISHED:
        reason = f": {record.message}" if record.message else ""
        raise ResultsError(f"there is nothing to draw of {record.name}: its status is `{record.status}`{reason}")
    return record


def number(value: Value) -> Value:
    """Read a number written as text as the number: patch sets may hold either."""
    try:
        return float(value)
    except ValueError:
        return value


def same(a: Value, b: Value) -> bool:
    """Whether two values agree, numbers up to rounding."""
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def quoted(names: Iterable[str], comma: str = ", ") -> str:
    """Write the names between backticks."""
    return comma.join(f"`{name}`" for name in names)


def listing(values: Iterable[Value], most: int = 20) -> str:
    """Write the values in order; of many the first and the last."""
    ordered: Sequence[Value] = sorted(values, key=lambda value: (isinstance(value, str), value))
    words = [value if isinstance(value, str) else f"{value:g}" for value in ordered]
    if len(words) > most:
        words = [*words[: most - 1], "...", words[-1]]
    return ", ".join(words) + (f" ({len(ordered)} in all)" if len(ordered) > most else "")
