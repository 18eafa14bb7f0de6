"""The whole way to a batch system: an endpoint as `deploy` sets it up, with a real Slurm behind it."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from pyhf_endpoint import example
from pyhf_endpoint.deploy import Daemon
from pyhf_endpoint.results import read
from tests import small
from tests.cli.command import run
from tests.globus.administrator import administrator, deploy
from tests.globus.standin import Caller, StandIn
from tests.slurm.cluster import Cluster, running
from tests.slurm.conftest import Shape, Site

NAME = "lab"
#: What the engine and the jobs call.
COMMANDS = ("sbatch", "squeue", "scancel", "sacct", "scontrol", "srun")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A running cluster."""
    with running() as cluster:
        yield cluster


@pytest.fixture
def lab(
    cluster: Cluster, service: StandIn, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Site, Path]]:
    """A login node of the cluster: its administrator, the site's profile, and the folder of Slurm's commands."""
    site = Site(cluster, tmp_path / "site", Shape(partition="cpu", gpus=0))
    site.folder.mkdir()
    with administrator(NAME, caller, tmp_path / "home", monkeypatch):
        monkeypatch.setenv("PYHF_ENDPOINT_SITES", str(site.profile.parent))
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        yield site, commands(cluster, tmp_path / "slurm" / "bin")
    cluster.wait_until_empty()


def commands(cluster: Cluster, folder: Path) -> Path:
    """Slurm's commands as a site has them, which know their cluster: the endpoint's processes are given nothing but a PATH."""
    folder.mkdir(parents=True)
    variables = " ".join(f"{name}={value}" for name, value in cluster.environment.items())
    for name in COMMANDS:
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec /usr/bin/env {variables} {shutil.which(name)} "$@"\n')
        program.chmod(0o755)
    return folder


def pid_of(worker: str) -> int:
    return int(worker.rpartition(":")[2])


def job_of(worker: str) -> tuple[str, str]:
    """The job and the node of the worker in a result."""
    variables = psutil.Process(pid_of(worker)).environ()
    return variables["SLURM_JOB_ID"], variables["SLURMD_NODENAME"]


def workers(cluster: Cluster) -> list[psutil.Process]:
    """The workers that run in the cluster's jobs."""
    found: dict[int, list[psutil.Process]] = {}
    for process in sorted(cluster.processes(), key=psutil.Process.create_time):
        if any("spawn_main" in word for word in process.cmdline()):
            found.setdefault(process.ppid(), []).append(process)
    return [process for pool in found.values() for process in pool[1:]]  # the first one serves the pool itself


def test_a_grid_of_125_is_computed_by_jobs_of_slurm_that_undeploy_ends(lab: tuple[Site, Path], tmp_path: Path) -> None:
    site, path = lab
    cluster = site.cluster
    options = ("--account", "tests", "--queue", "cpu", "--variant", "cpu")
    said = deploy(NAME, *options, "--path", path, "--no-probe")
    assert "is online" in said
    endpoint = Daemon(NAME).id
    environment = yaml.safe_load((Daemon(NAME).folder / "user_environment.yaml").read_text())
    assert str(path) in environment["PATH"].split(os.pathsep)
    assert cluster.jobs() == []

    output = tmp_path / "results.jsonl"
    run("hypotest", *example.write(tmp_path / "example"), "--site", NAME, "-o", output)
    found = read(output)
    assert found.header.site == NAME
    assert len({one.key for one in found.results}) == len(found.results) == 125
    assert {one.status for one in found.results} <= {"converged", "at_boundary"}

    (line,) = cluster.jobs()
    job, state, partition = line.split()
    assert (state, partition) == ("RUNNING", "cpu")
    places = {job_of(one.worker) for one in found.results}
    assert {number for number, _ in places} == {job}
    assert len({node for _, node in places}) == 1
    details = cluster.run("scontrol", "show", "job", job)
    # It is the first block of the engine in a process that this endpoint has started for its user.
    assert re.search(rf"^ *Command=\S+/uep\.{endpoint}\.\S+/submit_scripts/\S+\.block-0\.\S+$", details, re.MULTILINE)
    assert "NumNodes=1" in details
    assert "Account=tests" in details
    assert "TimeLimit=00:20:00" in details

    victims = workers(cluster)
    assert len(victims) == 2
    for victim in victims:  # they wait, one of them with the lock of the queue of tasks
        victim.kill()
    again = tmp_path / "again.jsonl"
    run("hypotest", *small.write(tmp_path, 40), "--site", NAME, "-o", again, "--engine", "pyhf")
    successors = {psutil.Process(pid_of(one.worker)) for one in read(again).results}
    assert len(read(again).results) == 40
    assert successors <= set(workers(cluster)) - set(victims)
    assert cluster.jobs() == [line]

    assert "stopped and removed" in run("undeploy", NAME).out
    cluster.wait_until_empty()
    assert not cluster.processes()
