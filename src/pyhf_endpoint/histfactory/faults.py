"""Why the numbers of a sample cannot be used, said exactly: the slow companion of the checks on whole arrays."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyhf_endpoint.histfactory.spec import Hypothesis, Sample

__all__ = ["explain"]


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
            if _is_number(data[side]) and data[side] <= 0:
                yield f"`{side}`: a factor of {data[side]:g} has no logarithm; factors are positive"
    else:
        yield from _numbers(data, bins)


def _numbers(values: Sequence[object], bins: int) -> Iterator[str]:
    if not isinstance(values, Sequence) or len(values) != bins:
        yield f"{len(values) if isinstance(values, Sequence) else 'no'} values for {bins} bin{'s' if bins != 1 else ''}"
        return
    for place, value in enumerate(values):
        if not _is_number(value):
            yield f"bin {place} holds {value!r}, not a finite number"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
