"""The plane of the two masses: which points a grid has, and how many events a signal there leaves in each channel."""

import math
from dataclasses import dataclass

__all__ = ["CHANNEL_BINS", "Point", "points", "signal_yields"]

CHANNEL_BINS: dict[str, int] = {
    "CR_wjets": 1,
    "CR_singletop": 1,
    "CR_ttbar_high": 1,
    "CR_ttbar_mid": 1,
    "CR_ttbar_low": 1,
    "SR_high": 3,
    "SR_mid": 3,
    "SR_low": 3,
}

_LIGHTEST, _HEAVIEST, _TOP = 150, 1000, 400  # the plane: m_C1N2 from, to; the largest m_N1 (GeV)
_HIGGS = 125  # GeV: the least splitting for the decay to a Higgs boson on its mass shell
_COARSE = 500  # up to so many points, masses are multiples of 5 GeV

_LUMINOSITY = 140.0  # 1/fb
_BRANCHING = 0.58 * 0.25  # Higgs to b quarks, W to an electron or a muon (with those from tau leptons)
_CONTROL_SHARE = {"CR_wjets": 0.03, "CR_singletop": 0.008, "CR_ttbar_high": 0.004, "CR_ttbar_mid": 0.006, "CR_ttbar_low": 0.03}


@dataclass(frozen=True, order=True)
class Point:
    """A signal's masses in GeV."""

    m_c1n2: int
    m_n1: int

    @property
    def name(self) -> str:
        """The patch's name, also its sample's."""
        return f"C1N2_{self.m_c1n2}_{self.m_n1}"


def points(count: int) -> tuple[Point, ...]:
    """Return exactly `count` points that cover the plane evenly, in order of their masses.

    They stand in equidistant columns of m_C1N2. Each column has one point at m_N1 = 0; the others are shared out in proportion to
    the columns' heights, and spread evenly up to the top of their column.
    """
    # Cells about as high as wide: c columns hold about c (0.65 + 0.35 c) points; 125 points get columns 50 GeV apart.
    columns = max(1, round((-0.65 + math.sqrt(0.65**2 + 1.4 * count)) / 0.7))
    unit = 5 if count <= _COARSE else 1
    step = (_HEAVIEST - _LIGHTEST) / max(1, columns - 1)
    masses = [_rounded(_LIGHTEST + k * step, unit) for k in range(columns)] if columns > 1 else [(_LIGHTEST + _HEAVIEST) // 2]
    heights = [min(_TOP, mass - _HIGGS - 5) for mass in masses]
    found: list[Point] = []
    passed = shared = 0
    for mass, height in zip(masses, heights, strict=True):
        passed += height
        # Rounding the running total, not each share, is what makes the shares add up to the count.
        total = round((count - columns) * passed / sum(heights))
        rows = total - shared
        shared = total
        found += [Point(mass, _rounded(row * height / max(1, rows), unit)) for row in range(rows + 1)]
    return tuple(found)


def _rounded(value: float, unit: int) -> int:
    return unit * round(value / unit)


def signal_yields(point: Point) -> dict[str, list[float]]:
    """Return the expected events per channel and bin before fluctuations of the simulation.

    The cross-section has the size and the fall of that of a wino-like chargino with a neutralino at 13 TeV. The acceptance, the
    share of the tighter regions and that of the upper bins rise with the splitting that is left beyond the Higgs boson's mass.
    """
    mass = float(point.m_c1n2)
    cross_section = 380.0 * math.exp(3.9 * math.log(300 / mass) - (mass - 300) / 780)  # fb
    splitting = mass - point.m_n1 - _HIGGS
    hardness = (splitting + 25) ** 3
    # The first term is for signals with no splitting to speak of: with yields near zero, pyhf's own tolerance would show in CLs.
    acceptance = 0.0015 * (mass / 500) ** 2 + 0.12 * hardness / (hardness + 300.0**3)
    accepted = _LUMINOSITY * cross_section * _BRANCHING * acceptance
    spread = splitting / 200
    regions = {"SR_high": spread**2, "SR_mid": 1.2 * spread, "SR_low": 1.0}
    ratio = 0.5 + splitting / 400  # of one bin to the bin below
    bins = [1.0, ratio, ratio**2]
    found = {channel: [accepted * share] for channel, share in _CONTROL_SHARE.items()}
    for channel, weight in regions.items():
        share = accepted * weight / sum(regions.values()) / sum(bins)
        found[channel] = [share * weight_of_bin for weight_of_bin in bins]
    return found
