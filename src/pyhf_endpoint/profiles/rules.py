"""What must hold between the fields of a profile: one function per rule, all faults collected."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pyhf_endpoint.errors import UsageError, did_you_mean
from pyhf_endpoint.profiles.evidence import evidence
from pyhf_endpoint.profiles.model import SiteProfile
from pyhf_endpoint.profiles.resolve import Resolved, resolve
from pyhf_endpoint.profiles.schedulers import Batch, LocalScheduler, SlurmScheduler
from pyhf_endpoint.profiles.types import to_seconds

__all__ = ["Fault", "check", "check_use"]

_LAUNCHERS = {
    "slurm": {"srun", "mpiexec", "mpirun", "simple", "single-node"},
    "pbspro": {"mpiexec", "mpirun", "simple", "single-node"},
    "cobalt": {"aprun", "mpiexec", "mpirun", "simple", "single-node"},
    "torque": {"aprun", "mpiexec", "mpirun", "simple", "single-node"},
    "htcondor": {"simple", "single-node"},
    "kubernetes": {"simple"},
    "local": {"simple", "single-node"},
}
_REQUESTS = {
    "slurm": {"gpus-per-node", "gres", "directive", "whole-node"},
    "pbspro": {"select", "whole-node"},
    "cobalt": {"directive", "whole-node"},
    "torque": {"directive", "whole-node"},
    "htcondor": {"resource"},
    "kubernetes": {"resource"},
    "local": {"whole-node"},
}
_VARIABLES = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "ROCR_VISIBLE_DEVICES", "intel": "ZE_AFFINITY_MASK"}
_IMAGES = {"nvidia": {"cpu", "cuda12", "cuda13"}, "amd": {"cpu", "rocm"}, "intel": {"cpu"}, None: {"cpu"}}


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where."""

    path: str
    message: str


def check(profile: SiteProfile) -> list[Fault]:
    """Return every fault of a profile's facts and of its variants."""
    found = [fault for rule in (_evidence, _sources, _nodes, _accelerators, _queues, _launcher) for fault in rule(profile)]
    if found:
        return found  # the variants stand on these
    for name in profile.variants:
        try:
            use = resolve(profile, name)
        except UsageError as error:
            found.append(Fault(f"variants.{name}", str(error)))
            continue
        found += [Fault(f"variants.{name}.{fault.path}", fault.message) for fault in check_use(use)]
    return found


def check_use(use: Resolved) -> list[Fault]:
    """Return every fault of one way of using a site; paths are names of settings."""
    rules: tuple[Callable[[Resolved], Iterator[Fault]], ...] = (
        _within_limits, _heartbeats, _exclusive, _workers, _shared, _rejected, _image, _one_node, _cores
    )  # fmt: skip
    return [fault for rule in rules for fault in rule(use)]


def _evidence(profile: SiteProfile) -> Iterator[Fault]:
    """Every fact has a source, or says that it has none."""
    if isinstance(profile.scheduler, LocalScheduler):
        return
    found = evidence(profile)
    for path in found.unsupported:
        yield Fault(path, "no source; name it under `sourced` or `inferred`, or write `unknown`")
    for path in found.idle:
        yield Fault(path, "named under `sourced` or `inferred`, but there is no such fact; remove it or mend the path")


def _sources(profile: SiteProfile) -> Iterator[Fault]:
    """Sources are described, and used."""
    for key in profile.sourced:
        if key not in profile.sources:
            hint = did_you_mean(key, profile.sources)
            yield Fault(f"sourced.{key}", f"no such source.{hint} Describe it under `sources`")
    for key in profile.sources:
        if key not in profile.sourced:
            yield Fault(f"sources.{key}", "nothing is taken from it; name its facts under `sourced`, or remove it")


def _nodes(profile: SiteProfile) -> Iterator[Fault]:
    """Queues give node types that are described."""
    scheduler = profile.scheduler
    named = {f"scheduler.queues.{name}.node": queue.node for name, queue in getattr(scheduler, "queues", {}).items()}
    if hasattr(scheduler, "node"):
        named["scheduler.node"] = scheduler.node
    for path, node in named.items():
        if node not in profile.nodes:
            hint = did_you_mean(node, profile.nodes)
            yield Fault(path, f"`{node}` is not among `nodes` ({', '.join(profile.nodes) or 'empty'}).{hint}")


def _accelerators(profile: SiteProfile) -> Iterator[Fault]:
    """Devices, their names, CPUs, variable and request fit each other and the scheduler."""
    kind = profile.scheduler.kind
    for name, node in profile.nodes.items():
        devices, path = node.accelerators, f"nodes.{name}.accelerators"
        if devices is None:
            continue
        if len(set(devices.names)) != devices.count or len(devices.names) != devices.count:
            yield Fault(f"{path}.devices", f"{len(set(devices.names))} names for {devices.count} devices; name each once")
        ranks = devices.affinity.count(":") if devices.affinity else devices.count
        if ranks != devices.count:
            yield Fault(f"{path}.affinity", f"{ranks} CPU lists for {devices.count} devices; give each device one")
        if devices.visibility != _VARIABLES[devices.vendor]:
            yield Fault(f"{path}.visibility", f"{devices.vendor} devices are shown by {_VARIABLES[devices.vendor]}")
        if devices.request.how not in _REQUESTS[kind]:
            ways = ", ".join(sorted(_REQUESTS[kind]))
            yield Fault(f"{path}.request.how", f"`{devices.request.how}` is not a way of {kind}; choose from: {ways}")
        if (devices.request.text is None) != (devices.request.how in ("whole-node", "gpus-per-node")):
            yield Fault(
                f"{path}.request.text", f"`{devices.request.how}` takes {'no text' if devices.request.text else 'a text'}"
            )
        elif devices.request.text and (devices.request.text.count("{count}"), devices.request.text.count("{")) != (1, 1):
            yield Fault(f"{path}.request.text", f"`{devices.request.text}`; write {{count}} once, where the number belongs")


def _queues(profile: SiteProfile) -> Iterator[Fault]:
    """A queue's limits are in order."""
    for name, queue in getattr(profile.scheduler, "queues", {}).items():
        if queue.max_nodes != "unknown" and queue.min_nodes > queue.max_nodes:
            yield Fault(f"scheduler.queues.{name}.min_nodes", f"{queue.min_nodes} is more than max_nodes, {queue.max_nodes}")


def _launcher(profile: SiteProfile) -> Iterator[Fault]:
    """The launcher works under the scheduler."""
    allowed = _LAUNCHERS[profile.scheduler.kind]
    if profile.launcher.kind not in allowed:
        yield Fault(
            "launcher.kind",
            f"`{profile.launcher.kind}` is not for {profile.scheduler.kind}; choose from: {', '.join(sorted(allowed))}",
        )
    if profile.launcher.bind_cmd and profile.launcher.kind != "mpiexec":
        yield Fault("launcher.bind_cmd", "belongs to the launcher `mpiexec` alone; remove it")


def _within_limits(use: Resolved) -> Iterator[Fault]:
    """A job keeps to its queue's limits."""
    scheduler, queue, seconds = use.profile.scheduler, use.queue, to_seconds(use["walltime"])
    limit = queue.max_walltime if queue else getattr(scheduler, "max_walltime", "unknown")
    if seconds < 60:
        yield Fault("walltime", f"{use['walltime']} is less than a minute; give at least 00:01:00")
    if limit != "unknown" and seconds > to_seconds(limit):
        yield Fault("walltime", f"{use['walltime']} is over the limit of {use['queue'] or 'the site'}, {limit}")
    if queue is None:
        return
    if use["nodes_per_block"] < queue.min_nodes:
        yield Fault("nodes_per_block", f"{use['nodes_per_block']} is less than queue {use['queue']} takes, {queue.min_nodes}")
    if queue.max_nodes != "unknown" and use["nodes_per_block"] > queue.max_nodes:
        yield Fault("nodes_per_block", f"{use['nodes_per_block']} is more than queue {use['queue']} takes, {queue.max_nodes}")


def _heartbeats(use: Resolved) -> Iterator[Fault]:
    """A node is not taken for lost because one sign of life came late."""
    period, threshold = use["heartbeat_period_s"], use["heartbeat_threshold_s"]
    if threshold < 2 * period:
        yield Fault("heartbeat_threshold_s", f"{threshold} is less than two periods of {period} s; give at least {2 * period}")


def _exclusive(use: Resolved) -> Iterator[Fault]:
    """Under Slurm, whether jobs take whole nodes is stated: Parsl's default is yes, and it is charged."""
    if isinstance(use.profile.scheduler, SlurmScheduler) and use.settings["exclusive"].origin == "default":
        yield Fault("exclusive", "not stated; say true for whole nodes or false, in `run` or in the variant")


def _workers(use: Resolved) -> Iterator[Fault]:
    """Workers fit the accelerators: Parsl would hand out devices that do not exist."""
    workers, devices = use["workers_per_node"], use["accelerators"] or 0
    if devices and workers and workers > devices and workers % devices:
        choices = f"{devices} or fewer, or a multiple such as {(workers // devices + 1) * devices}"
        yield Fault("workers_per_node", f"{workers} workers cannot share {devices} accelerators evenly; take {choices}")
    elif use.slots and workers and workers > len(use.slots):
        yield Fault(
            "workers_per_node",
            f"{workers}, but {len(use.slots)} shares of accelerators; set workers_per_accelerator to {-(-workers // devices)}",
        )
    if use.node and devices and (use.node.accelerators is None or devices > use.node.accelerators.count):
        has = use.node.accelerators.count if use.node.accelerators else 0
        yield Fault("accelerators", f"{devices} asked for, but nodes of type `{use.node_name}` have {has}")


def _shared(use: Resolved) -> Iterator[Fault]:
    """A job with some of a node's accelerators has one: the batch system alone knows which."""
    found, asked = use.accelerators, use["accelerators"] or 0
    if found is not None and not use.slots and 1 < asked < found.count:
        yield Fault(
            "accelerators",
            f"{asked} of a node's {found.count} cannot be shared out to workers, as the batch system alone knows which they are;"
            " take 1, or all",
        )
    if use.queue and use.queue.shared and use["exclusive"] and use.settings["exclusive"].origin != "default":
        yield Fault("exclusive", f"true, but queue {use['queue']} shares its nodes; say false")


def _rejected(use: Resolved) -> Iterator[Fault]:
    """Options that the site refuses are not used."""
    scheduler = use.profile.scheduler
    rejects = scheduler.rejects if isinstance(scheduler, Batch) else ()
    request = use.accelerators.request.how if use.accelerators else None
    slurm = isinstance(scheduler, SlurmScheduler)
    used = dict.fromkeys(use.directives, "directives")
    used |= {"--mem": "memory_gb"} if slurm and use["memory_gb"] else {}
    used |= {f"--{request}": "accelerators"} if slurm and request in ("gres", "gpus-per-node") else {}
    used |= {"--exclusive": "exclusive"} if slurm and use["exclusive"] else {}
    for option, field in used.items():
        for rejected in rejects:
            if option.startswith(rejected):
                yield Fault(field, f"the site rejects `{rejected}`; do without it")


def _image(use: Resolved) -> Iterator[Fault]:
    """The image fits the accelerators."""
    vendor = use.accelerators.vendor if use.accelerators else None
    if use["image"] not in _IMAGES[vendor]:
        fitting = ", ".join(sorted(_IMAGES[vendor]))
        yield Fault("image", f"`{use['image']}` does not run on {vendor or 'CPU'} nodes; choose from: {fitting}")


def _one_node(use: Resolved) -> Iterator[Fault]:
    """Launchers that start workers on one node alone are given one."""
    if use["nodes_per_block"] > 1 and use.profile.launcher.kind in ("simple", "single-node"):
        yield Fault(
            "nodes_per_block", f"{use['nodes_per_block']}, but the launcher `{use.profile.launcher.kind}` reaches one node"
        )


def _cores(use: Resolved) -> Iterator[Fault]:
    """A job asks for no more cores than a node has."""
    node, asked = use.node, use["cores_per_node"]
    if node is None or asked is None:
        return
    most = max((n for n in (node.cores, node.threads) if isinstance(n, int)), default=None)
    if most is not None and asked > most:
        yield Fault("cores_per_node", f"{asked}, but nodes of type `{use.node_name}` have {most}")
