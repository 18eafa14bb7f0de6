"""The Apptainer image: made by the definition file, tested by its own test, run as an endpoint's engine runs it."""

import json
from pathlib import Path

import pytest

from pyhf_endpoint import __version__
from tests.containers.machine import VARIANT, Machine
from tests.locks import MACHINE, Lock

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]  # a fixture builds everything


def test_its_own_test_passes(machine: Machine, apptainer: Path, sif: Path) -> None:
    report = json.loads(machine.output(apptainer, "test", "--containall", sif))
    locked = Lock.of(f"{VARIANT}-{MACHINE}").versions
    assert {name: report["versions"][name] for name in ("parsl", "dill")} == {name: locked[name] for name in ("parsl", "dill")}


def test_it_runs_the_command_that_follows(machine: Machine, apptainer: Path, sif: Path, tmp_path: Path) -> None:
    run = [apptainer, "run", "--containall", "--bind", tmp_path, "--pwd", tmp_path, sif]
    machine.run(*run, "pyhf-endpoint", "example", "analysis", "--signals", "2")
    machine.run(*run, "pyhf-endpoint", "hypotest", "analysis", "-o", "results.jsonl")
    assert (tmp_path / "results.jsonl").read_text().count('"status"') == 2
    assert machine.run(*run, "sh", "-c", "exit 7", check=False).returncode == 7


def test_the_hosts_python_stays_outside(machine: Machine, apptainer: Path, sif: Path, tmp_path: Path) -> None:
    (tmp_path / "pyhf_endpoint.py").touch()
    command = ["python", "-c", "import pyhf_endpoint, sys; print(pyhf_endpoint.__file__)"]
    for how in ("run", "exec"):
        found = machine.output(apptainer, how, "--bind", tmp_path, sif, *command, PYTHONPATH=str(tmp_path))
        assert found.startswith("/opt/venv/lib/python3.11/site-packages/")


def test_labels_tell_what_is_inside(machine: Machine, apptainer: Path, sif: Path) -> None:
    labels = json.loads(machine.output(apptainer, "inspect", "--json", sif))["data"]["attributes"]["labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["pyhf-endpoint.variant"] == VARIANT
    assert labels["pyhf-endpoint.parsl"] == Lock.of(f"{VARIANT}-{MACHINE}").versions["parsl"]


def test_help_tells_how_to_run_it(machine: Machine, apptainer: Path, sif: Path) -> None:
    assert "what an endpoint's engine calls" in machine.output(apptainer, "run-help", sif)
