"""Old logs go, and what may still be needed stays."""

import os
import time
from pathlib import Path

import pytest

from pyhf_endpoint.deploy import logs


def written(path: Path, days: float, text: str = "line\n") -> Path:
    """A file that was last written some days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    moment = time.time() - days * 24 * 3600
    os.utime(path, (moment, moment))
    return path


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_belongs_to_a_process_that_has_ended_goes_after_two_weeks(tmp_path: Path) -> None:
    written(tmp_path / "users" / "old" / "endpoint.log", 15)
    written(tmp_path / "users" / "old" / "daemon.pid", 15, str(2**30))
    written(tmp_path / "users" / "recent" / "endpoint.log", 13)
    written(tmp_path / "endpoint.log", 100)
    assert logs.prune(tmp_path) == len("line\n") + len(str(2**30))
    assert tree(tmp_path) == {"users/recent/endpoint.log", "endpoint.log"}


def test_of_a_process_that_runs_only_blocks_long_gone_go(tmp_path: Path) -> None:
    user = tmp_path / "users" / "one"
    written(user / "daemon.pid", 30, str(os.getpid()))
    written(user / "endpoint.log", 30)
    engine = user / "GlobusComputeEngine-HighThroughputExecutor"
    written(engine / "interchange.log", 30)
    written(engine / "block-0" / "a" / "manager.log", 15)
    written(engine / "block-0" / "a" / "worker_0.log", 15)
    written(engine / "block-0" / "b" / "manager.log", 1)
    written(engine / "block-0" / "b" / "worker_0.log", 15)
    written(user / "submit_scripts" / "block-0.sh", 15)
    written(user / "submit_scripts" / "block-1.sh", 1)
    logs.prune(tmp_path)
    assert tree(user) == {
        "daemon.pid",
        "endpoint.log",
        "GlobusComputeEngine-HighThroughputExecutor/interchange.log",
        "GlobusComputeEngine-HighThroughputExecutor/block-0/b/manager.log",
        "GlobusComputeEngine-HighThroughputExecutor/block-0/b/worker_0.log",
        "submit_scripts/block-1.sh",
    }


@pytest.mark.parametrize("alive", [True, False])
def test_a_large_log_is_put_aside_once_nobody_writes_to_it(alive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGE", 10)
    user = tmp_path / "users" / "one"
    written(user / "daemon.pid", 1, str(os.getpid() if alive else 2**30))
    written(user / "engine" / "interchange.log", 1, "0123456789")
    written(user / "engine" / "interchange.log.1", 1, "older")
    written(user / "endpoint.log", 1, "012345678")
    assert logs.prune(tmp_path) == (0 if alive else len("older"))
    assert (user / "engine" / "interchange.log").exists() == alive
    assert (user / "engine" / "interchange.log.1").read_text() == ("older" if alive else "0123456789")
    assert (user / "endpoint.log").exists()


def test_an_endpoint_that_served_nobody_has_nothing_to_remove(tmp_path: Path) -> None:
    assert logs.prune(tmp_path) == 0
