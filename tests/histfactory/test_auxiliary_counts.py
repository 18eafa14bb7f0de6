"""Fits with auxiliary measurements of any size, from a thousandth of a count to 1e12, against minima found on paper.

Where each bin has its own shapesys parameters, the likelihood of a given signal strength is convex and falls apart bin by bin.
With r = 1 - n / rate, the minimum over a parameter with tau auxiliary counts on a yield b is at g = tau / (tau + b r), so that
one monotonic equation for the rate is left in each bin.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from pyhf_endpoint.histfactory import USABLE, HypotestResult, hypotest
from tests.workspaces import case

Json = dict[str, Any]

TAUS = (1e-3, 0.25, 1.0, 30.0, 1e6, 1e12)
POIS = (0.0, 0.1, 0.404, 1.0, 2.0, 5.0)
SMALLEST, LARGEST = 1e-10, 10.0  # bounds of shapesys parameters
TOLERANCE = 1e-6  # on test statistics, relative where they are above 1


@dataclass(frozen=True)
class Bin:
    """Observed count, and yield, tau and auxiliary measurement (over tau) of each background."""

    count: float
    signal: float
    backgrounds: tuple[tuple[float, float, float], ...]

    def minimum(self, mu: float) -> tuple[float, float, list[float]]:
        """Saturated -log L, rate and parameters, all others minimised."""
        low, high = mu * self.signal, mu * self.signal + LARGEST * sum(b for b, _, _ in self.backgrounds)
        rate = root(lambda rate: self._rate(mu, rate) - rate, low, high)
        found = [self._parameter(rate, *background) for background in self.backgrounds]
        nll = excess(rate, self.count)
        for (_, tau, centre), (value, shift) in zip(self.backgrounds, found, strict=True):
            nll += tau * (centre * (shift - math.log1p(shift)) if value > SMALLEST else excess(value, centre))
        return nll, rate, [value for value, _ in found]

    def slope(self, mu: float) -> float:
        """Derivative of the minimum by mu."""
        return self.signal * (1 - self.count / self.minimum(mu)[1])

    def asimov(self) -> "Bin":
        """The same bin with the data expected at mu = 0."""
        _, rate, values = self.minimum(0.0)
        backgrounds = [(b, tau, value) for (b, tau, _), value in zip(self.backgrounds, values, strict=True)]
        return Bin(rate, self.signal, tuple(backgrounds))

    def _rate(self, mu: float, rate: float) -> float:
        return mu * self.signal + sum(b * self._parameter(rate, b, tau, c)[0] for b, tau, c in self.backgrounds)

    def _parameter(self, rate: float, b: float, tau: float, centre: float) -> tuple[float, float]:
        """Best value, and by what share it is away from the centre."""
        pull = b * (1 - (self.count / rate if self.count else 0.0))
        if tau + pull <= 0:
            return LARGEST, LARGEST / centre - 1
        shift = -pull / (tau + pull)
        value = min(max(centre * (1 + shift), SMALLEST), LARGEST)
        return value, shift if SMALLEST < value < LARGEST else value / centre - 1


def excess(value: float, count: float) -> float:
    """A Poisson term above its own minimum."""
    return value - count - (count * math.log(value / count) if count else 0.0)


def root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is zero, to the last digit; the end that is nearer if it is so nowhere."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


@cache
def best_strength(bins: tuple[Bin, ...]) -> float:
    return root(lambda mu: -math.fsum(b.slope(mu) for b in bins), 0.0, 10.0)


def statistics(bins: Sequence[Bin], mu: float) -> tuple[float, float]:
    """The test statistic of observed and of Asimov data."""

    def nll(bins: Sequence[Bin], mu: float) -> float:
        return math.fsum(b.minimum(mu)[0] for b in bins)

    best = best_strength(tuple(bins))
    observed = 0.0 if best > mu else 2 * (nll(bins, mu) - nll(bins, best))
    return observed, 2 * nll([b.asimov() for b in bins], mu)


def workspace(bins: Sequence[Bin]) -> Json:
    backgrounds = range(len(bins[0].backgrounds))
    samples: list[Json] = [
        {
            "name": f"background_{k}",
            "data": [b.backgrounds[k][0] for b in bins],
            "modifiers": [
                {
                    "name": f"shape_{k}",
                    "type": "shapesys",
                    "data": [b.backgrounds[k][0] / math.sqrt(b.backgrounds[k][1]) for b in bins],
                }
            ],
        }
        for k in backgrounds
    ]
    mu = {"name": "mu", "type": "normfactor", "data": None}
    samples.append({"name": "signal", "data": [b.signal for b in bins], "modifiers": [mu]})
    return {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": [b.count for b in bins]}],
        "measurements": [{"name": "only", "config": {"poi": "mu", "parameters": []}}],
    }


def compare(results: Sequence[HypotestResult], bins: Sequence[Bin]) -> None:
    for found in results:
        q, q_asimov = statistics(bins, found.poi_test)
        assert found.status in USABLE, found
        assert found.q == pytest.approx(q, rel=TOLERANCE, abs=TOLERANCE), found
        assert found.q_asimov == pytest.approx(q_asimov, rel=TOLERANCE, abs=TOLERANCE), found


@pytest.mark.parametrize("counts", [(55.0, 4.0), (0.0, 2.0)], ids=str)
@pytest.mark.parametrize("tau", TAUS)
def test_minima_whatever_the_taus(tau: float, counts: tuple[float, float]) -> None:
    for other in TAUS:
        bins = [
            Bin(counts[0], 4.0, ((50.0, tau, 1.0), (1.0, 0.25, 1.0))),
            Bin(counts[1], 9.0, ((2.0, tau, 1.0), (3.0, other, 1.0))),
        ]
        compare(hypotest(workspace(bins), [("x", [])], poi_tests=POIS), bins)


def test_minima_with_an_exact_and_a_loose_background() -> None:
    """Without the trial steps to where the likelihood is all but infinite being seen through, q_asimov would be 2.08 at 0.404."""
    grid = case("huge_and_tiny_taus")
    *backgrounds, signal = grid.workspace["channels"][0]["samples"]
    counts = grid.workspace["observations"][0]["data"]
    bins = [
        Bin(count, signal["data"][at], tuple((b, (b / u) ** 2, 1.0) for b, u in (at_bin(s, at) for s in backgrounds)))
        for at, count in enumerate(counts)
    ]
    compare(hypotest(grid.workspace, grid.patches, poi_tests=[n / 50 for n in range(0, 251, 10)] + [0.404]), bins)


def at_bin(sample: Mapping[str, Any], at: int) -> tuple[float, float]:
    """Yield and uncertainty."""
    return sample["data"][at], sample["modifiers"][0]["data"][at]


@pytest.mark.parametrize("counts", list(itertools.product((0.0, 3.0, 40.0), repeat=2)), ids=str)
def test_a_start_at_the_lowest_bound(counts: tuple[float, float]) -> None:
    """The derivative there is ten orders of magnitude larger than at the minimum."""
    bins = [Bin(counts[at], 2.0 + at, ((10.0, 4.0, 1.0), (5.0, 1.0, 1.0))) for at in range(2)]
    spec = workspace(bins)
    settings = [{"name": f"shape_{k}", "inits": [SMALLEST, 1.0]} for k in range(2)]
    spec["measurements"][0]["config"]["parameters"] = settings
    compare(hypotest(spec, [("x", [])], poi_tests=POIS), bins)
