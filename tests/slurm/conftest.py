"""A cluster for the whole session, and a site whose scheduler it is."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import pyhf_endpoint
from pyhf_endpoint import transport
from pyhf_endpoint.client import Client
from tests.slurm.cluster import CPUS, GPUS, Cluster, UnavailableError, install

#: How many tests a run of the whole suite must carry out; the one on published data comes on top where that is there.
MUST_RUN = 14
_started = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ran = _ran(terminalreporter)
    terminalreporter.line(f"slurm: {ran} tests ran, {MUST_RUN} must, in {time.monotonic() - _started:.0f} s")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and _ran(reporter) < MUST_RUN and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _ran(reporter: pytest.TerminalReporter) -> int:
    done = [*reporter.stats.get("passed", []), *reporter.stats.get("failed", [])]
    return len({report.nodeid for report in done if "/slurm/" in report.nodeid})


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster; skips where there is no Slurm, which is a failure in continuous integration."""
    try:
        install()
    except UnavailableError as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
    # Not pytest's own folder, into which nobody else may look: munged insists on that.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Shape:
    """What differs between the configurations of the tests."""

    partition: str = "gpu"
    nodes: int = 2
    blocks: int = 1
    gpus: int = GPUS
    worker_init: str = ""


@dataclass(frozen=True)
class Site:
    """A site whose scheduler is the cluster.

    Attributes:
        cluster: The cluster.
        folder: Where the run folders go.
        shape: What its blocks look like.
    """

    cluster: Cluster
    folder: Path
    shape: Shape = field(default_factory=Shape)

    def configuration(self) -> tuple[str, Mapping[str, str]]:
        """The user endpoint configuration, as it comes out of the site's template, and the environment."""
        source = Path(pyhf_endpoint.__file__).parents[1]
        options = "\\n".join(["#SBATCH --no-requeue", *([f"#SBATCH --gres=gpu:{self.shape.gpus}"] if self.shape.gpus else [])])
        init = "; ".join(
            filter(None, [f"export PYTHONPATH={source} OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1", self.shape.worker_init])
        )
        text = f"""
engine:
  type: GlobusComputeEngine
  address: 127.0.0.1
  max_workers_per_node: 2
  available_accelerators: {self.shape.gpus}
  heartbeat_period: 2
  heartbeat_threshold: 10
  max_retries_on_system_failure: 1
  allowed_serializers:
    - globus_compute_sdk.serialize.PureSourceTextInspect
    - globus_compute_sdk.serialize.JSONData
  job_status_kwargs: {{max_idletime: 120, strategy_period: 0.5}}
  provider:
    type: SlurmProvider
    launcher: {{type: SrunLauncher}}
    partition: {self.shape.partition}
    nodes_per_block: {self.shape.nodes}
    cores_per_node: {CPUS}
    init_blocks: 1
    min_blocks: 0
    max_blocks: {self.shape.blocks}
    walltime: "00:20:00"
    exclusive: false
    scheduler_options: "{options}"
    worker_init: "{init}"
"""
        return text, self.cluster.environment | {"XDG_STATE_HOME": str(self.folder)}

    def client(self) -> Client:
        """A client of the site."""
        return Client("local", via="scheduler")

    def command(self, *arguments: object) -> list[str]:
        """The command line that runs `pyhf-endpoint` at the site."""
        text, environment = self.configuration()
        script = (
            "import sys\n"
            "from pyhf_endpoint import transport\n"
            "from pyhf_endpoint.cli import main\n"
            f"transport.scheduler_configuration = lambda profile, options: ({text!r}, {dict(environment)!r})\n"
            "sys.exit(main())\n"
        )
        return [sys.executable, "-c", script, *map(str, arguments), "--via", "scheduler"]

    @property
    def runs(self) -> list[Path]:
        """The run folders."""
        return sorted((self.folder / "pyhf-endpoint" / "runs").iterdir())

    def submitted(self) -> list[str]:
        """The ids of all jobs that were ever submitted."""
        return [job for run in self.runs for job in (run / "jobs").read_text().split()]


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Makes the site with blocks of a certain shape, and holds it to leaving nothing in the queue."""

    def make(**shape: Any) -> Site:
        made = Site(cluster, tmp_path / "state", Shape(**shape))
        monkeypatch.setattr(transport, "scheduler_configuration", lambda profile, options: made.configuration())
        return made

    yield make
    cluster.wait_until_empty()
