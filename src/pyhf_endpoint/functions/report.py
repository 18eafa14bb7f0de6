"""What a worker says about itself: the report of the registered function `probe`, typed on both of its ends."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Compute", "Device", "Devices", "Job", "Parsl", "WorkerReport", "compact", "expand"]

# Read by BLAS and OpenMP when they load; the largest that is set says how many threads a worker starts.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Job:
    """The batch job in which a worker runs.

    Attributes:
        scheduler: `slurm`, `pbs`, `cobalt` or `lsf`; empty outside of a job.
        id: The job's id, as the scheduler writes it.
        node: The scheduler's own name of the node, where it gives one.
    """

    scheduler: str = ""
    id: str = ""
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class Parsl:
    """A worker's place among Parsl's workers; empty elsewhere.

    Attributes:
        rank: Number of the worker in its pool.
        count: Workers in its pool, which is a node's share of a block.
        pool: Id of its pool.
        block: Id of its block, which is a batch job.
    """

    rank: str = ""
    count: str = ""
    pool: str = ""
    block: str = ""


@dataclass(frozen=True, kw_only=True)
class Device:
    """An accelerator, or a MIG slice of one.

    Attributes:
        uuid: As `nvidia-smi -L` prints it (`GPU-...`, `MIG-...`); empty where it is not known.
        name: The product.
        memory: Bytes.
        index: NVML's number of a whole device, which `CUDA_VISIBLE_DEVICES` may name; None for a slice, or where it is not known.
        parent: UUID of the device that a slice belongs to.
    """

    uuid: str
    name: str = ""
    memory: int = 0
    index: int | None = None
    parent: str = ""


@dataclass(frozen=True, kw_only=True)
class Devices:
    """The accelerators around a worker.

    Attributes:
        source: Who told: `cupy`, `nvml`, or nobody (empty).
        driver: Version of the driver.
        present: All that the worker's operating system shows it.
        visible: Those that its environment leaves visible, in their order.
        missing: What its environment names and is not there.
    """

    source: str = ""
    driver: str = ""
    present: tuple[Device, ...] = ()
    visible: tuple[Device, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where a matrix product in float64 was computed.

    Attributes:
        library: `cupy`, `jax` or `numpy`; empty where nothing was computed.
        platform: `cpu`, or what the library calls the accelerator's platform (`cuda`, `rocm`, `gpu`).
        device: Name of the device.
        x64: The product has the type float64.
        agrees: The product is NumPy's to ten digits.
        gpu_builds: Installed distributions that bring a GPU to CuPy or JAX.
        note: Why it was not computed on an accelerator.
    """

    library: str = "numpy"
    platform: str = "cpu"
    device: str = ""
    x64: bool = True
    agrees: bool = True
    gpu_builds: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """One worker.

    Attributes:
        host: Name of its host.
        pid: Its process.
        job: Its batch job.
        parsl: Its place among Parsl's workers.
        cpus: Numbers of the cores on which it may run, such as `0-3,8`; empty where the system does not tell.
        visibility: The variables that choose accelerators, as far as they are set.
        devices: The accelerators around it.
        compute: Where it computes.
        container: The container in which it runs, such as `apptainer /images/fit.sif`; empty outside of one.
        settings: Variables that steer threads, XLA and JAX, as far as they are set.
        versions: Version of each library that is installed, by name of its distribution; and of `python`.
        faults: What went wrong, by the part of the report that it spoils.
    """

    host: str
    pid: int
    job: Job = field(default_factory=Job)
    parsl: Parsl = field(default_factory=Parsl)
    cpus: str = ""
    visibility: Mapping[str, str] = field(default_factory=dict)
    devices: Devices = field(default_factory=Devices)
    compute: Compute = field(default_factory=Compute)
    container: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`host:pid`, as results name their worker."""
        return f"{self.host}:{self.pid}"

    @property
    def node(self) -> str:
        """The node whose cores and accelerators the worker shares: several of a scheduler's nodes may be one host."""
        return self.job.node or self.host

    @property
    def key(self) -> tuple[str, int, str]:
        """What tells workers apart; two containers on a host may both have a process 7."""
        return self.host, self.pid, self.parsl.pool

    @property
    def threads(self) -> int | None:
        """Threads of linear algebra: the largest setting, else one per core; None where neither is known."""
        given = [self.settings[name].split(",")[0].strip() for name in _THREADS if name in self.settings]
        return max((int(text) for text in given if text.isdecimal()), default=len(expand(self.cpus)) or None)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> "WorkerReport":
        """Return the report that `to_json` wrote, perhaps in another version: unknown keys are passed over.

        Raises:
            ValueError: It is no report.
        """
        return _adapter().validate_python(value)


@cache
def _adapter() -> "TypeAdapter[WorkerReport]":
    from pydantic import TypeAdapter  # here, so that workers need not load it

    return TypeAdapter(WorkerReport)


def compact(numbers: Iterable[int]) -> str:
    """Return numbers as ranges: `0-3,8`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def expand(ranges: str) -> frozenset[int]:
    """Return the numbers that `compact` wrote.

    Raises:
        ValueError: The text is not made of ranges.
    """
    ends = [[int(end) for end in part.split("-")] for part in ranges.split(",") if part]
    return frozenset(number for run in ends for number in range(run[0], run[-1] + 1))
