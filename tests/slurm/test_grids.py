"""Whole grids through a real scheduler."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from pyhf_endpoint import example
from pyhf_endpoint.client import Client
from pyhf_endpoint.results import HypotestResult
from tests.slurm.conftest import MEASURED, Site

pytestmark = pytest.mark.slurm
Make = Callable[..., Site]
DATA = os.environ.get("PYHF_ENDPOINT_DATA")


def assert_same(found: list[HypotestResult], expected: list[HypotestResult]) -> None:
    by_name = {result.name: result for result in expected}
    assert sorted(result.name for result in found) == sorted(by_name)
    for result in found:
        other = by_name[result.name]
        assert result.CLs_obs == pytest.approx(other.CLs_obs, abs=1e-7)
        assert result.CLs_exp == pytest.approx(other.CLs_exp, abs=1e-7)


def test_the_example_gives_what_local_gives_and_a_second_grid_takes_the_same_block(site: Make, tmp_path: Path) -> None:
    files = example.write(tmp_path / "example")
    with Client("local") as local:
        expected = local.hypotest(*files).to_list()
    there = site()
    clock = time.monotonic()
    with there.client() as client:
        results = iter(client.hypotest(*files))
        found = [next(results)]
        first = time.monotonic() - clock
        found += results
        last, clock = time.monotonic() - clock, time.monotonic()
        assert_same(client.hypotest(*files).to_list(), expected)
        second = time.monotonic() - clock
        MEASURED.append(
            f"example from an idle cluster: first result {first:.1f} s, 125th {last:.1f} s; a second grid {second:.1f} s"
        )
        jobs = there.cluster.jobs()
        again = client.hypotest(*files, poi_test=0.5, patches=[expected[0].name]).to_list()
        assert there.cluster.jobs() == jobs
    assert len(found) == 125
    assert_same(found, expected)
    assert [result.name for result in again] == [expected[0].name]
    assert len(there.submitted()) == 1
    assert 1 < len({result.worker for result in found}) <= 4  # a quick one may leave nothing for the last to start


@pytest.mark.skipif(DATA is None, reason="PYHF_ENDPOINT_DATA names no folder of published analyses")
def test_a_published_analysis_gives_what_local_gives(site: Make) -> None:
    folder = Path(str(DATA)) / "1Lbb"
    files = folder / "BkgOnly.json", folder / "patchset.json"
    with Client("local") as local:
        expected = local.hypotest(*files).to_list()
    clock = time.monotonic()
    with site().client() as client:
        found = client.hypotest(*files).to_list()
        last, clock = time.monotonic() - clock, time.monotonic()
        client.hypotest(*files).to_list()
        second = time.monotonic() - clock
    MEASURED.append(f"1Lbb from an idle cluster: 125th result {last:.1f} s; a second grid {second:.1f} s")
    assert len(found) == 125
    assert_same(found, expected)


@dataclass(frozen=True)
class Look:
    """A function as the registered ones are sent, which reports where it runs once as many of them run as its argument says."""

    name: str = "look"
    source: str = """
def look(text):
    import json, os, pathlib, time

    folder, count = json.loads(text.removeprefix("json:"))
    keys = "SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"
    (pathlib.Path(folder) / str(os.getpid())).touch()
    while len(list(pathlib.Path(folder).iterdir())) < count:
        time.sleep(0.05)
    return "json:" + json.dumps({key: os.environ.get(key) for key in keys} | {"cwd": os.getcwd()})
"""


def test_each_worker_of_a_node_has_a_device_of_its_own(site: Make, tmp_path: Path) -> None:
    there = site()
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    with there.client() as client:
        executor = client.transport.executor()
        argument = orjson.dumps([str(meeting), 4])
        futures = [executor.submit(cast("Any", Look()), argument) for _ in range(4)]
        found = [json.loads(future.result(timeout=120)) for future in futures]
    assert sorted((one["SLURMD_NODENAME"], one["CUDA_VISIBLE_DEVICES"]) for one in found) == [
        ("node1", "0"),
        ("node1", "1"),
        ("node2", "0"),
        ("node2", "1"),
    ]
    assert {one["OMP_NUM_THREADS"] for one in found} == {"1"}
    assert all(Path(one["cwd"]).is_relative_to(there.runs[0]) for one in found)


def test_nothing_is_left_in_the_working_directory_or_on_the_outputs(
    site: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files = example.write(tmp_path / "example", signals=4)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with site(partition="cpu", nodes=1, gpus=0).client() as client:
        assert len(client.hypotest(*files).to_list()) == 4
    assert list(here.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_probe_finds_fake_devices_pinned_and_nothing_computed_on_them(site: Make) -> None:
    done = subprocess.run(site().command("probe", "lab", "--wait", 120), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "pinning: passed (4 workers on 2 nodes" in done.stdout, done.stdout
    assert "compute device: failed" in done.stdout
    assert done.stderr == ""


def test_a_node_without_accelerators_passes_both_verdicts(site: Make) -> None:
    done = subprocess.run(site(partition="cpu", gpus=0).command("probe", "lab", "--wait", 120), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pinning: passed" in done.stdout
    assert "compute device: not applicable" in done.stdout


def test_doctor_has_slurm_itself_judge_account_queue_and_limits(site: Make, tmp_path: Path) -> None:
    profile = site().profile
    command = [sys.executable, "-m", "pyhf_endpoint", "doctor", "lab", "--no-service", "--run-directory", str(tmp_path)]
    command += ["--profile", str(profile), "--account", "tests", "--json"]
    found = {finding["check"]: finding for finding in json.loads(subprocess.run(command, capture_output=True).stdout)}
    assert found["commands"]["severity"] == found["queue"]["severity"] == "ok", found
    assert found["queue"]["message"].startswith("Slurm would accept: Job ")
    refused = json.loads(subprocess.run([*command, "--queue", "nope"], capture_output=True).stdout)
    (message,) = (finding["message"] for finding in refused if finding["check"] == "queue")
    assert message.startswith("Slurm would refuse a job: ")
    assert "invalid partition specified: nope" in message
