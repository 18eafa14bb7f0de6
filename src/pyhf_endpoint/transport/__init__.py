"""How chunks of work reach a site: each transport hands out a `concurrent.futures.Executor`."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Literal, Protocol, TypeAlias

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import SiteProfile
from pyhf_endpoint.transport.choice import Choice, scheduler_configuration
from pyhf_endpoint.transport.faults import NodeLostError, WorkerLostError
from pyhf_endpoint.transport.local import LocalTransport
from pyhf_endpoint.transport.scheduler import SchedulerTransport
from pyhf_endpoint.transport.status import SiteStatus

__all__ = [
    "VIAS",
    "Choice",
    "LocalTransport",
    "NodeLostError",
    "SchedulerTransport",
    "SiteStatus",
    "Transport",
    "Via",
    "WorkerLostError",
    "connect",
    "scheduler_configuration",
]

Via: TypeAlias = Literal["local", "scheduler"]
VIAS: tuple[Via, ...] = ("local", "scheduler")


class Transport(Protocol):
    """What the client needs of a site."""

    @property
    def slots(self) -> int:
        """Chunks that run at the same time."""

    @property
    def in_flight(self) -> int:
        """Chunks to have submitted at the same time; those that do not run wait close to the workers."""

    def executor(self) -> Executor:
        """Return the live executor, started on first use and again after `reset`.

        Its futures may raise BrokenExecutor, when all that ran is lost and the executor with it, or WorkerLostError and
        NodeLostError, when one chunk is.
        """

    def prepare(self, function: Callable[..., object], *arguments: object) -> None:
        """Start the site's workers, if that is cheap, and let each call a function while the client does something else."""

    def status(self) -> SiteStatus | None:
        """Return how the site is doing; None where there is nothing to wait for."""

    def reset(self) -> None:
        """End everything that runs, at once; a further `executor` starts afresh."""

    def close(self) -> None:
        """Release the site."""


def connect(
    profile: SiteProfile,
    *,
    via: Via | None = None,
    workers: int | None = None,
    choice: Choice | None = None,
) -> Transport:
    """Return the transport to a site.

    Args:
        profile: The site.
        via: `local` for processes on this machine, `scheduler` for the site's batch system; None takes what the site has.
        workers: Worker processes of `local`; None takes what the machine offers.
        choice: What the user chooses of the site, for `scheduler`.

    Raises:
        UsageError: The number of workers is not positive, or the site cannot be reached that way.
        TransportError: The scheduler's programs are not on this machine.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"cannot work with {workers} workers; give at least 1")
    if (via or _natural_way(profile)) == "local":
        if choice:
            raise UsageError(
                "--account, --queue, --variant, --env and --option are for a scheduler; leave them out, or name a site"
            )
        return LocalTransport(workers)
    if workers is not None:
        raise UsageError("the number of workers is for --via local; a scheduler's blocks have as many as the site's profile says")
    config_text, environment = scheduler_configuration(profile, choice or Choice())
    return SchedulerTransport(config_text, environment, site=profile.name)


def _natural_way(profile: SiteProfile) -> Via:
    return "local" if profile.scheduler.kind == "local" else "scheduler"
