"""Sends chunks through a transport and outlives dying workers, so that one poisonous hypothesis never takes the others along."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import Any

import orjson

from pyhf_endpoint.errors import PyhfEndpointError
from pyhf_endpoint.plan import Chunk
from pyhf_endpoint.transport import Transport

__all__ = ["Outcome", "run_chunks"]

Json = dict[str, Any]
Function = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Outcome:
    """A chunk's records, or why there are none."""

    chunk: Chunk
    records: list[Json] | None
    fault: str = ""


def run_chunks(
    transport: Transport, function: Function, chunks: Iterable[Chunk], payload: Callable[[Chunk], bytes]
) -> Generator[Outcome, None, None]:
    """Yield the outcome of every chunk as it arrives; end what still runs when the caller stops early.

    A worker that dies breaks a process pool, and with it every chunk that is running: these are run again, each alone, so
    that the one that kills its worker is known. Such a chunk is split into its hypotheses, and a hypothesis that kills
    its worker while nothing else runs has a fault instead of records.

    Args:
        transport: The way to the site.
        function: The registered function, JSON text in and out; must be picklable.
        chunks: The work.
        payload: Makes the function's argument of a chunk.

    Raises:
        PyhfEndpointError: An error of the user's that every chunk would meet, raised by the function.
    """
    waiting, suspects = deque(chunks), deque[Chunk]()
    running: dict[Future[bytes], Chunk] = {}

    def start_afresh() -> None:
        suspects.extend(running.values())
        running.clear()
        transport.reset()

    try:
        while waiting or suspects or running:
            for chunk in _next(waiting, suspects, running, transport.slots):
                try:
                    future = transport.executor().submit(function, payload(chunk))
                except BrokenExecutor:  # an idle worker was killed
                    start_afresh()
                    future = transport.executor().submit(function, payload(chunk))
                running[future] = chunk
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            alone = len(running) == 1
            for future in finished:
                chunk = running.pop(future)
                fault = _fault(future)
                if fault is None:
                    yield Outcome(chunk, orjson.loads(future.result())["records"])
                elif alone and len(chunk.patches) == 1:
                    yield Outcome(chunk, None, fault)
                else:
                    suspects.extend(chunk.split() if alone else [chunk])
            if any(isinstance(future.exception(), BrokenExecutor) for future in finished):
                start_afresh()
    finally:
        if running:
            transport.reset()


def _next(waiting: deque[Chunk], suspects: deque[Chunk], running: Mapping[Future[bytes], Chunk], slots: int) -> Iterator[Chunk]:
    """The chunks to start now: a suspect alone, or as many as there are free slots."""
    if suspects:
        if not running:
            yield suspects.popleft()
        return
    for _ in range(min(slots - len(running), len(waiting))):
        yield waiting.popleft()


def _fault(future: Future[bytes]) -> str | None:
    error = future.exception()
    if error is None:
        return None
    if isinstance(error, PyhfEndpointError):
        raise error
    if isinstance(error, BrokenExecutor):
        return "the worker process died while computing this hypothesis (killed, perhaps for lack of memory)"
    return f"the worker raised {type(error).__name__}: {error}"
