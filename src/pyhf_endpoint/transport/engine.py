"""Globus Compute's engine without Globus Compute's service: the rendered configuration, started on this machine."""

import logging
import sys
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, cast

from pyhf_endpoint.cobalt.register import register_cobalt_provider
from pyhf_endpoint.errors import InputError, MissingExtraError, TransportError
from pyhf_endpoint.functions import wire
from pyhf_endpoint.transport import guard
from pyhf_endpoint.transport.blocks import BlockWatch, tune
from pyhf_endpoint.transport.configuration import EngineConfiguration
from pyhf_endpoint.transport.faults import from_traceback
from pyhf_endpoint.transport.runs import tail
from pyhf_endpoint.transport.status import SiteStatus
from pyhf_endpoint.transport.surroundings import log_file, variables

__all__ = ["Engine", "Sendable"]

_WATCH_S = 1.0
_START_POLL_S = 0.05
_ABANDON_S = 5.0
# A task is sent at once, however many there are, as long as there is an interchange; without one Parsl would wait for ever.
_SEND_S = 5.0
_OUTPUT = "interchange.out"
_RESULT = "globus_compute_sdk.serialize.JSONData"
_log = logging.getLogger(__name__)


class Sendable(Protocol):
    """What can be sent: see `pyhf_endpoint.functions.Function`."""

    @property
    def name(self) -> str:
        """The name that the source text defines."""

    @property
    def source(self) -> str:
        """Source text of a function from an encoded payload to an encoded answer."""


class Engine(Executor):
    """Runs functions on the workers of a site's blocks; ends with `shutdown`.

    Args:
        configuration: The configuration.
        environment: Variables for the scheduler's programs and, through them, the jobs.
        run: The run folder.

    Raises:
        MissingExtraError: The extra `endpoint` is not installed.
        InputError: The configuration cannot be loaded.
        TransportError: The engine does not start.
    """

    def __init__(self, configuration: EngineConfiguration, environment: Mapping[str, str], run: Path) -> None:
        self._run = run
        self._fault: TransportError | None = None
        self._abandoned = False
        self._running: set[Future[bytes]] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._asking: threading.Thread | None = None
        self._status = SiteStatus()
        self._exit = ExitStack()
        self._exit.enter_context(variables(environment))
        self._exit.enter_context(log_file(run / "engine.log"))
        try:
            self._engine = _load(configuration)
            self._blocks = BlockWatch(configuration, self._engine.executor, run, self._fail)
            self._start(configuration)
        except BaseException:
            self._exit.close()
            raise
        # Two, as the second may wait for an interchange that has ended.
        threading.Thread(target=self._watch, name="pyhf-endpoint watch", daemon=True).start()
        self._observer = threading.Thread(target=self._observe, name="pyhf-endpoint observe", daemon=True)
        self._observer.start()

    def _start(self, configuration: EngineConfiguration) -> None:
        executor, provider = self._engine.executor, self._engine.executor.provider
        jobs = self._run / "jobs"
        tune(provider, jobs)
        executor.block_error_handler = self._blocks
        # Parsl would ask for the first blocks a strategy period after the start, work or no work; `submit` does so instead.
        self._first_blocks, provider.init_blocks = max(1, provider.init_blocks), 0
        interchange = [sys.executable, "-m", "parsl.executors.high_throughput.interchange"]
        guarded = [sys.executable, "-IS", guard.__file__, str(self._run / _OUTPUT), str(jobs), configuration.cancel_program]
        executor.interchange_launch_cmd = guarded + interchange
        self._start_interchange()
        executor.outgoing_q.zmq_socket.sndtimeo = round(1000 * _SEND_S)

    def _start_interchange(self) -> None:
        """Parsl waits two minutes for an interchange that has ended at once, for lack of an address, say."""
        outcome: Future[None] = Future()

        def start() -> None:
            try:
                self._engine.start(endpoint_id=uuid.uuid4(), run_dir=str(self._run))
                outcome.set_result(None)
            except Exception as error:
                outcome.set_exception(error)

        threading.Thread(target=start, name="pyhf-endpoint start", daemon=True).start()
        while not wait([outcome], _START_POLL_S).done:
            if self._interchange_ended():
                raise self._interchange_fault()
        error = outcome.exception()
        if error is not None:
            process = self._engine.executor.interchange_proc
            if process is not None:
                process.terminate()
            raise TransportError(
                f"the engine does not start: {type(error).__name__}: {error}; logs are in {self._run}"
            ) from error

    @property
    def status(self) -> SiteStatus:
        """How the blocks were doing a moment ago."""
        return self._status

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        """Run a function on a worker.

        Args:
            function: What to run; a `Sendable`.
            arguments: Its argument, JSON text as bytes.
            named: Nothing.

        Returns:
            A future of JSON text. Its exception is a PyhfEndpointError, RemoteError, WorkerLostError or NodeLostError.

        Raises:
            TransportError: The engine has given up.
        """
        (payload,) = arguments
        self._ask_for_blocks()
        future: Future[bytes] = Future()
        future.set_running_or_notify_cancel()  # what is on its way cannot be called back
        with self._lock:
            if self._fault is not None:
                raise self._fault
            self._running.add(future)
        self._submit(function, wire.encode(payload), future)
        return future

    def _ask_for_blocks(self) -> None:
        """Ask for the first blocks, before Parsl sees any work and would do so, too.

        In a thread, which Ctrl-C does not reach: of a submission that is interrupted nobody learns the job's id.
        """
        if self._asking is None:
            self._asking = threading.Thread(target=self._engine.scale_out, args=(self._first_blocks,))
            self._asking.start()
        self._asking.join()

    def _submit(self, function: Sendable, text: str, future: Future[bytes]) -> None:
        from globus_compute_common import messagepack
        from globus_compute_endpoint.engines.base import GCFuture
        from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect

        # The SDK writes this form for functions whose source it finds in a file; the text itself is all we have and need.
        code = f"{PureSourceTextInspect.identifier}{function.name}:{function.source}"
        data = ComputeSerializer(strategy_data=JSONData())
        buffers = ComputeSerializer.pack_buffers([code, data.serialize([text]), data.serialize({})])
        task = uuid.uuid4()
        packed = messagepack.pack(messagepack.message_types.Task(task_id=task, task_buffer=buffers))
        sent = GCFuture(task)
        sent.add_done_callback(lambda done: self._settle(done, future))
        self._engine.submit(task_f=sent, packed_task=packed, resource_specification={}, result_serializers=[_RESULT])

    def _settle(self, done: Future[bytes], future: Future[bytes]) -> None:
        """Pass a result on, or say what came instead of it."""
        with self._lock:
            if future not in self._running:
                return
            self._running.discard(future)
        try:
            future.set_result(_result(done))
        except Exception as error:
            if self._interchange_ended():  # before the watch noticed, and the reason for whatever is said of the task
                self._without_interchange()
            future.set_exception(self._fault or error)

    def _fail(self, error: TransportError) -> None:
        """Give up: nothing that runs or is submitted later can end well."""
        with self._lock:
            if self._fault is None:
                self._fault = error
            failed, self._running = self._running, set()
        for future in failed:
            future.set_exception(error)

    def _interchange_ended(self) -> bool:
        process = self._engine.executor.interchange_proc
        return process is not None and process.poll() is not None

    def _interchange_fault(self) -> TransportError:
        path = self._run / _OUTPUT
        return TransportError(f"the engine's interchange has ended; its output, {path}:\n{tail(path) or '  (empty)'}")

    def _without_interchange(self) -> None:
        with self._lock:
            known, self._abandoned = self._abandoned, True
        if not known:
            fault = self._interchange_fault()
            self._fail(fault)
            # Without this Parsl would submit blocks that nothing can talk to.
            self._engine.executor.set_bad_state_and_fail_all(fault)

    def _watch(self) -> None:
        executor = self._engine.executor
        while not self._stop.wait(_WATCH_S):
            if self._interchange_ended():
                self._without_interchange()
                return
            if executor.bad_state_is_set:
                self._fail(TransportError(f"the engine has given up: {executor.executor_exception}; logs are in {self._run}"))
                return

    def _observe(self) -> None:
        while not self._stop.wait(_WATCH_S) and self._fault is None:
            self._status = self._blocks.status()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel all blocks and end the engine; what still runs is lost."""
        self._stop.set()
        self._fail(TransportError("the engine was shut down"))
        # In a thread, which Ctrl-C does not reach: a shutdown that is interrupted would leave jobs behind.
        ending = threading.Thread(target=self._end)
        ending.start()
        ending.join()

    def _end(self) -> None:
        if self._asking is not None:
            self._asking.join()
        ended = self._interchange_ended()
        if ended:
            self._without_interchange()
        self._observer.join(_ABANDON_S)
        # Without an interchange Parsl's threads may wait for its answers for ever, though not in the midst of a submission; and
        # it must not close a connection on which another thread waits.
        end = self._engine.job_status_poller.close if self._observer.is_alive() else self._engine.shutdown
        ending = threading.Thread(target=end, daemon=ended)
        ending.start()
        ending.join(_ABANDON_S if ended else None)
        self._cancel_rest()
        self._exit.close()

    def _cancel_rest(self) -> None:
        """Cancel what Parsl has left: everything, where it has given up."""
        provider = self._engine.executor.provider
        for _ in range(2):
            jobs = self._blocks.jobs()
            if not jobs or all(provider.cancel(jobs)):
                return
            provider.status(jobs)  # one job that had ended by itself makes the whole call fail
        names = ", ".join(map(str, jobs))
        _log.warning("could not cancel all of the jobs %s; look for them in the queue, and at the logs in %s", names, self._run)


def _load(configuration: EngineConfiguration) -> Any:
    try:
        from globus_compute_endpoint.endpoint.config.utils import load_config_yaml
    except ImportError as error:
        raise MissingExtraError("endpoint", "the transport `scheduler`") from error
    if configuration.provider == "CobaltProvider":
        register_cobalt_provider()
    try:
        return load_config_yaml(configuration.text).engine
    except Exception as error:  # click's for what the loader sees, anything for what a provider's constructor meets
        message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        raise InputError(f"the endpoint configuration cannot be loaded: {message}") from error


def _result(done: Future[bytes]) -> bytes:
    from globus_compute_common import messagepack
    from globus_compute_sdk.serialize import ComputeSerializer, JSONData

    found = messagepack.unpack(done.result())
    if found.is_error:
        raise from_traceback(found.data)
    serializer = ComputeSerializer(allowed_deserializer_types=[JSONData, "globus_compute_sdk.*Code"])
    return wire.result(cast("str", serializer.deserialize(found.data)))
