"""Blocks, the batch jobs that hold nodes: watched more closely than by Parsl, and given up when they start no workers."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyhf_endpoint.errors import TransportError
from pyhf_endpoint.transport.configuration import EngineConfiguration
from pyhf_endpoint.transport.runs import tail
from pyhf_endpoint.transport.status import SiteStatus

__all__ = ["ATTEMPTS", "POLL_S", "BlockWatch", "tune"]

#: Seconds between two looks at the queue. Parsl's own 60 s would hide a job that died at once for a minute.
POLL_S = 5.0
#: Blocks in a row that may end, or be refused, before a worker connects; then the run ends with the reason.
ATTEMPTS = 2
# Accounting knows a new job only after a second or so, and Parsl takes a job that it does not find for one that has ended.
_SETTLE_S = 3.0


def tune(provider: Any, jobs: Path) -> None:
    """Let a provider look at its jobs every `POLL_S`, but not just after a submission, and note the jobs' ids in a file.

    Args:
        provider: A Parsl provider.
        jobs: The file, one id per line.
    """
    base = type(provider)

    class Tuned(base):  # type: ignore[misc, valid-type]
        submitted = float("-inf")
        status_polling_interval = POLL_S

        def submit(self, *arguments: Any, **named: Any) -> Any:
            try:
                job = super().submit(*arguments, **named)
            finally:
                self.submitted = time.monotonic()
            with jobs.open("a", encoding="ascii") as file:
                file.write(f"{job}\n")
            return job

        def status(self, job_ids: list[Any]) -> list[Any]:
            if time.monotonic() - self.submitted < _SETTLE_S and hasattr(self, "resources"):
                return [self.resources[job]["status"] for job in job_ids]
            found: list[Any] = super().status(job_ids)
            return found

    Tuned.__name__ = base.__name__
    provider.__class__ = Tuned


class BlockWatch:
    """Looks at the blocks' states after each poll, in place of Parsl's own handler of errors.

    That one gives up only where every block since the start has failed: after one good block, a site whose workers no longer
    start would be sent jobs for ever.

    Args:
        configuration: What was started.
        executor: Parsl's executor.
        run: The run folder.
        give_up: Called with the reason when blocks keep dying.
    """

    def __init__(
        self, configuration: EngineConfiguration, executor: Any, run: Path, give_up: Callable[[TransportError], None]
    ) -> None:
        self._configuration = configuration
        self._executor = executor
        self._run = run
        self._give_up = give_up
        self._seen: set[str] = set()
        self._failed: list[str] = []

    def __call__(self, executor: object, states: Mapping[str, Any]) -> None:
        """Judge the blocks that have ended since the last call; the signature is Parsl's."""
        connected = set(self._executor.connected_blocks())
        if connected - self._seen:
            self._seen |= connected
            self._failed.clear()
        for block, status in sorted(states.items(), key=lambda item: int(item[0])):
            if block not in self._seen and status.state.name in {"FAILED", "MISSING"}:
                self._seen.add(block)
                self._failed.append(self._describe(block, status))
        if len(self._failed) >= ATTEMPTS:
            self._executor.provider.max_blocks = 0  # the strategy, whose turn is next, would replace the last one
            self._give_up(TransportError("\n".join([self._headline(), *self._failed[-1:], f"logs are in {self._run}"])))

    def status(self) -> SiteStatus:
        """Return how the blocks are doing."""
        states = [status.state.name for status in dict(self._executor.status_facade).values()]
        workers = sum(manager["worker_count"] for manager in self._executor.connected_managers())
        return SiteStatus(states.count("PENDING"), states.count("RUNNING"), workers)

    def jobs(self) -> list[Any]:
        """Return the ids of the jobs that have not ended, as far as the provider knows."""
        resources = dict(getattr(self._executor.provider, "resources", {}))
        return [job for job, resource in resources.items() if not resource["status"].terminal]

    def _headline(self) -> str:
        return (
            f"{len(self._failed)} blocks in a row were refused or ended before a worker connected; no more are submitted."
            f" The last one ({self._configuration.provider}):"
        )

    def _describe(self, block: str, status: Any) -> str:
        job = self._executor.blocks_to_job_id.get(block)
        if job is None:
            return f"block {block} was refused: {_words(status.message)}"
        lines = [f"block {block} (job {job}) ended"]
        for name, path in (("stderr", status.stderr_path), ("stdout", status.stdout_path)):
            if path is not None:
                text = tail(Path(path))
                lines.append(f"its {name}, {path}:\n{text}" if text else f"its {name}, {path}, is empty")
        return "\n".join(lines)


def _words(message: str | None) -> str:
    """What the submit program said, out of Parsl's account of a refusal."""
    said = (message or "").rpartition("stderr=")[2]
    return " ".join(said.split()) or "no reason was given"
