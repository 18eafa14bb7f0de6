"""A slow, obvious HistFactory likelihood: loops over channels, samples and bins, one Python float at a time.

It follows the HistFactory document (CERN-OPEN-2012-016) and, where that leaves a choice, pyhf 0.7.6 as it behaves. It shares
no code with the package nor with pyhf, so that three independent computations can be held against each other.

    rate(bin)   = sum over samples of  (nominal + sum of histosys shifts) x product of all other factors
    likelihood  = product over bins of Poisson(observed | rate)
                x product over constrained parameters of Normal(auxdata | value, sigma) or Poisson(auxdata | value x tau)
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["HISTOSYS_CODES", "NORMSYS_CODES", "Oracle", "ParameterSet", "factor_between", "shift_between"]

Json = Mapping[str, Any]
Point = Mapping[str, float]

NORMSYS_CODES = ("code1", "code4")
HISTOSYS_CODES = ("code0", "code2", "code4p")
KINDS = ("histosys", "lumi", "normfactor", "normsys", "shapefactor", "shapesys", "staterror")


# --- interpolation ---


def _linear(alpha: float, low: float, nominal: float, high: float) -> float:
    """Code 0: a straight line on each side of the nominal."""
    return alpha * (high - nominal) if alpha > 0 else alpha * (nominal - low)


def _quadratic(alpha: float, low: float, nominal: float, high: float) -> float:
    """Code 2 as pyhf 0.7.6 evaluates it.

    The document's outer branches, (b + 2a)(alpha - 1) and (b - 2a)(alpha + 1), do not meet the parabola at +-1. pyhf keeps the
    first and multiplies the second by alpha instead of alpha + 1; neither is continuous.
    """
    a = (high + low) / 2 - nominal
    b = (high - low) / 2
    if alpha > 1:
        return (b + 2 * a) * (alpha - 1)
    if alpha < -1:
        return (b - 2 * a) * alpha
    return a * alpha**2 + b * alpha


def _smooth_linear(alpha: float, low: float, nominal: float, high: float) -> float:
    """Code 4p: straight lines beyond +-1; between them the sixth-order polynomial that meets them up to second derivatives.

    Half the kink, (up - down) / 2, is multiplied by the even polynomial that has value, slope and curvature of |alpha| at 1.
    """
    up, down = high - nominal, nominal - low
    if alpha > 1:
        return up * alpha
    if alpha < -1:
        return down * alpha
    bend = (15 * alpha**2 - 10 * alpha**4 + 3 * alpha**6) / 8
    return alpha * (up + down) / 2 + bend * (up - down) / 2


def _exponential(alpha: float, low: float, high: float) -> float:
    """Code 1: an exponential on each side of 1."""
    return float(high**alpha) if alpha > 0 else float(low**-alpha)


def _smooth_exponential(alpha: float, low: float, high: float) -> float:
    """Code 4: exponentials beyond +-1; between them 1 + a1 alpha + ... + a6 alpha^6 that meets both up to second derivatives."""
    if alpha >= 1:
        return float(high**alpha)
    if alpha <= -1:
        return float(low**-alpha)
    powers = range(1, 7)
    rows: list[list[float]] = []
    values: list[float] = []
    for at, base, sign in ((1.0, high, 1.0), (-1.0, low, -1.0)):
        slope = sign * math.log(base)
        rows.append([at**i for i in powers])
        values.append(base - 1)
        rows.append([i * at ** (i - 1) for i in powers])
        values.append(slope * base)
        rows.append([i * (i - 1) * at ** (i - 2) if i > 1 else 0.0 for i in powers])
        values.append(slope * slope * base)
    return 1 + math.fsum(a * alpha**i for i, a in zip(powers, _solve(rows, values), strict=True))


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss-Jordan elimination with pivoting, for the handful of unknowns of one polynomial."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda r: abs(rows[r][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for other in range(size):
            if other != column:
                ratio = rows[other][column] / rows[column][column]
                rows[other] = [x - ratio * y for x, y in zip(rows[other], rows[column], strict=True)]
    return [rows[i][size] / rows[i][i] for i in range(size)]


_SHIFTS: dict[str, Callable[[float, float, float, float], float]] = {
    "code0": _linear,
    "code2": _quadratic,
    "code4p": _smooth_linear,
}
_FACTORS: dict[str, Callable[[float, float, float], float]] = {"code1": _exponential, "code4": _smooth_exponential}


def shift_between(code: str, alpha: float, low: float, nominal: float, high: float) -> float:
    """Return what a histosys adds to a bin whose contents at alpha = -1, 0, +1 are `low`, `nominal`, `high`."""
    return _SHIFTS[code](alpha, low, nominal, high)


def factor_between(code: str, alpha: float, low: float, high: float) -> float:
    """Return what a normsys multiplies a sample by, given its factors `low`, `high` at alpha = -1, +1."""
    return _FACTORS[code](alpha, low, high)


# --- parameters ---


@dataclass
class ParameterSet:
    """All the parameters that one modifier name stands for, with their settings and constraint terms."""

    name: str
    kind: str
    scalar: bool
    inits: list[float]
    bounds: list[tuple[float, float]]
    fixed: list[bool]
    constraint: str | None = None
    auxdata: list[float] = field(default_factory=list)
    sigmas: list[float] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The name of each parameter; those of per-bin modifiers are numbered, even where there is one bin."""
        return [self.name] if self.scalar else [f"{self.name}[{i}]" for i in range(len(self.inits))]


def _alpha(name: str, kind: str) -> ParameterSet:
    return ParameterSet(name, kind, True, [0.0], [(-5.0, 5.0)], [False], "normal", [0.0], [1.0])


def _lumi(name: str) -> ParameterSet:
    # Every number of a luminosity comes from the measurement, but for the width, which is 1 where that is silent.
    return ParameterSet(name, "lumi", True, [], [], [False], "normal", [], [1.0])


def _normfactor(name: str) -> ParameterSet:
    return ParameterSet(name, "normfactor", True, [1.0], [(0.0, 10.0)], [False])


def _shapefactor(name: str, bins: int) -> ParameterSet:
    return ParameterSet(name, "shapefactor", False, [1.0] * bins, [(0.0, 10.0)] * bins, [False] * bins)


def _shapesys(name: str, nominal: Sequence[float], uncertainty: Sequence[float]) -> ParameterSet:
    """One gamma per bin, measured tau = (nominal / uncertainty)^2 times; a bin without yield or uncertainty is fixed, tau 1."""
    meant = [n > 0 and u > 0 for n, u in zip(nominal, uncertainty, strict=True)]
    taus = [(n / u) ** 2 if ok else 1.0 for ok, n, u in zip(meant, nominal, uncertainty, strict=True)]
    bins = len(taus)
    fixed = [not ok for ok in meant]
    return ParameterSet(
        name, "shapesys", False, [1.0] * bins, [(1e-10, 10.0)] * bins, fixed, "poisson", list(taus), [], list(taus)
    )


def _staterror(name: str, relative: Sequence[float]) -> ParameterSet:
    """One gamma per bin, Gaussian with the bin's relative uncertainty; a bin without any is fixed, with a nominal width of 1."""
    bins = len(relative)
    fixed = [r == 0 for r in relative]
    sigmas = [1.0 if r == 0 else r for r in relative]
    return ParameterSet(name, "staterror", False, [1.0] * bins, [(1e-10, 10.0)] * bins, fixed, "normal", [1.0] * bins, sigmas)


def _configured(default: ParameterSet, config: Json) -> ParameterSet:
    """Lay a measurement's parameter configuration over the defaults."""
    size = len(default.fixed)
    for key in ("inits", "bounds", "auxdata", "sigmas", "factors"):
        if key not in config:
            continue
        carried = {"inits", "bounds"} | ({"auxdata"} if default.constraint else set())
        carried |= {"sigmas"} if default.kind in {"lumi", "staterror"} else set()
        carried |= {"factors"} if default.constraint == "poisson" else set()
        if key not in carried or len(config[key]) != size:
            raise ValueError(f"parameter {default.name}: `{key}` is not for a {default.kind}, or has not {size} values")
        values = config[key]
        setattr(default, key, [(low, high) for low, high in values] if key == "bounds" else list(values))
    if "fixed" in config:
        default.fixed = [config["fixed"]] * size
    if not (default.inits and default.bounds and (default.constraint is None or default.auxdata)):
        raise ValueError(f"parameter {default.name}: the measurement must give inits, bounds and auxdata")
    return default


# --- the model ---


class Oracle:
    """The HistFactory likelihood of one (already patched) workspace under one measurement.

    Args:
        workspace: A workspace as in pyhf's JSON schema 1.0.0.
        measurement: The name of the measurement, or None for the first.
        normsys: Interpolation of normsys, one of `NORMSYS_CODES`.
        histosys: Interpolation of histosys, one of `HISTOSYS_CODES`.

    Raises:
        ValueError: The workspace has no one meaning: a name used by modifiers that cannot share parameters, a sample or a
            modifier that occurs twice in one place, a measurement that does not exist.
    """

    def __init__(
        self, workspace: Json, measurement: str | None = None, *, normsys: str = "code4", histosys: str = "code4p"
    ) -> None:
        self.normsys, self.histosys = normsys, histosys
        self.channels: list[Json] = sorted(workspace["channels"], key=lambda c: str(c["name"]))
        observed = {o["name"]: o["data"] for o in workspace["observations"]}
        self.observed: list[float] = [float(n) for c in self.channels for n in observed[c["name"]]]
        config = self._measurement(workspace, measurement)
        _refuse_duplicates(self.channels)
        self.staterror_bins = self._staterror_bins()
        configs = {p["name"]: p for p in config["parameters"]}
        self.sets = [_configured(s, configs.get(s.name, {})) for s in self._parameter_sets()]
        self.parameters = [name for s in self.sets for name in s.names]
        self.inits = [float(x) for s in self.sets for x in s.inits]
        self.lower = [float(low) for s in self.sets for low, _ in s.bounds]
        self.upper = [float(high) for s in self.sets for _, high in s.bounds]
        self.fixed = [bool(x) for s in self.sets for x in s.fixed]
        self.auxdata = [float(x) for s in self.sets if s.constraint for x in s.auxdata]
        self.poi = str(config["poi"])
        if self.poi and self.poi not in {s.name for s in self.sets}:
            raise ValueError(f"the parameter of interest `{self.poi}` modifies nothing")

    @staticmethod
    def _measurement(workspace: Json, name: str | None) -> Json:
        for measurement in workspace["measurements"]:
            if name is None or measurement["name"] == name:
                config: Json = measurement["config"]
                names = [p["name"] for p in config["parameters"]]
                if len(set(names)) != len(names):
                    raise ValueError(f"measurement {measurement['name']} configures a parameter twice")
                return config
        raise ValueError(f"no measurement `{name}`")

    def _walk(self) -> Iterator[tuple[Json, Json, Json]]:
        """Every (channel, sample, modifier), each level in alphabetical order: the order in which pyhf meets them."""
        for channel in self.channels:
            for sample in sorted(channel["samples"], key=lambda s: str(s["name"])):
                for modifier in sorted(sample["modifiers"], key=lambda m: (str(m["name"]), str(m["type"]))):
                    yield channel, sample, modifier

    def _parameter_sets(self) -> list[ParameterSet]:
        """Parameter sets in pyhf's order: by modifier type, then as met on the walk; staterrors by name."""
        found: dict[str, ParameterSet] = {}
        for kind in KINDS:
            met = [(channel, sample, m) for channel, sample, m in self._walk() if m["type"] == kind]
            if kind == "staterror":
                met.sort(key=lambda place: str(place[2]["name"]))
            for _, sample, modifier in met:
                name = str(modifier["name"])
                if name not in found:
                    found[name] = self._parameter_set(kind, name, sample, modifier)
                elif not _may_share(found[name], kind, len(sample["data"])):
                    raise ValueError(f"`{name}` is used by a {kind} and a {found[name].kind} that cannot share parameters")
        return list(found.values())

    def _parameter_set(self, kind: str, name: str, sample: Json, modifier: Json) -> ParameterSet:
        if kind in {"histosys", "normsys"}:
            return _alpha(name, kind)
        if kind == "lumi":
            return _lumi(name)
        if kind == "normfactor":
            return _normfactor(name)
        if kind == "shapefactor":
            return _shapefactor(name, len(sample["data"]))
        if kind == "shapesys":
            return _shapesys(name, sample["data"], modifier["data"])
        return _staterror(name, [self._relative_staterror(name, channel, b) for channel, b in self.staterror_bins[name]])

    def _carriers(self, name: str, channel: str) -> list[tuple[Json, Json]]:
        return [(s, m) for c, s, m in self._walk() if c["name"] == channel and m["type"] == "staterror" and m["name"] == name]

    def _staterror_bins(self) -> dict[str, list[tuple[str, int]]]:
        """For each staterror, the (channel, bin) of each of its parameters."""
        channels: dict[str, dict[str, set[str]]] = {}
        for channel, sample, modifier in self._walk():
            if modifier["type"] == "staterror":
                channels.setdefault(modifier["name"], {}).setdefault(sample["name"], set()).add(channel["name"])
        for name, of_sample in channels.items():
            if len({frozenset(names) for names in of_sample.values()}) != 1:
                raise ValueError(f"staterror `{name}` does not cover the same channels for all its samples")
        return {
            name: [(c["name"], b) for c in self.channels if c["name"] in next(iter(of_sample.values())) for b in range(_bins(c))]
            for name, of_sample in channels.items()
        }

    def _relative_staterror(self, name: str, channel: str, bin_: int) -> float:
        """The uncertainties of all samples that carry the staterror, added in quadrature, over the sum of their yields."""
        carriers = self._carriers(name, channel)
        total = sum(sample["data"][bin_] for sample, _ in carriers)
        if total <= 0:
            return 0.0
        return math.sqrt(sum((modifier["data"][bin_] / total) ** 2 for _, modifier in carriers))

    # --- evaluation ---

    def _shift(self, sample: Json, bin_: int, modifier: Json, point: Point) -> float:
        low, high = modifier["data"]["lo_data"][bin_], modifier["data"]["hi_data"][bin_]
        return shift_between(self.histosys, point[modifier["name"]], low, sample["data"][bin_], high)

    def _factor(self, channel: str, bin_: int, modifier: Json, point: Point) -> float:
        kind, name = modifier["type"], modifier["name"]
        if kind == "normsys":
            return factor_between(self.normsys, point[name], modifier["data"]["lo"], modifier["data"]["hi"])
        if kind in {"lumi", "normfactor"}:
            return point[name]
        if kind == "staterror":
            return point[f"{name}[{self.staterror_bins[name].index((channel, bin_))}]"]
        return point[f"{name}[{bin_}]"]

    def sample_rate(self, channel: Json, sample: Json, bin_: int, point: Point) -> float:
        """Return the events that one sample contributes to one bin."""
        rate = float(sample["data"][bin_])
        for modifier in sample["modifiers"]:
            if modifier["type"] == "histosys":
                rate += self._shift(sample, bin_, modifier, point)
        for modifier in sample["modifiers"]:
            if modifier["type"] != "histosys":
                rate *= self._factor(channel["name"], bin_, modifier, point)
        return rate

    def rates(self, point: Point) -> list[float]:
        """Return the expected events per bin, channels in alphabetical order."""
        return [
            math.fsum(self.sample_rate(channel, sample, b, point) for sample in channel["samples"])
            for channel in self.channels
            for b in range(_bins(channel))
        ]

    def turnover(self, point: Point) -> list[float]:
        """Return per bin the sum of the samples' absolute contributions: the scale of rounding where they cancel."""
        return [
            math.fsum(abs(self.sample_rate(channel, sample, b, point)) for sample in channel["samples"])
            for channel in self.channels
            for b in range(_bins(channel))
        ]

    def expected_auxdata(self, point: Point) -> list[float]:
        """Return the expected auxiliary measurements, in the order of the constrained parameters."""
        expected: list[float] = []
        for s in self.sets:
            if s.constraint == "normal":
                expected += [point[name] for name in s.names]
            elif s.constraint == "poisson":
                expected += [point[name] * tau for name, tau in zip(s.names, s.factors, strict=True)]
        return expected

    def _terms(self, point: Point) -> list[float]:
        """The summands of -log L, kept apart."""
        terms = [t for n, rate in zip(self.observed, self.rates(point), strict=True) for t in _poisson_terms(n, rate)]
        for s in self.sets:
            for i, name in enumerate(s.names if s.constraint else []):
                if s.constraint == "normal":
                    terms += _normal_terms(s.auxdata[i], point[name], s.sigmas[i])
                else:
                    terms += _poisson_terms(s.auxdata[i], point[name] * s.factors[i])
        return terms

    def nll(self, point: Point) -> float:
        """Return -log L with all its constants: the negative of pyhf's `Model.logpdf` at the observed data."""
        return math.fsum(self._terms(point))

    def nll_scale(self, point: Point) -> float:
        """Return the sum of the absolute summands of -log L: what its rounding errors are relative to."""
        return math.fsum(abs(t) for t in self._terms(point))


def _bins(channel: Json) -> int:
    return len(channel["samples"][0]["data"])


def _may_share(first: ParameterSet, kind: str, bins: int) -> bool:
    """Whether a further modifier of this name and type, on a sample of so many bins, may use the parameters of the first."""
    alphas = {"histosys", "normsys"}
    if kind in alphas and first.kind in alphas:
        return True
    if kind == "shapesys" or first.kind != kind:
        return False
    return kind != "shapefactor" or bins <= len(first.inits)


def _refuse_duplicates(channels: Sequence[Json]) -> None:
    places: list[tuple[str, ...]] = [(c["name"],) for c in channels]
    places += [(c["name"], s["name"]) for c in channels for s in c["samples"]]
    places += [(c["name"], s["name"], m["type"], m["name"]) for c in channels for s in c["samples"] for m in s["modifiers"]]
    for place in places:
        if places.count(place) > 1:
            raise ValueError(f"{' / '.join(place)} occurs twice")


def _poisson_terms(n: float, rate: float) -> list[float]:
    """Rate - n log rate + log Gamma(n + 1), with the limits that pyhf takes at a rate of 0 (and its NaN below, unless n is 0)."""
    if n == 0:
        return [rate]
    if rate <= 0:
        return [math.inf if rate == 0 else math.nan]
    return [rate, -n * math.log(rate), math.lgamma(n + 1)]


def _normal_terms(observed: float, mean: float, sigma: float) -> list[float]:
    return [((observed - mean) / sigma) ** 2 / 2, math.log(sigma * math.sqrt(2 * math.pi))]
