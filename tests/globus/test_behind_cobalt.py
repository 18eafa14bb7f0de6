"""An endpoint whose provider is this package's own: found by the unmodified daemon through the launcher that `deploy` writes.

Cobalt itself cannot be had. Its commands are those of `tests.cobalt`: they print what the real ones printed, and run the script.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

import pyhf_endpoint
from pyhf_endpoint import example
from pyhf_endpoint.deploy import Daemon
from pyhf_endpoint.results import read
from tests.cli.command import run
from tests.cobalt.batch import Batch
from tests.globus.administrator import administrator, deploy
from tests.globus.standin import Caller, StandIn

NAME = "cray"
_PROFILE = """\
name: cray
facility: the tests
description: One machine behind Cobalt's commands
status: active
sources: {{tests: {{title: the batch system of these tests, date: 2026-11-24}}}}
sourced: {{tests: [architecture, scheduler, nodes, network, launcher, environment, container]}}
architecture: {{login: x86_64, compute: x86_64}}
scheduler:
  kind: cobalt
  account: {{required: true}}
  attrs: ["filesystems=home,grand", "enable_ssh=1"]
  queues:
    default: {{node: cpu, max_nodes: 4, max_walltime: "01:00:00"}}
    debug: {{node: cpu, max_nodes: 1, max_walltime: "01:00:00"}}
nodes:
  cpu: {{cores: 2}}
network: {{address: loopback}}
launcher: {{kind: simple}}
environment: ["export PYTHONPATH={source}"]
container: {{runtime: none}}
run: {{workers_per_node: 2, walltime: "00:35:00", heartbeat_period_s: 2, heartbeat_threshold_s: 10}}
variants:
  cpu: {{description: One worker per core, queue: default}}
"""


@dataclass(frozen=True)
class Cray:
    """A login node.

    Attributes:
        batch: Its batch system.
        environment: The virtual environment of the endpoint and its workers.
    """

    batch: Batch
    environment: Path

    @property
    def launcher(self) -> Path:
        """The folder of the launcher."""
        return self.environment / "libexec" / "pyhf-endpoint"


@pytest.fixture
def cray(service: StandIn, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cray]:
    """A login node, its administrator, and nothing deployed."""
    (tmp_path / "sites").mkdir()
    profile = _PROFILE.format(source=Path(pyhf_endpoint.__file__).parents[1])
    (tmp_path / "sites" / f"{NAME}.yaml").write_text(profile)
    environment = tmp_path / "venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):  # ours by another name, which the launcher may be added to
        (environment / name).symlink_to(Path(sys.prefix) / name)
    batch = Batch(tmp_path / "cobalt")
    with administrator(NAME, caller, tmp_path / "home", monkeypatch):
        monkeypatch.setenv("PYHF_ENDPOINT_SITES", str(tmp_path / "sites"))
        monkeypatch.setenv("PATH", f"{batch.bin}{os.pathsep}{os.environ['PATH']}")
        yield Cray(batch, environment)
    batch.end()


def words(cray: Cray) -> tuple[dict[str, str], Path]:
    """The options of the one call of qsub, and its script."""
    ((*options, script),) = cray.batch.heard("qsub")
    return dict(zip(options[::2], options[1::2], strict=True)), Path(script)


def test_a_grid_of_125_is_computed_by_jobs_of_our_cobalt_provider(cray: Cray, tmp_path: Path) -> None:
    options = ("--account", "atlas", "--path", cray.batch.bin, "--no-probe")
    said = deploy(NAME, *options, python=cray.environment / "bin" / "python")
    assert f"{cray.launcher / 'globus-compute-endpoint'}: makes Cobalt known to Globus Compute" in said
    folder = Daemon(NAME).folder
    path = yaml.safe_load((folder / "user_environment.yaml").read_text())["PATH"].split(os.pathsep)
    assert path[:3] == [str(cray.launcher), str(cray.environment / "bin"), str(cray.batch.bin)]
    assert "type: CobaltProvider" in (folder / "user_config_template.yaml.j2").read_text()
    assert cray.batch.heard("qsub") == []

    output = tmp_path / "results.jsonl"
    run("hypotest", *example.write(tmp_path / "example"), "--site", NAME, "-o", output, "--option", "walltime=00:50:00")
    found = read(output)
    assert len({one.key for one in found.results}) == len(found.results) == 125
    assert {one.status for one in found.results} <= {"converged", "at_boundary"}

    assert cray.batch.live() == ["1"]
    workers = {psutil.Process(int(one.worker.rpartition(":")[2])) for one in found.results}
    assert workers <= set(cray.batch.processes())
    assert {worker.environ()["COBALT_JOBID"] for worker in workers} == {"1"}

    given, script = words(cray)
    assert given.keys() == {"-n", "-t", "--mode", "-A", "-q", "--attrs", "--jobname", "--cwd", "-o", "-e", "--debuglog"}
    assert (given["-n"], given["-t"], given["--mode"]) == ("1", "50", "script")
    assert (given["-A"], given["-q"]) == ("atlas", "default")
    assert given["--attrs"] == "filesystems=home,grand:enable_ssh=1"
    assert {Path(given[name]).parent for name in ("-o", "-e", "--debuglog")} == {script.parent} == {Path(given["--cwd"])}
    assert f"source {cray.environment}/bin/activate || exit 3\n" in script.read_text()

    assert "stopped and removed" in run("undeploy", NAME).out
    assert cray.batch.heard("qdel") == [["1"]]
    assert cray.batch.live() == []
    psutil.wait_procs(cray.batch.processes(), timeout=30)
    assert cray.batch.processes() == []
