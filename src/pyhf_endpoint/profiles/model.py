"""The typed model of a site profile; unknown keys are refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

__all__ = ["LocalScheduler", "SiteProfile"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LocalScheduler(_Frozen):
    """No scheduler: worker processes on the machine on which the command runs."""

    kind: Literal["local"]


class SiteProfile(_Frozen):
    """The facts about one site.

    Attributes:
        name: The name that `--site` takes, equal to the file's name.
        facility: Who runs the machine.
        description: One sentence.
        status: `active`, or `retired` for a machine that is gone and stays as a record.
        scheduler: How work gets onto the machine.
    """

    name: Name
    facility: Text
    description: Text
    status: Literal["active", "retired"]
    scheduler: LocalScheduler
