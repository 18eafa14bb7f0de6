"""What a worker process of this machine does before its first chunk; a module of its own, so that workers load no transport."""

import importlib
import os
import signal
import threading
import time

__all__ = ["start"]

_PARENT_POLL_S = 0.5


def start(parent: int) -> None:
    """Prepare this process for its work.

    Args:
        parent: Id of the client's process.
    """
    # loky ends workers that have grown by 300 MB, with a warning; compiled JAX models grow by more and are no leak.
    vars(importlib.import_module("loky.process_executor"))["_MAX_MEMORY_LEAK_SIZE"] = float("inf")
    # Ctrl-C reaches the whole process group; the client alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """A client ended by SIGKILL cannot end its workers: they notice by themselves."""
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_S)
    os._exit(1)
