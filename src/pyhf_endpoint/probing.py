"""Asks all workers of a site what they are: several probes at a time, until every worker has answered."""

import math
import time
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress

import orjson

from pyhf_endpoint import functions
from pyhf_endpoint.errors import PyhfEndpointError, TransportError, UsageError
from pyhf_endpoint.functions.report import WorkerReport
from pyhf_endpoint.profiles import Resolved
from pyhf_endpoint.transport import Transport
from pyhf_endpoint.verdicts import Expected

__all__ = ["NoAnswerError", "expectation", "probe"]

_LONGEST_S = 2.0
# Probes in flight per worker: the second keeps a fast worker busy while a slow one still starts.
_PER_WORKER = 2


class NoAnswerError(TransportError):
    """No worker answered in time; nothing says that any of them died."""


def expectation(use: Resolved) -> Expected:
    """Return what a site, used in one way, promises of its workers' accelerators."""
    found = use.accelerators
    if found is None:
        return Expected()
    return Expected(
        accelerators_per_node=use["accelerators"], vendor=found.vendor, workers_per_accelerator=use["workers_per_accelerator"]
    )


def probe(transport: Transport, *, seconds: float = 0.2, count: int | None = None, limit_s: float = 60.0) -> list[WorkerReport]:
    """Return the reports of a site's workers, in the order of their hosts and ranks.

    Probes go out twice as many as there are workers to hear of, and again, lasting twice as long, until all have answered.

    Args:
        transport: The way to the site.
        seconds: How long each probe lasts at first, 0 to 2; longer finds busy or slow workers sooner.
        count: Workers to hear of; None for as many as the transport has slots.
        limit_s: Seconds after which those that have answered must do.

    Raises:
        UsageError: A number makes no sense.
        NoAnswerError: No worker answered in time.
        TransportError: The workers died of it, or cannot answer.
    """
    if not 0 <= seconds <= _LONGEST_S:
        raise UsageError(f"a probe cannot last {seconds:g} s; give 0 to {_LONGEST_S:g}")
    if count is not None and count < 1:
        raise UsageError(f"cannot probe {count} workers; give at least 1")
    if not (limit_s > 0 and math.isfinite(limit_s)):
        raise UsageError(f"cannot wait {limit_s:g} s; give a positive number")
    wanted = count or transport.slots
    found: dict[tuple[str, int, str], WorkerReport] = {}
    end, faults = time.monotonic() + limit_s, list[str]()
    while len(found) < wanted and time.monotonic() < end and len(faults) < 2:
        try:
            _round(transport.executor(), seconds, wanted, end, found)
        except BrokenExecutor:
            faults.append("its workers died while they were probed")
            transport.reset()
            found.clear()  # those that had answered are gone, too
        seconds = min(_LONGEST_S, 2 * seconds or 0.1)
    if not found:
        kind, reason = (TransportError, faults[0]) if faults else (NoAnswerError, f"no worker answered within {limit_s:g} s")
        raise kind(f"the site cannot be probed: {reason}; see its logs, or wait longer")
    return sorted(found.values(), key=lambda report: (report.node, report.parsl.pool, report.parsl.rank.zfill(6), report.pid))


def _round(executor: Executor, seconds: float, wanted: int, end: float, found: dict[tuple[str, int, str], WorkerReport]) -> None:
    """Send probes once and take the answers in, until all wanted workers are found, all probes are done or time is up."""
    function, payload = functions.Function("probe"), orjson.dumps({"seconds": seconds})
    running: set[Future[bytes]] = {executor.submit(function, payload) for _ in range(_PER_WORKER * wanted)}
    try:
        while running and len(found) < wanted and (left := end - time.monotonic()) > 0:
            finished, running = wait(running, timeout=left, return_when=FIRST_COMPLETED)
            for future in finished:
                report = _report(future)
                if len(found) < wanted:  # several may have answered at once
                    found[report.key] = report
    finally:
        for future in running:
            with suppress(NotImplementedError):  # Parsl's futures refuse; a probe soon ends by itself
                future.cancel()


def _report(future: "Future[bytes]") -> WorkerReport:
    try:
        return WorkerReport.from_json(orjson.loads(future.result()))
    except (BrokenExecutor, PyhfEndpointError):
        raise
    except ValueError as error:
        said = " ".join(str(error).split())[:300]
        raise TransportError(f"a worker answers with no report: {said}; give it this version of pyhf-endpoint") from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise TransportError(f"a worker cannot run the probe: {said}; give it this version of pyhf-endpoint") from error
