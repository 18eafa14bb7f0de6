"""The sender against an endpoint that behaves as each test says: batches, losses, outages."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pyhf_endpoint.errors import TransportError, UsageError
from pyhf_endpoint.functions import Function, RemoteError, wire
from pyhf_endpoint.service import REQUEST_LIMIT, Answer
from pyhf_endpoint.transport import PayloadTooLargeError, WorkerLostError
from pyhf_endpoint.transport.pending import Job, Patience
from pyhf_endpoint.transport.sender import Sender

HASTY = Patience(quiet_s=0.05, factor=1, least_s=0.05, first_s=0.1, attempts=3)
CALM = Patience()


class RefusalError(Exception):
    """What Globus' SDK raises, as far as the sender looks at it."""

    def __init__(self, http_status: int | None, code: str = "") -> None:
        self.http_status, self.code = http_status, code


def refused(http_status: int | None, code: str = "") -> TransportError:
    error = TransportError(f"refused with {http_status} {code}")
    error.__cause__ = RefusalError(http_status, code)
    return error


class Endpoint:
    """Answers an attempt with its argument, unless `rule` says otherwise: None for no answer, or another answer."""

    kinds = ("fit", "ready")

    def __init__(self, rule: Callable[[int], Answer | str | None] = lambda _: "echo") -> None:
        self.rule = rule
        self.requests: list[list[Job]] = []
        self.attempts: dict[str, Job] = {}
        self.troubles: list[TransportError] = []

    def function_id(self, kind: str) -> str:
        return kind

    def send(self, jobs: list[Job], group: str | None) -> tuple[str, list[str]]:
        assert group == ("group" if self.requests else None)
        self._trouble()
        self.requests.append(list(jobs))
        names = [str(len(self.attempts) + i) for i in range(len(jobs))]
        self.attempts |= zip(names, jobs, strict=True)
        return "group", names

    def answers(self, tasks: list[str]) -> dict[str, Answer]:
        self._trouble()
        found = {}
        for task in tasks:
            job = self.attempts[task]
            fits = [name for name, one in self.attempts.items() if not one.is_probe]
            said = "echo" if job.is_probe else self.rule(fits.index(task))
            if said is not None:
                found[task] = said if isinstance(said, Answer) else Answer(job.text, "", 0.01)
        return found

    def sizes(self) -> list[int]:
        return [sum(job.size for job in jobs) for jobs in self.requests]

    def _trouble(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)


@contextmanager
def sending(endpoint: Endpoint, patience: Patience = CALM) -> Iterator[Sender]:
    sender = Sender(endpoint, patience)
    yield sender
    sender.shutdown()


def junk(size: int) -> bytes:
    """JSON text that does not compress well."""
    return b'"' + secrets.token_hex(size // 2).encode() + b'"'


def test_what_is_submitted_together_goes_in_one_request() -> None:
    endpoint = Endpoint()
    with sending(endpoint) as sender:
        futures = [sender.submit(Function("fit"), f"{i}".encode()) for i in range(50)]
        assert [future.result(timeout=60) for future in futures] == [f"{i}".encode() for i in range(50)]
    assert sum(map(len, endpoint.requests)) == 50
    assert len(endpoint.requests) < 10


def test_who_has_given_up_is_told_no_more(caplog: pytest.LogCaptureFixture) -> None:
    with sending(Endpoint(lambda _: None)) as sender:
        future = sender.submit(Function("fit"), b"1")
        assert future.cancel()
    assert future.cancelled()
    assert not caplog.records  # of a callback that failed


def test_no_request_is_larger_than_the_service_takes() -> None:
    endpoint, payloads = Endpoint(), [junk(4_000_000) for _ in range(8)]
    with sending(endpoint) as sender:
        futures = [sender.submit(Function("fit"), payload) for payload in payloads]
        assert [future.result(timeout=60) for future in futures] == payloads
    assert max(endpoint.sizes()) < REQUEST_LIMIT
    assert len(endpoint.requests) < 8


def test_a_payload_that_is_too_large_is_not_sent() -> None:
    endpoint = Endpoint()
    with sending(endpoint) as sender:
        error = sender.submit(Function("fit"), junk(20_000_000)).exception(timeout=60)
        assert isinstance(error, PayloadTooLargeError)
        assert "20,000,002 bytes" in str(error)
        assert f"{REQUEST_LIMIT - 256 * 1024:,} can be sent" in str(error)
    assert endpoint.requests == []


def test_a_lost_task_is_sent_again() -> None:
    endpoint = Endpoint(lambda attempt: "echo" if attempt else None)
    with sending(endpoint, HASTY) as sender:
        assert sender.submit(Function("fit"), b"1").result(timeout=60) == b"1"
    assert len([job for job in endpoint.attempts.values() if not job.is_probe]) == 2


def test_whichever_attempt_comes_back_counts_once() -> None:
    endpoint = Endpoint()
    endpoint.rule = lambda attempt: "echo" if attempt == 0 and len(endpoint.requests) >= 3 else None
    with sending(endpoint, HASTY) as sender:
        assert sender.submit(Function("fit"), b"1").result(timeout=60) == b"1"


def test_a_task_that_is_lost_again_and_again_ends_the_run() -> None:
    endpoint = Endpoint(lambda _: None)
    with sending(endpoint, HASTY) as sender:
        error = sender.submit(Function("fit"), b"1").exception(timeout=60)
        assert isinstance(error, TransportError)
        assert "lost the same task 3 times" in str(error)
        assert "--resume" in str(error)
        with pytest.raises(TransportError, match="lost the same task"):
            sender.submit(Function("fit"), b"2")


@pytest.mark.parametrize(
    "trouble",
    [refused(None), refused(503), refused(429), refused(409, "ENDPOINT_NOT_ONLINE"), refused(422, "SEMANTICALLY_INVALID")],
    ids=str,
)
def test_a_service_that_is_away_for_a_while_is_asked_again(trouble: TransportError) -> None:
    endpoint = Endpoint()
    with sending(endpoint) as sender:
        assert sender.submit(Function("fit"), b"1").result(timeout=60) == b"1"
        endpoint.troubles.append(trouble)
        assert sender.submit(Function("fit"), b"2").result(timeout=60) == b"2"
    assert endpoint.troubles == []


@pytest.mark.parametrize(
    "trouble",
    [refused(403, "FUNCTION_NOT_PERMITTED"), refused(409, "ENDPOINT_NOT_ONLINE"), refused(422, "SEMANTICALLY_INVALID")],
    ids=str,
)
def test_a_refusal_ends_the_run_at_once(trouble: TransportError) -> None:
    endpoint = Endpoint()
    endpoint.troubles.append(trouble)
    with sending(endpoint) as sender:
        assert sender.submit(Function("fit"), b"1").exception(timeout=60) is trouble
        with pytest.raises(TransportError, match=trouble.__cause__.code):  # type: ignore[union-attr]
            sender.flush()


def test_what_the_worker_and_the_endpoint_say() -> None:
    raised = wire.answer("fit", wire.encode(b'{"settings": {"engine": "other"}, "patches": []}'))
    lost = "Traceback\nparsl.executors.high_throughput.errors.WorkerLost: Task failure due to loss of worker 1 on host x"
    said = [Answer(raised), Answer(None, lost), Answer(None, "Traceback (most recent call last):\nValueError: odd")]
    with sending(Endpoint(lambda attempt: said[attempt])) as sender:
        errors = [sender.submit(Function("fit"), b"1").exception(timeout=60) for _ in said]
    assert [type(error) for error in errors] == [UsageError, WorkerLostError, RemoteError]
    assert "unknown engine `other`" in str(errors[0])
    assert str(errors[2]) == "ValueError: odd"


def test_flush_returns_when_all_is_sent_and_before_anything_is_back() -> None:
    endpoint = Endpoint(lambda _: None)
    with sending(endpoint) as sender:
        futures = [sender.submit(Function("fit"), b"1") for _ in range(3)]
        sender.flush()
        assert sum(map(len, endpoint.requests)) == 3
        assert not any(future.done() for future in futures)
