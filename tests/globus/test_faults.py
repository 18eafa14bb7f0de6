"""Grids in whose midst something is killed: nothing is lost, nothing is recorded twice."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyhf_endpoint.client import Client
from pyhf_endpoint.results import HypotestResult, read
from pyhf_endpoint.transport.globus import GlobusTransport
from pyhf_endpoint.transport.pending import Patience
from tests import small
from tests.globus.daemon import Daemon
from tests.globus.rabbitmq import RabbitMQ
from tests.globus.standin import StandIn

pytestmark = pytest.mark.timeout(600)  # endpoint processes start slowly on a busy machine
SIGNALS = 60
# Enough for an endpoint process to start again on a busy machine, little enough for a test.
HASTY = Patience(quiet_s=4, least_s=8, first_s=60)


@pytest.fixture
def own_daemon(daemon: Daemon) -> Iterator[Daemon]:
    """The endpoint, which is running again at the end, whatever was done to it."""
    yield daemon
    if not daemon.is_running():
        daemon.stop()
        daemon.forget_pid()
        daemon.start()
    daemon.await_online()


def out(service: StandIn) -> int:
    """Tasks that have not come back."""
    return sum(task["status"] == "waiting-for-ep" for task in service.state.tasks.values())


Fault = Callable[[list[HypotestResult]], object]


def through(fault: Fault, site: str, service: StandIn, folder: Path, after: int = 12) -> list[HypotestResult]:
    """Run a grid, one hypothesis after the other with pyhf, and let the fault happen once some results have come."""
    output = folder / "results.jsonl"
    with Client(site) as client:
        assert isinstance(client.transport, GlobusTransport)
        client.transport.patience = HASTY
        inputs = small.write(folder, signals=SIGNALS)
        points = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
        results = iter(client.hypotest(*inputs, engine="pyhf", poi_test=points, output=output))
        found = [next(results) for _ in range(after)]
        assert len(read(output).results) == after < SIGNALS * len(points)
        assert out(service) > SIGNALS // 4
        fault(found)
        found += results
    assert len({one.key for one in found}) == len(found) == SIGNALS * len(points)
    assert {one.key for one in read(output).results} == {one.key for one in found}
    assert {one.status for one in found} == {"converged"}
    return found


def test_the_user_endpoint_process_is_killed(site: str, own_daemon: Daemon, service: StandIn, tmp_path: Path) -> None:
    before = {process.pid for process in own_daemon.user_processes()}

    def kill(_: object) -> None:
        running = own_daemon.user_processes()
        assert running
        before.update(process.pid for process in running)
        own_daemon.kill(running)

    sent = len(service.state.tasks)
    found = through(kill, site, service, tmp_path)
    assert {process.pid for process in own_daemon.user_processes()} - before  # another one took over
    assert len(service.state.tasks) - sent > SIGNALS  # what was lost with it was sent again
    assert len({one.worker for one in found}) > 2


def test_the_core_endpoint_is_killed_and_started_again(site: str, own_daemon: Daemon, service: StandIn, tmp_path: Path) -> None:
    def kill(_: object) -> None:
        own_daemon.kill_core()
        own_daemon.forget_pid()
        own_daemon.start()

    through(kill, site, service, tmp_path)


def test_a_worker_is_killed(site: str, own_daemon: Daemon, service: StandIn, tmp_path: Path) -> None:
    victims = []

    def kill(found: list[HypotestResult]) -> None:
        victims.append(found[-1].worker)
        (victim,) = (process for process in own_daemon.workers() if process.pid == pid_of(found[-1]))
        own_daemon.kill([victim])

    found = through(kill, site, service, tmp_path)
    assert pid_of(found[0]) != os.getpid()
    assert not [process for process in own_daemon.workers() if str(process.pid) == victims[0].rpartition(":")[2]]
    assert len({one.worker for one in found}) >= 2


def pid_of(result: HypotestResult) -> int:
    return int(result.worker.rpartition(":")[2])


def test_the_broker_is_restarted(site: str, own_daemon: Daemon, rabbitmq: RabbitMQ, service: StandIn, tmp_path: Path) -> None:
    through(lambda _: rabbitmq.restart(), site, service, tmp_path)
    assert own_daemon.is_running()
