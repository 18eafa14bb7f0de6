"""The transport `scheduler`: a site's batch system straight from its login node, without any account or service in between."""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING

from pyhf_endpoint.transport.configuration import EngineConfiguration, require_programs
from pyhf_endpoint.transport.runs import new_run
from pyhf_endpoint.transport.status import SiteStatus

if TYPE_CHECKING:
    from pyhf_endpoint.transport.engine import Engine

__all__ = ["SchedulerTransport"]

_AHEAD = 2  # chunks per worker that are on their way, so that none waits for the client
_ENDPOINT_COMMAND = "globus-compute-endpoint"


class SchedulerTransport:
    """Blocks of workers at a site, asked for on first use and released by `close`.

    The same configuration serves a deployed endpoint. Each transport has a run folder with the engine's logs, see `runs.new_run`;
    messages name it.

    Args:
        config_text: The rendered user endpoint configuration, YAML.
        environment: Variables for the scheduler's programs and the jobs, as in the endpoint's `user_environment.yaml`.
        site: Name of the site, for messages.

    Raises:
        InputError: The text is not such a configuration.
        TransportError: The scheduler's programs are not on this machine.
    """

    def __init__(self, config_text: str, environment: Mapping[str, str] | None = None, *, site: str = "this site") -> None:
        self._configuration = EngineConfiguration.parse(config_text)
        self._environment = _with_commands(environment or {})
        require_programs(self._configuration, site, self._environment["PATH"])
        self.slots = self._configuration.slots
        self.in_flight = _AHEAD * self.slots
        self._starting: Future[Engine] | None = None
        self._run: Path | None = None

    @property
    def run(self) -> Path | None:
        """The latest run folder, once there is one."""
        return self._run

    def executor(self) -> Executor:
        """Return the live engine, started on first use and again after `reset`.

        Raises:
            MissingExtraError: The extra `endpoint` is not installed.
            InputError: The configuration cannot be loaded.
            TransportError: The engine does not start.
        """
        return self._start().result()

    def prepare(self, function: Callable[..., object], *arguments: object) -> None:
        """Start the engine in the background; the workers load what they need by themselves."""
        self._start()

    def status(self) -> SiteStatus:
        """Return how the blocks are doing."""
        starting = self._starting
        if starting is None or not starting.done() or starting.exception() is not None:
            return SiteStatus()
        return starting.result().status

    def reset(self) -> None:
        """Cancel all blocks and end the engine, at once."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        if starting.exception() is None:
            starting.result().shutdown()

    close = reset

    def _start(self) -> "Future[Engine]":
        """Start in a thread of its own: Ctrl-C in the midst of a start would leave half an engine behind."""
        if self._starting is None:
            self._run = new_run(os.environ | self._environment)
            self._starting = Future()
            arguments = (self._starting, self._configuration, self._environment, self._run)
            threading.Thread(target=_start_engine, args=arguments, daemon=True).start()
        return self._starting


def _start_engine(
    future: "Future[Engine]", configuration: EngineConfiguration, environment: Mapping[str, str], run: Path
) -> None:
    try:
        from pyhf_endpoint.transport.engine import Engine

        future.set_result(Engine(configuration, environment, run))
    except BaseException as error:
        future.set_exception(error)


def _with_commands(environment: Mapping[str, str]) -> dict[str, str]:
    """Make sure that the jobs, which take over the PATH, find the endpoint's command where worker_init does not set it."""
    path = environment.get("PATH") or os.environ.get("PATH") or os.defpath
    if shutil.which(_ENDPOINT_COMMAND, path=path) is None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    return {**environment, "PATH": path}
