"""Parameter sets: what each kind of modifier needs, its defaults, and what a measurement may set instead (pyhf 0.7.6's rules)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.errors import FitError
from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.spec import Hypothesis

__all__ = ["FREE_KINDS", "KIND_OF_TYPE", "ParameterSet", "configure", "index_settings", "parameter_order"]

KIND_OF_TYPE = {
    "histosys": "alpha",
    "lumi": "lumi",
    "normfactor": "normfactor",
    "normsys": "alpha",
    "shapefactor": "shapefactor",
    "shapesys": "shapesys",
    "staterror": "staterror",
}
"""Kind of parameter behind each type of modifier, in the order in which pyhf numbers parameters."""

SCALAR_KINDS = frozenset({"alpha", "lumi", "normfactor"})
FREE_KINDS = frozenset({"normfactor", "shapefactor"})
"""Kinds without a constraint term."""

# initial value, lower bound, upper bound, auxiliary datum; what a lumi parameter has instead comes from the measurement
_DEFAULTS: dict[str, tuple[float, float, float, float]] = {
    "alpha": (0.0, -5.0, 5.0, 0.0),
    "normfactor": (1.0, 0.0, 10.0, 0.0),
    "shapefactor": (1.0, 0.0, 10.0, 0.0),
    "shapesys": (1.0, 1e-10, 10.0, 1.0),
    "staterror": (1.0, 1e-10, 10.0, 1.0),
}
_SETTABLE = {
    "alpha": ("auxdata",),
    "lumi": ("auxdata", "sigmas"),
    "normfactor": (),
    "shapefactor": (),
    "shapesys": ("auxdata", "factors"),
    "staterror": ("auxdata", "sigmas"),
}


@dataclass(frozen=True)
class ParameterSet:
    """Settings of the parameters that share a name; None where the model itself decides."""

    init: Floats
    lower: Floats
    upper: Floats
    fixed: bool | None
    auxdata: Floats | None
    sigmas: Floats | None
    factors: Floats | None


def index_settings(settings: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Index a measurement's parameter settings by name.

    Raises:
        FitError: A name that is configured twice.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for entry in settings:
        if entry["name"] in found:
            raise FitError(f"measurement: parameter `{entry['name']}` is configured twice")
        found[entry["name"]] = entry
    return found


def configure(name: str, kind: str, size: int, entry: Mapping[str, Any]) -> ParameterSet:
    """Combine a kind's defaults with a measurement's settings.

    Args:
        name: Name of the parameter set, for messages.
        kind: A value of `KIND_OF_TYPE`.
        size: Number of parameters.
        entry: The measurement's settings for `name`, or an empty mapping.

    Raises:
        FitError: A setting of the wrong length, one that the kind does not have, or an initial value outside its bounds.
    """
    where = f"measurement: parameter `{name}`"
    for setting in ("auxdata", "sigmas", "factors"):
        if entry.get(setting) and setting not in _SETTABLE[kind]:
            raise FitError(f"{where}: `{setting}` is set, but a {kind} parameter has none")
    if kind == "lumi" and not all(entry.get(setting) for setting in ("auxdata", "bounds", "inits")):
        raise FitError(f"{where}: a lumi modifier needs `auxdata`, `sigmas`, `bounds` and `inits` in the measurement")
    init, lower, upper, auxiliary = _DEFAULTS.get(kind, (1.0, 0.0, 0.0, 1.0))

    def values(setting: str, default: float | None) -> Floats | None:
        if not entry.get(setting):
            return None if default is None else np.full(size, default)
        return _numbers(where, setting, entry[setting], (size,))

    bounds = (
        np.tile([lower, upper], (size, 1)) if "bounds" not in entry else _numbers(where, "bounds", entry["bounds"], (size, 2))
    )
    inits = values("inits", init)
    assert inits is not None  # noqa: S101  (a default is given)
    outside = (inits < bounds[:, 0]) | (inits > bounds[:, 1])
    if outside.any():
        place = int(np.argmax(outside))
        raise FitError(f"{where}: initial value {inits[place]:g} lies outside its bounds {bounds[place].tolist()}")
    sigmas = values("sigmas", 1.0 if kind == "lumi" else None)
    if sigmas is not None and (sigmas <= 0).any():
        raise FitError(f"{where}: `sigmas` holds {sigmas.min():g}; a width is positive")
    factors = values("factors", None)
    if factors is not None and (factors <= 0).any():
        raise FitError(f"{where}: `factors` holds {factors.min():g}; a factor is positive")
    auxdata = values("auxdata", None if kind == "shapesys" else auxiliary)
    return ParameterSet(inits, bounds[:, 0], bounds[:, 1], entry.get("fixed"), auxdata, sigmas, factors)


def _numbers(where: str, setting: str, value: object, shape: tuple[int, ...]) -> Floats:
    try:
        numbers: npt.NDArray[np.float64] = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise FitError(f"{where}: `{setting}` is not a list of numbers") from None
    except OverflowError:
        raise FitError(f"{where}: `{setting}` holds a number that is not finite") from None
    if numbers.shape != shape:
        raise FitError(f"{where}: `{setting}` holds {len(numbers)} entries, {shape[0]} expected")
    if not np.isfinite(numbers).all():
        raise FitError(f"{where}: `{setting}` holds a number that is not finite")
    return numbers


def parameter_order(hypothesis: Hypothesis) -> list[str]:
    """Names of the parameter sets in the order of pyhf's `model.config.par_order`.

    pyhf collects them type by type and, within a type, as met when going through channels, samples and modifiers in
    alphabetical order; staterror sets come in the alphabetical order of their own names.
    """
    met: dict[str, dict[str, None]] = {kind: {} for kind in KIND_OF_TYPE}
    for channel in hypothesis.channels:
        for sample in sorted((*channel.shared, *channel.own), key=lambda sample: str(sample["name"])):
            for name, kind in sorted((modifier["name"], modifier["type"]) for modifier in sample["modifiers"]):
                met[kind].setdefault(name)
    met["staterror"] = dict.fromkeys(sorted(met["staterror"]))
    return list(dict.fromkeys(name for names in met.values() for name in names))
