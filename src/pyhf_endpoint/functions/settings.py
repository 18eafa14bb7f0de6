"""The settings of each kind of inference, checked where they are made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

from pyhf_endpoint.errors import UsageError, did_you_mean

__all__ = [
    "ENGINES",
    "HISTOSYS_CODES",
    "NORMSYS_CODES",
    "TEST_STATISTICS",
    "FitSettings",
    "HypotestSettings",
    "RankingSettings",
    "ScanSettings",
    "Settings",
    "SignificanceSettings",
    "UpperLimitSettings",
]

ENGINES = ("batched", "pyhf", "pyhf-jax")
TEST_STATISTICS = ("qtilde", "q")
NORMSYS_CODES = ("code4", "code1")
HISTOSYS_CODES = ("code4p", "code2", "code0")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every inference takes.

    Attributes:
        measurement: Name of the measurement; None takes the workspace's first.
        normsys: Interpolation code of normsys modifiers, as pyhf names them.
        histosys: Interpolation code of histosys modifiers.
        seed: Seed of the random starts that are tried where a likelihood may have several minima.

    Raises:
        UsageError: A value is not among the valid ones.
    """

    # The field that says where on a hypothesis a record is taken, and the record's key for it; None where there is one place.
    points_field: ClassVar[str | None] = None
    point_key: ClassVar[str] = ""

    engine: str = "batched"
    measurement: str | None = None
    normsys: str = "code4"
    histosys: str = "code4p"
    seed: int = 0

    def __post_init__(self) -> None:
        _choice("engine", self.engine, ENGINES if isinstance(self, HypotestSettings) else ENGINES[:1])
        _choice("normsys code", self.normsys, NORMSYS_CODES)
        _choice("histosys code", self.histosys, HISTOSYS_CODES)
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is negative; give a whole number from 0")

    @property
    def points(self) -> tuple[float | str | None, ...]:
        """Where on each hypothesis records are taken."""
        return getattr(self, self.points_field) if self.points_field else (None,)

    def at(self, points: Sequence[float | str | None]) -> Self:
        """Return the same settings for some of the points."""
        changes: dict[str, Any] = {self.points_field: tuple(points)} if self.points_field else {}
        return replace(self, **changes)

    def place(self, point: float | str | None) -> dict[str, Any]:
        """Return what a record says about its point."""
        return {self.point_key: point} if self.points_field else {}

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the settings that `to_json` wrote.

        Raises:
            UsageError: A key is unknown, as from another version of this package, or a value is not valid.
        """
        unknown = sorted(set(value) - set(cls.__dataclass_fields__))
        if unknown:
            raise UsageError(
                f"unknown settings: {', '.join(unknown)}; client and worker must run the same version of pyhf-endpoint"
            )
        fields: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
        return cls(**fields)


@dataclass(frozen=True, kw_only=True)
class HypotestSettings(Settings):
    """A hypothesis test.

    Attributes:
        engine: `batched`, all hypotheses of a chunk at once; `pyhf`, one `pyhf.infer.hypotest` after the other with pyhf's
            defaults (NumPy, SLSQP); or `pyhf-jax`, the same with exact gradients and a tolerance of 1e-12.
        poi_test: Tested values of the parameter of interest; finite, no two equal.
        test_stat: `qtilde` (parameter of interest bounded below by zero) or `q`.
        blind: Compute expected values alone.
    """

    points_field: ClassVar[str | None] = "poi_test"
    point_key: ClassVar[str] = "poi_test"

    poi_test: tuple[float, ...] = (1.0,)
    test_stat: str = "qtilde"
    blind: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _choice("test statistic", self.test_stat, TEST_STATISTICS)
        if not self.poi_test:
            raise UsageError("no value of the parameter of interest to test; give at least one, such as 1.0")
        for value in self.poi_test:
            if not _finite(value):
                raise UsageError(f"cannot test the parameter of interest at {_shown(value)}; give a finite number")
        _unique("value", [f"{value:g}" for value in self.poi_test])


@dataclass(frozen=True, kw_only=True)
class UpperLimitSettings(Settings):
    """An upper limit on the parameter of interest.

    Attributes:
        test_stat: `qtilde` or `q`.
        blind: Compute expected limits alone.
        level: CLs at the limit; 0.05 for a confidence level of 95 %.
        tolerance: Largest error of CLs at the limit, relative to `level`.
    """

    test_stat: str = "qtilde"
    blind: bool = False
    level: float = 0.05
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        _choice("test statistic", self.test_stat, TEST_STATISTICS)
        if not 0 < self.level < 1:
            raise UsageError(f"level {self.level:g} is not between 0 and 1; 0.05 is a confidence level of 95 %")
        if not 1e-8 <= self.tolerance < 0.5:
            raise UsageError(f"tolerance {self.tolerance:g} is not between 1e-8 and 0.5")


@dataclass(frozen=True, kw_only=True)
class FitSettings(Settings):
    """A fit of all parameters to the data.

    Attributes:
        correlations: Also return the correlation matrix.
    """

    correlations: bool = False


@dataclass(frozen=True, kw_only=True)
class SignificanceSettings(Settings):
    """A discovery significance.

    Attributes:
        blind: Compute the expected significance alone.
    """

    blind: bool = False


@dataclass(frozen=True, kw_only=True)
class ScanSettings(Settings):
    """A scan of the profile likelihood.

    Attributes:
        parameters: Names of the scanned parameters, as in pyhf's `par_names`; a plan fills in the parameter of interest for none.
        grid: Values at which each is held; empty for `steps` values across `width` standard deviations on both sides.
        steps: Number of values.
        width: Half width of the scan in post-fit standard deviations.
    """

    points_field: ClassVar[str | None] = "parameters"
    point_key: ClassVar[str] = "parameter"

    parameters: tuple[str, ...] = ()
    grid: tuple[float, ...] = ()
    steps: int = 31
    width: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _unique("parameter", self.parameters)
        for value in self.grid:
            if not _finite(value):
                raise UsageError(f"cannot scan at {_shown(value)}; give finite numbers")
        if not 2 <= self.steps <= 10_000:
            raise UsageError(f"{self.steps} steps; give 2 to 10000")
        if not (_finite(self.width) and self.width > 0):
            raise UsageError(f"width {_shown(self.width)} is not positive")


@dataclass(frozen=True, kw_only=True)
class RankingSettings(Settings):
    """A ranking of the nuisance parameters."""


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of double precision
        return False


def _shown(value: float) -> str:
    return f"{value:g}" if not isinstance(value, int) or _finite(value) else "an integer beyond the range of double precision"


def _choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"unknown {what} `{value}`.{did_you_mean(value, choices)} Choices: {', '.join(choices)}")


def _unique(what: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise UsageError(f"a {what} is given twice: {', '.join(values)}")
