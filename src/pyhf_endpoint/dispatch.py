"""Sends chunks through a transport and outlives dying workers, so that one poisonous hypothesis never takes the others along."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, replace
from typing import Any

import orjson

from pyhf_endpoint.errors import PyhfEndpointError
from pyhf_endpoint.functions import RemoteError, TimeLimitError
from pyhf_endpoint.plan import Chunk
from pyhf_endpoint.transport import NodeLostError, PayloadTooLargeError, Transport, WorkerLostError

__all__ = ["Outcome", "run_chunks"]

Json = dict[str, Any]
Function = Callable[[bytes], bytes]

# A chunk may be lost with its node this often before it is suspected of having brought the node down; and a hypothesis may be in
# a worker's death this often before it is given up.
_NODE_LOSSES = 3
_DEATHS = 2
_DIED = "the worker process died while computing this hypothesis (killed, perhaps for lack of memory)"
_LOST = f"{_DIED.removesuffix(')')}, or ended as it did not heed the time limit of a task)"


@dataclass(frozen=True)
class Outcome:
    """A chunk's records, or why there are none."""

    chunk: Chunk
    records: list[Json] | None
    fault: str = ""


@dataclass(frozen=True)
class _Task:
    """A chunk on its way, and how often it was there when its node was lost or its worker died."""

    chunk: Chunk
    losses: int = 0
    deaths: int = 0

    def split(self) -> list["_Task"]:
        return [_Task(chunk, 0, self.deaths) for chunk in self.chunk.split()]

    def halves(self) -> list["_Task"]:
        return [replace(self, chunk=chunk) for chunk in self.chunk.halves()]


def run_chunks(
    transport: Transport, function: Function, chunks: Iterable[Chunk], payload: Callable[[Chunk], bytes]
) -> Generator[Outcome, None, None]:
    """Yield the outcome of every chunk as it arrives; end what still runs when the caller stops early.

    A worker that dies breaks a process pool, and with it every chunk that is running: these are run again, each alone, so
    that the one that kills its worker is known. Where the transport knows which chunk's worker died, the others go on. Such a
    chunk is split into its hypotheses, and a hypothesis that kills its worker again has a fault instead of records. So is a chunk
    that takes longer than its endpoint allows for one task; a hypothesis that does so alone has a fault at once. A chunk
    whose node is lost (cancelled, out of time, crashed) is sent again.

    Args:
        transport: The way to the site.
        function: The registered function, JSON text in and out; must be picklable, or be a `functions.Function` where the
            transport goes to other machines.
        chunks: The work.
        payload: Makes the function's argument of a chunk.

    Raises:
        PyhfEndpointError: An error of the user's that every chunk would meet, raised by the function or the transport.
    """
    dispatch = _Dispatch(transport, function, payload, chunks)
    try:
        yield from dispatch.run()
    finally:
        if dispatch.running:
            transport.reset()


class _Dispatch:
    def __init__(
        self, transport: Transport, function: Function, payload: Callable[[Chunk], bytes], chunks: Iterable[Chunk]
    ) -> None:
        self._transport = transport
        self._function = function
        self._payload = payload
        self._waiting = deque(_Task(chunk) for chunk in chunks)
        self._suspects = deque[_Task]()
        self.running: dict[Future[bytes], _Task] = {}

    def run(self) -> Iterator[Outcome]:
        while self._waiting or self._suspects or self.running:
            for task in self._next():
                self._submit(task)
            finished, _ = wait(self.running, return_when=FIRST_COMPLETED)
            alone = len(self.running) == 1
            for future in finished:
                task = self.running.pop(future)
                error = future.exception()
                if error is None:
                    yield Outcome(task.chunk, orjson.loads(future.result())["records"])
                else:
                    yield from self._failed(task, error, alone=alone)
            if any(isinstance(future.exception(), BrokenExecutor) for future in finished):
                self._start_afresh()

    def _next(self) -> Iterator[_Task]:
        """The chunks to start now: a suspect alone, or as many as may be on their way."""
        if self._suspects:
            if not self.running:
                yield self._suspects.popleft()
            return
        for _ in range(min(self._transport.in_flight - len(self.running), len(self._waiting))):
            yield self._waiting.popleft()

    def _submit(self, task: _Task) -> None:
        try:
            future = self._transport.executor().submit(self._function, self._payload(task.chunk))
        except BrokenExecutor:  # an idle worker was killed
            self._start_afresh()
            future = self._transport.executor().submit(self._function, self._payload(task.chunk))
        self.running[future] = task

    def _start_afresh(self) -> None:
        self._suspects.extend(self.running.values())
        self.running.clear()
        self._transport.reset()

    def _failed(self, task: _Task, error: BaseException, *, alone: bool) -> Iterator[Outcome]:
        """Decide what becomes of a chunk that came back with an error: an outcome, or another attempt."""
        single = len(task.chunk.patches) == 1
        match error:
            case PayloadTooLargeError() if not single:
                self._waiting.extendleft(task.halves())
            case PyhfEndpointError():
                raise error
            case NodeLostError() if task.losses < _NODE_LOSSES:
                self._waiting.appendleft(_Task(task.chunk, task.losses + 1, task.deaths))
            case NodeLostError() | WorkerLostError():
                died = _Task(task.chunk, 0, task.deaths + 1)
                if single and died.deaths >= _DEATHS:
                    yield Outcome(task.chunk, None, f"{_LOST}: {error}")
                else:
                    self._waiting.extendleft(died.split())
            case _ if single and alone:
                yield Outcome(task.chunk, None, _describe(error))
            case _ if isinstance(error, RemoteError):  # its chunk is known, whatever else runs
                if single:
                    yield Outcome(task.chunk, None, _describe(error))
                else:
                    self._waiting.extendleft(task.split())
            case _:
                self._suspects.extend(task.split() if alone else [task])


def _describe(error: BaseException) -> str:
    if isinstance(error, BrokenExecutor):
        return _DIED
    if isinstance(error, TimeLimitError):
        return str(error)
    return (
        f"the worker raised {error}" if isinstance(error, RemoteError) else f"the worker raised {type(error).__name__}: {error}"
    )
