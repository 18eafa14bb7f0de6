"""The typed model of a site profile; unknown keys are refused."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pyhf_endpoint.profiles.hardware import Architecture, Container, Launcher, Network, NodeType, Proxy
from pyhf_endpoint.profiles.schedulers import Scheduler
from pyhf_endpoint.profiles.types import Count, Directive, Frozen, Line, Name, Text, Unknown, Url, Walltime, Word

__all__ = ["FacilityEndpoint", "ImageVariant", "RunSettings", "SiteProfile", "Source", "Variant", "Verification"]

Date = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
ImageVariant = Literal["cpu", "cuda12", "cuda13", "rocm"]
_Path = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[A-Za-z0-9_.@+-]+)*$")]


class Source(Frozen):
    """Where facts were read."""

    title: Text
    """The page, file or paper."""
    url: Url | None = None
    """Its address."""
    date: Date
    """The date of the page's version, or on which it was read."""


class Verification(Frozen):
    """A check that was made."""

    date: Date
    """When."""
    what: Text
    """What was checked."""
    how: Text
    """How: on the machine, against its documentation, by a rendered configuration."""


class RunSettings(Frozen):
    """How this project uses the machine; what is missing comes from the profile's `run`, then from the model's defaults."""

    queue: Word | None = None
    """The queue."""
    node: Name | None = None
    """The node type, a key of `nodes`, where a queue has several and a directive chooses; default the queue's."""
    nodes_per_block: Count | None = None
    """Nodes of a job; default 1."""
    max_blocks: Count | None = None
    """Most jobs at a time; default 1."""
    walltime: Walltime | None = None
    """Walltime of a job; default "00:30:00"."""
    exclusive: bool | None = None
    """Whether a job asks for whole nodes. No default where the scheduler is Slurm: charging depends on it."""
    accelerators: Annotated[int, Field(ge=0, le=64)] | None = None
    """Accelerators of a job on each node; default all."""
    workers_per_accelerator: Annotated[int, Field(ge=1, le=16)] | None = None
    """Workers that share an accelerator; default 1."""
    workers_per_node: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Workers on each node; default one per share of an accelerator, else one per core."""
    cores_per_node: Count | None = None
    """Cores of a job on each node; default all of them."""
    memory_gb: Count | None = None
    """Memory of a job on each node; asked for only where given."""
    max_idletime_s: Count | None = None
    """Seconds after which an idle block is given back; default 120."""
    task_limit_s: Count | None = None
    """Seconds after which a task, one call of a function, is ended; default 3600."""
    heartbeat_period_s: Count | None = None
    """Seconds between two signs of life of a block's workers; default 30."""
    heartbeat_threshold_s: Count | None = None
    """Seconds of silence after which a node counts as lost; default 120."""
    directives: tuple[Directive, ...] | None = None
    """Options of the batch system besides the scheduler's own `directives`."""
    image: ImageVariant | None = None
    """The container image; default by vendor and architecture."""


class Variant(RunSettings):
    """One way of using the machine."""

    description: Text
    """One sentence."""


class FacilityEndpoint(Frozen):
    """A Globus Compute endpoint that the facility itself runs for its users."""

    endpoint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    """Its id."""
    functions: dict[Name, str] = Field(default_factory=dict)
    """Ids of this project's functions by kind, where it has them; it is never used without."""
    note: Text | None = None
    """What users should know."""


class SiteProfile(Frozen):
    """The facts about one site."""

    name: Name
    """The name that `--site` takes, equal to the file's name."""
    facility: Text
    """Who runs the machine."""
    description: Text
    """One sentence."""
    status: Literal["active", "retired", "unknown"]
    """`retired` for a machine that is gone and stays as a record, `unknown` where no source says."""
    docs: Url | None = None
    """The site's documentation."""
    contact: Text | None = None
    """Where its users ask."""
    sources: dict[Name, Source] = Field(default_factory=dict)
    """Where the facts were read, under a short key."""
    sourced: dict[Name, tuple[_Path, ...]] = Field(default_factory=dict)
    """Which facts come from which source: paths into this profile; a path stands for everything below it."""
    inferred: dict[_Path, Text] = Field(default_factory=dict)
    """Facts that follow from others, each with the reasoning."""
    verified: tuple[Verification, ...] = ()
    """What was checked, when and how."""
    architecture: Architecture | None = None
    """Processor architectures."""
    scheduler: Scheduler
    """How work gets onto the machine."""
    nodes: dict[Name, NodeType] = Field(default_factory=dict)
    """The kinds of compute node."""
    network: Network = Network()
    """How compute nodes reach the endpoint."""
    launcher: Launcher = Launcher(kind="simple")
    """What starts the workers."""
    environment: tuple[Line, ...] = ()
    """Lines of shell that make the site's software available to workers."""
    container: Container = Container(runtime="unknown")
    """The container runtime."""
    proxies: tuple[Proxy, ...] = ()
    """Proxies for HTTP and HTTPS."""
    facility_endpoint: FacilityEndpoint | None = None
    """A Globus Compute endpoint of the facility's own."""
    run: RunSettings = RunSettings()
    """How this project uses the machine, whatever the variant."""
    variants: dict[Name, Variant] = Field(min_length=1)
    """Ways of using the machine; the first is the default."""


__all__ += ["Unknown"]
