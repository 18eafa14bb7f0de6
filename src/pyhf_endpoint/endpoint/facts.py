"""What the templates know of a site: the mapping `site`, made in this place alone.

| key | what it is |
|---|---|
| name, variant, scheduler | texts |
| account, queue, walltime_minutes, nodes_per_block, max_blocks | defaults of the user's options; "" and 0 where there is none |
| encrypted | whether engine and workers encrypt what they send |
| worker_logs | folder for the workers' logs; "" for the engine's own |
| user_folder | folder of the process that serves a user; "" for Globus Compute's own |
| max_idletime_s | seconds after which an idle block is given back |
| task_limit_s | default of the user's option: seconds after which a task is ended |
| heartbeat_period_s, heartbeat_threshold_s | seconds between signs of life, and of silence after which a node is lost |
| workers_per_node, cores_per_worker | 0 workers: as many as there are cores |
| accelerators, cpu_affinity | the device of each worker, and its CPUs in Parsl's notation |
| address | a function of `parsl.addresses` as `type` with its arguments, an address, or empty |
| launcher | a class of `parsl.launchers` as `type` with its arguments |
| command | what starts a node's workers, in Globus Compute's notation for containers: its own command in braces |
| worker_init | shell lines |
| cores_per_node, memory_gb, command_timeout_s | numbers of the job; 0 where it asks for none |
| options | options of the batch system, without prefix |

Besides these there are `queue_is`, `exclusive`, `gpus_per_node`, `gres` for Slurm; `select` for PBS Pro; `attrs` for Cobalt;
`requirements` for HTCondor; `image`, `namespace`, `pod_memory`, `pod_resources` for Kubernetes. No value is null: Jinja would
take it for a name.
"""

import math
from typing import TypeAlias

from pyhf_endpoint.endpoint.container import COMMAND, container_command
from pyhf_endpoint.endpoint.limits import longest_task_s
from pyhf_endpoint.endpoint.options import Options
from pyhf_endpoint.endpoint.worker_init import worker_init
from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import Resolved
from pyhf_endpoint.profiles.schedulers import (
    Batch,
    CobaltScheduler,
    HTCondorScheduler,
    KubernetesScheduler,
    LocalScheduler,
    PBSProScheduler,
    SlurmScheduler,
    TorqueScheduler,
)
from pyhf_endpoint.profiles.types import to_minutes

__all__ = ["Json", "site_facts"]

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"]
_LAUNCHERS = {
    "srun": "SrunLauncher",
    "mpiexec": "MpiExecLauncher",
    "mpirun": "MpiRunLauncher",
    "aprun": "AprunLauncher",
    "simple": "SimpleLauncher",
    "single-node": "SingleNodeLauncher",
}


def site_facts(use: Resolved, options: Options) -> dict[str, Json]:
    """Return the mapping.

    Raises:
        UsageError: A number that is needed is unknown, or the environment does not fit the site.
    """
    cores = _cores(use)
    workers = _workers(use, cores)
    slots = _slots(use, workers)
    facts: dict[str, Json] = {
        "name": use.profile.name,
        "variant": use.variant,
        "scheduler": use.profile.scheduler.kind,
        "account": use["account"] or "",
        "queue": use["queue"] or "",
        "walltime_minutes": to_minutes(use["walltime"]),
        "nodes_per_block": use["nodes_per_block"],
        "max_blocks": use["max_blocks"],
        # The keys lie in the engine's folder, which pods do not see.
        "encrypted": not isinstance(use.profile.scheduler, KubernetesScheduler),
        "worker_logs": "/tmp/parsl" if isinstance(use.profile.scheduler, KubernetesScheduler) else "",  # noqa: S108 - a pod's own
        "user_folder": f"{options.folder}/users/$GLOBUS_COMPUTE_ENDPOINT_NAME" if options.folder else "",
        "max_idletime_s": use["max_idletime_s"],
        "task_limit_s": min(use["task_limit_s"], longest_task_s(use)),
        "heartbeat_period_s": use["heartbeat_period_s"],
        "heartbeat_threshold_s": use["heartbeat_threshold_s"],
        "workers_per_node": workers or 0,
        "cores_per_worker": _cores_per_worker(workers, cores),
        "accelerators": [*slots],
        "cpu_affinity": _affinity(use, len(slots), workers),
        "address": _address(use),
        "launcher": _launcher(use),
        "command": _command(use, options),
        "worker_init": [*worker_init(use, options.environment, workers, cores)],
        "cores_per_node": cores or 0,
        "memory_gb": use["memory_gb"] or 0,
        "command_timeout_s": getattr(use.profile.scheduler, "command_timeout_s", 0),
    }
    return facts | _of_scheduler(use, options)


def _cores(use: Resolved) -> int | None:
    """The cores of a job on a node."""
    setting, scheduler = use.settings["cores_per_node"], use.profile.scheduler
    if isinstance(scheduler, KubernetesScheduler) and setting.origin in {"node", "default"}:
        return max(1, math.floor(scheduler.pod_cores))  # a share of the node
    if setting.value is None and isinstance(scheduler, PBSProScheduler | HTCondorScheduler):
        raise UsageError(
            f"site `{use.profile.name}`: a job must say its cores, and those of a node are unknown; say them:"
            " --option cores_per_node=N"
        )
    return None if setting.value is None else int(setting.value)


def _workers(use: Resolved, cores: int | None) -> int | None:
    setting = use.settings["workers_per_node"]
    if isinstance(use.profile.scheduler, KubernetesScheduler) and setting.origin == "node" and not use.accelerators:
        return cores
    if setting.value is None and not isinstance(use.profile.scheduler, LocalScheduler):
        raise UsageError(
            f"site `{use.profile.name}`: how many workers a node takes is unknown; say it: --option workers_per_node=N"
        )
    return None if setting.value is None else int(setting.value)


def _cores_per_worker(workers: int | None, cores: int | None) -> int | float:
    """Such that Parsl, which divides a node's cores by this, starts the workers that are meant, and not one fewer."""
    if not workers or not cores:
        return 1
    return cores // workers or max(0.01, math.floor(100 * cores / workers) / 100)


def _slots(use: Resolved, workers: int | None) -> tuple[str, ...]:
    """The device of each worker.

    Where workers share NVIDIA's numbered devices, Parsl divides each number by the workers per device that it counts on the node:
    of four devices for eight workers, 0 and 1 are the first device.
    """
    names, sharing = use.slots, use["workers_per_accelerator"]
    if sharing > 1 and use.accelerators and use.accelerators.vendor == "nvidia" and all(name.isdecimal() for name in names):
        names = tuple(str(sharing * int(name) + n % sharing) for n, name in enumerate(names))
    return names[:workers]


def _affinity(use: Resolved, slots: int, workers: int | None) -> str:
    """The CPUs of each worker, or `none`: Parsl refuses a list that has not one entry per worker."""
    devices, sharing = use.accelerators, use["workers_per_accelerator"]
    if devices is None or devices.affinity is None or not slots:
        return "none"
    ranks = [rank for rank in devices.affinity.split(":")[1:] for _ in range(sharing)]
    return ":".join(["list", *ranks]) if len(ranks) == workers == slots else "none"


def _address(use: Resolved) -> Json:
    match use.profile.network.address:
        case "loopback":
            return "127.0.0.1"
        case "hostname":
            return {"type": "address_by_hostname"}
        case "route":
            return {"type": "address_by_route"}
        case _:
            known = use["interface"] not in (None, "unknown")
            return {"type": "address_by_interface", "ifname": use["interface"]} if known else {}


def _launcher(use: Resolved) -> dict[str, Json]:
    launcher = use.profile.launcher
    found: dict[str, Json] = {"type": _LAUNCHERS[launcher.kind]}
    if launcher.overrides:
        found["overrides"] = launcher.overrides
    if launcher.bind_cmd:
        found["bind_cmd"] = launcher.bind_cmd
    return found


def _command(use: Resolved, options: Options) -> str:
    # Inside of a container, if there is one, and by the Python that has Globus Compute.
    pool = f"globus-compute-endpoint python-exec pyhf_endpoint.pool {COMMAND}"
    if options.environment.kind == "venv" or isinstance(use.profile.scheduler, KubernetesScheduler):
        return pool  # a pod is the container
    return container_command(use, options.environment.place, pool)


def _of_scheduler(use: Resolved, options: Options) -> dict[str, Json]:
    """What only one kind of scheduler has."""
    scheduler, devices, count = use.profile.scheduler, use.accelerators, use["accelerators"] or 0
    request = devices.request if devices and count else None
    text = (request.text or "").replace("{count}", str(count)) if request else ""
    lines = [*use.directives, *([text] if request and request.how in {"directive", "resource"} else [])]
    match scheduler:
        case SlurmScheduler():
            return {
                # A requeued job keeps its id, and Parsl would wait for nodes that it lost.
                "options": _kept(scheduler, ["--no-requeue", *lines]),
                "queue_is": scheduler.queue_is,
                "exclusive": use["exclusive"],
                "gpus_per_node": count if request and request.how == "gpus-per-node" else 0,
                "gres": text if request and request.how == "gres" else "",
            } | ({"cores_per_node": 0} if _rejects(scheduler, "--cpus-per-task") else {})
        case PBSProScheduler():
            memory = [f"mem={use['memory_gb']}gb"] if use["memory_gb"] else []
            chosen = [text] if request and request.how == "select" else []
            return {"options": [*_placed(use, scheduler, lines)], "select": [*scheduler.select, *memory, *chosen]}
        case CobaltScheduler():
            return {"options": [*lines], "attrs": [*scheduler.attrs]}
        case TorqueScheduler():
            return {"options": [*lines]}
        case HTCondorScheduler():
            return {"options": [*lines], "requirements": scheduler.requirements or ""}
        case KubernetesScheduler():
            return _of_pod(use, scheduler, options, text)
        case LocalScheduler():
            return {}


def _of_pod(use: Resolved, scheduler: KubernetesScheduler, options: Options, request: str) -> dict[str, Json]:
    if options.environment.kind != "image":
        raise UsageError(f"site `{use.profile.name}`: a pod needs an image; name it: --env image:ADDRESS")
    resource, _, count = request.partition("=")
    return {
        "image": options.environment.place,
        "namespace": "" if scheduler.namespace == "unknown" else scheduler.namespace,
        "pod_memory": f"{use['memory_gb']}Gi" if use["memory_gb"] else scheduler.pod_memory,
        "pod_resources": {resource: count} if request else {},
    }


def _placed(use: Resolved, scheduler: PBSProScheduler, lines: list[str]) -> list[str]:
    """Each chunk on a node of its own, so that every node has the workers that are meant; the site may say otherwise."""
    stated = use.settings["exclusive"].origin != "default"
    place = f"-l place=scatter{':excl' if stated and use['exclusive'] else ''}"
    return lines if any("place=" in line for line in lines) or _rejects(scheduler, place) else [place, *lines]


def _kept(scheduler: Batch, lines: list[str]) -> list[Json]:
    """The lines without our own that the site refuses; what the profile itself asks for has been checked."""
    return [line for line in lines if not _rejects(scheduler, line)]


def _rejects(scheduler: Batch, option: str) -> bool:
    return any(option.startswith(rejected) for rejected in scheduler.rejects)
