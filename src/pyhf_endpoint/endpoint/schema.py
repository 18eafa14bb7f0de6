"""What the users of an endpoint may say: a strict JSON Schema with the limits of the site's queues.

Every option is a number within limits, a choice, or text of a narrow pattern: none can become shell or an option of the batch
system, whatever it holds. Environment, images, directives and launchers are the administrator's alone.
"""

from collections.abc import Iterator

from pyhf_endpoint.endpoint.facts import Json
from pyhf_endpoint.endpoint.limits import MOST_BLOCKS, choices, longest_minutes, longest_task_s, nodes
from pyhf_endpoint.endpoint.options import ACCOUNT
from pyhf_endpoint.profiles import Resolved
from pyhf_endpoint.profiles.schedulers import Batch, KubernetesScheduler, Queue
from pyhf_endpoint.profiles.types import to_minutes

__all__ = ["user_schema"]


def user_schema(use: Resolved) -> dict[str, Json]:
    """Return the schema of the users' options for one use of a site."""
    properties: dict[str, Json] = {}
    scheduler = use.profile.scheduler
    offered = choices(use)
    if isinstance(scheduler, Batch):
        properties["account"] = _described(
            {"type": "string", "pattern": ACCOUNT, "maxLength": 64}, "The account that jobs are charged to", use["account"]
        )
        properties["walltime_minutes"] = _described(
            _range(1, longest_minutes(use)),
            "Walltime of a job in minutes",
            to_minutes(use["walltime"]),
        )
    if offered:
        properties["queue"] = _described({"enum": [*offered]}, "The queue", use["queue"])
        least, most = zip(*(nodes(use, queue) for queue in offered.values()), strict=True)
        properties["nodes_per_block"] = _described(_range(min(least), max(most)), "Nodes of a job", use["nodes_per_block"])
    if isinstance(scheduler, Batch | KubernetesScheduler):
        limit = max(MOST_BLOCKS, use["max_blocks"])
        properties["max_blocks"] = _described(_range(1, limit), "Most jobs at a time", use["max_blocks"])
    longest = longest_task_s(use)
    properties["task_limit_s"] = _described(
        _range(1, longest), "Seconds after which a task, one call of a function, is ended", min(use["task_limit_s"], longest)
    )
    found: dict[str, Json] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Options for {use.profile.name}, variant {use.variant}",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if isinstance(scheduler, Batch) and scheduler.account.required and not use["account"]:
        found["required"] = ["account"]
    if offered:
        found["allOf"] = [*_rules(use, offered)]
    return found


def _rules(use: Resolved, offered: dict[str, Queue]) -> Iterator[Json]:
    """The limits of each queue; where the default does not keep to them, users must say what they want."""
    for name, queue in offered.items():
        least, most = nodes(use, queue)
        minutes = longest_minutes(use, queue)
        limits: Json = {"nodes_per_block": _range(least, most), "walltime_minutes": _range(1, minutes)}
        missing: list[Json] = []
        if not least <= use["nodes_per_block"] <= most:
            missing.append("nodes_per_block")
        if to_minutes(use["walltime"]) > minutes:
            missing.append("walltime_minutes")
        # Without `required`, the condition also holds where no queue is named and this one is the default.
        condition: dict[str, Json] = {"properties": {"queue": {"const": name}}}
        if name != use["queue"]:
            condition["required"] = ["queue"]
        then: dict[str, Json] = {"properties": limits}
        if missing:
            then["required"] = missing
        yield {"if": condition, "then": then}


def _range(least: int, most: int) -> dict[str, Json]:
    return {"type": "integer", "minimum": least, "maximum": most}


def _described(shape: dict[str, Json], text: str, default: Json | None) -> dict[str, Json]:
    return shape | {"description": text} | ({"default": default} if default is not None else {})
