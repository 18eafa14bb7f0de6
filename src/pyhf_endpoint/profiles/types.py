"""The kinds of text and number that site profiles are made of."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "Count",
    "Directive",
    "Frozen",
    "Line",
    "Name",
    "Text",
    "Unknown",
    "Url",
    "Walltime",
    "Word",
    "to_minutes",
    "to_seconds",
    "to_walltime",
]

Unknown: TypeAlias = Literal["unknown"]
"""A fact without a source: never a guess."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@/+-]{0,127}$")]
"""A name in the site's own terms: a queue, a host, a module."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=600, strip_whitespace=True)]
Line = Annotated[str, StringConstraints(pattern=r"^[^\r\n]{1,500}$")]
"""One line of shell."""
Directive = Annotated[str, StringConstraints(pattern=r"^[^\s#][^\r\n#]{0,299}$")]
"""An option of the batch system as on its command line, without the prefix that makes it a line of a job script."""
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]{3,300}$")]
Walltime = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}:[0-5][0-9]:[0-5][0-9]$")]
"""HOURS:MINUTES:SECONDS in quotes: YAML reads a bare 1:00:00 as the number 3600."""
Count = Annotated[int, Field(ge=1, le=100_000)]


class Frozen(BaseModel):
    """A part of a profile: immutable, with no unknown keys and no conversions between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def to_seconds(walltime: str) -> int:
    """Return a walltime in seconds."""
    hours, minutes, seconds = map(int, walltime.split(":"))
    return 3600 * hours + 60 * minutes + seconds


def to_minutes(walltime: str) -> int:
    """Return a walltime in whole minutes, rounded down."""
    return to_seconds(walltime) // 60


def to_walltime(minutes: int) -> str:
    """Return minutes as HOURS:MINUTES:SECONDS."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"
