"""The registered function `probe`: a worker tells where it runs, what it may use and what it computes on."""

import importlib.metadata
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pyhf_endpoint.functions.report import Compute, Device, Devices, Job, Parsl, WorkerReport, compact
from pyhf_endpoint.functions.visible import choose

__all__ = ["DEFAULT_SECONDS", "LONGEST_SECONDS", "probe"]

DEFAULT_SECONDS = 0.2
LONGEST_SECONDS = 2.0
_VISIBILITY = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
    "ZE_FLAT_DEVICE_HIERARCHY",
    "ONEAPI_DEVICE_SELECTOR",
    "CUDA_DEVICE_ORDER",
    "CUDA_MPS_PIPE_DIRECTORY",
    "NVIDIA_VISIBLE_DEVICES",
    "SLURM_JOB_GPUS",
    "SLURM_STEP_GPUS",
)
_SETTINGS = (
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "XLA_FLAGS",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "JAX_COMPILATION_CACHE_DIR",
)
_SETTINGS_PREFIX = "XLA_PYTHON_CLIENT_"
# scheduler -> the variables of its job's id and of its name for the node; the first one whose id is set counts
_JOBS = {
    "slurm": ("SLURM_JOB_ID", "SLURMD_NODENAME"),
    "cobalt": ("COBALT_JOBID", ""),
    "pbs": ("PBS_JOBID", ""),
    "lsf": ("LSB_JOBID", ""),
}
_LIBRARIES = (
    "numpy",
    "scipy",
    "pyhf",
    "jax",
    "jaxlib",
    "parsl",
    "dill",
    "globus-compute-sdk",
    "globus-compute-endpoint",
    "pyhf-endpoint",
)
_Part = TypeVar("_Part")


def probe(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Report on the worker that runs this.

    Args:
        payload: A JSON object; its `seconds` (default 0.2, at most 2) is how long the function lasts at least, so that probes
            that are sent together reach different workers.

    Returns:
        A JSON object with the keys of `WorkerReport`. What could not be found out is missing, and `faults` says why: the function
        itself never fails.
    """
    start = time.monotonic()
    parts, environment = _Parts(), {name: _printable(value) for name, value in os.environ.items()}
    devices, compute = _accelerators(parts)
    report = WorkerReport(
        host=socket.gethostname(),
        pid=os.getpid(),
        job=_job(environment),
        parsl=_parsl(environment),
        cpus=parts.take("cpus", _cpus, ""),
        visibility=_chosen(environment, _VISIBILITY),
        devices=devices,
        compute=compute,
        container=parts.take("container", lambda: _container(environment, Path("/")), ""),
        settings=_chosen(environment, _SETTINGS, _SETTINGS_PREFIX),
        versions=parts.take("versions", lambda: dict(_versions(compute.gpu_builds)), {}),
        faults=parts.faults,
    )
    seconds = parts.take("seconds", lambda: float(payload.get("seconds", DEFAULT_SECONDS)), DEFAULT_SECONDS)
    time.sleep(max(0.0, min(seconds, LONGEST_SECONDS) - (time.monotonic() - start)))
    return report.to_json()


@dataclass
class _Parts:
    """Collects what went wrong with a part, so that the others are told."""

    faults: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, part: Callable[[], _Part], default: _Part) -> _Part:
        try:
            return part()
        except Exception as error:
            self.faults[name] = _printable(f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
            return default


def _printable(text: str) -> str:
    """Replace octets that are no text, which may hide in variables and paths, and which JSON refuses."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _accelerators(parts: _Parts) -> tuple[Devices, Compute]:
    from pyhf_endpoint.functions.compute import Finding, find_device

    devices = parts.take("devices", lambda: _nvidia(os.environ.get("CUDA_VISIBLE_DEVICES")), Devices())
    unknown = Finding(Compute(library="", device="", x64=False, agrees=False))
    found = parts.take("compute", find_device, unknown)
    return _joined(devices, found.devices), found.compute


def _nvidia(value: str | None) -> Devices:
    from pyhf_endpoint.functions.nvml import inventory

    try:
        driver, present = inventory()
    except FileNotFoundError:
        return Devices()
    visible, missing = choose(present, value)
    return Devices(source="nvml", driver=driver, present=present, visible=visible, missing=missing)


def _joined(devices: Devices, seen: tuple[Device, ...]) -> Devices:
    """What CuPy sees is what is visible; NVML knows the same devices by more than that."""
    if not seen:
        return devices
    known = {_digits(device): device for device in devices.present if device.uuid}
    visible = tuple(known.get(_digits(device), device) for device in seen)
    if not all(device.uuid for device in visible) and len(devices.visible) == len(visible):
        # CuPy hands a UUID on as a C string, which ends at the first octet that is zero: about one in sixteen does not arrive.
        visible = devices.visible
    return Devices(source="cupy", driver=devices.driver, present=devices.present, visible=visible, missing=devices.missing)


def _digits(device: Device) -> str:
    """CUDA has the sixteen octets of a UUID alone, without `GPU-` or `MIG-`."""
    return device.uuid.lower().partition("-")[2]


def _job(environment: Mapping[str, str]) -> Job:
    for scheduler, (job, node) in _JOBS.items():
        if environment.get(job):
            return Job(scheduler=scheduler, id=environment[job], node=environment.get(node, ""))
    return Job()


def _parsl(environment: Mapping[str, str]) -> Parsl:
    names = {"rank": "RANK", "count": "COUNT", "pool": "POOL_ID", "block": "BLOCK_ID"}
    return Parsl(**{name: environment.get(f"PARSL_WORKER_{suffix}", "") for name, suffix in names.items()})


def _cpus() -> str:
    # macOS has no such call.
    return compact(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ""


def _chosen(environment: Mapping[str, str], names: tuple[str, ...], prefix: str | None = None) -> dict[str, str]:
    chosen = {name: environment[name] for name in names if name in environment}
    if prefix is not None:
        chosen |= {name: value for name, value in sorted(environment.items()) if name.startswith(prefix)}
    return chosen


def _container(environment: Mapping[str, str], root: Path) -> str:
    for runtime in ("apptainer", "singularity"):
        for suffix in ("CONTAINER", "NAME"):
            image = environment.get(f"{runtime.upper()}_{suffix}")
            if image:
                return f"{runtime} {image}"
    mark = root / "run" / ".containerenv"
    if mark.exists():
        # Podman writes `image="..."` there for a privileged container, and leaves the file empty otherwise.
        images = [line.partition("=")[2].strip('"') for line in mark.read_text().splitlines() if line.startswith("image=")]
        return " ".join(["podman", *images])
    if (root / ".dockerenv").exists():
        return "docker"
    return environment.get("container", "")


def _versions(gpu_builds: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield "python", platform.python_version()
    for name in _LIBRARIES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for build in gpu_builds:
        name, _, version = build.partition(" ")
        yield name, version
