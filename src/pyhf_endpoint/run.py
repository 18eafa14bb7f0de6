"""A run: a grid of hypotheses, computed while it is iterated, or sent on its way to be collected later."""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from pyhf_endpoint import functions
from pyhf_endpoint.dispatch import Outcome, run_chunks
from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.plan import Plan
from pyhf_endpoint.results import RECORDS, Key, Result, ResultsWriter, completed
from pyhf_endpoint.transport import LocalTransport, PayloadTooLargeError, Transport

if TYPE_CHECKING:
    from pyhf_endpoint.transport.globus import GlobusTransport
    from pyhf_endpoint.waiting import Journal

__all__ = ["Run", "Target"]

_Record = TypeVar("_Record", bound=Result)


@dataclass(frozen=True)
class Target:
    """Where results go besides to the caller.

    Attributes:
        path: The results file.
        resume: Continue it.
        overwrite: Replace it.
    """

    path: Path
    resume: bool
    overwrite: bool


class Run(Generic[_Record]):
    """A grid of hypotheses, computed while it is iterated.

    Attributes:
        plan: What the run computes.
        output: The results file, if any.
    """

    def __init__(self, transport: Transport, plan: Plan, target: Target | None) -> None:
        self.plan = plan
        self.output = target.path if target else None
        self._transport = transport
        self._target = target

    def done(self) -> set[Key]:
        """Return the keys of the plan's records that a file to be resumed already holds.

        Raises:
            ResultsError: The file is not this run's.
        """
        if self._target is None or not self._target.resume or not self._target.path.exists():
            return set()
        return completed(self._target.path, self.plan.header) & self.plan.keys()

    def __iter__(self) -> Iterator[_Record]:
        """Compute what is missing and yield each result once it is on disk.

        Raises:
            ResultsError: The results file cannot be written or is not this run's.
            MissingExtraError: The workers lack an optional dependency.
            TransportError: The site cannot be reached, or its workers do not start.
        """
        with ExitStack() as stack:
            writer = self._writer(stack)
            journal = self._journal(stack)
            if journal is not None and writer is not None and journal.path.exists():
                from pyhf_endpoint.waiting import take

                wanted = self.plan.keys()
                for record in take(journal, writer.header.kind):
                    result = cast("_Record", record)
                    if result.key in wanted - writer.done:
                        writer.write(result)
                        yield result
            chunks = self.plan.chunks(self._transport.slots, writer.done if writer else ())
            function = functions.Function(self.plan.kind)
            outcomes = stack.enter_context(closing(run_chunks(self._transport, function, chunks, self.plan.payload)))
            for outcome in outcomes:
                for result in self._results(outcome):
                    if writer is not None:
                        writer.write(result)
                    yield result
            if journal is not None:
                journal.remove()

    def detach(self) -> int:
        """Send what is missing on its way and return at once; `pyhf-endpoint results collect` takes the results.

        Returns:
            The number of chunks that were sent.

        Raises:
            UsageError: There is no results file, or the site is not reached through Globus Compute.
            InputError: A hypothesis is too large to be sent.
        """
        transport = self._globus()
        if self._target is None or transport is None:
            raise UsageError("only a grid with a results file, at a site reached through Globus Compute, can be detached")
        with ExitStack() as stack:
            writer = self._writer(stack)
            self._journal(stack)
            left = deque(self.plan.chunks(transport.slots, writer.done if writer else ()))
            function, sent = functions.Function(self.plan.kind), 0
            while left:
                chunk = left.popleft()
                future = transport.executor().submit(function, self.plan.payload(chunk))
                error = future.exception() if future.done() else None
                if isinstance(error, PayloadTooLargeError) and len(chunk.patches) > 1:
                    left.extendleft(chunk.halves())
                elif error is not None:
                    raise error
                else:
                    sent += 1
            transport.executor().flush()
            return sent

    def _writer(self, stack: ExitStack) -> ResultsWriter | None:
        if self._target is None:
            return None
        target = self._target
        writer = ResultsWriter(target.path, self.plan.header, resume=target.resume, overwrite=target.overwrite)
        return stack.enter_context(writer)

    def _globus(self) -> "GlobusTransport | None":
        """The transport, if it is Globus Compute's; a run on this machine does not load it to find out."""
        if isinstance(self._transport, LocalTransport):
            return None
        from pyhf_endpoint.transport.globus import GlobusTransport

        return self._transport if isinstance(self._transport, GlobusTransport) else None

    def _journal(self, stack: ExitStack) -> "Journal | None":
        """Let the transport note where tasks are, next to the results file."""
        transport = self._globus()
        if self._target is None or transport is None:
            return None
        from pyhf_endpoint.waiting import Journal

        address, target = transport.address, self._target
        journal = Journal(target.path, address.site, address.entry.endpoint, transport.service, resume=target.resume)
        transport.listener = journal
        stack.callback(setattr, transport, "listener", None)
        return journal

    def to_list(self) -> list[_Record]:
        """Compute what is missing and return the results in the order in which they arrived."""
        return list(self)

    def _results(self, outcome: Outcome) -> Iterator[_Record]:
        record = cast("type[_Record]", RECORDS[self.plan.kind])
        yield from (record.model_validate(found) for found in outcome.records or [])
        if outcome.records is None:
            for patch in outcome.chunk.patches:
                for point in outcome.chunk.points:
                    lost = {"name": patch.name, "values": patch.values, "status": "failed", "message": outcome.fault}
                    yield record.model_validate(lost | self.plan.settings.place(point) | {"wall_s": 0.0, "worker": ""})
