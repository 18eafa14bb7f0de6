"""Settles how a site is used: model default < profile < variant < option, each value with its origin."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyhf_endpoint.errors import UsageError, did_you_mean
from pyhf_endpoint.profiles.hardware import Accelerators, NodeType
from pyhf_endpoint.profiles.model import ImageVariant, RunSettings, SiteProfile
from pyhf_endpoint.profiles.schedulers import BATCH_KINDS, Batch, HTCondorScheduler, Queue

__all__ = ["DEFAULTS", "OPTIONS", "Resolved", "Setting", "resolve", "variant_name"]

#: The model's defaults; None where there is none, or where it follows from the node (see `Resolved`).
DEFAULTS: Mapping[str, Any] = dict.fromkeys(RunSettings.model_fields) | {
    "nodes_per_block": 1,
    "max_blocks": 1,
    "walltime": "00:30:00",
    "workers_per_accelerator": 1,
    "max_idletime_s": 120,
    "task_limit_s": 3600,
    "heartbeat_period_s": 30,
    "heartbeat_threshold_s": 120,
    "directives": (),
    "exclusive": True,
}
#: What may be settled by option: the run's settings, the account and the login node's network interface.
OPTIONS = (*RunSettings.model_fields, "account", "interface")


@dataclass(frozen=True)
class Setting:
    """A value and its origin: `default`, `profile`, `variant`, `option`, or `node` for what follows from the hardware."""

    value: Any
    origin: str


@dataclass(frozen=True)
class Resolved:
    """A site, used in one way.

    Attributes:
        profile: The site.
        variant: The variant's name.
        settings: Every setting, by the names in `OPTIONS`.
    """

    profile: SiteProfile
    variant: str
    settings: Mapping[str, Setting]

    def __getitem__(self, name: str) -> Any:
        """Return the value of a setting."""
        return self.settings[name].value

    @property
    def queue(self) -> Queue | None:
        """The queue's limits, where the scheduler has queues."""
        queues: Mapping[str, Queue] = getattr(self.profile.scheduler, "queues", {})
        return queues.get(self["queue"])

    @property
    def node_name(self) -> str | None:
        """The key of the node type, where the site names one."""
        if self["node"] is not None:
            return str(self["node"])
        if isinstance(self.profile.scheduler, BATCH_KINDS):
            return self.queue.node if self.queue else None
        return getattr(self.profile.scheduler, "node", None)

    @property
    def node(self) -> NodeType | None:
        """The node type, where the site names one."""
        return self.profile.nodes.get(self.node_name or "")

    @property
    def shared(self) -> bool:
        """Whether other jobs may run on the job's nodes."""
        return isinstance(self.profile.scheduler, HTCondorScheduler) or (self.queue is not None and self.queue.shared)

    @property
    def accelerators(self) -> Accelerators | None:
        """The node's accelerators, if this use of the site takes any."""
        return self.node.accelerators if self.node and self["accelerators"] != 0 else None

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the devices that are shared out among workers, each as often as workers share it.

        Empty without accelerators, and where a job holds only some of a node's, or a single one of a shared node: those are
        named by the batch system, and numbers of ours could be another job's.
        """
        found = self.accelerators
        if found is None or self["accelerators"] not in (None, found.count) or (self.shared and found.count == 1):
            return ()
        return tuple(name for name in found.names for _ in range(self["workers_per_accelerator"]))

    @property
    def directives(self) -> tuple[str, ...]:
        """The options of the batch system, without prefix."""
        own = self.profile.scheduler.directives if isinstance(self.profile.scheduler, Batch) else ()
        return (*own, *self["directives"])


def variant_name(profile: SiteProfile, variant: str | None) -> str:
    """Return the name of a variant, by default the first.

    Raises:
        UsageError: The site has no such variant.
    """
    if variant is None:
        return next(iter(profile.variants))
    if variant not in profile.variants:
        raise UsageError(
            f"site `{profile.name}` has no variant `{variant}`.{did_you_mean(variant, profile.variants)}"
            f" It has: {', '.join(profile.variants)}"
        )
    return variant


def resolve(profile: SiteProfile, variant: str | None = None, options: Mapping[str, Any] | None = None) -> Resolved:
    """Settle how a site is used.

    Args:
        profile: The site.
        variant: A variant's name; None takes the first.
        options: Values by the names in `OPTIONS`, as the model types them; None stands for not given.

    Raises:
        UsageError: A variant, option or queue does not exist.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    for name in given:
        if name not in OPTIONS:
            raise UsageError(f"unknown option `{name}`.{did_you_mean(name, OPTIONS)} Options: {', '.join(OPTIONS)}")
    chosen = variant_name(profile, variant)
    layers = (
        ("default", {**DEFAULTS, "account": None}),
        ("profile", {**_stated(profile.run), "interface": profile.network.interface}),
        ("variant", _stated(profile.variants[chosen])),
        ("option", given),
    )
    settings = {name: Setting(value, origin) for origin, layer in layers for name, value in layer.items()}
    found = Resolved(profile, chosen, settings)
    _require_queue(found)
    _require_node(found)
    return Resolved(profile, chosen, settings | dict(_from_node(found)))


def _stated(settings: RunSettings) -> dict[str, Any]:
    return {name: value for name in RunSettings.model_fields if (value := getattr(settings, name)) is not None}


def _require_queue(found: Resolved) -> None:
    queues = getattr(found.profile.scheduler, "queues", None)
    if queues is None:
        if found["queue"] is not None:
            raise UsageError(f"site `{found.profile.name}` has no queues; leave out the queue `{found['queue']}`")
    elif found["queue"] not in queues:
        name = found["queue"]
        problem = f"queue `{name}` is not among this site's" if name else "needs a queue; it has"
        raise UsageError(
            f"site `{found.profile.name}`: {problem} queues ({', '.join(queues)}).{did_you_mean(str(name or ''), queues)}"
        )


def _require_node(found: Resolved) -> None:
    name, nodes = found["node"], found.profile.nodes
    if name is not None and name not in nodes:
        raise UsageError(
            f"site `{found.profile.name}`: node type `{name}` is not among `nodes` ({', '.join(nodes) or 'empty'})."
            f"{did_you_mean(name, nodes)}"
        )


def _from_node(found: Resolved) -> Iterator[tuple[str, Setting]]:
    """What follows from the hardware where nobody settled it."""
    node = found.node
    if found["image"] is None:
        yield "image", Setting(_image(found), "node")
    if node is None:
        return
    if found["cores_per_node"] is None and node.cores != "unknown":
        yield "cores_per_node", Setting(node.cores, "node")
    if found["accelerators"] is None:
        yield "accelerators", Setting(node.accelerators.count if node.accelerators else 0, "node")
    if found["workers_per_node"] is None:
        devices = (
            found["accelerators"] if found["accelerators"] is not None else node.accelerators.count if node.accelerators else 0
        )
        cores = found["cores_per_node"] or (node.cores if node.cores != "unknown" else None)
        workers = devices * found["workers_per_accelerator"] if devices else cores
        yield "workers_per_node", Setting(workers, "node")


def _image(found: Resolved) -> ImageVariant:
    devices = found.accelerators
    match devices.vendor if devices else None:
        case "nvidia":
            return "cuda12"
        case "amd":
            return "rocm"
        case _:  # Intel's accelerators have no backend in JAX that this project ships
            return "cpu"
