"""The signal patches of the generated analysis."""

import hashlib
import json
from typing import Any

from pyhf_endpoint.example.background import POI
from pyhf_endpoint.example.plane import CHANNEL_BINS, Point, points, signal_yields
from pyhf_endpoint.example.systematics import Responses, modifiers, rounded, stream

__all__ = ["patchset"]

_LEAST = 0.02  # events: below it, a channel gets no signal
_SIMULATED = 1500.0  # events per point that some region selects
_DESCRIPTION = (
    "Generated example, not a measurement: made-up signals in the plane of the mass of a chargino and a neutralino and that of a "
    "lighter neutralino, in GeV. The reference ins0000000 stands where the format asks for one; there is no such record."
)


def patchset(workspace: dict[str, Any], count: int, seed: int) -> dict[str, Any]:
    """Return `count` patches that each add one signal to `workspace`, wherever it leaves events."""
    responses = Responses(seed)
    # Sorted keys and unescaped text, as pyhf.utils.digest reads a workspace.
    text = json.dumps(workspace, sort_keys=True, ensure_ascii=False)
    metadata = {
        "description": _DESCRIPTION,
        "labels": ["m_C1N2", "m_N1"],
        "references": {"hepdata": "ins0000000"},
        "digests": {"sha256": hashlib.sha256(text.encode("utf-8")).hexdigest()},
        "generator": {"name": "pyhf-endpoint", "signals": count, "seed": seed},
    }
    patches = [
        {
            "metadata": {"name": point.name, "values": [point.m_c1n2, point.m_n1]},
            "patch": _patch(workspace, point, responses, seed),
        }
        for point in points(count)
    ]
    return {"metadata": metadata, "patches": patches, "version": "1.0.0"}


def _patch(workspace: dict[str, Any], point: Point, responses: Responses, seed: int) -> list[dict[str, Any]]:
    rng = stream("signal", seed, point.m_c1n2, point.m_n1)
    relative = responses.of_sample(rng, 0.1, signal=True)
    expected = signal_yields(point)
    weight = sum(map(sum, expected.values())) / _SIMULATED
    operations = []
    first = 0
    for index, (channel, bins) in enumerate(CHANNEL_BINS.items()):
        here = slice(first, first + bins)
        first += bins
        simulated = rng.poisson([value / weight for value in expected[channel]])
        if sum(expected[channel]) < _LEAST or not simulated.any():
            continue
        data = [rounded(weight * float(number)) for number in simulated]
        sample = {
            "name": point.name,
            "data": data,
            "modifiers": [
                {"name": POI, "type": "normfactor", "data": None},
                {"name": "lumi", "type": "lumi", "data": None},
                {"name": f"stat_{channel}", "type": "staterror", "data": [rounded(weight * float(n) ** 0.5) for n in simulated]},
                {"name": "signal_cross_section", "type": "normsys", "data": _cross_section_error(point)},
                *modifiers("signal", data, relative[:, here], responses.asymmetry),
            ],
        }
        position = len(workspace["channels"][index]["samples"])
        operations.append({"op": "add", "path": f"/channels/{index}/samples/{position}", "value": sample})
    return operations


def _cross_section_error(point: Point) -> dict[str, float]:
    error = 0.03 + 0.07 * point.m_c1n2 / 1000
    return {"hi": rounded(1 + error), "lo": rounded(1 - error)}
