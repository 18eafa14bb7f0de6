"""The probe in this process and in real workers: what it finds, and what it does where a part cannot be found."""

import importlib
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from pyhf_endpoint import functions
from pyhf_endpoint.functions import compute
from pyhf_endpoint.functions import probe as run_probe
from pyhf_endpoint.functions.report import Compute, Device, Devices, Job, Parsl, WorkerReport, expand
from pyhf_endpoint.transport import LocalTransport

# By name, since the package's `probe` is the function.
module: Any = importlib.import_module("pyhf_endpoint.functions.probe")


def report(**payload: Any) -> WorkerReport:
    return WorkerReport.from_json(orjson.loads(functions.call("probe", orjson.dumps(payload))))


@pytest.fixture(scope="module")
def transport() -> Iterator[LocalTransport]:
    transport = LocalTransport(1)
    yield transport
    transport.close()


def test_a_worker_tells_what_it_is(transport: LocalTransport) -> None:
    pid = transport.executor().submit(os.getpid).result()
    answer = transport.executor().submit(functions.call, "probe", b"{}").result()
    one = WorkerReport.from_json(orjson.loads(answer))
    assert one.pid == pid
    assert one.host == socket.gethostname()
    assert expand(one.cpus) == os.sched_getaffinity(0)
    assert (one.settings["OMP_NUM_THREADS"], one.threads) == ("1", 1)
    assert one.versions["python"] == platform.python_version()
    assert one.versions["numpy"] == np.__version__
    assert one.faults == {}


def test_it_keeps_its_worker_for_as_long_as_it_is_told() -> None:
    start = time.monotonic()
    report(seconds=0.5)
    assert time.monotonic() - start >= 0.5


@pytest.mark.parametrize("seconds", ["soon", None, [1]])
def test_an_unusable_payload_is_a_fault_in_the_report(seconds: object) -> None:
    assert list(report(seconds=seconds).faults) == ["seconds"]


def test_a_part_that_fails_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> set[int]:
        raise PermissionError("not here")

    monkeypatch.setattr(os, "sched_getaffinity", refuse)
    monkeypatch.setattr(compute, "gpu_builds", lambda _: ("cupy-cuda12x 13.6.0",))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = report()
    assert found.faults["cpus"] == "PermissionError: not here"
    assert found.faults["compute"].startswith("ProgramMissingError: ")
    assert (found.cpus, found.compute.library) == ("", "")
    assert found.versions["python"] == platform.python_version()


def test_without_a_gpu_build_the_product_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "gpu_builds", lambda _: ())
    found = report().compute
    assert (found.library, found.platform, found.device) == ("numpy", "cpu", platform.machine())
    assert (found.x64, found.agrees) == (True, True)
    assert found.note == "neither CuPy nor a GPU build of JAX is installed"


def test_a_gpu_build_that_finds_no_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a real GPU build: JAX in a process of its own, here on the CPU that it falls back to."""
    monkeypatch.setattr(compute, "gpu_builds", lambda _: ("jax-cuda12-plugin 0.7.1",))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("JAX_ENABLE_X64", "0")
    found = report()
    assert (found.compute.library, found.compute.platform, found.compute.device) == ("jax", "cpu", "cpu")
    assert (found.compute.x64, found.compute.agrees) == (True, True)
    assert found.compute.gpu_builds == ("jax-cuda12-plugin 0.7.1",)
    assert found.compute.note == "no accelerator was found"
    assert found.settings["JAX_PLATFORMS"] == "cpu"
    assert found.versions["jax-cuda12-plugin"] == "0.7.1"
    assert found.faults == {}


def test_a_process_that_dies_of_the_driver_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\necho 'CUDA driver version is insufficient' >&2\nkill -SEGV $$\n")
    dying.chmod(0o755)
    monkeypatch.setattr(compute, "gpu_builds", lambda _: ("cupy-cuda12x 13.6.0",))
    monkeypatch.setattr(sys, "executable", str(dying))
    assert report().faults["compute"] == "RuntimeError: exit code -11: CUDA driver version is insufficient"


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(compute, "gpu_builds", lambda _: ("cupy-cuda12x 13.6.0",))
    monkeypatch.setattr(compute, "_LIMIT_S", 0.3)
    monkeypatch.setattr(sys, "executable", str(hanging))
    assert report().faults["compute"] == "TimeoutError: no product within 0.3 s: the driver or the device hangs"


def test_the_process_prints_json_alone() -> None:
    done = subprocess.run([sys.executable, "-m", compute.__name__], capture_output=True, text=True, timeout=120, check=True)
    told = orjson.loads(done.stdout)
    assert told["compute"]["agrees"] is True
    assert told["compute"]["x64"] is True


def test_gpu_builds_are_told_from_builds_for_the_cpu() -> None:
    installed = [("jax", "0.7.1"), ("jax-cuda12-plugin", "0.7.1"), ("numpy", "2.0"), ("cupy_cuda12x", "13.6.0")]
    assert compute.gpu_builds(installed) == ("cupy-cuda12x 13.6.0", "jax-cuda12-plugin 0.7.1")
    assert compute.gpu_builds([("jaxlib", "0.4.7+cuda12.cudnn88"), ("torch", "2.1+cuda")]) == ("jaxlib 0.4.7+cuda12.cudnn88",)
    assert compute.gpu_builds([("jax-rocm7-pjrt", "0.7.1"), ("cupy", "14.0")]) == ("cupy 14.0", "jax-rocm7-pjrt 0.7.1")
    assert compute.gpu_builds([("jax", "0.7"), ("jaxlib", "0.7"), ("jaxtyping", "0.3"), ("cupy-stubs", "1")]) == ()


def test_a_product_in_single_precision_or_off_is_noticed() -> None:
    assert compute._product(np.asarray, np.asarray) == (True, True)
    assert compute._product(lambda array: np.asarray(array, np.float32), np.asarray) == (False, False)
    assert compute._product(np.asarray, lambda array: array + 1e-6) == (True, False)


def test_cupy_and_nvml_speak_of_one_device_by_its_uuid() -> None:
    """CUDA tells sixteen octets; NVML knows that they are a slice's, and its name."""
    octets = bytes(range(16))
    uuid = compute._uuid(octets)
    assert uuid == "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert compute._uuid(b"") == compute._uuid(bytes(16)) == ""
    known = Device(uuid=f"MIG-{uuid[4:]}", name="A100 MIG 3g.20gb", parent="GPU-9")
    found = module._joined(Devices(source="nvml", driver="550", present=(known,)), (Device(uuid=uuid, name="A100"),))
    assert found == Devices(source="cupy", driver="550", present=(known,), visible=(known,))
    cut_short = (Device(uuid=compute._uuid(b"\x01\x02"), name="A100"),)
    assert module._joined(Devices(driver="550", present=(known,), visible=(known,)), cut_short).visible == (known,)
    assert module._joined(Devices(), cut_short).visible == (Device(uuid="", name="A100"),)
    stranger = Device(uuid="GPU-1234")
    assert module._joined(Devices(), (stranger,)).visible == (stranger,)


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, Job()),
        ({"SLURM_JOB_ID": "12", "SLURMD_NODENAME": "gpu1"}, Job(scheduler="slurm", id="12", node="gpu1")),
        ({"PBS_JOBID": "7.polaris"}, Job(scheduler="pbs", id="7.polaris")),
        ({"COBALT_JOBID": "9", "PBS_JOBID": ""}, Job(scheduler="cobalt", id="9")),
    ],
)
def test_the_batch_job(environment: dict[str, str], job: Job) -> None:
    assert module._job(environment) == job


def test_parsls_place() -> None:
    environment = {
        "PARSL_WORKER_RANK": "3",
        "PARSL_WORKER_COUNT": "4",
        "PARSL_WORKER_POOL_ID": "ab",
        "PARSL_WORKER_BLOCK_ID": "0",
    }
    assert module._parsl(environment) == Parsl(rank="3", count="4", pool="ab", block="0")
    assert module._parsl({}) == Parsl()


@pytest.mark.parametrize(
    ("environment", "files", "container"),
    [
        ({}, {}, ""),
        ({}, {".dockerenv": ""}, "docker"),
        ({}, {"run/.containerenv": ""}, "podman"),
        ({}, {"run/.containerenv": 'engine="podman-4.9"\nimage="ghcr.io/x/fit:1"\n'}, "podman ghcr.io/x/fit:1"),
        ({"APPTAINER_CONTAINER": "/images/fit.sif", "APPTAINER_NAME": "fit.sif"}, {}, "apptainer /images/fit.sif"),
        ({"SINGULARITY_NAME": "fit.sif"}, {".dockerenv": ""}, "singularity fit.sif"),
        ({"container": "systemd-nspawn"}, {}, "systemd-nspawn"),
    ],
)
def test_the_container(environment: dict[str, str], files: dict[str, str], container: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert module._container(environment, tmp_path) == container


def test_variables_are_told_as_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", ".4")
    monkeypatch.delenv("ZE_AFFINITY_MASK", raising=False)
    found = run_probe({"seconds": 0})
    assert found["visibility"]["CUDA_VISIBLE_DEVICES"] == ""
    assert found["visibility"]["ROCR_VISIBLE_DEVICES"] == "3"
    assert "ZE_AFFINITY_MASK" not in found["visibility"]
    assert found["settings"]["XLA_PYTHON_CLIENT_MEM_FRACTION"] == ".4"


def test_octets_that_are_no_text_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", os.fsdecode(b"--dump=/home/m\xfcller"))
    assert report().settings["XLA_FLAGS"] == "--dump=/home/m\ufffdller"


def test_an_nvidia_driver_that_does_not_answer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def mismatch() -> Any:
        raise OSError("libnvidia-ml.so.1: nvmlInit_v2 failed with code 18: Driver/library version mismatch")

    monkeypatch.setattr("pyhf_endpoint.functions.nvml.inventory", mismatch)
    found = report()
    assert found.faults["devices"].endswith("Driver/library version mismatch")
    assert found.devices == Devices()
    assert isinstance(found.compute, Compute)
