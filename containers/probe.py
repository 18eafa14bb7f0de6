#!/usr/bin/env python3
"""Prove that an image works: versions, imports, the worker's command, and a fit by both engines; prints one JSON object.

`--gpu` also demands an accelerator: without it a missing one is only reported.
"""

import argparse
import importlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("pyhf-endpoint", "globus-compute-endpoint", "globus-compute-sdk", "parsl", "dill", "pyhf", "numpy", "scipy")
TOLERANCE = 1e-3  # relative; pyhf's minimiser stops early, and this is a proof of life, not a validation
WORKER = ("globus-compute-endpoint", "python-exec", "parsl.executors.high_throughput.process_worker_pool", "--help")


class ProbeError(Exception):
    """The image does not do what it is for."""


def run(*command: str, home: Path) -> str:
    """Return what a command prints; its own home is a folder that it may write to.

    Raises:
        ProbeError: It is not there, or fails.
    """
    environment = os.environ | {"HOME": str(home), "GLOBUS_COMPUTE_USER_DIR": str(home / "globus_compute")}
    try:
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ProbeError(f"`{command[0]}` is not on PATH ({os.environ.get('PATH')})") from error
    if done.returncode:
        raise ProbeError(f"`{' '.join(command)}` exits with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def workspace() -> dict[str, Any]:
    """Two bins with uncorrelated uncertainties."""
    import pyhf

    model = pyhf.simplemodels.uncorrelated_background(signal=[6.0, 11.0], bkg=[50.0, 60.0], bkg_uncertainty=[5.0, 12.0])
    return {
        "version": "1.0.0",
        "channels": model.spec["channels"],
        "observations": [{"name": "singlechannel", "data": [53.0, 65.0]}],
        "measurements": [{"name": "probe", "config": {"poi": "mu", "parameters": []}}],
    }


def fit(home: Path) -> float:
    """Return CLs as our engine computes it through the command, held against pyhf's.

    Raises:
        ProbeError: They differ.
    """
    from pyhf_endpoint.results import read

    (home / "workspace.json").write_text(json.dumps(workspace()))
    found = {}
    for engine in ("batched", "pyhf"):
        output = home / f"{engine}.jsonl"
        run("pyhf-endpoint", "hypotest", "workspace.json", "--engine", engine, "--workers", "1", "-o", str(output), home=home)
        (result,) = read(output).hypotests()
        found[engine] = result.CLs_obs
    ours, theirs = found["batched"], found["pyhf"]
    if ours is None or theirs is None or abs(ours - theirs) > TOLERANCE * theirs:
        raise ProbeError(f"CLs differ: {ours} by the batched engine, {theirs} by pyhf")
    return float(ours)


def installed(package: str) -> str | None:
    """Return the version of a package, None where it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def accelerators() -> dict[str, list[str]]:
    """Return what each of the array libraries that are installed sees; importing them is part of the proof."""
    seen: dict[str, list[str]] = {}
    if installed("jax"):
        jax = importlib.import_module("jax")
        plugins = [name for name in ("xla_cuda12", "xla_cuda13", "xla_rocm7") if importlib.util.find_spec(f"jax_plugins.{name}")]
        seen["jax plugins"] = plugins
        seen["jax"] = [str(device) for device in jax.devices() if device.platform != "cpu"]
    if any(installed(name) for name in ("cupy-cuda12x", "cupy-cuda13x")):
        cupy = importlib.import_module("cupy")
        try:
            seen["cupy"] = [f"cuda:{number}" for number in range(cupy.cuda.runtime.getDeviceCount())]
        except cupy.cuda.runtime.CUDARuntimeError:
            seen["cupy"] = []
    return seen


def prove(*, gpu: bool) -> tuple[float, dict[str, list[str]]]:
    """Return CLs of the fit, and the accelerators that are seen.

    Raises:
        ProbeError: Something does not work, or an accelerator is demanded and not there.
        ImportError: A package is missing or broken.
    """
    for module in ("pyhf_endpoint.client", "globus_compute_endpoint.engines", "parsl", "dill"):
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        run(*WORKER, home=Path(folder))
        CLs = fit(Path(folder))
        # CuPy makes this folder when it is imported; by default it lies in a home that need not be there, or be writable.
        os.environ["CUPY_CACHE_DIR"] = f"{folder}/cupy"
        seen = accelerators()
    if gpu and not all(seen.get(library) for library in ("jax", "cupy")):
        raise ProbeError(
            f"no accelerator: {seen}; on this machine, is the runtime's GPU option given (--nv, --rocm, --gpus all)?"
        )
    return CLs, seen


def main() -> int:
    """Run everything; 0 where the image is sound, 1 with a message where it is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", action="store_true", help="fail where no accelerator is seen")
    options = parser.parse_args()
    try:
        CLs, seen = prove(gpu=options.gpu)
    except (ProbeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    versions = {name: found for name in (*PACKAGES, "jax") if (found := installed(name))}
    report = {"python": platform.python_version(), "machine": platform.machine(), "uid": os.getuid(), "versions": versions}
    print(json.dumps(report | {"accelerators": seen, "CLs": CLs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
