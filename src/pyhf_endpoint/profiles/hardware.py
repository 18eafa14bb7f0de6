"""What a machine is made of: architecture, nodes, accelerators, network, launcher, containers, proxies."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pyhf_endpoint.profiles.types import Count, Frozen, Line, Text, Unknown, Url, Word

__all__ = ["Accelerators", "Architecture", "Container", "Launcher", "Network", "NodeType", "Proxy", "Request"]

_Arch = Literal["x86_64", "aarch64"]
_Interface = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,14}(\.[0-9]{1,4})?$")]
_Device = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:/-]{1,64}$")]


class Architecture(Frozen):
    """Processor architectures, which decide the image."""

    login: _Arch | Unknown
    """Of the login nodes."""
    compute: _Arch | Unknown
    """Of the compute nodes."""


class Request(Frozen):
    """How a job asks for a node's accelerators."""

    how: Literal["gpus-per-node", "gres", "select", "directive", "whole-node", "resource"]
    """`gpus-per-node` and `gres` are Slurm's, `select` is a resource of PBS' chunk, `directive` an option line, `resource` a
    request of HTCondor or Kubernetes, `whole-node` nothing: the node's accelerators come with it."""
    text: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:=,/ {}-]{1,100}$")] | None = None
    """The request, with `{count}` where the number of accelerators belongs (`ngpus={count}`)."""


class Accelerators(Frozen):
    """The accelerators of a node."""

    vendor: Literal["nvidia", "amd", "intel"]
    """Who makes them."""
    model: Text
    """What they are called."""
    count: Count
    """How many devices a node shows (for AMD the dies, for Intel the tiles, where those are addressed)."""
    memory_gb: Annotated[float, Field(gt=0)] | Unknown
    """Memory of one device in GB."""
    request: Request
    """How a job asks for them."""
    visibility: Literal["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"]
    """The variable that shows a worker its device."""
    devices: tuple[_Device, ...] | None = None
    """The devices' names in that variable; by default 0 to count - 1."""
    affinity: Annotated[str, StringConstraints(pattern=r"^list(:[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)+$")] | None = None
    """The CPUs next to each device, in the devices' order, in Parsl's notation (`list:24-31:16-23`)."""

    @property
    def names(self) -> tuple[str, ...]:
        """The devices' names in the visibility variable."""
        return self.devices or tuple(map(str, range(self.count)))


class NodeType(Frozen):
    """A kind of compute node."""

    cores: Count | Unknown
    """Physical cores that jobs may use."""
    threads: Count | Unknown = "unknown"
    """Hardware threads that jobs may use."""
    memory_gb: Annotated[float, Field(gt=0)] | Unknown = "unknown"
    """Memory in GB."""
    count: Count | Unknown = "unknown"
    """How many the machine has."""
    accelerators: Accelerators | None = None
    """Its accelerators, if any."""
    note: Text | None = None
    """What else matters."""


class Network(Frozen):
    """How compute nodes reach the endpoint on the login node."""

    interface: _Interface | Unknown | None = None
    """The login node's network interface that compute nodes can reach; none where the address is found otherwise."""
    alternatives: tuple[_Interface, ...] = ()
    """Other interfaces that sources name."""
    address: Literal["interface", "hostname", "route", "loopback"] = "interface"
    """How the address is found."""


class Launcher(Frozen):
    """What starts the workers on every node of a block."""

    kind: Literal["srun", "mpiexec", "mpirun", "aprun", "simple", "single-node"]
    """The program; `simple` runs the worker pool directly and is for blocks of one node."""
    overrides: Annotated[str, StringConstraints(pattern=r"^[^\r\n{}]{0,200}$")] = ""
    """Options for it."""
    bind_cmd: Literal["--cpu-bind", "--bind-to"] | None = None
    """mpiexec's option for binding to CPUs: `--cpu-bind` is PALS', `--bind-to` Open MPI's and MPICH's."""


class Container(Frozen):
    """The container runtime."""

    runtime: Literal["apptainer", "singularity", "docker", "podman", "podman-hpc", "shifter", "kubernetes", "none"] | Unknown
    """The runtime, or `none`."""
    where: Literal["compute", "login-and-compute"] | Unknown = "unknown"
    """Where it runs."""
    setup: tuple[Line, ...] = ()
    """Lines of shell that make it available."""
    flags: Annotated[str, StringConstraints(pattern=r"^[^\r\n{}'\"`$;&|<>\\]{0,300}$")] = ""
    """Options for it; Parsl loses quotes in them and trips over braces."""


class Proxy(Frozen):
    """A proxy for HTTP and HTTPS; AMQP goes direct."""

    url: Url
    """Its address."""
    where: Literal["compute", "login", "both"]
    """On which nodes it is needed."""
    no_proxy: tuple[Word, ...] = ()
    """Hosts that are reached directly."""
