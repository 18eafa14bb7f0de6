"""What the users of an endpoint may say: a strict JSON Schema with the limits of the site's queues.

Every option is a number within limits, a choice, or text of a narrow pattern: none can become shell or an option of the batch
system, whatever it holds. Environment, images, directives and launchers are the administrator's alone.
"""

from collections.abc import Iterator

from pyhf_endpoint.endpoint.facts import Json
from pyhf_endpoint.endpoint.options import ACCOUNT
from pyhf_endpoint.profiles import Resolved
from pyhf_endpoint.profiles.schedulers import Batch, HTCondorScheduler, KubernetesScheduler, Queue
from pyhf_endpoint.profiles.types import to_minutes

__all__ = ["LONGEST_MINUTES", "MOST_BLOCKS", "MOST_NODES", "user_schema"]

#: Limits where the site states none: a week, and as many nodes as a careless user should be able to ask for.
LONGEST_MINUTES = 7 * 24 * 60
MOST_NODES = 128
#: Most blocks that a user may ask for, unless the profile's own default is higher.
MOST_BLOCKS = 20


def user_schema(use: Resolved) -> dict[str, Json]:
    """Return the schema of the users' options for one use of a site."""
    properties: dict[str, Json] = {}
    scheduler = use.profile.scheduler
    choices = _choices(use)
    if isinstance(scheduler, Batch):
        properties["account"] = _described(
            {"type": "string", "pattern": ACCOUNT, "maxLength": 64}, "The account that jobs are charged to", use["account"]
        )
        properties["walltime_minutes"] = _described(
            _range(1, max(_minutes(use, queue) for queue in choices.values()) if choices else _minutes(use, None)),
            "Walltime of a job in minutes",
            to_minutes(use["walltime"]),
        )
    if choices:
        properties["queue"] = _described({"enum": [*choices]}, "The queue", use["queue"])
        least, most = zip(*(_nodes(use, queue) for queue in choices.values()), strict=True)
        properties["nodes_per_block"] = _described(_range(min(least), max(most)), "Nodes of a job", use["nodes_per_block"])
    if isinstance(scheduler, Batch | KubernetesScheduler):
        limit = max(MOST_BLOCKS, use["max_blocks"])
        properties["max_blocks"] = _described(_range(1, limit), "Most jobs at a time", use["max_blocks"])
    found: dict[str, Json] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Options for {use.profile.name}, variant {use.variant}",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if isinstance(scheduler, Batch) and scheduler.account.required and not use["account"]:
        found["required"] = ["account"]
    if choices:
        found["allOf"] = [*_rules(use, choices)]
    return found


def _choices(use: Resolved) -> dict[str, Queue]:
    """The queues that give the same nodes in the same way as the one in use, and that the launcher can fill."""
    queues: dict[str, Queue] = getattr(use.profile.scheduler, "queues", {})
    own = use.queue
    if own is None:
        return {}
    fits = (own.node, own.shared)
    return {name: q for name, q in queues.items() if (q.node, q.shared) == fits and _nodes(use, q)[0] <= _nodes(use, q)[1]}


def _rules(use: Resolved, choices: dict[str, Queue]) -> Iterator[Json]:
    """The limits of each queue; where the default does not keep to them, users must say what they want."""
    for name, queue in choices.items():
        least, most = _nodes(use, queue)
        minutes = _minutes(use, queue)
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


def _nodes(use: Resolved, queue: Queue) -> tuple[int, int]:
    if use.profile.launcher.kind in {"simple", "single-node"}:
        return queue.min_nodes, 1
    known = [n for n in (queue.max_nodes, use.node.count if use.node else "unknown") if n != "unknown"]
    most = min(known) if known else max(MOST_NODES, queue.min_nodes, use["nodes_per_block"])
    return queue.min_nodes, most


def _minutes(use: Resolved, queue: Queue | None) -> int:
    scheduler = use.profile.scheduler
    limit = queue.max_walltime if queue else scheduler.max_walltime if isinstance(scheduler, HTCondorScheduler) else "unknown"
    return LONGEST_MINUTES if limit == "unknown" else to_minutes(limit)


def _range(least: int, most: int) -> dict[str, Json]:
    return {"type": "integer", "minimum": least, "maximum": most}


def _described(shape: dict[str, Json], text: str, default: Json | None) -> dict[str, Json]:
    return shape | {"description": text} | ({"default": default} if default is not None else {})
