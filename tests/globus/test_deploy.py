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
from pyhf_endpoint.cli import main
from pyhf_endpoint.client import Client
from pyhf_endpoint.deploy import Daemon, Order
from pyhf_endpoint.deploy import deploy as administration
from pyhf_endpoint.endpoint import Environment
from pyhf_endpoint.functions.register import Registry
from pyhf_endpoint.service import Service
from pyhf_endpoint.transport import Choice
from tests import small
from tests.cli.command import run
from tests.deploy.test_logs import written
from tests.globus.administrator import administrator, deploy, processes
from tests.globus.conftest import make_site
from tests.globus.standin import Caller, StandIn

NAME = "bench"
pytestmark = pytest.mark.timeout(600)  # endpoint processes start slowly on a busy machine


@pytest.fixture
def home(service: StandIn, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An administrator with a site's profile and nothing else."""
    make_site(NAME, "00000000-0000-0000-0000-000000000000", {}, tmp_path, monkeypatch)
    with administrator(NAME, caller, tmp_path, monkeypatch) as home:
        yield home


def hang(files: tuple[Path, Path]) -> None:
    """Send a hypothesis that takes minutes past a user's time limit of some seconds, and see its worker go on."""
    points = tuple(1 + i / 10_000 for i in range(10_000))
    with Client(NAME, workers=1, choice=Choice(settings={"task_limit_s": 10})) as client:
        late = list(client.hypotest(*files, engine="pyhf", poi_test=points, patches=["S100"]))
        usual = list(client.hypotest(*files))
    message = "the time limit of 10 s for one task has passed; to allow more: --option task_limit_s=SECONDS"
    assert {(one.status, one.message) for one in late} == {("failed", message)}
    assert {one.status for one in usual} == {"converged"}


def test_deploy_probe_grid_crash_and_undeploy(service: StandIn, home: Path) -> None:
    files = small.write(home, signals=10)
    said = run("hypotest", *files, "--site", NAME, "--via", "globus", "-o", home / "r", code=7).err
    assert "pyhf-endpoint deploy bench" in said

    first = deploy(NAME)
    daemon = Daemon(NAME)
    assert "workers of bench" in first
    assert "\npinning: passed (1 worker on 1 node" in first
    snippet = (daemon.folder / "snippet.yaml").read_text()
    assert yaml.safe_load(snippet)[NAME]["workers"] == os.cpu_count()
    assert first.endswith(f"for users, as `pyhf-endpoint sites add bench snippet.yaml`:\n{snippet}")
    assert "functions registered" in first
    assert f"endpoint {daemon.id} is online" in first
    config = yaml.safe_load((daemon.folder / "config.yaml").read_text())
    assert len(config["allowed_functions"]) == len(set(service.state.functions) & set(config["allowed_functions"])) > 6
    assert "Globus Compute" not in run("status", NAME).err

    probed = json.loads(run("probe", NAME, "--wait", 120, "--workers", 1, "--json").out)
    assert {worker["versions"]["python"] for worker in probed["workers"]} == {sys.version.split()[0]}
    assert run("hypotest", *files, "--site", NAME, "-o", home / "r").err.startswith(f"{home / 'r'}: 10 converged")

    (user,) = (daemon.folder / "users").iterdir()
    assert not list(daemon.folder.parent.glob("uep.*"))
    engine = "GlobusComputeEngine-HighThroughputExecutor"
    assert {"endpoint.log", "submit_scripts", engine} <= {path.name for path in user.iterdir()}
    assert list(user.glob(f"{engine}/block-0/*/worker_0.log"))
    status = run("status", NAME).out
    assert f"logs are in {daemon.folder} (" in status
    old = written(daemon.folder / "users" / "gone" / "endpoint.log", 20)

    pid = daemon.pid
    again = deploy(NAME, "--no-probe")
    assert "nothing has changed" in again
    assert "now see whether it computes where it should: pyhf-endpoint probe bench\n" in again
    assert "0 functions registered" in again
    assert daemon.pid == pid
    assert not old.parent.exists()
    assert user.exists()
    hang(files)

    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
    assert "it has died and left a note behind" in run("status", NAME, code=1).out
    assert "the note of a daemon that had died is removed" in run("start", NAME).out
    assert daemon.pid not in (None, pid)

    (daemon.folder / "config.yaml").write_text(yaml.safe_dump(config | {"display_name": "by hand"}))
    refused = run("deploy", NAME, "--contact-email", "nobody@localhost", "--option", "max_idletime_s=60", code=2)
    assert "config.yaml: edited by hand, or not from here" in refused.err
    third = deploy(NAME, "--option", "max_idletime_s=60", "--force", "--probe-wait", 0.001)
    assert "stopped, to start with what is new" in third
    assert "the block is still queued, or starts: no worker answered within 0.001 s" in third
    assert third.endswith((daemon.folder / "snippet.yaml").read_text())

    assert "stopped and removed" in run("undeploy", NAME).out
    assert not daemon.folder.exists()
    assert "three ways to reach it" in run("hypotest", *files, "--site", NAME, "--via", "globus", "-o", home / "x", code=7).err


def test_systemd_is_left_the_start(
    service: StandIn, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an ordinary user, whoever runs the tests: root's unit belongs among the system's."""
    arguments = ["deploy", NAME, "--contact-email", "nobody@localhost"]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main([*arguments, "--systemd"]) == 0
    unit = home / "config" / "systemd" / "user" / "pyhf-endpoint-bench.service"
    out = capsys.readouterr().out
    assert f"{unit}: the unit that starts it at boot" in out
    assert "workers of bench" not in out
    assert f'/globus-compute-endpoint" start {NAME}\n' in unit.read_text()
    assert f'Environment="GLOBUS_COMPUTE_USER_DIR={home / "globus_compute"}"' in unit.read_text()
    assert Daemon(NAME).is_configured
    assert Daemon(NAME).pid is None

    assert main(arguments) == 0  # a unit that is there is asked for
    assert "enable --now pyhf-endpoint-bench.service" in capsys.readouterr().out
    assert main(["start", NAME]) == 2
    assert "systemctl --user start pyhf-endpoint-bench.service" in capsys.readouterr().err
    assert main(["undeploy", NAME]) == 0
    assert not unit.exists()


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
