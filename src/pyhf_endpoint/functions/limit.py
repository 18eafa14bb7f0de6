"""The time limit of a task, as far as Globus Compute leaves it to us.

Where the variable `GC_TASK_TIMEOUT` is set, Globus Compute's worker raises Parsl's `AppTimeout` in a task that has taken that
many seconds, and goes on with the next. That reaches Python alone: `strikes` tells it from errors of one hypothesis, which are
caught, and `last_resort` ends a worker whose native code does not come back, so that its place is filled again.
"""

import faulthandler
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["GRACE_S", "VARIABLE", "last_resort", "seconds", "strikes"]

VARIABLE = "GC_TASK_TIMEOUT"
#: Seconds beyond the limit after which the worker process is ended.
GRACE_S = 30.0
_RAISED = "AppTimeout"


def seconds() -> float | None:
    """Return the limit of this process' tasks; None where there is none."""
    try:
        found = float(os.environ.get(VARIABLE, "0"))
    except ValueError:
        return None
    return found if found > 0 else None


def strikes(error: BaseException) -> bool:
    """Return whether an error says that the task's time is up, so that nothing may carry on after it."""
    return type(error).__name__ == _RAISED


@contextmanager
def last_resort() -> Iterator[None]:
    """End the process with code 1 where what is inside takes longer than limit and grace; its stack goes to standard error.

    A thread that needs neither Python nor its lock does so. Starting it takes microseconds.
    """
    limit = seconds()
    if limit is None or sys.__stderr__ is None:
        yield
        return
    faulthandler.dump_traceback_later(limit + GRACE_S, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
