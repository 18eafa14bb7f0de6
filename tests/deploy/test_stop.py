"""A daemon that does not end when it is told to."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from pyhf_endpoint.deploy import Daemon
from pyhf_endpoint.deploy import daemon as module
from pyhf_endpoint.process import Completed

# It deafens itself, starts a process that serves a user, and says so; its last argument makes it look like Globus Compute's.
STUCK = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
print("deaf", flush=True)
time.sleep(300)
"""


def test_it_is_killed_with_all_that_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path))
    monkeypatch.setattr(module, "_FORCED_STOP_S", 0.5)

    def timid(argv: Sequence[str], **_: Any) -> Completed:
        assert list(argv)[1:] == ["stop", "stuck"]
        return Completed(255, "", "timeout attempting to stop endpoint")

    with subprocess.Popen([sys.executable, "-c", STUCK, "globus-compute-endpoint"], stdout=subprocess.PIPE) as stuck:
        assert stuck.stdout is not None
        assert stuck.stdout.readline() == b"deaf\n"
        processes = [psutil.Process(stuck.pid), *psutil.Process(stuck.pid).children()]
        assert len(processes) == 2
        (tmp_path / "stuck").mkdir()
        (tmp_path / "stuck" / "daemon.pid").write_text(f"{stuck.pid}\n")
        daemon = Daemon("stuck", timid)
        daemon.stop()
    assert daemon.pid is None
    assert not (tmp_path / "stuck" / "daemon.pid").exists()
    assert not any(process.is_running() for process in processes)
