"""Computes a matrix product in float64 on the accelerator that CuPy or JAX finds, and says where that was.

Run as `python -m pyhf_endpoint.functions.compute`, it prints one JSON object. It is a process of its own so that a worker keeps
neither the accelerator's memory nor a driver's crash, and so that a driver that hangs can be ended.
"""

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import orjson

from pyhf_endpoint import process
from pyhf_endpoint.errors import ProgramTimeoutError
from pyhf_endpoint.functions.report import Compute, Device

__all__ = ["Finding", "compute", "find_device", "gpu_builds", "main"]

_SIZE = 64
_LIMIT_S = 120.0
_MODULE = "pyhf_endpoint.functions.compute"
# jax-cuda12-plugin, jax-rocm7-pjrt, intel-extension-for-openxla; cupy-cuda12x, cupy-rocm-5-0, or cupy built from source
_GPU_BUILD = re.compile(r"jax-(cuda|rocm)\w*-(plugin|pjrt)|intel-extension-for-openxla|cupy(-(cuda|rocm).*)?")


@dataclass(frozen=True)
class Finding:
    """Where the product was computed, and the devices that CuPy sees, if it was CuPy."""

    compute: Compute
    devices: tuple[Device, ...] = ()


def gpu_builds(distributions: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return those distributions, as `name version`, that bring a GPU to CuPy or JAX.

    Args:
        distributions: Names and versions of what is installed.
    """
    found = {(name.lower().replace("_", "-"), version) for name, version in distributions}
    # JAX's GPU once came within jaxlib itself, whose version then ended in `+cuda...`.
    own = [(name, version) for name, version in found if name == "jaxlib" and "+cuda" in version]
    return tuple(sorted(" ".join(build) for build in [*own, *(build for build in found if _GPU_BUILD.fullmatch(build[0]))]))


def find_device() -> Finding:
    """Let another process compute, where an installed library could use a GPU at all; else name the CPU.

    Raises:
        ProgramError: The process cannot be started.
        RuntimeError: It came to nothing; carries the end of what it said.
        TimeoutError: It did not end within two minutes.
    """
    installed = ((found.name, found.version) for found in importlib.metadata.distributions())
    builds = gpu_builds(installed)
    if not builds:
        return _with_numpy("neither CuPy nor a GPU build of JAX is installed")
    # JAX would take three quarters of the device's memory, and find less than that if the worker itself has done so.
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    try:
        done = process.run([sys.executable, "-m", _MODULE], timeout=_LIMIT_S, env=environment)
    except ProgramTimeoutError as error:
        raise TimeoutError(f"no product within {_LIMIT_S:g} s: the driver or the device hangs") from error
    if done.returncode != 0:
        raise RuntimeError(f"exit code {done.returncode}: {_tail(done.stderr)}")
    return _parse(done.stdout, builds, _tail(done.stderr))


def compute() -> Finding:
    """Compute on the first of CuPy and JAX that has a GPU; on JAX's CPU if it has none; else with NumPy."""
    notes: list[str] = []
    best: Finding | None = None
    for attempt in (_with_cupy, _with_jax):
        try:
            found = attempt()
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and error.name in ("cupy", "jax"):
                continue
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            notes.append(f"{attempt.__name__.removeprefix('_with_')}: {said}")
            continue
        if found.compute.platform != "cpu":
            return found
        best = found
    if best is None:
        return _with_numpy("; ".join(notes))
    return replace(best, compute=replace(best.compute, note="; ".join(notes)))


def main() -> None:
    """Print the finding as JSON."""
    sys.stdout.write(orjson.dumps(asdict(compute())).decode() + "\n")


def _with_cupy() -> Finding:
    import cupy

    runtime = cupy.cuda.runtime
    count = int(runtime.getDeviceCount())
    devices = tuple(_cupy_devices(runtime, count))
    x64, agrees = _product(cupy.asarray, cupy.asnumpy)
    kind = "rocm" if getattr(runtime, "is_hip", False) else "cuda"
    return Finding(Compute(library="cupy", platform=kind, device=devices[0].name, x64=x64, agrees=agrees), devices)


def _cupy_devices(runtime: Any, count: int) -> Iterator[Device]:
    for index in range(count):
        told = runtime.getDeviceProperties(index)
        uuid, name = bytes(told.get("uuid", b"")), told["name"]
        text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        yield Device(uuid=_uuid(uuid), name=text, memory=int(told["totalGlobalMem"]))


def _uuid(octets: bytes) -> str:
    if len(octets) != 16 or not any(octets):
        return ""
    return "GPU-" + "-".join(octets.hex()[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


def _with_jax() -> Finding:
    import jax

    # As the engines have it: JAX computes in float32 unless it is told otherwise.
    jax.config.update("jax_enable_x64", True)
    device = jax.devices()[0]
    x64, agrees = _product(jax.numpy.asarray, np.asarray)
    return Finding(Compute(library="jax", platform=device.platform, device=device.device_kind, x64=x64, agrees=agrees))


def _with_numpy(note: str) -> Finding:
    x64, agrees = _product(np.asarray, np.asarray)
    return Finding(Compute(library="numpy", device=platform.machine(), x64=x64, agrees=agrees, note=note))


def _product(send: Any, fetch: Any) -> tuple[bool, bool]:
    """Whether the product is of type float64, and whether it is NumPy's."""
    left, right = np.random.default_rng(0).normal(size=(2, _SIZE, _SIZE))
    product = fetch(send(left) @ send(right))
    scale = np.abs(left) @ np.abs(right)
    return product.dtype == np.float64, bool(np.all(np.abs(product - left @ right) <= 1e-10 * scale))


def _parse(text: str, builds: tuple[str, ...], complaint: str) -> Finding:
    told = orjson.loads(text.splitlines()[-1])  # a plug-in may have printed something before
    said = told["compute"] | {"gpu_builds": builds}
    if said["platform"] == "cpu":
        said["note"] = "; ".join(filter(None, (said["note"], complaint))) or "no accelerator was found"
    return Finding(Compute(**said), tuple(Device(**device) for device in told["devices"]))


def _tail(text: str) -> str:
    return " ".join(text.split())[-500:]


if __name__ == "__main__":
    main()
