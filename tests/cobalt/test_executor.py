"""Parsl's own executor on blocks from the provider, with commands that really run the script; takes some seconds."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import parsl
import psutil
import pytest
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.jobs.states import JobState
from parsl.launchers import SimpleLauncher, SingleNodeLauncher

import pyhf_endpoint
from pyhf_endpoint.cobalt.provider import CobaltProvider
from tests.cobalt.apps import where_am_i
from tests.cobalt.batch import Batch

PYTHON = Path(sys.executable).parent


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    batch = Batch(tmp_path / "batch")
    # The environment's folder, for Parsl's interchange.
    monkeypatch.setenv("PATH", f"{batch.bin}:{PYTHON}:{os.environ['PATH']}")
    yield batch
    batch.end()


def make_provider(launcher: object, cores_per_node: int | None = None) -> CobaltProvider:
    sources = f"{Path(pyhf_endpoint.__file__).parents[1]}:{Path(__file__).parents[2]}"
    worker_init = f"export PATH={PYTHON}:$PATH PYTHONPATH={sources} ONLY_WORKER_INIT_SETS=this"
    return CobaltProvider(walltime="00:05:00", worker_init=worker_init, launcher=launcher, cores_per_node=cores_per_node)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; the test's own time limit ends it."""
    while not condition():
        time.sleep(0.05)


def test_apps_run_in_a_block_and_the_block_is_deleted_at_the_end(
    batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = psutil.Process().children(recursive=True)
    monkeypatch.setenv("ONLY_THE_SUBMITTER_SETS", "this")
    provider = make_provider(SingleNodeLauncher(), cores_per_node=2)
    executor = HighThroughputExecutor(
        label="fits", provider=provider, address="127.0.0.1", max_workers_per_node=1, encrypted=False, poll_period=10
    )
    config = Config(
        executors=[executor],
        run_dir=str(tmp_path / "run"),
        strategy="none",
        usage_tracking=0,
        initialize_logging=False,  # Parsl never closes its log
    )
    with parsl.load(config):
        app = parsl.python_app(where_am_i)
        outcomes = [future.result() for future in [app() for _ in range(10)]]
        assert len(outcomes) == 10
        pid, folder, environ = outcomes[0]
        assert pid != os.getpid()
        assert folder == provider.script_dir
        assert environ["COBALT_JOBID"] == "1"
        assert environ["PBS_NODEFILE"] == environ["COBALT_NODEFILE"]
        assert environ["PARSL_CORES"] == "2"
        assert environ["JOBNAME"].startswith("parsl.fits.block-0.")
        assert environ["ONLY_WORKER_INIT_SETS"] == "this"
        assert "ONLY_THE_SUBMITTER_SETS" not in environ
        assert provider.status(["1"])[0].state is JobState.RUNNING
        assert batch.processes()
    parsl.clear()
    assert provider.resources["1"]["status"].state is JobState.CANCELLED
    wait_for(lambda: not batch.processes())
    assert psutil.Process().children(recursive=True) == before
    # nothing is left in the folder that we were in
    assert {path.name for path in tmp_path.iterdir()} == {"batch", "run"}


@pytest.mark.parametrize(("command", "state", "exit_code"), [("true", JobState.COMPLETED, 0), ("exit 3", JobState.FAILED, 3)])
def test_a_block_that_ends_by_itself_has_its_own_exit_code(
    command: str, state: JobState, exit_code: int, batch: Batch, tmp_path: Path
) -> None:
    provider = make_provider(SimpleLauncher())
    provider.script_dir = str(tmp_path)
    job_id = provider.submit(f"echo said; echo complained >&2; {command}", 1, "block")
    wait_for(lambda: provider.status([job_id])[0].terminal)
    (status,) = provider.status([job_id])
    assert (status.state, status.exit_code, status.stdout, status.stderr) == (state, exit_code, "said\n", "complained\n")


def test_a_block_that_is_deleted_by_somebody_else_is_cancelled(batch: Batch, tmp_path: Path) -> None:
    provider, other = make_provider(SimpleLauncher()), make_provider(SimpleLauncher())
    provider.script_dir = str(tmp_path)
    job_id = provider.submit("sleep 600", 1, "block")
    wait_for(lambda: provider.status([job_id])[0].state is JobState.RUNNING)
    assert other.cancel([job_id]) == [True]
    wait_for(lambda: provider.status([job_id])[0].terminal)
    assert provider.status([job_id])[0].state is JobState.CANCELLED
    wait_for(lambda: not batch.processes())
