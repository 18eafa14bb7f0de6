"""Chunks through real worker processes, some of which are made to die."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any

import orjson
import psutil
import pytest

from pyhf_endpoint.dispatch import Outcome, run_chunks
from pyhf_endpoint.errors import InputError, MissingExtraError
from pyhf_endpoint.inputs import Patch
from pyhf_endpoint.plan import Chunk
from pyhf_endpoint.transport import LocalTransport, PayloadTooLargeError


@pytest.fixture
def transport() -> Iterator[LocalTransport]:
    transport = LocalTransport(2)
    yield transport
    transport.close()


def chunk(*names: str) -> Chunk:
    return Chunk(tuple(Patch(name, (), ()) for name in names), (1.0,))


def payload(chunk: Chunk) -> bytes:
    return orjson.dumps([patch.name for patch in chunk.patches])


def function() -> Any:
    """A function that loky carries by value: the workers need not import this module."""

    def work(payload: bytes) -> bytes:
        import os
        import signal

        import orjson

        from pyhf_endpoint.errors import MissingExtraError

        names = orjson.loads(payload)
        for name in names:
            if name == "poison":
                os.kill(os.getpid(), signal.SIGKILL)
            if name == "raises":
                raise ZeroDivisionError("by zero")
            if name == "slow":
                from pyhf_endpoint.functions.wire import time_is_up

                raise time_is_up("60")
            if name == "extra":
                raise MissingExtraError("pyhf", "the engine `pyhf`")
        return orjson.dumps({"records": [{"name": name, "pid": os.getpid()} for name in names]})

    return work


def run(transport: LocalTransport, chunks: list[Chunk]) -> tuple[list[str], dict[str, str]]:
    outcomes = list(run_chunks(transport, function(), chunks, payload))
    recorded = [record["name"] for outcome in outcomes for record in outcome.records or []]
    faults = {outcome.chunk.patches[0].name: outcome.fault for outcome in outcomes if outcome.records is None}
    return recorded, faults


def test_every_chunk_comes_back_once(transport: LocalTransport) -> None:
    recorded, faults = run(transport, [chunk("a", "b"), chunk("c"), chunk("d")])
    assert sorted(recorded) == ["a", "b", "c", "d"]
    assert not faults


def test_only_the_hypothesis_that_kills_its_worker_fails(transport: LocalTransport) -> None:
    chunks = [chunk("a", "b"), chunk("c", "poison", "d"), chunk("e"), *(chunk(f"s{i}") for i in range(8))]
    recorded, faults = run(transport, chunks)
    assert sorted(recorded) == sorted(["a", "b", "c", "d", "e", *(f"s{i}" for i in range(8))])
    assert faults == {"poison": "the worker process died while computing this hypothesis (killed, perhaps for lack of memory)"}


def test_only_the_hypothesis_that_raises_fails(transport: LocalTransport) -> None:
    recorded, faults = run(transport, [chunk("a", "raises", "b"), chunk("c")])
    assert sorted(recorded) == ["a", "b", "c"]
    assert faults == {"raises": "the worker raised ZeroDivisionError: by zero"}


def test_only_the_hypothesis_whose_time_is_up_fails(transport: LocalTransport) -> None:
    recorded, faults = run(transport, [chunk("a", "slow", "b"), chunk("c")])
    assert sorted(recorded) == ["a", "b", "c"]
    assert faults == {"slow": "the time limit of 60 s for one task has passed; to allow more: --option task_limit_s=SECONDS"}


def test_what_every_chunk_would_meet_is_raised(transport: LocalTransport) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'pyhf-endpoint\[pyhf\]'"):
        run(transport, [chunk("extra"), chunk("a")])


def test_a_worker_killed_while_idle_is_replaced(transport: LocalTransport) -> None:
    outcomes = run_chunks(transport, function(), [chunk(f"s{i}") for i in range(6)], payload)
    first = next(outcomes)
    assert first.records is not None
    victim = psutil.Process(first.records[0]["pid"])
    os.kill(victim.pid, signal.SIGKILL)
    psutil.wait_procs([victim], timeout=30)
    rest: list[Outcome] = list(outcomes)
    names = [record["name"] for outcome in [first, *rest] for record in outcome.records or []]
    assert sorted(names) == [f"s{i}" for i in range(6)]


def test_stopping_early_ends_the_workers(transport: LocalTransport) -> None:
    outcomes = run_chunks(transport, function(), [chunk(f"s{i}") for i in range(50)], payload)
    first = next(outcomes)
    assert first.records is not None
    worker = psutil.Process(first.records[0]["pid"])
    outcomes.close()
    _, alive = psutil.wait_procs([worker], timeout=30)
    assert not alive


class Narrow(Executor):
    """Takes no more than two hypotheses at a time, as the service of a distant site takes no more than so many bytes."""

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        (payload,) = arguments
        names = orjson.loads(payload)
        if len(names) > 2 or "huge" in names:
            future.set_exception(PayloadTooLargeError(len(payload), len(payload), 2))
        else:
            future.set_result(orjson.dumps({"records": [{"name": name} for name in names]}))
        return future


class NarrowTransport(LocalTransport):
    def executor(self) -> Executor:
        return Narrow()


def test_a_chunk_that_is_too_large_is_halved_until_it_fits() -> None:
    recorded, faults = run(NarrowTransport(2), [chunk(*"abcdefg"), chunk("h")])
    assert sorted(recorded) == list("abcdefgh")
    assert not faults


def test_a_hypothesis_that_is_too_large_by_itself_ends_the_run() -> None:
    with pytest.raises(InputError, match="the workspace with one hypothesis is too large for Globus Compute"):
        run(NarrowTransport(2), [chunk("a", "huge", "b", "c")])
