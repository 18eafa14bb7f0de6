"""Checks of this machine: the run directory, the space in it, the GPU driver, the container runtime and its image."""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pyhf_endpoint.doctor.finding import Finding, error, ok, skipped, warning
from pyhf_endpoint.errors import ProgramError
from pyhf_endpoint.process import Runner
from pyhf_endpoint.profiles import Resolved

__all__ = ["Mount", "container", "driver", "file_system", "image", "mount_of", "run_directory", "space"]

# What several machines can have mounted at the same time.
_SHARED = {"nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "fuse.ceph", "panfs", "afs", "cifs", "glusterfs", "fuse.glusterfs", "orangefs", "wekafs", "fhgfs", "dvs"}  # fmt: skip  # noqa: E501
_ENOUGH_GB, _LITTLE_GB = 2.0, 0.2
# The oldest Linux driver that runs the CUDA release (NVIDIA, CUDA release notes, minor version compatibility).
_DRIVERS = {"cuda12": 525, "cuda13": 580}
_COMMAND_S = 20.0
_LAUNCH_NAMES = {"podman-hpc": "podman-hpc", "kubernetes": ""}


def run_directory(folder: Path, *, one_machine: bool) -> Finding:
    """Write a file to the run directory, and see whether compute nodes can.

    Args:
        folder: The run directory, or where it will be.
        one_machine: Whether workers run on this machine, so that any file system will do.
    """
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".pyhf-endpoint-doctor-") as probe:
            probe.write(b"x" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as fault:
        return error(
            "run-directory", f"{place} cannot be written: {fault.strerror}", "choose another folder, or free space in it"
        )
    kind = file_system(place)
    if one_machine or kind in _SHARED:
        return ok("run-directory", f"{folder} can be written ({kind})")
    return warning(
        "run-directory",
        f"{folder} is on {kind}, which compute nodes may not see",
        "choose a folder on a file system that login and compute nodes share",
    )


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system that a folder is on; for the arguments see `mount_of`."""
    return mount_of(folder, mounts).kind


@dataclass(frozen=True)
class Mount:
    """A file system: its type, and the device or server that it comes from."""

    kind: str
    source: str


def mount_of(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> Mount:
    """Return the file system that a folder is on.

    Args:
        folder: The folder; it must exist.
        mounts: The table of mounts.
    """
    where, found = "", Mount("unknown", "unknown")
    real = str(folder.resolve())
    for line in mounts.read_text(encoding="utf-8").splitlines():
        source, point, kind = (_unescaped(word) for word in line.split()[:3])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(where):
            where, found = point, Mount(kind, source)
    return found


def _unescaped(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), word)


def space(folder: Path) -> Finding:
    """See how much can be written to the run directory's file system, quotas of the file system aside."""
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free / 1e9
    message = f"{free:.1f} GB are free in {place}"
    if free < _LITTLE_GB:
        return error("space", message, "free some; logs and certificates of a run need tens of MB")
    if free < _ENOUGH_GB:
        return warning("space", message, "free some before long")
    return ok("space", message)


def container(use: Resolved) -> Finding:
    """Look for the container runtime, where it is meant to be on login nodes."""
    runtime, where = use.profile.container.runtime, use.profile.container.where
    if runtime in ("none", "unknown", "kubernetes"):
        return skipped("container", f"the profile names no runtime to look for ({runtime})")
    if where != "login-and-compute":
        return skipped("container", f"{runtime} is on compute nodes alone; `pyhf-endpoint probe` shows it")
    found = shutil.which(runtime)
    if found is None:
        setup = "; ".join(use.profile.container.setup) or f"ask the site how {runtime} is made available"
        return error("container", f"{runtime} is not on PATH", setup)
    return ok("container", f"{runtime} is {found}")


def image(uri: str | None) -> Finding:
    """See that an image given as a file is there."""
    if uri is None:
        return skipped("image", "workers use a virtual environment")
    if not uri.startswith("/"):
        return skipped("image", f"{uri} is pulled when a block starts; pull it once beforehand, for a quick start")
    path = Path(uri)
    if not path.is_file():
        return error("image", f"{uri} does not exist", "build it with make sif-VARIANT and copy it there")
    if not os.access(path, os.R_OK):
        return error("image", f"{uri} cannot be read", f"chmod a+r {uri}")
    return ok("image", f"{uri} has {path.stat().st_size / 1e6:.0f} MB")


def driver(use: Resolved, runner: Runner) -> Finding:
    """Compare the NVIDIA driver of this machine with what the image's CUDA needs."""
    needed = _DRIVERS.get(use["image"])
    if needed is None:
        return skipped("driver", f"the image `{use['image']}` needs no NVIDIA driver")
    try:
        done = runner(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], timeout=_COMMAND_S)
    except ProgramError:
        return skipped("driver", "this node has no NVIDIA driver; `pyhf-endpoint probe` shows that of the compute nodes")
    lines = done.stdout.split()
    if done.returncode or not lines:
        return skipped("driver", f"nvidia-smi tells no version: {(done.stderr or done.stdout).strip()[:200]}")
    version = lines[0]
    if int(version.split(".")[0]) < needed:
        older = "cuda12" if use["image"] == "cuda13" and int(version.split(".")[0]) >= _DRIVERS["cuda12"] else "cpu"
        return error(
            "driver",
            f"driver {version} is older than {needed}, which `{use['image']}` needs",
            f"render with --option image={older}",
        )
    return ok("driver", f"driver {version} runs `{use['image']}`")
