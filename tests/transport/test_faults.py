"""Tracebacks, as Globus Compute's engine and worker send them, and what they mean."""

import pytest
from globus_compute_endpoint.exception_handling import get_error_string
from parsl.app.errors import AppTimeout
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

from pyhf_endpoint.errors import TransportError
from pyhf_endpoint.functions import RemoteError, TimeLimitError
from pyhf_endpoint.transport import NodeLostError, WorkerLostError
from pyhf_endpoint.transport.faults import from_traceback


def traceback_of(error: Exception) -> str:
    """What the engine makes of an exception."""
    try:
        raise error
    except type(error) as raised:
        return str(get_error_string(exc=raised, tb_levels=0))


def framed(*texts: str) -> str:
    """How the engine's retries are told."""
    return "\n".join("+" * 68 + f"\nTraceback from attempt: {i}\n{text}" + "-" * 68 for i, text in enumerate(texts))


LOST_WORKER = traceback_of(WorkerLost(0, "host"))
LOST_MANAGER = traceback_of(ManagerLost(b"abc", "host"))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (LOST_WORKER, WorkerLostError, "Task failure due to loss of worker 0 on host host"),
        (LOST_MANAGER, NodeLostError, "Task failure due to loss of manager abc on host host"),
        (framed(LOST_WORKER, LOST_MANAGER), NodeLostError, "Task failure due to loss of manager abc on host host"),
        (framed(LOST_MANAGER, LOST_WORKER), WorkerLostError, "Task failure due to loss of worker 0 on host host"),
        (traceback_of(ZeroDivisionError("by zero")), RemoteError, "ZeroDivisionError: by zero"),
        (traceback_of(ValueError("two\nlines: of it")), RemoteError, "ValueError: two\nlines: of it"),
        (traceback_of(KeyError()), RemoteError, "KeyError: "),
        (
            traceback_of(AppTimeout()),
            TimeLimitError,
            "the time limit for one task has passed; to allow more: --option task_limit_s=SECONDS",
        ),
        ("nothing of the kind", RemoteError, "nothing of the kind"),
    ],
)
def test_the_last_traceback_says_what_happened(text: str, kind: type[Exception], message: str) -> None:
    error = from_traceback(text)
    assert type(error) is kind
    assert str(error) == message


def test_workers_without_this_package_are_the_sites_fault() -> None:
    error = from_traceback(traceback_of(ModuleNotFoundError("No module named 'pyhf_endpoint'")))
    assert isinstance(error, TransportError)
    assert "install pyhf-endpoint, not older than here, into the environment or image" in str(error)
