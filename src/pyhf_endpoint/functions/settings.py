"""The settings of a hypothesis test, checked where they are made."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pyhf_endpoint.errors import UsageError, did_you_mean

__all__ = ["ENGINES", "TEST_STATISTICS", "HypotestSettings"]

ENGINES = ("pyhf",)
TEST_STATISTICS = ("qtilde", "q")


@dataclass(frozen=True)
class HypotestSettings:
    """What a hypothesis test computes.

    Attributes:
        poi_test: Tested values of the parameter of interest; finite, no two equal.
        test_stat: `qtilde` (parameter of interest bounded below by zero) or `q`.
        engine: `pyhf`: one `pyhf.infer.hypotest` after the other.
        measurement: Name of the measurement; None takes the workspace's first.
        blind: Compute expected values alone.

    Raises:
        UsageError: A value is not among the valid ones.
    """

    poi_test: tuple[float, ...] = (1.0,)
    test_stat: str = "qtilde"
    engine: str = "pyhf"
    measurement: str | None = None
    blind: bool = False

    def __post_init__(self) -> None:
        _choice("test statistic", self.test_stat, TEST_STATISTICS)
        _choice("engine", self.engine, ENGINES)
        if not self.poi_test:
            raise UsageError("no value of the parameter of interest to test; give at least one, such as 1.0")
        for value in self.poi_test:
            if not math.isfinite(value):
                raise UsageError(f"cannot test the parameter of interest at {value}; give a finite number")
        if len(set(self.poi_test)) < len(self.poi_test):
            raise UsageError(f"a value is given twice among the values to test: {', '.join(f'{v:g}' for v in self.poi_test)}")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return asdict(self) | {"poi_test": list(self.poi_test)}

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
        return cls(**{**value, "poi_test": tuple(value["poi_test"])})


def _choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"unknown {what} `{value}`.{did_you_mean(value, choices)} Choices: {', '.join(choices)}")
