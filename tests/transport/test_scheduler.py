"""The transport `scheduler` as far as it goes without a scheduler: Parsl's LocalProvider stands for one."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import psutil
import pytest

from pyhf_endpoint import profiles
from pyhf_endpoint.dispatch import run_chunks
from pyhf_endpoint.errors import InputError, MissingExtraError, TransportError, UsageError
from pyhf_endpoint.functions import Function, HypotestSettings, TimeLimitError
from pyhf_endpoint.inputs import load
from pyhf_endpoint.plan import make_plan
from pyhf_endpoint.transport import SiteStatus, connect, engine
from pyhf_endpoint.transport.configuration import EngineConfiguration
from pyhf_endpoint.transport.runs import new_run
from pyhf_endpoint.transport.scheduler import SchedulerTransport
from tests import small

LOCAL = """
engine:
  type: GlobusComputeEngine
  address: 127.0.0.1
  max_workers_per_node: 2
  heartbeat_period: 2
  heartbeat_threshold: 10
  allowed_serializers:
    - globus_compute_sdk.serialize.PureSourceTextInspect
    - globus_compute_sdk.serialize.JSONData
  job_status_kwargs: {strategy_period: 0.5}
  provider: {type: LocalProvider, init_blocks: 1, max_blocks: 1}
"""
# The same with a pool of workers whose workers may be killed, as rendered configurations have it.
MORTAL = LOCAL.replace(
    "  max_workers",
    """  container_type: custom
  container_cmd_options: globus-compute-endpoint python-exec pyhf_endpoint.pool {EXECUTOR_LAUNCH_CMD}
  max_workers""",
)
SLURM = """
engine:
  type: GlobusComputeEngine
  provider: {type: SlurmProvider, partition: gpu}
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Keeps run folders out of the user's home, and lets the workers find this package."""
    return {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


@pytest.fixture
def transport(environment: dict[str, str]) -> Iterator[SchedulerTransport]:
    transport = SchedulerTransport(LOCAL, environment)
    yield transport
    transport.close()


def test_a_grid_goes_through_an_engine_and_nothing_of_it_is_left(
    transport: SchedulerTransport, environment: dict[str, str], tmp_path: Path
) -> None:
    assert transport.slots == 2
    assert transport.status() == SiteStatus()
    before, others = dict(os.environ), psutil.Process().children(recursive=True)
    workspace, patchset = small.write(tmp_path, 5)
    plan = make_plan("hypotest", load(workspace, patchset), HypotestSettings(), site="here")
    outcomes = list(run_chunks(transport, Function("hypotest"), plan.chunks(transport.slots), plan.payload))
    records = [record for outcome in outcomes for record in outcome.records or []]
    assert sorted(record["name"] for record in records) == ["S100", "S200", "S300", "S400", "S500"]
    assert {record["status"] for record in records} == {"converged"}
    workers = {psutil.Process(int(record["worker"].split(":")[1])) for record in records}
    assert psutil.Process() not in workers
    processes = [*workers, *(set(psutil.Process().children(recursive=True)) - set(others))]
    run = transport.run
    assert run is not None
    assert run.is_relative_to(tmp_path / "state")
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    transport.close()
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
    assert dict(os.environ) == before


@dataclass(frozen=True)
class Meet:
    """A function as the registered ones are sent: it returns its process, once as many of them run as its argument says."""

    name: str = "meet"
    source: str = """
def meet(text):
    import json, os, pathlib, time

    folder, count = json.loads(text.removeprefix("json:"))
    (pathlib.Path(folder) / str(os.getpid())).touch()
    while len(list(pathlib.Path(folder).iterdir())) < count:
        time.sleep(0.01)
    return "json:" + json.dumps(os.getpid())
"""


def meet(transport: SchedulerTransport, folder: Path) -> set[int]:
    """Have both workers run something at the same time, and return their processes once they are idle."""
    folder.mkdir()
    futures = [transport.executor().submit(cast("Any", Meet()), orjson.dumps([str(folder), 2])) for _ in range(2)]
    found = {orjson.loads(future.result(timeout=120)) for future in futures}
    quiet = 0
    while quiet < 20:  # what they still do after their result is a matter of milliseconds
        time.sleep(0.02)
        idle = all(psutil.Process(process).status() == psutil.STATUS_SLEEPING for process in found)
        quiet = quiet + 1 if idle else 0
    return found


def test_workers_that_are_killed_while_they_wait_have_successors_that_work(environment: dict[str, str], tmp_path: Path) -> None:
    transport = SchedulerTransport(MORTAL, environment)
    try:
        first = meet(transport, tmp_path / "first")
        for process in first:  # one of them holds the lock of the queue of tasks
            os.kill(process, signal.SIGKILL)
        second = meet(transport, tmp_path / "second")
    finally:
        transport.close()
    assert len(first) == len(second) == 2
    assert not first & second


def test_a_chunk_that_takes_too_long_ends_and_its_worker_goes_on(environment: dict[str, str]) -> None:
    """pyhf, whose errors belong to one hypothesis each, does not swallow the end of the whole."""
    timed = LOCAL.replace("{type: LocalProvider,", "{type: LocalProvider, worker_init: export GC_TASK_TIMEOUT=5,")
    transport = SchedulerTransport(timed.replace("max_workers_per_node: 2", "max_workers_per_node: 1"), environment)
    patch = small.patchset(1)["patches"][0]["patch"]
    payload = {"workspace": small.WORKSPACE, "patches": [{"name": "S", "values": [1], "patch": patch}]}
    # On its own, this takes minutes.
    long = HypotestSettings(engine="pyhf", poi_test=tuple(1 + i / 10_000 for i in range(20_000))).to_json()
    try:
        executor = transport.executor()
        first = orjson.loads(executor.submit(Function("probe"), b'{"seconds": 0}').result())
        executor.submit(Function("ready"), b'{"engine": "pyhf"}').result()
        with pytest.raises(TimeLimitError, match="the time limit of 5 s for one task has passed"):
            executor.submit(Function("hypotest"), orjson.dumps(payload | {"settings": long})).result()
        usual = HypotestSettings(engine="pyhf").to_json()
        found = orjson.loads(executor.submit(Function("hypotest"), orjson.dumps(payload | {"settings": usual})).result())
        assert [record["status"] for record in found["records"]] == ["converged"]
        assert found["records"][0]["worker"].endswith(f":{first['pid']}")
    finally:
        transport.close()


def test_a_start_that_is_not_needed_is_undone(transport: SchedulerTransport) -> None:
    before = psutil.Process().children(recursive=True)
    transport.prepare(print, "unused")
    transport.close()
    _, alive = psutil.wait_procs(set(psutil.Process().children(recursive=True)) - set(before), timeout=30)
    assert not alive


def test_an_interchange_that_cannot_start_says_so_at_once(environment: dict[str, str]) -> None:
    transport = SchedulerTransport(LOCAL.replace("127.0.0.1", "192.0.2.1"), environment)
    try:
        with pytest.raises(TransportError, match=r"(?s)the engine's interchange has ended; its output, .*Cannot assign"):
            transport.executor()
    finally:
        transport.close()


@pytest.mark.timeout(60)
def test_what_is_submitted_to_a_dead_interchange_does_not_wait_for_ever(
    transport: SchedulerTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_WATCH_S", 600)  # the watch would see to it, had it looked before
    monkeypatch.setattr(engine, "_SEND_S", 2.0)
    started = transport.executor()
    started.submit(Function("probe"), b'{"seconds": 0}').result()
    (interchange,) = (
        child for child in psutil.Process().children(recursive=True) if child.cmdline()[:1] == ["parsl: HTEX interchange"]
    )
    interchange.kill()
    time.sleep(0.5)  # until the connection is known to be gone; what is sent before then vanishes
    future = started.submit(Function("probe"), b'{"seconds": 0}')
    with pytest.raises(TransportError, match="the engine's interchange has ended"):
        future.result(timeout=30)
    with pytest.raises(TransportError, match="the engine's interchange has ended"):
        started.submit(Function("probe"), b'{"seconds": 0}')


def test_a_configuration_that_the_engine_refuses(environment: dict[str, str]) -> None:
    transport = SchedulerTransport(LOCAL.replace("heartbeat_period", "heart_rate"), environment)
    with pytest.raises(InputError, match=r"the endpoint configuration cannot be loaded: .*heart_rate"):
        transport.executor()
    transport.close()


def test_without_the_extra(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "globus_compute_endpoint.endpoint.config.utils", None)
    transport = SchedulerTransport(LOCAL, environment)
    with pytest.raises(MissingExtraError, match=r"the transport `scheduler` needs the extra `endpoint`"):
        transport.executor()
    transport.close()


@pytest.mark.parametrize("text", ["", "engine: {type: ThreadPoolEngine}", "[", "display_name: x"])
def test_what_is_no_such_configuration(text: str) -> None:
    with pytest.raises(InputError, match="the endpoint configuration has no `engine` with a `provider`"):
        SchedulerTransport(text)


def test_without_the_schedulers_programs_nothing_is_started(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    with pytest.raises(TransportError) as caught:
        SchedulerTransport(SLURM, environment, site="polaris")
    assert str(caught.value) == (
        "cannot reach the scheduler of polaris (Slurm): `sbatch`, `squeue`, `scancel` not found on the PATH of this machine."
        " Run the command on a login node of polaris, or compute here with `--site local`"
    )
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("engine", "provider", "slots"),
    [
        ("", "", 1),
        ("max_workers_per_node: 4", "max_blocks: 3, nodes_per_block: 2", 24),
        ("max_workers_per_node: 8, available_accelerators: 4", "max_blocks: 2", 8),
        ("available_accelerators: ['0.0', '0.1']", "cores_per_node: 64", 2),
        ("cores_per_worker: 0.5", "cores_per_node: 4", 8),
        ("max_workers_per_node: 8, cores_per_worker: 16", "cores_per_node: 64", 4),
    ],
)
def test_the_slots_of_a_configuration(engine: str, provider: str, slots: int) -> None:
    text = f"engine: {{{engine}{', ' if engine else ''}provider: {{type: SlurmProvider{', ' if provider else ''}{provider}}}}}"
    assert EngineConfiguration.parse(text).slots == slots


def test_old_run_folders_go_and_new_ones_stay(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    old, new = new_run(environment), new_run(environment)
    assert old.parent == tmp_path / ".local" / "state" / "pyhf-endpoint" / "runs"
    month = time.time() - 30 * 24 * 3600
    os.utime(old, (month, month))
    newest = new_run(environment)
    assert set(old.parent.iterdir()) == {new, newest}


def test_a_run_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TransportError, match="set XDG_STATE_HOME to a folder"):
        new_run({"XDG_STATE_HOME": str(tmp_path / "file")})


def test_the_guard_ends_its_program_and_cancels_the_jobs_once_the_parent_is_gone(tmp_path: Path) -> None:
    from pyhf_endpoint.transport import guard

    jobs, cancelled, cancel = tmp_path / "jobs", tmp_path / "cancelled", tmp_path / "cancel"
    jobs.write_text("11\n12\n")
    cancel.write_text(f'#!/bin/sh\necho "$@" > {cancelled}\n')
    cancel.chmod(0o755)
    command = [sys.executable, "-IS", guard.__file__, tmp_path / "log", jobs, cancel, sys.executable, "-c"]
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    parent_script = f"import subprocess, sys, time; subprocess.Popen({[*map(str, command), program]!r}); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", parent_script]) as parent:
        while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
            time.sleep(0.05)
        children = psutil.Process(parent.pid).children(recursive=True)
        assert int((tmp_path / "log").read_text()) in {child.pid for child in children}
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert cancelled.read_text() == "11 12\n"


def test_the_number_of_workers_is_not_for_a_scheduler() -> None:
    local = profiles.find("local").profile
    with pytest.raises(UsageError, match="the number of workers is not for --via scheduler"):
        connect(local, via="scheduler", workers=2)
    assert connect(local, via="local", workers=2).slots == 2
