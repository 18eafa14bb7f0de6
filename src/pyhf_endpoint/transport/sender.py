"""Sends what is submitted to an endpoint in few requests, and asks for the results, in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Protocol

import orjson

from pyhf_endpoint.errors import PyhfEndpointError, TransportError
from pyhf_endpoint.functions import wire
from pyhf_endpoint.service import REQUEST_LIMIT, Answer, size
from pyhf_endpoint.transport.faults import PayloadTooLargeError, from_traceback
from pyhf_endpoint.transport.pending import Job, Ledger, Patience

__all__ = ["Line", "Sender"]

_log = logging.getLogger(__name__)
# Bytes of a request: room for its frame below the service's limit.
_REQUEST = REQUEST_LIMIT - 256 * 1024
_TICK_S = 0.05
# Seconds between two questions after results: the first, and the longest.
_ASK_FIRST_S, _ASK_LAST_S = 0.4, 3.0
_CLOSE_S = 5.0
# Seconds for which a service that does not answer is asked again.
_OUTAGE_S = 300.0
_REFUSALS, _BUSY = range(400, 500), 429
# What the service says of an endpoint that is offline, and of one whose process for this user does not start.
_AWAY = ("ENDPOINT_NOT_ONLINE", "SEMANTICALLY_INVALID")


class Line(Protocol):
    """What leads to the endpoint."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of function that the endpoint offers."""

    def function_id(self, kind: str) -> str:
        """Return the id of a function; a TransportError where the endpoint does not offer it."""

    def send(self, jobs: list[Job], group: str | None) -> tuple[str, list[str]]:
        """Send jobs in one request; return the id of their task group and theirs."""

    def answers(self, tasks: list[str]) -> dict[str, Answer]:
        """Return what has come back of these tasks."""


class Sender(Executor):
    """The executor of an endpoint; ends with `shutdown`.

    Args:
        line: The way there.
        patience: When to ask after tasks and when to give them up.
        limit_s: Seconds after which the endpoint itself ends a task, where that is known.
    """

    def __init__(self, line: Line, patience: Patience, limit_s: float | None = None) -> None:
        self._line = line
        self._ledger = Ledger(patience, limit_s)
        self._changed = threading.Condition()
        self._fresh: list[Job] = []
        self._encoding = 0
        self._stopping = False
        self._fault: PyhfEndpointError | None = None
        self._group: str | None = None
        self._trouble: float | None = None
        self._asked = self._ask_s = 0.0
        self._thread = threading.Thread(target=self._run, name="pyhf-endpoint globus", daemon=True)
        self._thread.start()

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        """Run a function on a worker.

        Args:
            function: A `functions.Function`.
            arguments: Its argument, JSON text as bytes.
            named: Nothing.

        Returns:
            A future of JSON text. Its exception is a PyhfEndpointError, PayloadTooLargeError, RemoteError, WorkerLostError or
            NodeLostError.

        Raises:
            TransportError: The endpoint cannot be reached, or offers no such function.
        """
        (payload,) = arguments
        identity = self._line.function_id(function.kind)
        with self._changed:
            if self._fault is not None:
                raise self._fault
            self._encoding += 1
        job = None
        try:
            text = wire.encode(payload)
            job = Job(identity, text, size(text), Future())
        finally:
            with self._changed:
                self._encoding -= 1
                if job is not None and job.size <= _REQUEST:
                    self._fresh.append(job)
                self._changed.notify_all()
        future: Future[bytes] = Future()
        if job.size > _REQUEST:
            future.set_exception(PayloadTooLargeError(len(payload), job.size, _REQUEST))
        else:
            job.future.add_done_callback(lambda done: _pass_on(done, future))
        return future

    def probe(self, engine: str = "") -> Future[str]:
        """Send a task that does nothing but load an engine."""
        text = wire.encode(orjson.dumps({"engine": engine} if engine else {}))
        job = Job(self._line.function_id("ready"), text, size(text), Future(), is_probe=True)
        with self._changed:
            self._fresh.append(job)
            self._changed.notify_all()
        return job.future

    def flush(self) -> None:
        """Return once all that was submitted is on its way to the endpoint.

        Raises:
            PyhfEndpointError: It cannot be sent.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._fault is not None or not self._fresh)
            if self._fault is not None:
                raise self._fault

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop sending and asking; futures that are open are cancelled."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if wait:
            self._thread.join(_CLOSE_S)  # it may be waiting for the service, which then waits for an endpoint to start

    def _run(self) -> None:
        try:
            while self._await_work():
                self._bear_outages(self._send)
                self._bear_outages(self._ask)
        except PyhfEndpointError as error:
            self._fail(error)
        except Exception as error:  # a fault of ours must not leave anybody waiting
            _log.exception("the transport failed")
            self._fail(TransportError(f"the transport failed with {type(error).__name__}: {error}; please report this"))
        finally:
            self._fail(TransportError("the transport was closed"))

    def _await_work(self) -> bool:
        """Wait for something to do; False to stop."""
        with self._changed:
            if not self._fresh and not self._ledger.tasks():
                self._changed.wait_for(lambda: self._fresh or self._stopping)
            elif not self._fresh:
                self._changed.wait_for(lambda: self._fresh or self._stopping, _TICK_S)
            # More may be about to come: one request for all is what the service asks for.
            while not self._stopping and self._fresh and sum(job.size for job in self._fresh) < _REQUEST:
                before = len(self._fresh)
                self._changed.wait(_TICK_S)
                if len(self._fresh) == before and not self._encoding:
                    break
            return not self._stopping

    def _send(self) -> None:
        if self._ledger.wants_probe() and "ready" in self._line.kinds:
            self.probe()
        with self._changed:  # what is to be sent again may have come back in the meantime
            self._fresh = [job for job in self._fresh if not job.future.done()]
        while self._fresh and not self._stopping:
            batch: list[Job] = []
            total = 0
            for job in self._fresh:
                if batch and total + job.size > _REQUEST:
                    break
                batch.append(job)
                total += job.size
            self._group, tasks = self._line.send(batch, self._group)
            with self._changed:
                del self._fresh[: len(batch)]
                for job, task in zip(batch, tasks, strict=True):
                    self._ledger.sent(job, task)
                self._changed.notify_all()
            self._asked, self._ask_s = time.monotonic(), _ASK_FIRST_S

    def _ask(self) -> None:
        tasks = self._ledger.tasks()
        if not tasks or time.monotonic() - self._asked < self._ask_s:
            return
        answers = self._line.answers(tasks)
        self._asked = time.monotonic()
        self._ask_s = _ASK_FIRST_S if answers else min(1.4 * self._ask_s, _ASK_LAST_S)
        for task, answer in answers.items():
            if task in self._ledger.tasks():
                _resolve(self._ledger.settle(task, answer.seconds), answer)
        for job in self._ledger.lost():
            self._send_again(job)

    def _send_again(self, job: Job) -> None:
        if len(job.tasks) >= self._ledger.patience.attempts:
            raise TransportError(
                f"the endpoint lost the same task {len(job.tasks)} times; what has come back"
                " is safe: see the endpoint's log, then run the same command with --resume"
            )
        _log.warning("a task is overdue, perhaps lost with its endpoint process; it is sent again")
        job.started = None
        with self._changed:
            self._fresh.append(job)

    def _bear_outages(self, step: Callable[[], None]) -> None:
        """Take a step; one that fails for want of an answer is taken again for some minutes."""
        try:
            step()
            self._trouble = None
        except TransportError as error:
            self._trouble = self._trouble or time.monotonic()
            if not self._may_pass(error) or time.monotonic() - self._trouble > _OUTAGE_S:
                raise
            _log.warning("%s; trying again", error)
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, _ASK_LAST_S)

    def _may_pass(self, error: TransportError) -> bool:
        """Whether another attempt may help: the service is out of reach or busy, or an endpoint that was there is not.

        An endpoint process that was killed is not started again while the note of its process id looks fresh.
        """
        if error.__cause__ is None:
            return False
        status = getattr(error.__cause__, "http_status", None)
        gone = getattr(error.__cause__, "code", None) in _AWAY and self._group is not None
        return gone or status == _BUSY or status not in _REFUSALS

    def _fail(self, error: PyhfEndpointError) -> None:
        with self._changed:
            self._fault = self._fault or error
            open_jobs = [*self._ledger.clear(), *self._fresh]
            self._fresh = []
            self._changed.notify_all()
        for job in open_jobs:
            if not job.future.done():
                job.future.set_exception(self._fault)


def _resolve(job: Job, answer: Answer) -> None:
    if job.future.done():
        return
    if answer.result is None:
        job.future.set_exception(from_traceback(answer.failure))
    else:
        job.future.set_result(answer.result)


def _pass_on(done: Future[str], future: Future[bytes]) -> None:
    if not future.set_running_or_notify_cancel():  # who asked has given up meanwhile
        return
    try:
        future.set_result(wire.result(done.result()))
    except Exception as error:
        future.set_exception(error)
