"""From an empty home to a grid through an endpoint, by the administrator's commands."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from pyhf_endpoint import profiles
from pyhf_endpoint.deploy import Daemon, Order
from pyhf_endpoint.deploy import deploy as administration
from pyhf_endpoint.endpoint import Environment
from pyhf_endpoint.functions.register import Registry
from pyhf_endpoint.service import Service
from tests import small
from tests.cli.command import run
from tests.globus.administrator import administrator, deploy, processes
from tests.globus.conftest import make_site
from tests.globus.standin import Caller, StandIn

NAME = "bench"


@pytest.fixture
def home(service: StandIn, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An administrator with a site's profile and nothing else."""
    make_site(NAME, "00000000-0000-0000-0000-000000000000", {}, tmp_path, monkeypatch)
    with administrator(NAME, caller, tmp_path, monkeypatch) as home:
        yield home


def test_deploy_probe_grid_crash_and_undeploy(service: StandIn, home: Path) -> None:
    files = small.write(home, signals=10)
    said = run("hypotest", *files, "--site", NAME, "--via", "globus", "-o", home / "r", code=7).err
    assert "pyhf-endpoint deploy bench" in said

    first = deploy(NAME)
    daemon = Daemon(NAME)
    assert "functions registered" in first
    assert f"endpoint {daemon.id} is online" in first
    config = yaml.safe_load((daemon.folder / "config.yaml").read_text())
    assert len(config["allowed_functions"]) == len(set(service.state.functions) & set(config["allowed_functions"])) > 6
    assert "Globus Compute" not in run("status", NAME).err

    probed = json.loads(run("probe", NAME, "--wait", 120, "--json").out)
    assert {worker["versions"]["python"] for worker in probed["workers"]} == {sys.version.split()[0]}
    assert run("hypotest", *files, "--site", NAME, "-o", home / "r").err.startswith(f"{home / 'r'}: 10 converged")

    pid = daemon.pid
    again = deploy(NAME)
    assert "nothing has changed" in again
    assert "0 functions registered" in again
    assert daemon.pid == pid

    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
    assert "it has died and left a note behind" in run("status", NAME, code=1).out
    assert "the note of a daemon that had died is removed" in run("start", NAME).out
    assert daemon.pid not in (None, pid)

    (daemon.folder / "config.yaml").write_text(yaml.safe_dump(config | {"display_name": "by hand"}))
    refused = run("deploy", NAME, "--contact-email", "nobody@localhost", "--option", "max_idletime_s=60", code=2)
    assert "config.yaml: edited by hand, or not from here" in refused.err
    assert "stopped, to start with what is new" in deploy(NAME, "--option", "max_idletime_s=60", "--force")

    assert "stopped and removed" in run("undeploy", NAME).out
    assert not daemon.folder.exists()
    assert "three ways to reach it" in run("hypotest", *files, "--site", NAME, "--via", "globus", "-o", home / "x", code=7).err


def test_what_the_doctor_finds_stops_a_deployment(home: Path) -> None:
    place = home / "workers"
    done = run("deploy", NAME, "--env", f"venv:{place}", "--option", "interface=nowhere0", code=1)
    assert "error: interface: `nowhere0` does not exist here" in done.err
    assert done.err.endswith("error: nothing was changed; mend what `doctor` found, or give --force\n")
    assert not Daemon(NAME).is_configured
    assert not place.exists()


def test_workers_run_in_an_environment_that_deploy_builds(home: Path) -> None:
    place = home / "workers"
    assert f"{place}: built in " in deploy(NAME, "--env", f"venv:{place}")
    files = small.write(home, signals=4)
    assert f"{home / 'r'}: 4 converged" in run("hypotest", *files, "--site", NAME, "-o", home / "r").err
    # What a worker has loaded tells its environment: the libraries that compute are files of it, and of no other.
    workers = [process for process in processes(NAME, home) if "spawn_main" in " ".join(process.cmdline())]
    loaded = {Path(each.path) for worker in workers for each in worker.memory_maps() if "site-packages" in each.path}
    assert "numpy" in {path.relative_to(place / "lib/python3.11/site-packages").parts[0] for path in loaded}
    again = deploy(NAME, "--env", f"venv:{place}")
    assert f"{place}: up to date\n" in again
    assert "nothing has changed" in again
    # Were it new, what runs in the old one would have to end.
    use = profiles.resolve(profiles.find(NAME).profile)
    order = Order(use, NAME, Environment.parse(f"venv:{place}"), contact="nobody@localhost", renewed=True)
    pid = Daemon(NAME).pid
    assert "stopped, to start with what is new" in list(administration(order, Service(), Registry()))
    assert Daemon(NAME).pid not in (None, pid)
    run("undeploy", NAME)


def test_a_dry_run_shows_the_files_and_changes_nothing(service: StandIn, home: Path) -> None:
    before = len(service.state.functions)
    out = run("deploy", NAME, "--dry-run").out
    assert "+engine:" in out
    assert not Daemon(NAME).is_configured
    assert len(service.state.functions) == before
