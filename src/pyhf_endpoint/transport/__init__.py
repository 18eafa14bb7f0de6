"""How chunks of work reach a site: each transport hands out a `concurrent.futures.Executor`."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from pyhf_endpoint.errors import TransportError, UsageError
from pyhf_endpoint.transport.choice import Choice
from pyhf_endpoint.transport.faults import NodeLostError, PayloadTooLargeError, WorkerLostError
from pyhf_endpoint.transport.local import LocalTransport
from pyhf_endpoint.transport.status import SiteStatus

if TYPE_CHECKING:
    from pyhf_endpoint.profiles import SiteProfile
    from pyhf_endpoint.transport.globus import GlobusTransport
    from pyhf_endpoint.transport.scheduler import SchedulerTransport

__all__ = [
    "VIAS",
    "Choice",
    "LocalTransport",
    "NodeLostError",
    "PayloadTooLargeError",
    "SiteStatus",
    "Transport",
    "Via",
    "WorkerLostError",
    "connect",
    "connect_here",
]

Via: TypeAlias = Literal["local", "scheduler", "globus"]
VIAS: tuple[Via, ...] = ("local", "scheduler", "globus")


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
    profile: "SiteProfile",
    *,
    via: Via | None = None,
    workers: int | None = None,
    choice: Choice | None = None,
) -> Transport:
    """Return the transport to a site.

    Args:
        profile: The site.
        via: `local` for processes on this machine, `scheduler` for the site's batch system, `globus` for its endpoint; None takes
            `globus`, or `local` at a site without a scheduler and an endpoint.
        workers: Worker processes of `local`, or how many to count on at an endpoint; None takes what is there.
        choice: What the user chooses of the site, for `scheduler` and `globus`.

    Raises:
        UsageError: The number of workers is not positive, or the site cannot be reached that way.
        TransportError: The scheduler's programs are not on this machine, or no endpoint is known for the site.
    """
    _require_positive(workers)
    match via or _natural_way(profile):
        case "local":
            return connect_here(workers, choice)
        case "globus":
            return _globus(profile, choice or Choice(), workers)
    if workers is not None:
        raise UsageError("the number of workers is not for --via scheduler, whose blocks have as many as the site's profile says")
    return _scheduler(profile, choice or Choice())


def connect_here(workers: int | None = None, choice: Choice | None = None) -> LocalTransport:
    """Return the transport `local`, for which no site's profile is needed.

    Args:
        workers: Worker processes; None takes one per usable core.
        choice: What the user chooses, of which nothing is for this machine.

    Raises:
        UsageError: The number of workers is not positive, or something is chosen.
    """
    _require_positive(workers)
    if choice:
        raise UsageError("--account, --queue, --variant, --env and --option are for a scheduler; leave them out, or name a site")
    return LocalTransport(workers)


def _require_positive(workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise UsageError(f"cannot work with {workers} workers; give at least 1")


def _globus(profile: "SiteProfile", choice: Choice, workers: int | None) -> "GlobusTransport":
    from pyhf_endpoint import directory
    from pyhf_endpoint.functions.register import Registry
    from pyhf_endpoint.service import Service
    from pyhf_endpoint.transport.choice import endpoint_options, workers_of
    from pyhf_endpoint.transport.globus import GlobusTransport

    address, service = directory.require(profile), Service()
    functions = address.entry.functions or Registry().latest(service.environment)
    if not functions:
        raise TransportError(
            f"the endpoint of `{profile.name}` ({address.origin}) comes with no functions, and you have registered none;"
            " run: pyhf-endpoint functions register"
        )
    slots = workers or address.entry.workers or workers_of(profile, choice)
    return GlobusTransport(address, functions, endpoint_options(choice), service, workers=slots)


def _scheduler(profile: "SiteProfile", choice: Choice) -> "SchedulerTransport":
    from pyhf_endpoint.transport.choice import scheduler_configuration
    from pyhf_endpoint.transport.scheduler import SchedulerTransport

    config_text, environment = scheduler_configuration(profile, choice)
    return SchedulerTransport(config_text, environment, site=profile.name)


def _natural_way(profile: "SiteProfile") -> Via:
    """A site without a scheduler is this machine, unless an endpoint goes by its name."""
    from pyhf_endpoint import directory

    return "local" if profile.scheduler.kind == "local" and directory.find(profile) is None else "globus"
