"""Tasks as somebody sends them who writes their own client: any text in the place of a task's arguments."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from globus_compute_sdk import Client
from globus_compute_sdk.serialize import ComputeSerializer, DillDataBase64, JSONData

from pyhf_endpoint.service import Answer, Service

__all__ = ["answer", "dilled", "source", "wait_for"]


def answer(endpoint: str, function: str, arguments: str, wait_s: float = 120.0) -> Answer:
    """Send one task by the SDK's web client, and return what came of it.

    Args:
        endpoint: The endpoint's id.
        function: The function's id.
        arguments: The buffer of its positional arguments, headed by the strategy that shall read it.
        wait_s: How long to wait.
    """
    payload = ComputeSerializer.pack_buffers([arguments, JSONData().serialize({})])
    data = {"create_queue": False, "tasks": {function: [payload]}}
    sent = Client(do_version_check=False)._compute_web_client.v3.submit(endpoint, data).data
    (task,) = sent["tasks"][function]
    found: dict[str, Answer] = {}

    def is_there() -> bool:
        found.update(Service().answers([task]))
        return task in found

    wait_for(is_there, wait_s, pause_s=1.0)
    return found[task]


class _Folder:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._path),)


def dilled(mark: Path) -> str:
    """Return arguments that make a folder when they are unpickled."""
    return str(DillDataBase64().serialize((_Folder(mark),)))


def source(code: str) -> str:
    """Return arguments headed as source text, which is run to be read."""
    return f"st\nargument:{code}\ndef argument():\n    pass\n"


def wait_for(condition: Callable[[], bool], wait_s: float = 60.0, pause_s: float = 0.2) -> None:
    """Return once a condition holds."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause_s)
