"""Finds what has no place in JSON in documents that were made in Python: NaN, infinities, NumPy values, other classes."""

import math
from collections.abc import Iterator
from typing import cast

from pyhf_endpoint.inputs.places import Path, at, shorten

__all__ = ["plain_faults"]

_MAX_INT = 2**63
_MAX_DEPTH = 100
_SCALARS = (str, bool, type(None))


def plain_faults(document: object) -> Iterator[str]:
    """Yield a fault, with its path, for each value in `document` that JSON cannot hold.

    Dictionaries, lists, tuples, strings, numbers, booleans and None are plain; so are subclasses of the containers.
    """
    if not _plain(document, _MAX_DEPTH):
        yield from _walk(document)


def _plain(value: object, depth: int) -> bool:
    """Tell whether all is well; separate from `_walk` because building the paths takes most of its time."""
    if isinstance(value, dict):
        return depth > 0 and set(map(type, value)) <= {str} and all(_plain(item, depth - 1) for item in value.values())
    if isinstance(value, list | tuple):
        return _numbers(value) or (depth > 0 and all(_plain(item, depth - 1) for item in value))
    return _scalar_fault(value) is None


def _numbers(values: list[object] | tuple[object, ...]) -> bool:
    if not set(map(type, values)) <= {float, int}:
        return False
    numbers = cast("list[float]", values)
    # A list with NaN is not between the limits either.
    return all(-_MAX_INT < number < _MAX_INT for number in numbers)


def _walk(document: object) -> Iterator[str]:
    stack: list[tuple[Path, object]] = [((), document)]
    while stack:
        path, value = stack.pop()
        if len(path) > _MAX_DEPTH:
            yield _fault(path[:4], "nested too deeply, or inside itself")
        elif isinstance(value, dict):
            wrong = [key for key in value if type(key) is not str]
            yield from (_fault(path, f"the key {key!r} is not a string") for key in wrong)
            stack.extend(reversed([((*path, key), item) for key, item in value.items() if key not in wrong]))
        elif isinstance(value, list | tuple):
            stack.extend(reversed([((*path, index), item) for index, item in enumerate(value)]))
        elif fault := _scalar_fault(value):
            yield _fault(path, fault)


def _scalar_fault(value: object) -> str | None:
    if type(value) is float:
        return None if math.isfinite(value) else f"{value} found where a finite number belongs"
    if type(value) is int:
        return None if -_MAX_INT <= value < _MAX_INT else f"{shorten(value, 60)} does not fit into 64 bits; {_remedy(value)}"
    if type(value) in _SCALARS:
        return None
    kind = type(value)
    remedy = "; convert it with .tolist()" if hasattr(value, "tolist") else ""
    return f"a {kind.__module__}.{kind.__qualname__} is not a JSON value{remedy}"


def _remedy(value: int) -> str:
    try:
        return f"write it as a float, {float(value)!r}"
    except OverflowError:
        return "replace it with a number within the range of double precision, 1.8e308"


def _fault(path: Path, text: str) -> str:
    return f"{at(path)}: {text}" if path else text
