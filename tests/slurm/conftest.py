"""A cluster for the whole session, and a site whose scheduler it is."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import pyhf_endpoint
from pyhf_endpoint.client import Client
from pyhf_endpoint.transport import Choice
from tests.slurm.cluster import CPUS, GPUS, Cluster, running
from tests.suite import Suite

#: How many tests a run of the whole suite must carry out; the one on published data comes on top where that is there.
SUITE = Suite(Path(__file__).parent, must_run=18)
#: What the tests measured, for the summary; none of it is asserted.
MEASURED: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in MEASURED:
        terminalreporter.line(f"slurm: {line}")
    SUITE.summarise(terminalreporter)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    SUITE.finish(session)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster."""
    with running() as there:
        yield there


@dataclass(frozen=True)
class Shape:
    """What differs between the uses of the site in the tests."""

    partition: str = "gpu"
    nodes: int = 2
    blocks: int = 1
    gpus: int = GPUS
    worker_init: str = "true"


_PROFILE = """\
name: lab
facility: the tests
description: Two nodes on one machine, with fake accelerators
status: active
sources: {{tests: {{title: the configuration of this cluster, date: 2026-11-24}}}}
sourced: {{tests: [architecture, scheduler, nodes, network, launcher, environment, container]}}
architecture: {{login: x86_64, compute: x86_64}}
scheduler:
  kind: slurm
  account: {{required: true}}
  queues:
    gpu: {{node: gpu, max_nodes: 2, max_walltime: "01:00:00"}}
    cpu: {{node: cpu, max_nodes: 2, max_walltime: "01:00:00"}}
    nope: {{node: cpu, max_nodes: 2, max_walltime: "01:00:00"}}
nodes:
  cpu: {{cores: {cpus}}}
  gpu:
    cores: {cpus}
    accelerators:
      vendor: nvidia
      model: fake
      count: {gpus}
      memory_gb: 40
      request: {{how: gres, text: "gpu:{{count}}"}}
      visibility: CUDA_VISIBLE_DEVICES
network: {{address: loopback}}
launcher: {{kind: srun}}
environment:
  - export PYTHONPATH={source}
  - {worker_init!r}
container: {{runtime: none}}
run:
  exclusive: false
  workers_per_node: 2
  cores_per_node: 2
  walltime: "00:20:00"
  # Faults are noticed within seconds, where a site would allow minutes.
  heartbeat_period_s: 2
  heartbeat_threshold_s: 10
variants:
  gpu: {{description: Both accelerators of a node, queue: gpu}}
  cpu: {{description: No accelerator, queue: cpu}}
"""


@dataclass(frozen=True)
class Site:
    """A site whose scheduler is the cluster: a profile, and how the tests use it.

    Attributes:
        cluster: The cluster.
        folder: Where the profile and the run folders go.
        shape: What its blocks look like.
    """

    cluster: Cluster
    folder: Path
    shape: Shape = field(default_factory=Shape)

    @property
    def profile(self) -> Path:
        """The file of the site's profile."""
        path = self.folder / "lab.yaml"
        source = Path(pyhf_endpoint.__file__).parents[1]
        path.write_text(_PROFILE.format(cpus=CPUS, gpus=GPUS, source=source, worker_init=self.shape.worker_init))
        return path

    @property
    def settings(self) -> dict[str, Any]:
        """What is chosen of the site."""
        return {
            "account": "tests",
            "queue": self.shape.partition,
            "nodes_per_block": self.shape.nodes,
            "max_blocks": self.shape.blocks,
        }

    @property
    def variant(self) -> str:
        """The variant of the profile."""
        return "gpu" if self.shape.gpus else "cpu"

    def client(self) -> Client:
        """A client of the site."""
        return Client("lab", via="scheduler", profile=self.profile, choice=Choice(self.variant, self.settings))

    def command(self, *arguments: object) -> list[str]:
        """The command line that runs `pyhf-endpoint` at the site."""
        settings = [f"--option={name}={value}" for name, value in self.settings.items() if name not in ("account", "queue")]
        return [
            *(sys.executable, "-m", "pyhf_endpoint", *map(str, arguments), "--via", "scheduler", "--profile", str(self.profile)),
            *("--account", "tests", "--queue", self.shape.partition, "--variant", self.variant, *settings),
        ]

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
        made.folder.mkdir(exist_ok=True)
        for name, value in {**cluster.environment, "XDG_STATE_HOME": str(made.folder)}.items():
            monkeypatch.setenv(name, value)
        return made

    yield make
    cluster.wait_until_empty()
