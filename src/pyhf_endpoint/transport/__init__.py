"""How chunks of work reach a site: each transport hands out a `concurrent.futures.Executor`."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any, Literal, Protocol, TypeAlias

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import SiteProfile
from pyhf_endpoint.transport.faults import NodeLostError, WorkerLostError
from pyhf_endpoint.transport.local import LocalTransport
from pyhf_endpoint.transport.scheduler import SchedulerTransport
from pyhf_endpoint.transport.status import SiteStatus

__all__ = [
    "VIAS",
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
    options: Mapping[str, Any] | None = None,
) -> Transport:
    """Return the transport to a site.

    Args:
        profile: The site.
        via: `local` for processes on this machine, `scheduler` for the site's batch system; None takes what the site has.
        workers: Worker processes of `local`; None takes what the machine offers.
        options: What the user chooses of the site's configuration, for `scheduler`.

    Raises:
        UsageError: The number of workers is not positive, or the site cannot be reached that way.
        TransportError: The scheduler's programs are not on this machine.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"cannot work with {workers} workers; give at least 1")
    if (via or _natural_way(profile)) == "local":
        return LocalTransport(workers)
    if workers is not None:
        raise UsageError("the number of workers is for --via local; a scheduler's blocks have as many as the site's profile says")
    config_text, environment = scheduler_configuration(profile, options or {})
    return SchedulerTransport(config_text, environment, site=profile.name)


def scheduler_configuration(profile: SiteProfile, options: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Return what a site's blocks are started with: the rendered user endpoint configuration, and the environment.

    Args:
        profile: The site.
        options: What the user chooses.

    Raises:
        UsageError: The site has no scheduler.
    """
    raise UsageError(f"the site `{profile.name}` has no scheduler; leave out --via scheduler, or name another site")


def _natural_way(profile: SiteProfile) -> Via:
    match profile.scheduler.kind:
        case "local":
            return "local"
