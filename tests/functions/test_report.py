"""Ranges of cores, threads, and a report's way through JSON."""

import dataclasses

import orjson
import pytest

from pyhf_endpoint.functions.report import Compute, Device, Devices, Job, Parsl, WorkerReport, compact, expand


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([3], "3"), ([0, 1], "0-1"), ([8, 0, 1, 2, 3], "0-3,8"), ([5, 1, 3], "1,3,5"), (range(128), "0-127")],
)
def test_cores_as_ranges_and_back(numbers: list[int], text: str) -> None:
    assert compact(numbers) == text
    assert expand(text) == frozenset(numbers)


@pytest.mark.parametrize(
    ("settings", "threads"),
    [
        ({}, 4),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": "2,1"}, 2),
        ({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "many"}, 4),
    ],
)
def test_threads_are_the_largest_setting_or_one_per_core(settings: dict[str, str], threads: int) -> None:
    assert WorkerReport(host="a", pid=1, cpus="0-3", settings=settings).threads == threads


def test_threads_are_unknown_where_neither_setting_nor_cores_are() -> None:
    assert WorkerReport(host="a", pid=1).threads is None


REPORT = WorkerReport(
    host="nid1",
    pid=7,
    job=Job(scheduler="slurm", id="12", node="nid0001"),
    parsl=Parsl(rank="0", count="4", pool="a1", block="0"),
    cpus="0-3,8",
    visibility={"CUDA_VISIBLE_DEVICES": "0"},
    devices=Devices(source="nvml", driver="550.54.15", present=(Device(uuid="GPU-1", index=0),), visible=(Device(uuid="GPU-1"),)),
    compute=Compute(library="cupy", platform="cuda", device="A100", gpu_builds=("cupy-cuda12x 13.6.0",)),
    versions={"python": "3.11.7"},
    faults={"cpus": "OSError: no"},
)


def test_a_report_survives_json() -> None:
    assert WorkerReport.from_json(orjson.loads(orjson.dumps(REPORT.to_json()))) == REPORT


def test_what_another_version_adds_or_lacks_does_no_harm() -> None:
    told = REPORT.to_json() | {"colour": "blue"}
    del told["container"], told["devices"]["missing"]
    assert WorkerReport.from_json(told) == REPORT


@pytest.mark.parametrize("told", [None, [], {}, {"host": "a"}, {"host": "a", "pid": "x"}])
def test_what_is_no_report_is_refused(told: object) -> None:
    with pytest.raises(ValueError, match="validation error"):
        WorkerReport.from_json(told)


def test_a_node_is_the_schedulers_where_it_names_one() -> None:
    assert REPORT.node == "nid0001"
    assert dataclasses.replace(REPORT, job=Job()).node == "nid1"
