"""Hypothesis strategies for valid workspaces, patch sets and parameter points, all small, all shrinking to simple numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tests.oracle import HISTOSYS_CODES, NORMSYS_CODES, Oracle
from tests.workspaces import Case, patched

__all__ = ["DETERMINISTIC", "between", "codes", "grids", "point_from", "unit_points", "workspaces"]

Json = Mapping[str, Any]
Draw = Callable[..., Any]

# The same examples on every run, however slow the machine, and no folder left behind.
DETERMINISTIC = settings(derandomize=True, deadline=None, database=None, max_examples=50)

codes = st.fixed_dictionaries(
    {"normsys": st.sampled_from(NORMSYS_CODES[::-1]), "histosys": st.sampled_from(HISTOSYS_CODES[::-1])}
)
"""Interpolation codes as keyword arguments; the defaults of pyhf come first."""

# Quarters are exact in binary, so that examples print and replay as they are.
_YIELDS = st.integers(0, 160).map(lambda n: n / 4)
_ERRORS = st.integers(0, 12).map(lambda n: n / 16)
_SHIFTS = st.integers(-8, 8).map(lambda n: n / 16)
_FACTORS = st.integers(-8, 12).map(lambda n: 1 + n / 16)
_CHANNELS = ("SR", "CR", "b", "A")
_SAMPLES = ("top", "fakes", "Z", "w")
_NORMSYS = ("jes", "scale", "Both")
_HISTOSYS = ("tilt", "Both")
_NORMFACTORS = ("k", "a_k")
_LUMI = {"name": "lumi", "inits": [1.0], "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]]}


@dataclass(frozen=True)
class _Place:
    """Where a sample sits, which decides what modifiers it may carry."""

    channel: str
    sample: str
    bins: int
    even: bool  # whether all channels have as many bins, so that a shapefactor may be shared


def _per_bin(draw: Draw, values: st.SearchStrategy[float], bins: int) -> list[float]:
    return [draw(values) for _ in range(bins)]


def _modifiers(draw: Draw, place: _Place, data: Sequence[float], *, signal: bool) -> list[Json]:
    """Draw each modifier's presence on its own, so that each can be shrunk away on its own."""
    found: list[Json] = [{"name": "mu", "type": "normfactor", "data": None}] if signal else []
    found += [
        {"name": name, "type": "normsys", "data": {"lo": draw(_FACTORS), "hi": draw(_FACTORS)}}
        for name in draw(st.lists(st.sampled_from(_NORMSYS), unique=True, max_size=2))
    ]
    for name in draw(st.lists(st.sampled_from(_HISTOSYS), unique=True, max_size=2)):
        low, high = ([x * (1 + draw(_SHIFTS)) for x in data] for _ in range(2))
        found.append({"name": name, "type": "histosys", "data": {"lo_data": low, "hi_data": high}})
    if draw(st.booleans()):
        found.append({"name": draw(st.sampled_from(_NORMFACTORS)), "type": "normfactor", "data": None})
    if draw(st.booleans()):
        found.append({"name": "lumi", "type": "lumi", "data": None})
    if draw(st.booleans()):
        found.append({"name": f"stat_{place.channel}", "type": "staterror", "data": _scaled(draw, data)})
    if draw(st.booleans()):
        found.append({"name": f"mc_{place.channel}_{place.sample}", "type": "shapesys", "data": _scaled(draw, data)})
    if draw(st.booleans()) and not signal:
        own = draw(st.booleans()) or not place.even
        found.append({"name": f"free_{place.channel}" if own else "free", "type": "shapefactor", "data": None})
    return found


def _scaled(draw: Draw, data: Sequence[float]) -> list[float]:
    return [x * draw(_ERRORS) for x in data]


def _sample(draw: Draw, place: _Place, *, signal: bool = False) -> Json:
    data = _per_bin(draw, _YIELDS, place.bins)
    return {"name": place.sample, "data": data, "modifiers": _modifiers(draw, place, data, signal=signal)}


def _configuration(draw: Draw) -> list[Json]:
    """Draw what a measurement says of its parameters; names that the model lacks are allowed."""
    chosen: list[Json] = [_LUMI]
    if draw(st.booleans()):
        chosen.append({"name": "mu", "inits": [draw(st.integers(1, 4)) / 2], "bounds": [[0.0, draw(st.integers(3, 20))]]})
    if draw(st.booleans()):
        chosen.append({"name": "jes", "auxdata": [draw(_SHIFTS)], "bounds": [[-3.0, 4.0]], "fixed": draw(st.booleans())})
    if draw(st.booleans()):
        chosen.append({"name": "k", "fixed": True, "inits": [1.25]})
    return chosen


@st.composite
def workspaces(draw: Draw, *, with_signal: bool = True) -> Json:
    """Draw a valid workspace: up to three channels of up to three bins, up to three samples each, any modifiers.

    Args:
        draw: Given by Hypothesis.
        with_signal: Whether a sample scaled by `mu` is in it; without one, patches have to bring it.
    """
    names = draw(st.lists(st.sampled_from(_CHANNELS), unique=True, min_size=1, max_size=3))
    sizes = [draw(st.integers(1, 3)) for _ in names]
    channels = []
    for name, bins in zip(names, sizes, strict=True):
        samples = draw(st.lists(st.sampled_from(_SAMPLES), unique=True, min_size=1, max_size=2))
        even = len(set(sizes)) == 1
        channels.append({"name": name, "samples": [_sample(draw, _Place(name, s, bins, even)) for s in samples]})
    if with_signal:
        first = _Place(names[0], "signal", sizes[0], False)
        channels[0]["samples"].append(_sample(draw, first, signal=True))
    observed = [{"name": c, "data": [draw(st.integers(0, 120)) for _ in range(n)]} for c, n in zip(names, sizes, strict=True)]
    config = {"poi": "mu", "parameters": _configuration(draw)}
    return {
        "version": "1.0.0",
        "channels": channels,
        "observations": draw(st.permutations(observed)),
        "measurements": [{"name": "drawn", "config": config}],
    }


def _place_in(workspace: Json, channel: int, sample: str) -> _Place:
    found = workspace["channels"][channel]
    return _Place(found["name"], sample, len(found["samples"][0]["data"]), False)


def _adding(draw: Draw, workspace: Json, channel: int, sample: str) -> Json:
    """An operation that adds a signal sample to a channel, at any position."""
    new = _sample(draw, _place_in(workspace, channel, sample), signal=True)
    at = draw(st.sampled_from(["-", *map(str, range(len(workspace["channels"][channel]["samples"]) + 1))]))
    return {"op": "add", "path": f"/channels/{channel}/samples/{at}", "value": new}


def _changing(draw: Draw, workspace: Json, channel: int) -> Json | None:
    """An operation that tests, replaces or removes a background sample, or its yields, or an observation."""
    samples = workspace["channels"][channel]["samples"]
    which = draw(st.integers(0, len(samples) - 1))
    path = f"/channels/{channel}/samples/{which}"
    action = draw(st.sampled_from(["test", "remove", "replace", "yields", "modifiers", "observation"]))
    bins = len(samples[which]["data"])
    if action == "test":
        return {"op": "test", "path": f"{path}/name", "value": samples[which]["name"]}
    if action == "replace":
        return {"op": "replace", "path": path, "value": _sample(draw, _place_in(workspace, channel, samples[which]["name"]))}
    if action == "yields":
        return {"op": "replace", "path": f"{path}/data", "value": _per_bin(draw, _YIELDS, bins)}
    if action == "modifiers":
        return {"op": "replace", "path": f"{path}/modifiers", "value": []}
    if action == "observation":
        names = [o["name"] for o in workspace["observations"]]
        at = names.index(workspace["channels"][channel]["name"])
        return {"op": "replace", "path": f"/observations/{at}/data", "value": [draw(st.integers(0, 120)) for _ in range(bins)]}
    return {"op": "remove", "path": path} if len(samples) > 1 else None


@st.composite
def grids(draw: Draw) -> Case:
    """Draw a background workspace with one to four patches, of which each brings a signal and may change the background."""
    background = draw(workspaces(with_signal=False))
    channels = range(len(background["channels"]))
    patches = []
    for number in range(draw(st.integers(1, 4))):
        operations: list[Json] = []
        current = background
        for _ in range(draw(st.integers(0, 2))):
            change = _changing(draw, current, draw(st.sampled_from(channels)))
            if change is not None:
                operations.append(change)
                current = patched(current, [change])
        for channel in draw(st.lists(st.sampled_from(channels), unique=True, min_size=1, max_size=2)):
            for sample in draw(st.sampled_from((["signal"], ["signal", "a_signal"]))):
                addition = _adding(draw, current, channel, sample)
                operations.append(addition)
                current = patched(current, [addition])
        patches.append((f"patch_{number}", operations))
    return Case("drawn", background, tuple(patches))


# --- points ---

_MOST_PARAMETERS = 48

unit_points = st.lists(st.integers(-16, 16).map(lambda n: n / 16), min_size=_MOST_PARAMETERS, max_size=_MOST_PARAMETERS)
"""How far each parameter moves from its initial value: -1 to its lower, +1 to its upper bound."""


def between(oracle: Oracle, units: Sequence[float]) -> list[float]:
    """Return the parameter values that `units` stand for; all of them within bounds, except inits that already are not."""
    moves = [units[i % len(units)] for i in range(len(oracle.inits))]
    bounds = zip(oracle.inits, oracle.lower, oracle.upper, moves, strict=True)
    return [init + u * ((upper - init) if u > 0 else (init - lower)) for init, lower, upper, u in bounds]


def point_from(oracle: Oracle, units: Sequence[float]) -> list[float] | None:
    """Return the point that `units` stand for, pulled towards the initial values until the likelihood exists there, if it does.

    Rates have to be positive where events were observed and must not be the small difference of large samples, whose rounding
    says nothing about the formulas.
    """
    for attempt in range(12):
        values = between(oracle, [u / 2**attempt for u in units])
        point = dict(zip(oracle.parameters, values, strict=True))
        bins = zip(oracle.rates(point), oracle.turnover(point), oracle.observed, strict=True)
        if all((rate > 1e-2 * total) or (total == 0 and n == 0) for rate, total, n in bins) and math.isfinite(oracle.nll(point)):
            return values
    return None
