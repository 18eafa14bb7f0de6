"""What may happen to jobs, nodes, workers and the client in the midst of a grid, and sites whose blocks do not start."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import psutil
import pytest

from pyhf_endpoint.client import Client
from pyhf_endpoint.dispatch import run_chunks
from pyhf_endpoint.errors import TransportError
from pyhf_endpoint.inputs import Patch
from pyhf_endpoint.plan import Chunk
from pyhf_endpoint.results import HypotestResult, read
from pyhf_endpoint.transport import SiteStatus
from pyhf_endpoint.transport.blocks import ATTEMPTS
from tests import small
from tests.slurm.cluster import NODES, wait_for
from tests.slurm.conftest import Site

pytestmark = pytest.mark.slurm
Make = Callable[..., Site]

# With pyhf each hypothesis is a chunk of its own, so that a fault finds many at work, many in wait and some done.
SIGNALS = 250
# Outlasts the time, about half a minute, after which Slurm gives a silent node up.
LONG_S = 80


@dataclass
class Grid:
    """A grid in which a fault happens once some results are there."""

    total: int
    found: list[HypotestResult]
    at_fault: int = 0

    def assert_whole(self, victims: list[psutil.Process]) -> None:
        """The fault came in the midst, ended what it was meant to end, and cost nothing."""
        assert 0 < self.at_fault < self.total
        gone, alive = psutil.wait_procs(victims, timeout=30)
        assert gone
        assert not alive
        assert sorted(result.name for result in self.found) == sorted(f"S{100 * (i + 1)}" for i in range(self.total))
        assert {result.status for result in self.found} == {"converged"}


def run_with_fault(there: Site, folder: Path, fault: Callable[[], None], signals: int = SIGNALS) -> Grid:
    grid = Grid(signals, [])
    with there.client() as client:
        for result in client.hypotest(*small.write(folder, signals), engine="pyhf"):
            grid.found.append(result)
            if len(grid.found) == 20:
                fault()
                grid.at_fault = len(grid.found)
    return grid


def test_a_block_cancelled_in_mid_grid_costs_no_hypothesis(site: Make, tmp_path: Path) -> None:
    there = site()
    victims: list[psutil.Process] = []

    def cancel() -> None:
        victims.extend(there.cluster.processes())
        (job,) = there.submitted()
        there.cluster.run("scancel", job)

    run_with_fault(there, tmp_path, cancel).assert_whole(victims)
    assert len(there.submitted()) == 2


@pytest.fixture
def restored(site: Make) -> Iterator[Make]:
    """The site, whose nodes all work again afterwards."""
    made: list[Site] = []

    def make(**shape: int) -> Site:
        made.append(site(**shape))
        return made[-1]

    yield make
    cluster = made[0].cluster
    for node in NODES:
        if not cluster.is_up(node):
            cluster.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed")  # ends what it thinks runs there
            cluster.start_node(node)
            cluster.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
    wait_for(lambda: set(cluster.node_states().values()) == {"idle"}, 60, f"nodes are {cluster.node_states()}")


def test_a_node_daemon_killed_in_mid_grid_costs_no_hypothesis(restored: Make, tmp_path: Path) -> None:
    there = restored()
    cluster = there.cluster
    victim = cluster.node_daemon("node1")
    replaced = False
    with there.client() as client:
        grid = Grid(round(LONG_S * rate(client, tmp_path / "rate")), [])
        for result in client.hypotest(*small.write(tmp_path, grid.total), engine="pyhf"):
            grid.found.append(result)
            if len(grid.found) == 20:
                victim.kill()
                grid.at_fault = 20
            if grid.at_fault and not replaced and cluster.node_states()["node1"].startswith("down"):
                # The scheduler has given the node up, and with it the job; a new one finds its place once the node is back.
                cluster.start_node("node1")
                replaced = True
    assert replaced
    grid.assert_whole([victim])
    assert len(there.submitted()) == 2


def rate(client: Client, folder: Path) -> float:
    """Hypotheses per second at the site, once its workers are up."""
    folder.mkdir()
    files = small.write(folder, 100)
    client.hypotest(*files, engine="pyhf", patches=["S100"]).to_list()
    clock = time.monotonic()
    client.hypotest(*files, engine="pyhf").to_list()
    return 100 / (time.monotonic() - clock)


def test_a_node_that_crashes_in_mid_grid_costs_no_hypothesis(restored: Make, tmp_path: Path) -> None:
    there = restored(nodes=1, blocks=2)
    victims: list[psutil.Process] = []

    def crash() -> None:
        wait_for(lambda: there.cluster.processes("node1"), 60, "no block started on node1")
        victims.extend([there.cluster.node_daemon("node1"), *there.cluster.processes("node1")])
        for victim in victims:
            victim.kill()

    run_with_fault(there, tmp_path, crash).assert_whole(victims)


@dataclass(frozen=True)
class Work:
    """A function that is sent as the registered ones are, and kills its worker on demand."""

    name: str = "work"
    source: str = """
def work(text):
    import json, os, signal, time

    names = json.loads(text.removeprefix("json:"))
    if "poison" in names:
        time.sleep(1)  # its former result, which would be lost with it, is on its way by then
        os.kill(os.getpid(), signal.SIGKILL)
    if "raises" in names:
        raise ZeroDivisionError("by zero")
    return "json:" + json.dumps({"records": names})
"""


def test_only_the_hypotheses_that_kill_their_worker_or_raise_fail(site: Make) -> None:
    def chunk(*names: str) -> Chunk:
        return Chunk(tuple(Patch(name, (), ()) for name in names), (1.0,))

    def payload(chunk: Chunk) -> bytes:
        return orjson.dumps([patch.name for patch in chunk.patches])

    chunks = [chunk("a", "poison", "b"), chunk("c", "raises"), *(chunk(f"s{i}") for i in range(20))]
    with site().client() as client:
        outcomes = list(run_chunks(client.transport, cast("Any", Work()), chunks, payload))
    recorded = [str(name) for outcome in outcomes for name in outcome.records or []]
    faults = {outcome.chunk.patches[0].name: outcome.fault for outcome in outcomes if outcome.records is None}
    assert sorted(recorded) == sorted(["a", "b", "c", *(f"s{i}" for i in range(20))])
    assert set(faults) == {"poison", "raises"}
    assert faults["poison"].startswith("the worker process died while computing this hypothesis")
    assert faults["raises"] == "the worker raised ZeroDivisionError: by zero"


@contextmanager
def running(there: Site, output: Path, files: tuple[Path, Path]) -> Iterator["subprocess.Popen[str]"]:
    """The command, once it has written some results; it is a process group of its own, as a shell would make it."""
    command = there.command("hypotest", *files, "--engine", "pyhf", "-o", output)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as client:
        try:
            wait_for(lambda: output.exists() and output.read_bytes().count(b"\n") > 20, 120, "no results came")
            yield client
        finally:
            client.kill()


def recorded(output: Path) -> int:
    return len(read(output).hypotests())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_releases_the_blocks_and_a_resumed_run_computes_the_rest(
    site: Make, tmp_path: Path, how: signal.Signals
) -> None:
    there = site(partition="cpu", gpus=0)
    files, output = small.write(tmp_path, SIGNALS), tmp_path / "results.jsonl"
    with running(there, output, files) as client:
        victims = there.cluster.processes()
        assert victims
        os.killpg(client.pid, how)
        _, said = client.communicate(timeout=60)
    assert client.returncode == 130
    assert "the same command with --resume computes the rest" in said
    assert "Traceback" not in said
    there.cluster.wait_until_empty()
    psutil.wait_procs(victims, timeout=30)
    assert not there.cluster.processes()
    assert 20 <= recorded(output) < SIGNALS
    if how == signal.SIGINT:
        subprocess.run([*there.command("hypotest", *files, "--engine", "pyhf", "-o", output, "--resume", "--quiet")], check=True)
        assert recorded(output) == SIGNALS


def test_a_client_that_is_killed_leaves_no_block_behind(site: Make, tmp_path: Path) -> None:
    there = site(partition="cpu", gpus=0)
    with running(there, tmp_path / "results.jsonl", small.write(tmp_path, SIGNALS)) as client:
        helpers = psutil.Process(client.pid).children(recursive=True)
        client.kill()
        client.wait(timeout=30)
    _, alive = psutil.wait_procs(helpers, timeout=30)
    assert not alive
    there.cluster.wait_until_empty()


def test_an_engine_whose_interchange_dies_says_so_and_leaves_no_block_behind(site: Make, tmp_path: Path) -> None:
    there = site(partition="cpu", gpus=0)
    victims: list[psutil.Process] = []

    def kill() -> None:
        for child in psutil.Process().children(recursive=True):
            if child.cmdline()[:1] == ["parsl: HTEX interchange"]:
                victims.append(child)
                child.kill()

    with pytest.raises(TransportError, match="the engine's interchange has ended"):
        run_with_fault(there, tmp_path, kill)
    there.cluster.wait_until_empty()
    assert len(victims) == len(there.submitted()) == 1


def test_workers_that_do_not_start_show_why_and_are_not_asked_for_again_and_again(site: Make, tmp_path: Path) -> None:
    there = site(worker_init="echo no such module: anaconda >&2; exit 3")
    with there.client() as client, pytest.raises(TransportError) as caught:
        client.hypotest(*small.write(tmp_path)).to_list()
    (run,) = there.runs
    said = str(caught.value)
    assert f"{ATTEMPTS} blocks in a row were refused or ended before a worker connected" in said
    assert "no such module: anaconda" in said
    assert str(run / "submit_scripts") in said
    assert len(there.submitted()) == ATTEMPTS


def test_a_refused_submission_shows_what_sbatch_said(site: Make, tmp_path: Path) -> None:
    there = site(partition="nope")
    with there.client() as client, pytest.raises(TransportError, match="sbatch: error: invalid partition specified: nope"):
        client.hypotest(*small.write(tmp_path)).to_list()
    assert not (there.runs[0] / "jobs").exists()


def test_progress_says_that_a_block_waits(site: Make, tmp_path: Path) -> None:
    there = site(partition="cpu", gpus=0)
    files, output = small.write(tmp_path, 8), tmp_path / "results.jsonl"
    there.cluster.run("scontrol", "update", "PartitionName=cpu", "State=DOWN")
    lines: list[str] = []
    try:
        command = there.command("hypotest", *files, "--engine", "pyhf", "-o", output)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as client:
            assert client.stderr is not None
            for line in client.stderr:
                lines.append(line.strip())
                there.cluster.run("scontrol", "update", "PartitionName=cpu", "State=UP")
    finally:
        there.cluster.run("scontrol", "update", "PartitionName=cpu", "State=UP")
    assert client.returncode == 0
    assert lines[0] == "0/8 done, 0 failed, 0/s; blocks 1 pending 0 running, 0 workers"
    assert recorded(output) == 8


def test_the_status_counts_blocks_and_workers(site: Make) -> None:
    with site(nodes=1, blocks=2).client() as client:
        transport = client.transport
        assert transport.status() == SiteStatus()
        futures = [transport.executor().submit(cast("Any", Work()), b"[]") for _ in range(transport.in_flight)]
        wait_for(lambda: transport.status() == SiteStatus(0, 2, 4), 120, f"the site is at {transport.status()}")
        assert {future.result() for future in futures} == {b'{"records": []}'}
