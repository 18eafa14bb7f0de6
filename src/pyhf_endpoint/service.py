"""The web service of Globus Compute, as this package uses it: paced, and with its refusals as errors that say what to do.

Everything goes over HTTPS, results too, so that a client works behind a proxy (HTTPS_PROXY) that lets no AMQP pass. Who asks is
the SDK's business: tokens of `pyhf-endpoint login` lie in its own storage (GLOBUS_COMPUTE_USER_DIR, else `~/.globus_compute`),
and GLOBUS_COMPUTE_CLIENT_ID with GLOBUS_COMPUTE_CLIENT_SECRET stand for them; this package neither writes nor logs either.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyhf_endpoint.errors import TransportError, UsageError
from pyhf_endpoint.pace import Pace

__all__ = ["REQUEST_LIMIT", "Answer", "Call", "Published", "Service", "require_environment", "size"]

REQUEST_LIMIT = 10 * 1024 * 1024
"""Bytes that the service takes in one submission, and passes on as one result."""
# Task documents in one answer of the service: results come with them.
_PER_POLL = 64
_JSON = "11\n"  # how the SDK heads a result of its JSON strategy; anything else would have to be unpickled
# An environment that the SDK does not know is silently the hosted service.
_ENVIRONMENTS = ("production", "preview", "local", "dev", "sandbox", "test", "integration", "staging")


@dataclass(frozen=True)
class Call:
    """One task: a registered function and its one argument.

    Attributes:
        function: The function's id.
        text: The argument.
    """

    function: str
    text: str


@dataclass(frozen=True)
class Answer:
    """What the service knows of a finished task.

    Attributes:
        result: What the function returned; None where the task failed.
        failure: The endpoint's traceback; empty where it did not fail.
        seconds: How long a worker took, where the endpoint told.
    """

    result: str | None
    failure: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Published:
    """A registered function as the service shows it."""

    id: str
    name: str
    source: str


def require_environment() -> None:
    """Make sure that GLOBUS_SDK_ENVIRONMENT names an environment.

    Raises:
        UsageError: It does not; the SDK would take that for the hosted service without a word.
    """
    name = os.environ.get("GLOBUS_SDK_ENVIRONMENT", "production")
    if name not in _ENVIRONMENTS:
        raise UsageError(
            f"GLOBUS_SDK_ENVIRONMENT is `{name}`, which the SDK would take for production; unset it, or choose from: "
            + ", ".join(_ENVIRONMENTS)
        )


def size(text: str) -> int:
    """Return the bytes that a task's argument takes in a request: JSON text within JSON text."""
    return len(json.dumps(json.dumps([text]))) + 100  # quotes, commas, the empty second argument and the lengths before both


class Service:
    """A client of the service, of the user who is logged in.

    Args:
        pace: What holds requests back.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()

    @property
    def environment(self) -> str:
        """The name of the service: `production` is the hosted one."""
        return os.environ.get("GLOBUS_SDK_ENVIRONMENT", "production")

    def login(self) -> str:
        """Log in, by way of the user's browser where there are no credentials in the environment; return who it is.

        Raises:
            TransportError: The login failed.
        """
        with self._translated("log in"):
            self._app.login()
            return self.identity()

    def logout(self) -> None:
        """Forget the tokens of a login, here and at Globus."""
        with self._translated("log out"):
            self._app.logout()

    def identity(self) -> str:
        """Return the name of the logged-in user.

        Raises:
            TransportError: Nobody is logged in.
        """
        from globus_sdk import AuthClient
        from globus_sdk.scopes import AuthScopes

        with self._translated("say who is logged in"):
            client = AuthClient(app=self._app, app_scopes=[AuthScopes.openid, AuthScopes.profile])
            return str(client.userinfo()["preferred_username"])

    def register(self, name: str, source: str, description: str) -> str:
        """Register a function's source text, for everybody to call; return its id."""
        with self._request(f"register the function `{name}`") as client:
            return str(client.register_source_code(source, name, description=description, public=True))

    def function(self, function: str) -> Published | None:
        """Return a registered function; None where there is none that we may see."""
        try:
            with self._request(f"show the function {function}") as client:
                found = client.get_function(function)
        except TransportError as error:
            if getattr(error.__cause__, "http_status", None) in (403, 404):
                return None
            raise
        return Published(function, str(found["function_name"]), str(found["function_code"]))

    def allowed(self, endpoint: str) -> tuple[str, ...] | None:
        """Return the ids of the functions that an endpoint allows; None where it allows all."""
        with self._request(f"say what the endpoint {endpoint} allows") as client:
            found = client.get_allowed_functions(endpoint)
        return tuple(found["functions"]) if found["restricted"] else None

    def is_online(self, endpoint: str) -> bool:
        """Whether an endpoint is connected to the service."""
        with self._request(f"say how the endpoint {endpoint} is") as client:
            return str(client.get_endpoint_status(endpoint)["status"]) == "online"

    def submit(
        self, endpoint: str, calls: Sequence[Call], options: Mapping[str, Any], group: str | None = None
    ) -> tuple[str, list[str]]:
        """Send tasks in one request.

        Args:
            endpoint: Id of the endpoint.
            calls: The tasks; together below `REQUEST_LIMIT` as `size` counts.
            options: The user's choices for the endpoint's configuration.
            group: The task group to add them to; None makes a new one.

        Returns:
            The id of the task group, and the tasks' ids.
        """
        from globus_compute_sdk.serialize import JSONData

        kind = f"{JSONData.__module__.removesuffix('.concretes')}.{JSONData.__name__}"
        with self._request(f"send {len(calls)} tasks to the endpoint {endpoint}") as client:
            batch = client.create_batch(
                task_group_id=group, user_endpoint_config=dict(options) or None, result_serializers=[kind]
            )
            # An endpoint keeps a process for each description of a client; ours must share one, whatever their Python is.
            batch.user_runtime = None
            for call in calls:
                batch.add(call.function, (call.text,))
            answer = client.batch_run(endpoint, batch)
        waiting = {function: iter(ids) for function, ids in answer["tasks"].items()}
        return str(answer["task_group_id"]), [str(next(waiting[call.function])) for call in calls]

    def answers(self, tasks: Sequence[str]) -> dict[str, Answer]:
        """Return what is known of the tasks that have finished, by id; a task is missing while it has not."""
        finished: dict[str, Answer] = {}
        for i in range(0, len(tasks), _PER_POLL):
            with self._request("say how the tasks are"):
                documents = self._web.get_task_batch(list(tasks[i : i + _PER_POLL]))["results"]
            finished |= {task: _answer(found) for task, found in documents.items() if found["status"] in ("success", "failed")}
        return finished

    def group(self, group: str) -> list[str]:
        """Return the ids of a task group's tasks, oldest first."""
        with self._request(f"list the task group {group}"):
            return [str(task["id"]) for task in self._web.get_task_group(group)["tasks"]]

    @contextmanager
    def _request(self, doing: str) -> Iterator[Any]:
        with self._translated(doing):
            self._require_login()
            client = self._client
            self._pace.wait()
            yield client

    @cached_property
    def _client(self) -> Any:
        from globus_compute_sdk import Client
        from globus_compute_sdk.serialize import JSONData

        require_environment()
        return Client(do_version_check=False, data_serialization_strategy=JSONData())

    @cached_property
    def _web(self) -> Any:
        from globus_sdk import ComputeClientV2

        return ComputeClientV2(app=self._app, base_url=self._client.web_service_address)

    @property
    def _app(self) -> Any:
        return self._client.app

    def _require_login(self) -> None:
        from globus_sdk import UserApp

        # The SDK would ask for a code on standard input, in the middle of whatever runs.
        if isinstance(self._app, UserApp) and self._app.login_required():
            raise TransportError(
                "nobody is logged in to Globus; run: pyhf-endpoint login"
                " (or set GLOBUS_COMPUTE_CLIENT_ID and GLOBUS_COMPUTE_CLIENT_SECRET)"
            )

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        from globus_sdk import GlobusAPIError, GlobusError, NetworkError

        try:
            yield
        except GlobusAPIError as error:
            raise TransportError(f"Globus did not {doing}: {_reason(error)}") from error
        except NetworkError as error:
            where = self._client.web_service_address
            raise TransportError(
                f"cannot {doing}: {where} does not answer ({error}); check the network and HTTPS_PROXY"
            ) from error
        except GlobusError as error:
            raise TransportError(f"cannot {doing}: {error}; try: pyhf-endpoint login") from error


_REMEDIES = {
    "FUNCTION_NOT_PERMITTED": "see what it allows: pyhf-endpoint functions check SITE",
    "FUNCTION_NOT_FOUND": "register again: pyhf-endpoint functions register, then tell the endpoint's administrator",
    "ENDPOINT_NOT_FOUND": "check its id: pyhf-endpoint sites endpoints",
    "ENDPOINT_NOT_ONLINE": "its administrator starts it with: globus-compute-endpoint start NAME",
    "FORBIDDEN": "you may not use this endpoint; ask its administrator",
    "TASK_PAYLOAD_TOO_LARGE": "please report this",
    "invalid_client": "check GLOBUS_COMPUTE_CLIENT_ID and GLOBUS_COMPUTE_CLIENT_SECRET",
    "AUTHENTICATION_ERROR": "log in again: pyhf-endpoint login",
}


def _reason(error: Any) -> str:
    remedy = _REMEDIES.get(str(error.code))
    return f"{error.message} ({error.code or f'HTTP {error.http_status}'})" + (f"; {remedy}" if remedy else "")


def _answer(document: Mapping[str, Any]) -> Answer:
    moments = (document.get("details") or {}).get("task_transitions") or {}
    start, end = moments.get("execution-start"), moments.get("execution-end")
    seconds = max(0.0, float(end) - float(start)) if start and end else None
    if document["status"] == "failed":
        return Answer(None, str(document.get("exception") or "the endpoint gave no reason"), seconds)
    text = str(document["result"])
    if not text.startswith(_JSON):
        return Answer(None, f"RemoteError: the endpoint answered in another form than JSON: {text[:20]!r}", seconds)
    return Answer(json.loads(text.removeprefix(_JSON)), "", seconds)
