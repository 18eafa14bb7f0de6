"""How far users' options may go at a site: its queues' limits, and ours where it states none."""

from pyhf_endpoint.profiles import Resolved
from pyhf_endpoint.profiles.schedulers import HTCondorScheduler, Queue
from pyhf_endpoint.profiles.types import to_minutes

__all__ = [
    "LONGEST_MINUTES",
    "LONGEST_TASK_S",
    "MOST_BLOCKS",
    "MOST_NODES",
    "choices",
    "longest_minutes",
    "longest_task_s",
    "nodes",
]

#: Limits where the site states none: a week, and as many nodes as a careless user should be able to ask for.
LONGEST_MINUTES = 7 * 24 * 60
MOST_NODES = 128
#: Most blocks that a user may ask for, unless the profile's own default is higher.
MOST_BLOCKS = 20
#: The longest that a task may take, whatever the queue: a day and some hours.
LONGEST_TASK_S = 100_000


def choices(use: Resolved) -> dict[str, Queue]:
    """Return the queues that give the same nodes in the same way as the one in use, and that the launcher can fill."""
    queues: dict[str, Queue] = getattr(use.profile.scheduler, "queues", {})
    own = use.queue
    if own is None:
        return {}
    fits = (own.node, own.shared)
    return {name: q for name, q in queues.items() if (q.node, q.shared) == fits and nodes(use, q)[0] <= nodes(use, q)[1]}


def nodes(use: Resolved, queue: Queue) -> tuple[int, int]:
    """Return the fewest and the most nodes of a job."""
    if use.profile.launcher.kind in {"simple", "single-node"}:
        return queue.min_nodes, 1
    known = [n for n in (queue.max_nodes, use.node.count if use.node else "unknown") if n != "unknown"]
    most = min(known) if known else max(MOST_NODES, queue.min_nodes, use["nodes_per_block"])
    return queue.min_nodes, most


def longest_minutes(use: Resolved, queue: Queue | None = None) -> int:
    """Return the longest walltime of a job, in minutes: in one queue, or in any that users may choose."""
    offered = choices(use)
    if queue is None and offered:
        return max(longest_minutes(use, one) for one in offered.values())
    scheduler = use.profile.scheduler
    limit = queue.max_walltime if queue else scheduler.max_walltime if isinstance(scheduler, HTCondorScheduler) else "unknown"
    return LONGEST_MINUTES if limit == "unknown" else to_minutes(limit)


def longest_task_s(use: Resolved) -> int:
    """Return the longest that a task may take, in seconds: no task outlives its job."""
    return min(60 * longest_minutes(use), LONGEST_TASK_S)
