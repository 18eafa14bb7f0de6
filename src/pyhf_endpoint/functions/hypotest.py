"""The registered function `hypotest`: a chunk of patches on one workspace, each with its own record."""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from pyhf_endpoint.errors import FitError
from pyhf_endpoint.functions.settings import HypotestSettings

__all__ = ["hypotest"]

Json = dict[str, Any]


def hypotest(payload: Mapping[str, Any]) -> Json:
    """Test every hypothesis of a chunk.

    Args:
        payload: A JSON object with `workspace` (a HistFactory workspace), `patches` (objects with `name`, `values` and
            `patch`, a list of RFC 6902 operations on the workspace, empty for the workspace as it stands) and `settings`
            (see `HypotestSettings.to_json`).

    Returns:
        A JSON object whose `records` hold one object per patch and tested value, with the keys of
        `pyhf_endpoint.results.Result`. A hypothesis that cannot be computed has the status `failed` and says why; it never
        stops the others.

    Raises:
        UsageError: The settings are not valid.
    """
    settings = HypotestSettings.from_json(payload["settings"])
    workspace = payload["workspace"]
    return {"records": [record for patch in payload["patches"] for record in _records(workspace, patch, settings)]}


def _records(workspace: Json, patch: Json, settings: HypotestSettings) -> Iterator[Json]:
    from pyhf_endpoint.functions.reference import Reference

    worker = f"{socket.gethostname()}:{os.getpid()}"
    clock = time.perf_counter()
    reference = fault = None
    try:
        reference = Reference(workspace, patch["patch"], settings)
    except FitError as error:
        fault = str(error)
    for poi_test in settings.poi_test:
        outcome = reference.hypotest(poi_test) if reference is not None else failed(str(fault))
        now = time.perf_counter()
        place = {"name": patch["name"], "values": list(patch["values"]), "poi_test": poi_test}
        yield place | outcome | {"wall_s": round(now - clock, 6), "worker": worker}
        clock = now


def failed(message: str) -> Json:
    """Return the outcome of a hypothesis that gave no number."""
    return {"CLs_obs": None, "CLs_exp": None, "status": "failed", "message": message}
