"""The local transport: real worker processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from pyhf_endpoint import profiles
from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.transport import LocalTransport, connect
from pyhf_endpoint.transport.local import usable_cores


@pytest.fixture
def transport() -> Iterator[LocalTransport]:
    transport = LocalTransport(2)
    yield transport
    transport.close()


def test_workers_are_other_processes_with_one_thread_of_linear_algebra(transport: LocalTransport) -> None:
    assert transport.executor().submit(os.getpid).result() != os.getpid()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        assert transport.executor().submit(os.getenv, name).result() == "1"


def test_workers_leave_ctrl_c_to_the_client(transport: LocalTransport) -> None:
    pid = transport.executor().submit(os.getpid).result()
    os.kill(pid, signal.SIGINT)
    assert transport.executor().submit(abs, -1).result() == 1
    assert psutil.pid_exists(pid)


def test_reset_ends_running_work_at_once_and_the_next_executor_works(transport: LocalTransport) -> None:
    pid = transport.executor().submit(os.getpid).result()
    transport.executor().submit(time.sleep, 600)
    start = time.monotonic()
    transport.reset()
    assert time.monotonic() - start < 60
    assert not psutil.pid_exists(pid)
    assert transport.executor().submit(os.getpid).result() != pid


def test_workers_end_with_a_client_that_is_killed() -> None:
    script = (
        "import os, time\n"
        "from pyhf_endpoint.transport import LocalTransport\n"
        "transport = LocalTransport(2)\n"
        "print(transport.executor().submit(os.getpid).result(), flush=True)\n"
        "transport.executor().submit(time.sleep, 600)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        worker = psutil.Process(int(client.stdout.readline()))
        children = psutil.Process(client.pid).children(recursive=True)
        assert worker in children
        client.kill()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert worker in gone


def test_a_script_needs_no_main_guard(tmp_path: object) -> None:
    script = (
        "import os\n"
        "from pyhf_endpoint.transport import LocalTransport\n"
        "print('once')\n"
        "transport = LocalTransport(1)\n"
        "transport.executor().submit(os.getpid).result()\n"
        "transport.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "once\n"


def test_one_worker_per_usable_core_unless_told_otherwise() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert LocalTransport().slots == usable_cores()
    assert connect(profiles.find("local").profile, workers=3).slots == 3


@pytest.mark.parametrize("workers", [0, -1])
def test_a_number_of_workers_that_cannot_be(workers: int) -> None:
    with pytest.raises(UsageError, match=f"cannot work with {workers} workers; give at least 1"):
        connect(profiles.find("local").profile, workers=workers)
