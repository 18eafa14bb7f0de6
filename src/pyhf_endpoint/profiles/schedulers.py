"""How work gets onto a machine: one model per batch system."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from pyhf_endpoint.profiles.types import Count, Directive, Frozen, Name, Text, Unknown, Walltime, Word

__all__ = [
    "BATCH_KINDS",
    "Account",
    "Batch",
    "CobaltScheduler",
    "HTCondorScheduler",
    "KubernetesScheduler",
    "LocalScheduler",
    "PBSProScheduler",
    "Queue",
    "Scheduler",
    "SlurmScheduler",
    "TorqueScheduler",
]


class Account(Frozen):
    """Which account (project, allocation) a job is charged to."""

    required: bool
    """Whether the batch system refuses a job without one."""
    note: Text | None = None
    """What users should know, such as a suffix for GPU allocations."""


class Queue(Frozen):
    """A queue, partition or QOS with its limits per job."""

    node: Name
    """The node type that it gives, a key of `nodes`."""
    min_nodes: Count = 1
    """Fewest nodes of a job."""
    max_nodes: Count | Unknown
    """Most nodes of a job."""
    max_walltime: Walltime | Unknown
    """Longest walltime of a job."""
    shared: bool = False
    """Whether jobs share nodes, so that a job gets the cores and accelerators that it asks for and no more."""
    note: Text | None = None
    """What users should know: waiting times, charging, limits on jobs per user."""


class Batch(Frozen):
    """What every batch system has."""

    command_timeout_s: Count = 60
    """Seconds after which a command of the batch system counts as hung."""
    account: Account
    """The rule for accounts."""
    directives: tuple[Directive, ...] = ()
    """Options that every job needs, without their prefix (`-l filesystems=home`)."""
    rejects: tuple[Directive, ...] = ()
    """Beginnings of options that the site refuses."""


class _Queued(Batch):
    queues: dict[Word, Queue] = Field(min_length=1)
    """The queues that workers may use."""


class SlurmScheduler(_Queued):
    """Slurm."""

    kind: Literal["slurm"]
    """Slurm."""
    queue_is: Literal["partition", "qos"] = "partition"
    """Whether a queue is chosen by partition or by QOS."""


class PBSProScheduler(_Queued):
    """PBS Pro or OpenPBS."""

    kind: Literal["pbspro"]
    """PBS Pro."""
    select: tuple[Word | Directive, ...] = ()
    """Resources of each chunk besides `ncpus` (`system=polaris`)."""


class CobaltScheduler(_Queued):
    """Cobalt."""

    kind: Literal["cobalt"]
    """Cobalt."""
    attrs: tuple[Directive, ...] = ()
    """Values of `--attrs`, each NAME=VALUE."""


class TorqueScheduler(_Queued):
    """Torque."""

    kind: Literal["torque"]
    """Torque."""


class HTCondorScheduler(Batch):
    """HTCondor: one slot per worker node's share, no queues."""

    kind: Literal["htcondor"]
    """HTCondor."""
    node: Name
    """The node type that a job is given, a key of `nodes`."""
    max_walltime: Walltime | Unknown
    """Longest walltime of a job."""
    requirements: Directive | None = None
    """The submit file's `requirements`."""


class KubernetesScheduler(Frozen):
    """Kubernetes: a pod per block."""

    kind: Literal["kubernetes"]
    """Kubernetes."""
    node: Name
    """The node type that a pod is given a share of, a key of `nodes`."""
    namespace: Word | Unknown
    """Namespace of the pods."""
    pod_cores: Annotated[float, Field(gt=0)] = 1
    """Cores of a pod."""
    pod_memory: Word = "2Gi"
    """Memory of a pod, in Kubernetes' notation."""


class LocalScheduler(Frozen):
    """No scheduler: worker processes on the machine on which the command runs."""

    kind: Literal["local"]
    """No scheduler."""


Scheduler: TypeAlias = Annotated[
    SlurmScheduler
    | PBSProScheduler
    | CobaltScheduler
    | TorqueScheduler
    | HTCondorScheduler
    | KubernetesScheduler
    | LocalScheduler,
    Field(discriminator="kind"),
]
BATCH_KINDS = (SlurmScheduler, PBSProScheduler, CobaltScheduler, TorqueScheduler)
"""The schedulers with queues."""
