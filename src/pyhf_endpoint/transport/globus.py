"""The transport `globus`: a deployed endpoint anywhere, through Globus Compute."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pyhf_endpoint.errors import TransportError
from pyhf_endpoint.service import Answer, Call, Service
from pyhf_endpoint.transport.options import check_options
from pyhf_endpoint.transport.pending import Job, Patience
from pyhf_endpoint.transport.sender import Sender
from pyhf_endpoint.transport.status import SiteStatus

if TYPE_CHECKING:
    from pyhf_endpoint.directory import Address

__all__ = ["GlobusTransport", "Listener", "Patience"]

# Chunks on their way: enough to keep a large site busy, few enough for the client's memory.
_IN_FLIGHT = 256
_DEFAULT_WORKERS = 4
_MAX_PROBES = 16
_TASK_LIMIT = "task_limit_s"


class Listener(Protocol):
    """Who wants to know where tasks are, to find their results later."""

    def sent(self, group: str, tasks: int) -> None:
        """Tasks were added to a task group."""


class GlobusTransport:
    """An endpoint of Globus Compute.

    Args:
        address: The endpoint.
        functions: Ids of its functions by kind.
        options: The user's choices for its configuration.
        service: The service.
        workers: Workers that run at the same time, where that is known.
        patience: When to ask after tasks and when to give them up.

    Attributes:
        listener: Who wants to know where tasks are.

    Raises:
        UsageError: The endpoint does not accept the options.
    """

    in_flight = _IN_FLIGHT

    def __init__(
        self,
        address: "Address",
        functions: Mapping[str, str],
        options: Mapping[str, Any],
        service: Service,
        *,
        workers: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        check_options(options, address.entry.options, address.site)
        self.address, self.service = address, service
        self.slots = workers or _DEFAULT_WORKERS
        self.patience = patience or Patience()
        self.listener: Listener | None = None
        self._functions, self._options = functions, options
        self._executor: Sender | None = None

    def executor(self) -> "Sender":
        """Return the live executor."""
        if self._executor is None:
            self._executor = Sender(self, self.patience, self.task_limit_s)
        return self._executor

    @property
    def task_limit_s(self) -> float | None:
        """Seconds after which the endpoint ends a task; None where its entry does not say."""
        stated = self.address.entry.options.get("properties", {}).get(_TASK_LIMIT, {})
        found = self._options.get(_TASK_LIMIT, stated.get("default"))
        return None if found is None else float(found)

    def prepare(self, function: Callable[..., object], *arguments: object) -> None:
        """Let the endpoint start its process and its workers load an engine."""
        if "ready" in self.kinds:
            for _ in range(min(self.slots, _MAX_PROBES)):
                self.executor().probe(*map(str, arguments))

    def status(self) -> SiteStatus | None:
        """Return None: the service does not tell how an endpoint's blocks are."""
        return None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of function that the endpoint offers."""
        return tuple(self._functions)

    def function_id(self, kind: str) -> str:
        """Return the id under which the endpoint offers a function.

        Raises:
            TransportError: It does not.
        """
        try:
            return self._functions[kind]
        except KeyError:
            raise TransportError(
                f"the endpoint of `{self.address.site}` ({self.address.origin}) offers no function `{kind}`;"
                f" see what it offers: pyhf-endpoint functions check {self.address.site}"
            ) from None

    def send(self, jobs: list[Job], group: str | None) -> tuple[str, list[str]]:
        """Send jobs in one request, and tell the listener."""
        calls = [Call(job.function, job.text) for job in jobs]
        group, tasks = self.service.submit(self.address.entry.endpoint, calls, self._options, group)
        if self.listener is not None and not all(job.is_probe for job in jobs):
            self.listener.sent(group, len(tasks))
        return group, tasks

    def answers(self, tasks: list[str]) -> dict[str, Answer]:
        """Return what has come back of these tasks."""
        return self.service.answers(tasks)

    def reset(self) -> None:
        """Turn away from everything that is on its way; the endpoint computes it to its end."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True)

    close = reset
