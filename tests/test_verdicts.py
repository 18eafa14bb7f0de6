"""The verdicts, over tables of hand-made reports: real devices, slices, fake devices and every way to get them wrong."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pyhf_endpoint.functions.report import Compute, Device, Devices, Job, Parsl, WorkerReport
from pyhf_endpoint.functions.visible import choose
from pyhf_endpoint.verdicts import Expected, Reason, Verdict, compute_device, differing_versions, pinning

FOUR = tuple(Device(uuid=f"GPU-{letter}{letter}", name="A100", index=index) for index, letter in enumerate("abcd"))
SLICES = (
    Device(uuid="GPU-aa", index=0),
    Device(uuid="MIG-a1", parent="GPU-aa"),
    Device(uuid="MIG-a2", parent="GPU-aa"),
)
ON_GPU = Compute(library="cupy", platform="cuda", device="A100", gpu_builds=("cupy-cuda12x 13.6.0",))
NO_BUILD = Compute(note="neither CuPy nor a GPU build of JAX is installed", device="x86_64")
NVIDIA = Expected(accelerators_per_node=4, vendor="nvidia")
TWO_FAKE = Expected(accelerators_per_node=2)
CPU_SITE = Expected()


def worker(pid: int, value: str | None, present: Sequence[Device] = FOUR, *, host: str = "gpu1", cpus: str = "") -> WorkerReport:
    """A worker whose CUDA_VISIBLE_DEVICES has a value, on a host with some devices, on cores of its own."""
    visible, missing = choose(present, value)
    return WorkerReport(
        host=host,
        pid=pid,
        cpus=cpus or f"{pid}",
        visibility={} if value is None else {"CUDA_VISIBLE_DEVICES": value},
        devices=Devices(source="nvml", driver="550", present=tuple(present), visible=visible, missing=missing)
        if present
        else Devices(),
        compute=ON_GPU if present else NO_BUILD,
    )


def fake(pid: int, value: str | None, **changes: str) -> WorkerReport:
    """A worker on a host that has the variable and no device."""
    return worker(pid, value, (), **changes)


def amd(pid: int, value: str) -> WorkerReport:
    """As Parsl sets it: the same value for every vendor."""
    names = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
    return replace(fake(pid, None), visibility=dict.fromkeys(names, value))


PINNED = {
    "one device each": ([worker(1, "0"), worker(2, "1"), worker(3, "2"), worker(4, "3")], NVIDIA),
    "by UUID": ([worker(1, "GPU-aa"), worker(2, "GPU-bb")], NVIDIA),
    "the same numbers on two hosts": (
        [worker(1, "0"), worker(2, "0", [Device(uuid="GPU-zz", index=0)], host="gpu2")],
        NVIDIA,
    ),
    "slices of one device": ([worker(1, "MIG-a1", SLICES), worker(2, "MIG-a2", SLICES)], Expected(accelerators_per_node=1)),
    "two workers on each device, as asked": (
        [worker(1, "0"), worker(2, "0"), worker(3, "1"), worker(4, "1")],
        replace(NVIDIA, workers_per_accelerator=2),
    ),
    "unset, with one device there": ([worker(1, None, FOUR[:1])], NVIDIA),
    "jobs that share a node, each with its own device 0": (
        [worker(1, "0", [Device(uuid="GPU-aa", index=0)]), worker(2, "0", [Device(uuid="GPU-bb", index=0)])],
        NVIDIA,
    ),
    "fake devices": ([fake(1, "0"), fake(2, "1")], TWO_FAKE),
    "fake devices on two hosts": ([fake(1, "0"), fake(2, "0", host="gpu2")], TWO_FAKE),
    "fake devices on two nodes that are one host": (
        [replace(fake(pid, "0"), job=Job(scheduler="slurm", id="1", node=f"n{pid}")) for pid in (1, 2)],
        TWO_FAKE,
    ),
    "fake devices shared by two, as asked": ([fake(1, "0"), fake(2, "0")], replace(TWO_FAKE, workers_per_accelerator=2)),
    "AMD": ([amd(1, "0"), amd(2, "7")], Expected(accelerators_per_node=8, vendor="amd")),
    "tiles of Intel devices": ([amd(1, "0.0"), amd(2, "0.1")], Expected(accelerators_per_node=12, vendor="intel")),
}


@pytest.mark.parametrize("case", PINNED)
def test_pinned(case: str) -> None:
    reports, expected = PINNED[case]
    found = pinning(reports, expected)
    assert (found.outcome, found.reasons) == ("passed", ())


UNPINNED = {
    "two on one device": (
        [worker(1, "0"), worker(2, "0"), worker(3, "1")],
        NVIDIA,
        "device GPU-aa is shared by 2 workers; asked for is 1",
        [1, 2],
    ),
    "by number and by UUID": (
        [worker(1, "0"), worker(2, "GPU-aa")],
        NVIDIA,
        "device GPU-aa is shared by 2 workers; asked for is 1",
        [1, 2],
    ),
    "three where two are asked": (
        [worker(1, "0"), worker(2, "0"), worker(3, "0")],
        replace(NVIDIA, workers_per_accelerator=2),
        "device GPU-aa is shared by 3 workers; asked for are 2",
        [1, 2, 3],
    ),
    "two on one slice": (
        [worker(1, "MIG-a1", SLICES), worker(2, "MIG-a1", SLICES)],
        NVIDIA,
        "device MIG-a1 is shared by 2 workers; asked for is 1",
        [1, 2],
    ),
    "numbers on a sliced device lead to its first slice": (
        [worker(1, "0", SLICES), worker(2, "MIG-a1", SLICES)],
        NVIDIA,
        "device MIG-a1 is shared by 2 workers; asked for is 1",
        [1, 2],
    ),
    "a device that is not there": (
        [worker(1, "0"), worker(2, "5")],
        NVIDIA,
        "CUDA_VISIBLE_DEVICES=5 names a device that is not there; the node has 4",
        [2],
    ),
    "a slice that is not there": (
        [worker(1, "MIG-a9", SLICES)],
        NVIDIA,
        "CUDA_VISIBLE_DEVICES=MIG-a9 names a device that is not there; the node has 1",
        [1],
    ),
    "two devices for one worker": (
        [worker(1, "0,1")],
        NVIDIA,
        "CUDA_VISIBLE_DEVICES=0,1 shows the worker 2 devices instead of 1",
        [1],
    ),
    "none for a worker": ([worker(1, "")], NVIDIA, "CUDA_VISIBLE_DEVICES= shows the worker 0 devices instead of 1", [1]),
    "unset, with all there": ([worker(1, None)], NVIDIA, "CUDA_VISIBLE_DEVICES is not set: the worker sees all 4 devices", [1]),
    "unset, with none seen": ([fake(1, None)], NVIDIA, "CUDA_VISIBLE_DEVICES is not set and no device is seen", [1]),
    "the other vendor's variable": (
        [fake(1, "0")],
        Expected(accelerators_per_node=8, vendor="amd"),
        "ROCR_VISIBLE_DEVICES is not set and no device is seen",
        [1],
    ),
    "fake devices shared": (
        [fake(1, "0"), fake(2, "0")],
        TWO_FAKE,
        "device 0 of gpu1 is shared by 2 workers; asked for is 1",
        [1, 2],
    ),
    "a fake device that is not there": (
        [fake(1, "0"), fake(2, "2")],
        TWO_FAKE,
        "CUDA_VISIBLE_DEVICES=2 names a device that is not there; the node has 2",
        [2],
    ),
    "AMD shared": (
        [amd(1, "3"), amd(2, "3")],
        Expected(accelerators_per_node=8, vendor="amd"),
        "device 3 of gpu1 is shared by 2 workers; asked for is 1",
        [1, 2],
    ),
    "a worker unheard of": (
        [replace(worker(1, "0"), parsl=Parsl(rank="0", count="2", pool="ab"))],
        NVIDIA,
        "1 of the 2 workers on gpu1 answered",
        [1],
    ),
}


@pytest.mark.parametrize("case", UNPINNED)
def test_not_pinned(case: str) -> None:
    reports, expected, text, guilty = UNPINNED[case]
    found = pinning(reports, expected)
    assert found.outcome == "failed"
    assert [(reason.text, list(reason.workers)) for reason in found.reasons] == [(text, [f"gpu1:{pid}" for pid in guilty])]
    assert all(reason.remedy for reason in found.reasons)


def test_six_workers_on_four_devices_are_told_which_have_none() -> None:
    """What Parsl hands out where the workers are no multiple of the devices: six names, the last two without a device."""
    found = pinning([worker(pid, str(pid)) for pid in range(6)], NVIDIA)
    assert [reason.workers for reason in found.reasons] == [("gpu1:4",), ("gpu1:5",)]
    assert "at most its accelerators or a whole multiple" in found.reasons[0].remedy


def test_the_summary_counts_workers_nodes_and_devices() -> None:
    reports = [worker(1, "0"), worker(2, "1"), worker(3, "0", [Device(uuid="GPU-zz", index=0)], host="gpu2")]
    assert pinning(reports, NVIDIA) == Verdict("pinning", "passed", "3 workers on 2 nodes, 3 devices")


def cpu(pid: int, cpus: str, threads: str | None, host: str = "n1") -> WorkerReport:
    return WorkerReport(host=host, pid=pid, cpus=cpus, settings={} if threads is None else {"OMP_NUM_THREADS": threads})


CORES = {
    "one thread on each core": ([cpu(pid, "0-3", "1") for pid in range(4)], None),
    "sets of their own": ([cpu(1, "0-1", "2"), cpu(2, "2-3", "2")], None),
    "unset, in sets of their own": ([cpu(1, "0-1", None), cpu(2, "2-3", None)], None),
    "the same set on two hosts": ([cpu(1, "0-1", "2"), cpu(2, "0-1", "2", host="n2")], None),
    "no sets known": ([WorkerReport(host="mac", pid=1), WorkerReport(host="mac", pid=2)], None),
    "unset, in one set": (
        [cpu(1, "0-3", None), cpu(2, "0-3", None)],
        Reason(
            "8 threads of 2 workers on n1 share 4 cores: 0-3",
            "set OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS to 2 for the workers",
            ("n1:1", "n1:2"),
        ),
    ),
    "more workers than cores": (
        [cpu(pid, "0-1", "1") for pid in range(3)],
        Reason(
            "3 threads of 3 workers on n1 share 2 cores: 0-1",
            "start at most 2 workers there, with OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS set to 1",
            ("n1:0", "n1:1", "n1:2"),
        ),
    ),
    "a set within a set": (
        [cpu(1, "0-3", "3"), cpu(2, "0-1", "2")],
        Reason(
            "5 threads of 2 workers on n1 share 4 cores: 0-3",
            "set OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS to 2 for the workers",
            ("n1:1", "n1:2"),
        ),
    ),
    "a small set alone": (
        [cpu(1, "0-7", "1"), cpu(2, "0-1", "4")],
        Reason(
            "4 threads of 1 worker on n1 share 2 cores: 0-1",
            "set OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS to 2 for the workers",
            ("n1:2",),
        ),
    ),
}


@pytest.mark.parametrize("case", CORES)
@pytest.mark.parametrize("expected", [CPU_SITE, Expected(accelerators_per_node=8)], ids=["CPU site", "GPU site"])
def test_threads_and_cores(case: str, expected: Expected) -> None:
    reports, reason = CORES[case]
    if expected.accelerators_per_node:
        reports = [replace(report, visibility={"CUDA_VISIBLE_DEVICES": str(i)}) for i, report in enumerate(reports)]
    found = pinning(reports, expected)
    assert found.reasons == (() if reason is None else (reason,))
    assert found.outcome == ("failed" if reason else "passed")


def test_a_site_without_accelerators_has_no_devices_to_pin() -> None:
    reports = [fake(1, None), fake(2, None)]
    assert pinning(reports, CPU_SITE) == Verdict("pinning", "passed", "2 workers on 1 node, no devices to pin")
    assert compute_device(reports, CPU_SITE).outcome == "not applicable"


FELL_BACK = Compute(library="jax", device="cpu", gpu_builds=("jax-cuda12-plugin 0.7.1",), note="CUDA_ERROR_NO_DEVICE")
COMPUTED: dict[str, tuple[Compute, Expected, str, str, str]] = {
    "on the device": (ON_GPU, NVIDIA, "passed", "", ""),
    "JAX names the platform gpu": (replace(ON_GPU, library="jax", platform="gpu"), NVIDIA, "passed", "", ""),
    "no GPU build": (
        NO_BUILD,
        NVIDIA,
        "failed",
        "computed on the CPU: neither CuPy nor a GPU build of JAX is installed",
        "take the site's GPU image",
    ),
    "JAX fell back": (FELL_BACK, NVIDIA, "failed", "computed on the CPU: CUDA_ERROR_NO_DEVICE", "started with --nv,"),
    "JAX fell back at an AMD site": (
        FELL_BACK,
        Expected(accelerators_per_node=8, vendor="amd"),
        "failed",
        "computed on the CPU: CUDA_ERROR_NO_DEVICE",
        "see that ROCR_VISIBLE_DEVICES names a device that exists, that the container is started with --rocm,",
    ),
    "single precision": (
        replace(ON_GPU, x64=False),
        NVIDIA,
        "failed",
        "cupy on A100 computes in single precision",
        "JAX_ENABLE_X64=1",
    ),
    "a wrong product": (
        replace(ON_GPU, agrees=False),
        NVIDIA,
        "failed",
        "cupy on A100 gets another product",
        "take the node out",
    ),
    "on the CPU, where that is right": (NO_BUILD, CPU_SITE, "not applicable", "", ""),
    "a GPU build on a CPU site": (FELL_BACK, CPU_SITE, "not applicable", "", ""),
}


@pytest.mark.parametrize("case", COMPUTED)
def test_compute_device(case: str) -> None:
    compute, expected, outcome, text, remedy = COMPUTED[case]
    found = compute_device([replace(worker(1, "0"), compute=compute)], expected)
    assert found.outcome == outcome
    assert len(found.reasons) == bool(text)
    for reason in found.reasons:
        assert reason.text.startswith(text)
        assert remedy in reason.remedy
        assert reason.workers == ("gpu1:1",)


def test_nothing_computed_fails_at_any_site() -> None:
    silent = replace(
        worker(1, "0"), compute=Compute(library="", x64=False, agrees=False), faults={"compute": "TimeoutError: it hangs"}
    )
    for expected in (NVIDIA, CPU_SITE):
        (reason,) = compute_device([silent], expected).reasons
        assert reason.text == "nothing could be computed (TimeoutError: it hangs)"


def test_fake_devices_are_pinned_and_compute_nothing() -> None:
    reports = [fake(1, "0"), fake(2, "1")]
    assert pinning(reports, TWO_FAKE).outcome == "passed"
    found = compute_device(reports, TWO_FAKE)
    assert found.outcome == "failed"
    assert [reason.workers for reason in found.reasons] == [("gpu1:1", "gpu1:2")]


@pytest.mark.parametrize("expected", [NVIDIA, CPU_SITE])
def test_a_site_without_workers_passes_nothing(expected: Expected) -> None:
    assert [verdict([], expected).outcome for verdict in (pinning, compute_device)] == ["failed", "failed"]


def test_versions_that_differ() -> None:
    told = [{"numpy": "2.0", "jax": "0.7.1"}, {"numpy": "2.1", "jax": "0.7.1"}, {"numpy": "2.0", "jax": "0.7.1", "pyhf": "0.7.6"}]
    reports = [WorkerReport(host="a", pid=pid, versions=versions) for pid, versions in enumerate(told)]
    assert differing_versions(reports) == {
        "numpy": {"2.0": ("a:0", "a:2"), "2.1": ("a:1",)},
        "pyhf": {"0.7.6": ("a:2",), "absent": ("a:0", "a:1")},
    }
    assert differing_versions(reports[:1]) == {}
