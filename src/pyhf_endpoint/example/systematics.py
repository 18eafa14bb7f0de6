"""Systematic uncertainties of the generated analysis: which there are, how a sample responds, and the modifiers that say so."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pyhf_endpoint.example.plane import CHANNEL_BINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NUISANCES", "Nuisance", "Responses", "modifiers", "rounded", "stream"]

# One stream of random numbers for each purpose, so that none depends on how much another draws.
Purpose = Literal["observation", "responses", "background", "signal"]
_STREAMS: dict[Purpose, int] = {"observation": 1, "responses": 2, "background": 3, "signal": 4}
_LARGEST = 0.5  # no response is larger, so that templates stay positive


@dataclass(frozen=True)
class Family:
    """Nuisance parameters of one origin.

    `norm` scales a sample in a channel (normsys), `shape` moves its bins (histosys), `both` is one parameter that does either:
    scales the channel and moves bins within it. `size` is the typical relative response; `samples` are those that respond,
    none named meaning all, signals too.
    """

    name: str
    count: int
    kind: Literal["norm", "shape", "both"]
    size: float
    samples: tuple[str, ...] = ()
    one_sided: bool = False


@dataclass(frozen=True)
class Nuisance:
    """One nuisance parameter."""

    name: str
    family: Family


_FAMILIES = (
    Family("jet_scale", 20, "both", 0.015),
    Family("jet_resolution", 9, "shape", 0.02, one_sided=True),
    Family("met_soft", 3, "shape", 0.012, one_sided=True),
    Family("tag_b", 9, "both", 0.012),
    Family("tag_c", 4, "both", 0.006),
    Family("tag_light", 5, "both", 0.008),
    Family("electron", 8, "norm", 0.004),
    Family("muon", 10, "norm", 0.004),
    Family("vertex", 1, "norm", 0.005),
    Family("extra_interactions", 1, "both", 0.012),
    Family("theory_ttbar", 5, "shape", 0.07, ("ttbar",)),
    Family("theory_singletop", 5, "shape", 0.09, ("singletop",)),
    Family("theory_wjets", 5, "shape", 0.07, ("wjets",)),
    Family("theory_zjets", 3, "shape", 0.12, ("zjets",)),
    Family("theory_diboson", 3, "norm", 0.10, ("diboson",)),
    Family("theory_triboson", 3, "norm", 0.15, ("triboson",)),
    Family("theory_ttv", 3, "norm", 0.08, ("ttv",)),
    Family("theory_tth", 3, "norm", 0.08, ("tth",)),
    Family("theory_vh", 3, "norm", 0.12, ("vh",)),
    Family("signal_scale", 1, "shape", 0.03, ("signal",)),
    Family("signal_shower", 1, "shape", 0.05, ("signal",)),
)
NUISANCES: tuple[Nuisance, ...] = tuple(
    Nuisance(f"{family.name}_{number}" if family.count > 1 else family.name, family)
    for family in _FAMILIES
    for number in range(1, family.count + 1)
)
_SCALES = np.array([nuisance.family.kind != "shape" for nuisance in NUISANCES])
_ONE_SIDED = np.array([nuisance.family.one_sided for nuisance in NUISANCES])


def stream(purpose: Purpose, seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers for one purpose; `key` (at most two numbers) tells apart what shares it."""
    return np.random.Generator(np.random.PCG64([seed, _STREAMS[purpose], *key]))


def rounded(value: float) -> float:
    """Return `value` with six significant digits: short files, and the same ones where exp and log differ in their last bit."""
    return float(f"{value:.6g}")


class Responses:
    """How a sample responds to each nuisance parameter: what all samples have in common, and what a sample adds to it."""

    def __init__(self, seed: int) -> None:
        rng = stream("responses", seed)
        self._size = np.array([nuisance.family.size for nuisance in NUISANCES])[:, None]
        shared = rng.standard_normal((len(NUISANCES), 1))
        self._common = self._size * (shared + 0.3 * _noise(rng))
        self._signal = self.of_sample(rng, 0.5)
        self.asymmetry: NDArray[np.float64] = 1 + 0.15 * rng.standard_normal(len(NUISANCES))
        """[parameters]: the downward response over the upward one."""

    def of_sample(self, rng: np.random.Generator, spread: float, *, signal: bool = False) -> "NDArray[np.float64]":
        """Return relative upward responses [parameters, bins] around the common ones, or around those of signals."""
        own = rng.standard_normal((len(NUISANCES), 1)) + 0.5 * _noise(rng)
        centre = self._signal if signal else self._common
        relative: NDArray[np.float64] = np.clip(centre + spread * self._size * own, -_LARGEST, _LARGEST)
        return relative


def _noise(rng: np.random.Generator) -> "NDArray[np.float64]":
    """Return noise [parameters, bins], half of it common to a channel's bins."""
    bins = list(CHANNEL_BINS.values())
    by_channel = np.repeat(rng.standard_normal((len(NUISANCES), len(bins))), bins, axis=1)
    noise: NDArray[np.float64] = (by_channel + rng.standard_normal(by_channel.shape)) * 0.5**0.5
    return noise


def modifiers(
    sample: str, data: list[float], responses: "NDArray[np.float64]", asymmetry: "NDArray[np.float64]"
) -> list[dict[str, Any]]:
    """Return the histosys and normsys modifiers of one sample in one channel.

    Args:
        sample: The background's name, or `signal`.
        data: The nominal yields of the channel's bins.
        responses: Relative upward responses [parameters, bins of this channel].
        asymmetry: [parameters].

    Returns:
        The modifiers in the order of the parameters; as in published workspaces, a parameter that scales a channel with one bin
        and can move nothing within it comes as a normsys alone.
    """
    nominal = np.array(data)
    means = responses @ nominal / nominal.sum()
    within = responses - np.where(_SCALES, means, 0)[:, None]  # what scaling the channel leaves to move its bins
    high = (nominal * (1 + within)).tolist()
    low = (nominal * (1 - np.where(_ONE_SIDED, 0, asymmetry)[:, None] * within)).tolist()
    up, down = (1 + means).tolist(), (1 - asymmetry * means).tolist()
    found: list[dict[str, Any]] = []
    for i, nuisance in enumerate(NUISANCES):
        family = nuisance.family
        if family.samples and sample not in family.samples:
            continue
        if family.kind != "shape":
            found.append({"name": nuisance.name, "type": "normsys", "data": {"hi": rounded(up[i]), "lo": rounded(down[i])}})
        if family.kind == "shape" or (family.kind == "both" and len(data) > 1):
            varied = {"hi_data": [rounded(value) for value in high[i]], "lo_data": [rounded(value) for value in low[i]]}
            found.append({"name": nuisance.name, "type": "histosys", "data": varied})
    return found
