"""The queue of a pool of workers, with workers that are killed while they hold one of its locks."""

import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from pyhf_endpoint.pool import InheritableLock, InheritableQueue, main

CONTEXT = multiprocessing.get_context("spawn")
LARGE = 10_000_000  # bytes, more than a pipe holds


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that the tests start import this module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))


def take(tasks: InheritableQueue, done: InheritableQueue) -> None:
    """A worker: wait for a task, with the lock of the queue."""
    done.put((os.getpid(), tasks.get(timeout=600)))


def give_much(tasks: InheritableQueue) -> None:
    """A process that is in the midst of a message for good: nobody reads it."""
    tasks.put(b"x" * LARGE)


def start(target: object, *arguments: object) -> BaseProcess:
    process = CONTEXT.Process(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    return process


def await_holder(lock: InheritableLock) -> int:
    """Return the process that holds a lock, once there is one; the test's own time limit ends this."""
    while not lock.holder:
        time.sleep(0.01)
    return lock.holder


def kill(process: BaseProcess) -> None:
    process.kill()
    process.join()


def test_a_worker_that_is_killed_while_it_waits_leaves_its_lock_to_the_others() -> None:
    tasks, done = InheritableQueue(ctx=CONTEXT), InheritableQueue(ctx=CONTEXT)
    workers = [start(take, tasks, done) for _ in range(3)]
    holder = await_holder(tasks._rlock)
    (victim,) = (worker for worker in workers if worker.pid == holder)
    kill(victim)
    assert tasks._rlock.holder == holder  # the dead one's still: the others wait in vain
    survivors = [worker for worker in workers if worker is not victim]
    successor = start(take, tasks, done)
    for task in "abc":
        tasks.put(task)
    found = dict(done.get(timeout=60) for _ in range(3))
    assert sorted(found.values()) == ["a", "b", "c"]
    assert found.keys() == {worker.pid for worker in (*survivors, successor)}


def test_a_lock_whose_holder_lives_stays_with_it() -> None:
    tasks, done = InheritableQueue(ctx=CONTEXT), InheritableQueue(ctx=CONTEXT)
    worker = start(take, tasks, done)
    holder = await_holder(tasks._rlock)
    assert holder == worker.pid
    assert tasks._rlock.inherit()
    assert tasks._rlock.holder == holder
    tasks.put("a")
    assert done.get(timeout=60) == (worker.pid, "a")


def test_a_lock_that_was_taken_by_nobody_known_is_freed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyhf_endpoint.pool._NAMELESS_S", 0.1)
    lock = InheritableLock(CONTEXT)
    lock._lock.acquire()  # as by a process that was killed before it wrote its name
    assert lock.inherit()
    assert lock.acquire(False)
    assert lock.holder == os.getpid()


def test_half_a_message_makes_a_lock_useless() -> None:
    tasks = InheritableQueue(ctx=CONTEXT)
    giver = start(give_much, tasks)
    await_holder(tasks._wlock)
    assert tasks._reader.poll(60)  # type: ignore[attr-defined]
    kill(giver)
    assert not tasks._wlock.inherit()


POOL = """
import multiprocessing, time
from pyhf_endpoint.pool import InheritableQueue
from tests.test_pool import give_much, kill, start, CONTEXT

if __name__ == "__main__":
    tasks = InheritableQueue(ctx=CONTEXT)
    idle = start(time.sleep, 600)
    giver = start(give_much, tasks)
    assert tasks._reader.poll(60)
    kill(giver)
    print(idle.pid, flush=True)
    start(give_much, tasks)
"""


def test_a_pool_in_which_half_a_message_is_left_ends(tmp_path: Path) -> None:
    (tmp_path / "a_pool.py").write_text(POOL)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(tmp_path / "a_pool.py")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    # Python's own tracker may add that it cleans up after it.
    assert done.stderr.startswith("a worker was killed in the midst of a message: this pool of workers ends\n")
    while Path(f"/proc/{int(done.stdout)}").exists():
        time.sleep(0.01)


def test_a_command_that_starts_no_pool_is_run_as_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyhf_endpoint.pool", sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "--port=1"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "['a b', '--port=1']\n"), done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["globus-compute-endpoint", "python-exec", "parsl.executors.high_throughput.process_worker_pool"],
        ["/opt/bin/process_worker_pool.py"],
    ],
)
def test_both_commands_that_start_a_pool_are_known(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyhf_endpoint.pool", *command, "--help"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "--hb_threshold" in done.stdout
    assert main.__module__ == "pyhf_endpoint.pool"
