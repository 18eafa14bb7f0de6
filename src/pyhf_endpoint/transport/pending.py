"""What is on its way to an endpoint: attempts, their order, and when one that stays out counts as lost."""

import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

__all__ = ["Job", "Ledger", "Patience"]

# What the death of two workers takes beyond the time limit of a task.
_SLACK_S = 120.0


@dataclass(frozen=True)
class Patience:
    """When to ask after tasks, and when to give them up.

    Attributes:
        quiet_s: Seconds without any answer after which a probe is sent after the tasks.
        factor: A task is lost when it takes this many times the longest that one has taken.
        least_s: But not before it has run this long.
        first_s: Nor before this, while none has come back; doubled with each attempt.
        attempts: How often a task is sent at most.
    """

    quiet_s: float = 10.0
    factor: float = 5.0
    least_s: float = 20.0
    first_s: float = 300.0
    attempts: int = 3


@dataclass
class Job:
    """A task that somebody waits for.

    Attributes:
        function: Id of the function.
        text: The encoded argument.
        size: Bytes that it takes in a request.
        future: Who waits.
        is_probe: Whether it only asks whether the endpoint runs.
        tasks: Ids of its attempts.
        order: Place of its last attempt among all that were sent.
        started: When its last attempt was known to have started, by `time.monotonic`; None while it may still be queued.
    """

    function: str
    text: str
    size: int
    future: Future[str]
    is_probe: bool = False
    tasks: list[str] = field(default_factory=list)
    order: int = 0
    started: float | None = None


class Ledger:
    """The jobs that are on their way.

    Nothing that the service tells says whether a task runs, waits for a block of nodes, or was lost with the process that held
    it. But an endpoint starts tasks in the order in which they come: once one has come back, all that were sent before it have
    started, or will never. That starts their clock, and a probe is sent after them where nothing else was.

    Args:
        patience: When to ask after tasks and when to give them up.
        limit_s: Seconds after which the endpoint itself ends a task, where that is known.
    """

    def __init__(self, patience: Patience, limit_s: float | None = None) -> None:
        self.patience = patience
        self._limit_s = limit_s
        self.longest_s: float | None = None
        self._jobs: dict[str, Job] = {}
        self._order = 0
        self._heard = time.monotonic()
        self._probe_s = patience.quiet_s

    def __len__(self) -> int:
        return len(self.jobs())

    def jobs(self) -> list[Job]:
        """The jobs, without probes."""
        return [job for job in self._unique() if not job.is_probe]

    def tasks(self) -> list[str]:
        """Ids of all attempts, oldest first: a job's first attempt may come back after its second was sent."""
        return list(self._jobs)

    def sent(self, job: Job, task: str) -> None:
        """Note an attempt."""
        self._order += 1
        job.order, job.started = self._order, None
        job.tasks.append(task)
        self._jobs[task] = job
        if not job.is_probe:
            self._heard = time.monotonic()

    def settle(self, task: str, seconds: float | None) -> Job:
        """Take out the job of an attempt that came back.

        Args:
            task: The attempt.
            seconds: How long a worker took, where that is known.
        """
        job, now = self._jobs[task], time.monotonic()
        for other in job.tasks:
            self._jobs.pop(other, None)
        self._heard, self._probe_s = now, self.patience.quiet_s
        if seconds is not None and not job.is_probe:
            self.longest_s = max(seconds, self.longest_s or 0.0)
        for earlier in self._unique():
            if earlier.order < job.order and earlier.started is None:
                earlier.started = now
        return job

    def wants_probe(self) -> bool:
        """Whether to send a probe now; each that stays out doubles the time to the next."""
        if not any(job.started is None for job in self.jobs()) or time.monotonic() - self._heard < self._probe_s:
            return False
        self._heard = time.monotonic()
        self._probe_s = min(2 * self._probe_s, 300.0)
        return True

    def lost(self) -> list[Job]:
        """The jobs whose time is up."""
        now = time.monotonic()
        return [job for job in self.jobs() if job.started is not None and now - job.started > self._allowed(job)]

    def clear(self) -> Iterable[Job]:
        """Take out everything."""
        jobs = self._unique()
        self._jobs = {}
        return jobs

    def _allowed(self, job: Job) -> float:
        if self.longest_s is None:
            usual = float(self.patience.first_s * 2 ** (len(job.tasks) - 1))
        else:
            usual = max(self.patience.least_s, self.patience.factor * self.longest_s)
        if self._limit_s is not None and len(job.tasks) >= self.patience.attempts:
            # It is not sent again: all that is left is to hear from the endpoint that it hangs, or killed its worker twice.
            return max(usual, 2 * self._limit_s + _SLACK_S)
        return usual

    def _unique(self) -> list[Job]:
        return list({id(job): job for job in self._jobs.values()}.values())
