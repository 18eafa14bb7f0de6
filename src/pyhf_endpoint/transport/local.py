"""The transport `local`: worker processes on this machine, one thread of linear algebra each."""

import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from pyhf_endpoint import worker

__all__ = ["LocalTransport", "usable_cores"]

# What keeps BLAS, OpenMP and XLA from starting a thread per core in every worker; read when those libraries load.
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS")


class LocalTransport:
    """Worker processes on this machine, started on first use.

    Args:
        workers: Number of processes; None takes one per usable core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.slots = self.in_flight = workers or usable_cores()
        self._executor: Any = None

    def executor(self) -> Executor:
        """Return the live pool, started on first use and again after `reset`."""
        if self._executor is None:
            # loky rather than the standard pool: it neither needs an `if __name__ == "__main__"` guard in the user's script
            # nor forks threads, sets the workers' environment before they import anything, and can end them at once.
            from loky.process_executor import ProcessPoolExecutor

            _start_tracker()
            self._executor = ProcessPoolExecutor(
                self.slots, env=dict.fromkeys(_THREAD_LIMITS, "1"), initializer=worker.start, initargs=(os.getpid(),)
            )
        executor: Executor = self._executor
        return executor

    def prepare(self, function: Callable[..., object], *arguments: object) -> None:
        """Start all workers and let each call a function, whose outcome is ignored, while the client does something else."""
        for _ in range(self.slots):
            self.executor().submit(function, *arguments)

    def status(self) -> None:
        """There is no queue to wait in."""

    def reset(self) -> None:
        """End all workers, at once."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)
            self._executor = None

    close = reset


def usable_cores() -> int:
    """Return the number of cores that this process may use (cgroup limits and `taskset` included where they are known)."""
    # joblib's count knows the container's CPU quota, which os.sched_getaffinity does not.
    from loky import cpu_count

    return int(cpu_count())


def _start_tracker() -> None:
    """Start loky's tracker of semaphores, without its complaint about those that ended workers leave to it.

    Idle workers are ended rather than asked to leave, which would take another 0.15 s.
    """
    from loky.backend import resource_tracker

    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker:UserWarning")))
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before
