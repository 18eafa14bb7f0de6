"""How chunks of work reach a site: each transport hands out a `concurrent.futures.Executor`."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import SiteProfile
from pyhf_endpoint.transport.local import LocalTransport

__all__ = ["LocalTransport", "Transport", "connect"]


class Transport(Protocol):
    """What the client needs of a site."""

    @property
    def slots(self) -> int:
        """Chunks that run at the same time."""

    def executor(self) -> Executor:
        """Return the live executor, started on first use and again after `reset`."""

    def prepare(self, function: Callable[..., object], *arguments: object) -> None:
        """Start the site's workers, if that is cheap, and let each call a function while the client does something else."""

    def reset(self) -> None:
        """End everything that runs, at once; a further `executor` starts afresh."""

    def close(self) -> None:
        """Release the site."""


def connect(profile: SiteProfile, *, workers: int | None = None) -> Transport:
    """Return the transport to a site.

    Args:
        profile: The site.
        workers: Worker processes; None takes what the site offers.

    Raises:
        UsageError: The number of workers is not positive.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"cannot work with {workers} workers; give at least 1")
    if profile.scheduler.kind != "local":
        raise UsageError(f"site `{profile.name}` is reached through its {profile.scheduler.kind}, for which there is no way yet")
    return LocalTransport(workers)
