"""Parsl's pool of workers, made to outlive workers that are killed: `python -m pyhf_endpoint.pool` before what starts it.

The workers of a node take their tasks from one queue of Python's `multiprocessing`, and whoever waits for the next one holds the
queue's lock. Killed, a worker takes the lock along, and neither the others nor its successor ever get a task again, while the
pool as a whole looks well: tasks are sent to it, and none comes back. Here the lock knows who holds it, and the pool takes it
from the dead when it starts their successor. Nothing else of Parsl is changed.
"""

import contextlib
import multiprocessing
import multiprocessing.queues
import os
import runpy
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["InheritableLock", "InheritableQueue", "main"]

_POOL = "parsl.executors.high_throughput.process_worker_pool"
_SCRIPT = "process_worker_pool.py"
# Seconds for which a lock may be taken without a name to it; a process that lives needs microseconds for that.
_NAMELESS_S = 5.0


class InheritableLock:
    """A lock between processes that can be taken from one that has died with it.

    Args:
        context: A context of `multiprocessing`.
    """

    def __init__(self, context: Any) -> None:
        self._lock = context.Lock()
        # Who holds it: a process id, negative while a message is half transferred; 0 for nobody.
        self._holder = context.RawValue("q", 0)

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take it, as a lock of `multiprocessing`."""
        taken: bool = self._lock.acquire(block, timeout)
        if taken:
            self._holder.value = os.getpid()
        return taken

    def release(self) -> None:
        """Let go of it."""
        self._holder.value = 0
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def holder(self) -> int:
        """The process that holds it; 0 for none."""
        return abs(int(self._holder.value))

    def guarded(self, transfer: Callable[..., Any]) -> Callable[..., Any]:
        """Return a transfer of a message, to be done with the lock held, that leaves a mark should its process die within."""

        def marked(*arguments: Any) -> Any:
            self._holder.value = -os.getpid()
            try:
                return transfer(*arguments)
            finally:
                self._holder.value = os.getpid()

        return marked

    def inherit(self) -> bool:
        """Free it if the process that holds it is dead.

        Returns:
            Whether what it guards can still be used: not where the dead has left half a message behind.
        """
        deadline = time.monotonic() + _NAMELESS_S
        while not self._lock.acquire(False):
            holder = int(self._holder.value)
            if holder and _lives(abs(holder)):
                return True
            if holder < 0:
                return False
            if holder or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        self.release()
        return True


class InheritableQueue(multiprocessing.queues.Queue):  # type: ignore[type-arg] # a generic class only to type checkers
    """A queue of `multiprocessing` whose locks are freed, each time a process is started with it, if their holders are dead.

    Args:
        maxsize: Most messages in it; 0 for no limit.
        ctx: A context of `multiprocessing`.
    """

    _rlock: Any
    _wlock: Any

    def __init__(self, maxsize: int = 0, *, ctx: Any) -> None:
        super().__init__(maxsize, ctx=ctx)
        self._rlock, self._wlock = InheritableLock(ctx), InheritableLock(ctx)
        self._reset()

    def __getstate__(self) -> Any:
        # Whoever starts a worker does so in the place of one that has died, or at the beginning.
        if not all([self._rlock.inherit(), self._wlock.inherit()]):
            _end_pool()
        return super().__getstate__()

    def _reset(self, after_fork: bool = False) -> None:
        super()._reset(after_fork)  # type: ignore[misc] # not in the published types
        if isinstance(self._rlock, InheritableLock):
            self._recv_bytes = self._rlock.guarded(self._reader.recv_bytes)  # type: ignore[attr-defined]
            self._send_bytes = self._wlock.guarded(self._writer.send_bytes)  # type: ignore[attr-defined]


def main(command: Sequence[str]) -> None:
    """Run Parsl's pool of workers in this process.

    Args:
        command: What would start it otherwise: `process_worker_pool.py ARGUMENT...`, or a program that is given the module's
            name and the arguments. A command that starts something else is run as it is.
    """
    place = next((i for i, word in enumerate(command) if word == _POOL or word.rpartition("/")[2] == _SCRIPT), None)
    if place is None:
        os.execvp(command[0], list(command))  # noqa: S606 # in the place of this process, without a shell
    from parsl.multiprocessing import SpawnContext

    SpawnContext.Queue = lambda maxsize=0: InheritableQueue(maxsize, ctx=SpawnContext)
    sys.argv[1:] = command[place + 1 :]
    # Under its own name: the workers, which are processes of their own, import it anew.
    runpy.run_module(_POOL, run_name="__main__", alter_sys=True)


def _end_pool() -> None:
    """End this process and those below it, so that the engine misses them and has their tasks computed elsewhere."""
    sys.stderr.write("a worker was killed in the midst of a message: this pool of workers ends\n")
    sys.stderr.flush()
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(1)


def _lives(process: int) -> bool:
    with contextlib.suppress(PermissionError):  # of somebody else, so that it is there
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True


if __name__ == "__main__":
    # By its own name: what the workers are sent must be found there.
    from pyhf_endpoint.pool import main as main_of_package

    main_of_package(sys.argv[1:])
