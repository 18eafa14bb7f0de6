"""What the stand-in remembers: identities, endpoints and their processes, functions, tasks and their groups."""

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from globus_compute_common import messagepack
from globus_compute_common.messagepack.message_types import Result, Task

from tests.globus.standin.broker import Broker

__all__ = ["ApiError", "Caller", "ServiceState"]

Json = dict[str, Any]
REQUEST_LIMIT = 10 * 1024 * 1024  # bytes of a submit request
USER_PROCESS_START_S = 50.0
_NAMESPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Caller:
    """A client of Globus Auth; its identity is its id."""

    id: str
    secret: str

    def document(self) -> Json:
        """The identity as Globus Auth shows it."""
        name = f"{self.id}@clients.auth.globus.org"
        return {
            "sub": self.id,
            "id": self.id,
            "username": name,
            "preferred_username": name,
            "name": name,
            "email": name,
            "organization": "loopback",
            "identity_type": "login",
            "identity_provider": "3a979bfd-6094-4202-9d64-77b3c9f80de3",
            "identity_provider_display_name": "Globus Auth",
            "status": "used",
            "last_authentication": int(time.time()),
        }


@dataclass
class Process:
    """A core endpoint or a user endpoint process, as its heartbeats show it."""

    owner: str
    data: Json = field(default_factory=dict)
    status: str = "offline"
    report: Json = field(default_factory=dict)
    heard: float = 0.0
    error: str = ""

    @property
    def online(self) -> bool:
        """Whether it was heard from lately."""
        period = self.report.get("heartbeat_period") or 30
        return self.status == "online" and time.monotonic() - self.heard < 3 * period


@dataclass
class Group:
    """A task group."""

    owner: str
    queue: str
    has_queue: bool = False
    tasks: list[str] = field(default_factory=list)


class ServiceState:
    """The service behind its web interface.

    Attributes:
        endpoints: Core endpoints by id.
        processes: User endpoint processes by id.
        functions: Registered functions by id.
        tasks: Task documents by id.
        checks_functions: Whether the service itself refuses functions that an endpoint does not allow.
    """

    def __init__(self, amqp: str, callers: tuple[Caller, ...]) -> None:
        self.callers = {caller.id: caller for caller in callers}
        self.endpoints: dict[str, Process] = {}
        self.processes: dict[str, Process] = {}
        self.functions: dict[str, Json] = {}
        self.tasks: dict[str, Json] = {}
        self.groups: dict[str, Group] = {}
        self.checks_functions = True
        self.broker = Broker(amqp, self)
        self._changed = threading.Condition(threading.RLock())

    def on_heartbeat(self, endpoint: str, report: Json) -> None:
        """Take a status report."""
        with self._changed:
            process = self.processes.get(endpoint) or self.endpoints.get(endpoint)
            # A child that fails before it execs reports under its core endpoint's id: that one is well.
            if process is None or ("error" in report and endpoint in self.endpoints):
                return
            process.report, process.heard = report, time.monotonic()
            if "error" in report:
                process.status, process.error = "failed", str(report["error"])
            elif report.get("active") is False or report.get("heartbeat_period") == 0:
                process.status = "offline"
            else:
                process.status = "online"
            self._changed.notify_all()

    def on_result(self, result: Result) -> str | None:
        """Take a result; return the queue of a client that listens for it."""
        with self._changed:
            task = self.tasks.get(str(result.task_id))
            if task is None:
                return None
            task["completion_t"] = str(time.time())
            moments = {change.state.value: change.timestamp / 1e9 for change in result.task_statuses or []}
            # by way of JSON, as the hosted service would send it
            task["details"] = json.loads(json.dumps({**(result.details or {}), "task_transitions": moments}, default=str))
            task |= (
                {"status": "failed", "exception": result.data}
                if result.is_error
                else {"status": "success", "result": result.data}
            )
            group = self.groups[task["group"]]
            return group.queue if group.has_queue else None

    def endpoint(self, endpoint: str, owner: str | None = None) -> Process:
        """Return a core endpoint; with `owner`, one of theirs."""
        found = self.endpoints.get(endpoint)
        if found is None:
            raise ApiError(404, "ENDPOINT_NOT_FOUND", f"Endpoint {endpoint} could not be resolved")
        if owner is not None and found.owner != owner:
            raise ApiError(403, "FORBIDDEN", f"Unauthorized access to endpoint {endpoint}")
        return found

    def register_endpoint(self, caller: str, data: Json, endpoint: str | None) -> Json:
        """Register a core endpoint, or register it again under the id that it remembers."""
        endpoint = endpoint or str(uuid.uuid4())
        with self._changed:
            process = self.endpoints.setdefault(endpoint, Process(caller))
            self.endpoint(endpoint, caller)
            process.data, process.status = data, "offline"
        return self.broker.core_queues(endpoint)

    def submit(self, caller: str, endpoint: str, data: Json, size: int) -> Json:
        """Send tasks to the caller's user endpoint process, which is started if it does not run."""
        core = self.endpoint(endpoint, None)
        if size > REQUEST_LIMIT:
            raise ApiError(413, "TASK_PAYLOAD_TOO_LARGE", f"Task payload is too large (limit {REQUEST_LIMIT} bytes)")
        if not core.data.get("multi_user") and core.owner != caller:
            raise ApiError(403, "FORBIDDEN", f"Unauthorized access to endpoint {endpoint}")
        self._check_functions(core, endpoint, data["tasks"])
        process = self._user_process(caller, endpoint, core, data)
        group_id = data.get("task_group_id") or str(uuid.uuid4())
        group = self._group(caller, group_id, with_queue=bool(data.get("create_queue")))
        messages: list[tuple[Json, bytes]] = []
        answer: dict[str, list[str]] = {}
        for function, payloads in data["tasks"].items():
            code = self.functions[function]["packed_code"]
            answer[function] = [str(uuid.uuid4()) for _ in payloads]
            headers = {"function_uuid": function, "resource_specification": json.dumps(data.get("resource_specification"))}
            if data.get("result_serializers"):
                headers["result_serializers"] = data["result_serializers"]
            for task, payload in zip(answer[function], payloads, strict=True):
                document = {"task_id": task, "status": "waiting-for-ep", "group": group_id, "owner": caller, "process": process}
                with self._changed:
                    self.tasks[task] = document
                    group.tasks.append(task)
                body = messagepack.pack(Task(task_id=uuid.UUID(task), task_buffer=code + payload))
                messages.append((headers | {"task_uuid": task}, body))
        self.broker.publish_tasks(process, messages)
        return {"request_id": str(uuid.uuid4()), "task_group_id": group_id, "endpoint_id": endpoint, "tasks": answer}

    def task(self, caller: str, task: str) -> Json | None:
        """What a caller may see of a task."""
        found = self.tasks.get(task)
        if found is None or found["owner"] != caller:
            return None
        return {key: value for key, value in found.items() if key not in ("group", "owner", "process")}

    def group(self, caller: str, group: str) -> Group:
        """Return one of a caller's task groups."""
        found = self.groups.get(group)
        if found is None or found.owner != caller:
            raise ApiError(404, "TASK_GROUP_NOT_FOUND", f"Task group {group} could not be resolved")
        return found

    def _check_functions(self, core: Process, endpoint: str, tasks: Json) -> None:
        allowed = core.data.get("allowed_functions")
        for function in tasks:
            if self.checks_functions and allowed is not None and function not in allowed:
                raise ApiError(403, "FUNCTION_NOT_PERMITTED", f"Function {function} not permitted on endpoint {endpoint}")
            if function not in self.functions:
                raise ApiError(404, "FUNCTION_NOT_FOUND", f"Function {function} could not be resolved")

    def _group(self, caller: str, group: str, *, with_queue: bool) -> Group:
        with self._changed:
            self.groups.setdefault(group, Group(caller, f"tg.{caller}.{group}"))
        found = self.group(caller, group)
        if with_queue and not found.has_queue:
            self.broker.group_queue(found.queue)
            found.has_queue = True
        return found

    def _user_process(self, caller: str, endpoint: str, core: Process, data: Json) -> str:
        """Return the id of the user endpoint process that belongs to these options, once it is online."""
        options, runtime = data.get("user_endpoint_config") or {}, data.get("user_runtime") or {}
        identity = self.callers[caller].document()
        process_id = str(uuid.uuid5(_NAMESPACE, json.dumps([endpoint, caller, options, runtime], sort_keys=True)))
        credentials = self.broker.user_queues(process_id)
        with self._changed:
            process = self.processes.setdefault(process_id, Process(caller))
            running = process.online
            if not core.online:
                raise ApiError(409, "ENDPOINT_NOT_ONLINE", f"Endpoint {endpoint} is not online")
            if not running:
                process.status, process.error = "starting", ""
        # Sent even to one that runs, which ignores it: the core endpoint revives with it one that is shutting down.
        command = {
            "globus_username": identity["username"],
            "globus_effective_identity": caller,
            "globus_identity_set": [identity],
            "command": "cmd_start_endpoint",
            "args": [],
            "kwargs": {
                "name": f"uep.{endpoint}.{process_id}",
                "user_opts": options,
                "user_runtime": runtime,
                "amqp_creds": credentials,
            },
        }
        self.broker.publish_command(endpoint, command)
        if not running:
            with self._changed:
                self._changed.wait_for(lambda: process.status in ("online", "failed"), USER_PROCESS_START_S)
                if process.status != "online":
                    reason = process.error or "user endpoint did not start"
                    raise ApiError(422, "SEMANTICALLY_INVALID", f"Request payload failed validation: {reason}")
        return process_id
