"""Upper limits on the parameter of interest from CLs at several tested values."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyhf_endpoint.plot.geometry import LEVEL, MAX_SIGNIFICANCE

__all__ = ["UpperLimit", "log_cls", "upper_limit"]


@dataclass(frozen=True)
class UpperLimit:
    """Where CLs falls below the level for good.

    Attributes:
        value: The upper limit; the largest tested value where CLs stays above the level there, the smallest where it is
            below everywhere.
        kind: `found`, `above` (the limit is larger than `value`) or `below` (it is smaller).
    """

    value: float
    kind: Literal["found", "above", "below"]

    def __str__(self) -> str:
        """Write three significant digits, with > or < where the limit lies outside the tested values."""
        sign = {"found": "", "above": "> ", "below": "< "}[self.kind]
        return f"{sign}{_digits(self.value)}"

    def sentence(self) -> str:
        """Write the limit as a legend does."""
        return {"found": r"$\mu$ <", "above": "limit above", "below": "limit below"}[self.kind] + f" {_digits(self.value)}"


def upper_limit(poi: ArrayLike, cls: ArrayLike, level: float = LEVEL) -> UpperLimit:
    """Return the upper limit by linear interpolation in log CLs.

    Where CLs crosses the level more than once the last crossing is taken: every larger tested value is excluded.

    Args:
        poi: Tested values, ascending, shape (n,).
        cls: CLs at them, shape (n,).
        level: The CLs at which a value is excluded.
    """
    poi, height = np.asarray(poi, dtype=np.float64), log_cls(cls) - np.log(level)
    standing = np.flatnonzero(height >= 0)
    if not len(standing):
        return UpperLimit(float(poi[0]), "below")
    i = int(standing[-1])
    if i == len(poi) - 1:
        return UpperLimit(float(poi[i]), "above")
    share = height[i] / (height[i] - height[i + 1])
    return UpperLimit(float(poi[i] + share * (poi[i + 1] - poi[i])), "found")


def log_cls(cls: ArrayLike) -> NDArray[np.float64]:
    """Return log CLs, with CLs so small that its significance exceeds MAX_SIGNIFICANCE (zero above all) taken as that."""
    from scipy.special import ndtr

    return np.asarray(np.log(np.maximum(np.asarray(cls, dtype=np.float64), ndtr(-MAX_SIGNIFICANCE))), dtype=np.float64)


def _digits(value: float) -> str:
    return f"{value:#.3g}".rstrip(".") if value else "0"
