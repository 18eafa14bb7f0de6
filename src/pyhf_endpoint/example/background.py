"""The background-only workspace of the generated analysis."""

from typing import Any

import numpy as np

from pyhf_endpoint.example.plane import CHANNEL_BINS
from pyhf_endpoint.example.systematics import Responses, modifiers, rounded, stream

__all__ = ["POI", "workspace"]

POI = "mu_SIG"
_NORMALISED = {"ttbar": "norm_ttbar", "singletop": "norm_singletop", "wjets": "norm_wjets"}  # by the control regions

# Events per bin, in the order of the channels: five control regions of one bin, then three signal regions of three. A sample
# without events in a channel is not listed there.
_YIELDS: dict[str, tuple[float, ...]] = {
    "ttbar": (51.0, 60.0, 530.0, 440.0, 600.0, 1.5, 1.0, 0.9, 2.2, 1.5, 1.2, 7.0, 5.6, 4.1),
    "singletop": (10.0, 88.0, 63.0, 51.0, 96.0, 1.6, 1.6, 1.2, 2.4, 1.8, 1.4, 2.5, 2.0, 1.4),
    "wjets": (72.0, 21.0, 30.0, 13.0, 33.0, 2.0, 1.8, 1.6, 1.2, 1.1, 1.3, 1.9, 1.8, 1.3),
    "zjets": (1.1, 0.9, 0.7, 0.4, 1.2, 0.0, 0.0, 0.0, 0.11, 0.08, 0.06, 0.15, 0.09, 0.06),
    "diboson": (5.8, 2.9, 2.7, 2.1, 4.0, 0.31, 0.42, 0.45, 0.3, 0.35, 0.4, 0.4, 0.35, 0.3),
    "triboson": (0.012, 0.006, 0.012, 0.005, 0.009, 0.0, 0.0, 0.0, 0.004, 0.003, 0.003, 0.004, 0.005, 0.003),
    "ttv": (0.25, 10.0, 9.4, 9.1, 8.7, 0.5, 0.44, 0.48, 0.7, 0.5, 0.4, 0.6, 0.4, 0.35),
    "tth": (0.08, 0.5, 0.7, 0.6, 0.65, 0.04, 0.035, 0.03, 0.05, 0.045, 0.04, 0.05, 0.045, 0.04),
    "vh": (1.2, 0.06, 0.06, 0.02, 0.09, 0.05, 0.06, 0.07, 0.05, 0.06, 0.08, 0.12, 0.2, 0.3),
}
# Events per simulated event, which set the statistical errors.
_WEIGHTS: dict[str, float] = {
    "ttbar": 0.04, "singletop": 0.2, "wjets": 0.15, "zjets": 0.03, "diboson": 0.02, "triboson": 0.002, "ttv": 0.015, "tth": 0.001,
    "vh": 0.004,
}  # fmt: skip


def workspace(seed: int) -> dict[str, Any]:
    """Return the workspace, its observation drawn from the expected background, no bin empty."""
    channels = _channels(seed)
    rng = stream("observation", seed)
    observations = []
    for channel in channels:
        expected = np.sum([sample["data"] for sample in channel["samples"]], axis=0)
        counts = rng.poisson(expected)
        # In an empty bin pyhf's likelihood has no bound (a negative rate costs nothing there), which an example has no need of.
        while not counts.all():
            counts = rng.poisson(expected)
        observations.append({"name": channel["name"], "data": [float(count) for count in counts]})
    parameters = [
        {"name": "lumi", "auxdata": [1.0], "sigmas": [0.018], "bounds": [[0.9, 1.1]], "inits": [1.0]},
        *({"name": name, "bounds": [[0.0, 5.0]], "inits": [1.0]} for name in _NORMALISED.values()),
        {"name": POI, "bounds": [[0.0, 10.0]], "inits": [1.0]},
    ]
    measurement = {"name": "NormalMeasurement", "config": {"poi": POI, "parameters": parameters}}
    return {"channels": channels, "observations": observations, "measurements": [measurement], "version": "1.0.0"}


def _channels(seed: int) -> list[dict[str, Any]]:
    responses = Responses(seed)
    by_sample = {sample: responses.of_sample(stream("background", seed, i), 0.5) for i, sample in enumerate(_YIELDS)}
    channels = []
    first = 0
    for channel, bins in CHANNEL_BINS.items():
        here = slice(first, first + bins)
        first += bins
        samples = []
        for sample, yields in _YIELDS.items():
            data = list(yields[here])
            if any(data):
                systematics = modifiers(sample, data, by_sample[sample][:, here], responses.asymmetry)
                samples.append(
                    {"name": sample, "data": data, "modifiers": [*_common_modifiers(sample, channel, data), *systematics]}
                )
        channels.append({"name": channel, "samples": samples})
    return channels


def _common_modifiers(sample: str, channel: str, data: list[float]) -> list[dict[str, Any]]:
    """Return the modifiers that every background has: its statistical errors, and what normalises it."""
    errors = [rounded((_WEIGHTS[sample] * value) ** 0.5) for value in data]
    free = _NORMALISED.get(sample)
    return [
        {"name": f"stat_{channel}", "type": "staterror", "data": errors},
        {"name": free or "lumi", "type": "normfactor" if free else "lumi", "data": None},
    ]
