"""Why the numbers of a sample cannot be used, said exactly: the slow companion of the checks on whole arrays."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyhf_endpoint.histfactory.spec import Hypothesis, Sample

__all__ = ["explain", "is_number", "shown"]

_WIDTH = 60


def explain(hypothesis: Hypothesis, *, own: bool) -> str | None:
    """Return the first fault of a hypothesis' own (or else its shared) samples and, for its own, of its observations."""
    for channel in hypothesis.channels:
        where = f"channel `{channel.name}`"
        if own:
            for fault in _numbers(channel.observed, channel.bins):
                return f"{where}: observation: {fault}"
            if min(channel.observed) < 0:
                return f"{where}: observation: {min(channel.observed):g} events; a count is not negative"
        for sample in channel.own if own else channel.shared:
            for fault in _sample(sample, channel.bins):
                return f"{where}, sample `{sample['name']}`: {fault}"
    return None


def _sample(sample: Sample, bins: int) -> Iterator[str]:
    for fault in _numbers(sample["data"], bins):
        yield f"`data`: {fault}"
    for modifier in sample["modifiers"]:
        for fault in _modifier(modifier, bins):
            yield f"{modifier['type']} `{modifier['name']}`: {fault}"


def _modifier(modifier: Mapping[str, Any], bins: int) -> Iterator[str]:
    if modifier["type"] not in ("histosys", "normsys", "shapesys", "staterror"):
        return
    kind, data = modifier["type"], modifier["data"]
    if kind == "histosys":
        for side in ("hi_data", "lo_data"):
            yield from (f"`{side}`: {fault}" for fault in _numbers(data[side], bins))
    elif kind == "normsys":
        for side in ("hi", "lo"):
            yield from (f"`{side}`: {fault}" for fault in _numbers([data[side]], 1))
            if is_number(data[side]) and data[side] <= 0:
                yield f"`{side}`: a factor of {data[side]:g} has no logarithm; factors are positive"
    else:
        yield from _numbers(data, bins)


def _numbers(values: Sequence[object], bins: int) -> Iterator[str]:
    if not isinstance(values, Sequence) or len(values) != bins:
        yield f"{len(values) if isinstance(values, Sequence) else 'no'} values for {bins} bin{'s' if bins != 1 else ''}"
        return
    for place, value in enumerate(values):
        if not is_number(value):
            yield f"bin {place} holds {shown(value)}, not a finite number"


def is_number(value: object) -> bool:
    """Tell whether a value is a number that a double can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shown(value: object) -> str:
    """Return a value in a few words; Python refuses to write out the longest integers."""
    if isinstance(value, int) and abs(value) >= 2**64:
        return f"an integer of about {int(value.bit_length() * math.log10(2)) + 1} digits"
    text = repr(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
