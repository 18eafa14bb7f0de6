"""Probing whole sites: a real pool of processes, and Parsl's own workers with devices that exist in name alone."""

import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import psutil
import pytest

from pyhf_endpoint import profiles
from pyhf_endpoint.client import Client
from pyhf_endpoint.errors import TransportError, UsageError
from pyhf_endpoint.probing import expectation, probe
from pyhf_endpoint.transport import LocalTransport
from pyhf_endpoint.verdicts import Expected, compute_device, pinning


@pytest.fixture
def transport() -> Iterator[LocalTransport]:
    transport = LocalTransport(2)
    yield transport
    transport.close()


class Site:
    """A transport around any executor."""

    def __init__(self, executor: Executor, slots: int) -> None:
        self.slots = self.in_flight = slots
        self._executor = executor

    def executor(self) -> Executor:
        return self._executor

    def prepare(self, function: Callable[..., object], *arguments: object) -> None: ...

    def status(self) -> None: ...

    def reset(self) -> None: ...

    def close(self) -> None:
        self._executor.shutdown()


def test_every_worker_answers_once(transport: LocalTransport) -> None:
    reports = probe(transport)
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    assert len(reports) == len({report.pid for report in reports}) == 2
    assert {report.pid for report in reports} <= children


def test_as_many_as_are_asked_for(transport: LocalTransport) -> None:
    assert len(probe(transport, count=1)) == 1


def test_the_client_probes_its_site() -> None:
    with Client("local", workers=2) as client:
        reports = client.probe()
    assert len(reports) == 2
    expected = expectation(profiles.resolve(profiles.find("local").profile))
    assert expected == Expected()
    assert compute_device(reports, expected).outcome == "not applicable"


def test_time_that_runs_out_leaves_those_that_answered(transport: LocalTransport) -> None:
    pids = {report.pid for report in probe(transport)}
    assert {report.pid for report in probe(transport, seconds=0, count=5, limit_s=5)} == pids


def test_no_answer_in_time_is_an_error(transport: LocalTransport) -> None:
    with pytest.raises(TransportError, match=r"cannot be probed: no worker answered within 1e-06 s"):
        probe(transport, limit_s=1e-6)


def test_a_worker_that_was_killed_is_replaced(transport: LocalTransport) -> None:
    (victim, _) = probe(transport)
    os.kill(victim.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(victim.pid)] if psutil.pid_exists(victim.pid) else [], timeout=10)
    again = probe(transport)
    assert len(again) == 2
    assert victim.pid not in {report.pid for report in again}


def test_workers_that_go_down_with_another_are_forgotten(
    transport: LocalTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    let_workers_call(_second_dies(tmp_path), monkeypatch)
    reports = probe(transport)
    assert len(list(tmp_path.iterdir())) > 2
    assert {report.pid for report in reports} <= {child.pid for child in psutil.Process().children(recursive=True)}
    assert len(reports) == 2


def test_workers_that_keep_dying_are_an_error(transport: LocalTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    let_workers_call(_deadly(), monkeypatch)
    with pytest.raises(TransportError, match="cannot be probed: its workers died while they were probed; see its logs"):
        probe(transport)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": 3.0}, "a probe cannot last 3 s; give 0 to 2"),
        ({"seconds": -1.0}, "a probe cannot last -1 s; give 0 to 2"),
        ({"count": 0}, "cannot probe 0 workers; give at least 1"),
        ({"limit_s": 0.0}, "cannot wait 0 s; give a positive number"),
        ({"limit_s": float("inf")}, "cannot wait inf s; give a positive number"),
    ],
)
def test_numbers_without_sense(transport: LocalTransport, changes: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        probe(transport, **changes)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_workers_that_answer_something_else_are_named(transport: LocalTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    let_workers_call(_nonsense(), monkeypatch)
    with pytest.raises(TransportError, match=r"a worker answers with no report: .*give it this version of pyhf-endpoint"):
        probe(transport)


def test_workers_without_the_function_are_named(transport: LocalTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    let_workers_call(_older(), monkeypatch)
    with pytest.raises(TransportError, match=r"a worker cannot run the probe: KeyError: 'probe'; give it this version"):
        probe(transport)


def let_workers_call(function: Callable[[str, bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyhf_endpoint.functions.Function", lambda kind: functools.partial(function, kind))


def _nonsense() -> Callable[[str, bytes], bytes]:
    """A function that loky carries by value: the workers need not import this module."""

    def call(kind: str, payload: bytes) -> bytes:
        return b"[]"

    return call


def _second_dies(directory: Path) -> Callable[[str, bytes], bytes]:
    """The second call of all ends its worker, once the first has answered."""

    def call(kind: str, payload: bytes) -> bytes:
        import os
        import signal
        import time

        from pyhf_endpoint.functions.registered import call as real

        number = 0
        while True:
            try:
                (directory / str(number)).touch(exist_ok=False)
                break
            except FileExistsError:
                number += 1
        if number == 1:
            while not (directory / "answered").exists():
                time.sleep(0.05)
            time.sleep(0.5)  # for the answer's way back
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(kind, payload)
        (directory / "answered").touch()
        return answer

    return call


def _deadly() -> Callable[[str, bytes], bytes]:
    def call(kind: str, payload: bytes) -> bytes:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        return payload

    return call


def _older() -> Callable[[str, bytes], bytes]:
    def call(kind: str, payload: bytes) -> bytes:
        raise KeyError(kind)

    return call


@pytest.fixture
def parsl_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, int], Site]]:
    """Starts Parsl on this host with workers on numbered devices that do not exist, each with its own thread."""
    from parsl.concurrent import ParslPoolExecutor
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    monkeypatch.chdir(tmp_path)
    # Parsl looks for its own programs there.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    sites: list[Site] = []

    def start(workers: int, devices: int) -> Site:
        provider = LocalProvider(
            init_blocks=1, min_blocks=1, max_blocks=1, worker_init="export OMP_NUM_THREADS=1; export OPENBLAS_NUM_THREADS=1"
        )
        executor = HighThroughputExecutor(
            label="htex",
            address="127.0.0.1",
            loopback_address="127.0.0.1",
            max_workers_per_node=workers,
            available_accelerators=devices,
            provider=provider,
            encrypted=False,
        )
        config = Config(executors=[executor], run_dir=str(tmp_path / "runs"), strategy="none", usage_tracking=0)
        sites.append(Site(ParslPoolExecutor(config), workers))
        return sites[-1]

    yield start
    files = [handler for handler in logging.getLogger("parsl").handlers if isinstance(handler, logging.FileHandler)]
    for site in sites:
        site.close()
    for file in files:
        file.close()  # Parsl forgets its log file without closing it


def test_parsls_workers_on_fake_devices_are_pinned_and_compute_on_the_cpu(parsl_site: Callable[[int, int], Site]) -> None:
    reports = probe(parsl_site(2, 2), limit_s=240)
    assert [report.parsl.rank for report in reports] == ["0", "1"]
    assert sorted(report.visibility["CUDA_VISIBLE_DEVICES"] for report in reports) == ["0", "1"]
    assert {report.parsl.count for report in reports} == {"2"}
    site = Expected(accelerators_per_node=2, vendor="nvidia")
    assert pinning(reports, site).reasons == ()
    (reason,) = compute_device(reports, site).reasons
    assert reason.text.startswith("computed on the CPU: ")
    # The same workers, at a site with half as many devices.
    half = pinning(reports, Expected(accelerators_per_node=1, vendor="nvidia"))
    assert [reason.text for reason in half.reasons] == ["CUDA_VISIBLE_DEVICES=1 names a device that is not there; the node has 1"]
