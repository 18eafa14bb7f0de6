"""The registered functions: a chunk of hypotheses in, a record for each out, whatever happens to it."""

import importlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from pyhf_endpoint import __version__
from pyhf_endpoint.errors import FitError
from pyhf_endpoint.functions.payload import read
from pyhf_endpoint.functions.settings import (
    FitSettings,
    HypotestSettings,
    RankingSettings,
    ScanSettings,
    Settings,
    SignificanceSettings,
    UpperLimitSettings,
)

__all__ = [
    "FUNCTIONS",
    "SETTINGS",
    "call",
    "fit",
    "hypotest",
    "prepare",
    "ranking",
    "ready",
    "scan",
    "significance",
    "upper_limit",
]

Json = dict[str, Any]
_ENGINES = {"batched": "batched", "pyhf": "reference", "pyhf-jax": "reference"}


def hypotest(payload: Mapping[str, Any]) -> Json:
    """Test every hypothesis of a chunk with asymptotic CLs.

    Args:
        payload: A JSON object with `workspace` (a HistFactory workspace), `patches` (objects with `name`, `values` and
            `patch`, a list of RFC 6902 operations on the workspace, empty for the workspace as it stands) and `settings`
            (see `Settings.to_json`).

    Returns:
        A JSON object whose `records` hold one object per patch and point, with the keys of the records in
        `pyhf_endpoint.results`. A hypothesis that cannot be computed has the status `failed` and says why; it never stops
        the others.

    Raises:
        UsageError: The settings are not valid.
        MissingExtraError: The engine is not installed.
    """
    return _answer("hypotest", payload, HypotestSettings)


def upper_limit(payload: Mapping[str, Any]) -> Json:
    """Find the upper limit on the parameter of interest for every hypothesis; see `hypotest` for payload and errors."""
    return _answer("upper_limit", payload, UpperLimitSettings)


def fit(payload: Mapping[str, Any]) -> Json:
    """Fit every hypothesis of a chunk to the data; see `hypotest` for payload and errors."""
    return _answer("fit", payload, FitSettings)


def significance(payload: Mapping[str, Any]) -> Json:
    """Find the discovery significance of every hypothesis of a chunk; see `hypotest` for payload and errors."""
    return _answer("significance", payload, SignificanceSettings)


def scan(payload: Mapping[str, Any]) -> Json:
    """Scan the profile likelihood of every hypothesis of a chunk; see `hypotest` for payload and errors."""
    return _answer("scan", payload, ScanSettings)


def ranking(payload: Mapping[str, Any]) -> Json:
    """Rank the nuisance parameters of every hypothesis of a chunk; see `hypotest` for payload and errors."""
    return _answer("ranking", payload, RankingSettings)


def probe(payload: Mapping[str, Any]) -> Json:
    """Tell what the worker is; see `pyhf_endpoint.functions.probe`."""
    # Imported where it runs: a client, which imports this module, has no use for it.
    from pyhf_endpoint.functions.probe import probe as look

    return look(payload)


#: The kinds of inference: their function and the type of its settings.
SETTINGS: Mapping[str, tuple[Callable[[Mapping[str, Any]], Json], type[Settings]]] = {
    "hypotest": (hypotest, HypotestSettings),
    "upper-limit": (upper_limit, UpperLimitSettings),
    "fit": (fit, FitSettings),
    "significance": (significance, SignificanceSettings),
    "scan": (scan, ScanSettings),
    "ranking": (ranking, RankingSettings),
}


def ready(payload: Mapping[str, Any]) -> Json:
    """Say that a worker runs, and with which version of this package.

    Args:
        payload: A JSON object; with `engine`, the worker also loads that engine.
    """
    if "engine" in payload:
        prepare(payload["engine"])
    return {"version": __version__}


#: Everything that can be called at a site.
FUNCTIONS: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    **{kind: function for kind, (function, _) in SETTINGS.items()},
    "probe": probe,
    "ready": ready,
}


def call(kind: str, payload: bytes) -> bytes:
    """Call the function of one kind with JSON text, and return JSON text.

    Args:
        kind: A key of `FUNCTIONS`.
        payload: The function's argument.
    """
    return orjson.dumps(FUNCTIONS[kind](read(payload)))


def prepare(engine: str) -> None:
    """Import an engine, so that a worker's first chunk need not wait for it."""
    importlib.import_module(f"pyhf_endpoint.functions.{_ENGINES[engine]}")


def _answer(name: str, payload: Mapping[str, Any], settings_type: type[Settings]) -> Json:
    settings = settings_type.from_json(payload["settings"])
    clock = time.perf_counter()
    patches = payload["patches"]
    outcomes = _outcomes(name, payload["workspace"], patches, settings)
    seconds = (time.perf_counter() - clock) / max(1, len(patches) * len(settings.points))
    worker = {"wall_s": round(seconds, 6), "worker": f"{socket.gethostname()}:{os.getpid()}"}
    return {
        "records": [
            {"name": patch["name"], "values": list(patch["values"])} | settings.place(point) | outcome | worker
            for patch, row in zip(patches, outcomes, strict=True)
            for point, outcome in zip(settings.points, row, strict=True)
        ]
    }


def _outcomes(name: str, workspace: Json, patches: Sequence[Json], settings: Settings) -> list[list[Json]]:
    """One row per patch, one outcome per point."""
    # Each engine is imported where it runs: pyhf alone takes a second.
    engine = importlib.import_module(f"pyhf_endpoint.functions.{_ENGINES[settings.engine]}")
    try:
        outcomes: list[list[Json]] = getattr(engine, name)(workspace, patches, settings)
    except FitError as error:
        return [[{"status": "failed", "message": str(error)}] * len(settings.points)] * len(patches)
    return outcomes
