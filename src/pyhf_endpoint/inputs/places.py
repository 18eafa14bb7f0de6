"""Says where in a document a fault is and what is there, and finds the numbers that no double can hold."""

import json
import math
import sys
from collections.abc import Iterator

import orjson

from pyhf_endpoint.errors import list_faults

__all__ = ["MAX_SHOWN", "Path", "at", "shorten", "shortened_list", "too_large_numbers"]

Path = tuple[str | int, ...]

MAX_SHOWN = 10
"""How many faults a message lists before it counts the rest."""

_DIGITS = 20  # of a number that are shown


def at(path: Path) -> str:
    """Return `path` as text, such as `channels[0].samples[2].data`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def shorten(value: object, width: int = 60) -> str:
    """Return `value` as JSON text on one line, cut to `width` characters."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        text = _written_out(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _written_out(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # an integer of so many digits that Python does not write it out
        kind = "an integer" if isinstance(value, int) else f"a {type(value).__name__} with an integer"
        return f"{kind} of more than {sys.get_int_max_str_digits():,} digits"


def shortened_list(name: str, faults: list[str]) -> str:
    """Return the message that lists the first faults of the document `name` and counts the others."""
    lines = list_faults(name, faults).split("\n")
    if len(faults) > MAX_SHOWN:
        lines = [*lines[: MAX_SHOWN + 1], f"  and {len(faults) - MAX_SHOWN:,} more"]
    return "\n".join(lines)


class _Beyond:
    """A number that no double can hold."""

    def __init__(self, text: str) -> None:
        digits = len(text.lstrip("-"))
        self.shown = text if len(text) <= 2 * _DIGITS else f"{text[:_DIGITS]}... ({digits:,} digits)"


def too_large_numbers(text: str) -> list[str]:
    """Return a fault, with its path, for each number in a JSON text beyond the largest double; none if it is no JSON."""
    try:
        document = json.loads(text, parse_int=_number, parse_float=_number)
    except (RecursionError, ValueError):
        return []
    return [
        f"{at(path)}: {value.shown} is beyond the range of double precision, 1.8e308; replace it with a finite number"
        for path, value in _beyond(document)
    ]


def _number(text: str) -> "float | _Beyond":
    value = float(text)
    return value if math.isfinite(value) else _Beyond(text)


def _beyond(document: object) -> Iterator[tuple[Path, _Beyond]]:
    stack: list[tuple[Path, object]] = [((), document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, _Beyond):
            yield path, value
        elif isinstance(value, dict):
            stack.extend(reversed([((*path, key), item) for key, item in value.items()]))
        elif isinstance(value, list):
            stack.extend(reversed([((*path, index), item) for index, item in enumerate(value)]))
