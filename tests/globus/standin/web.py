"""The stand-in's web interface: the routes that the SDK and the endpoint call, and the hosted service's limits."""

import base64
import json
import re
import secrets
import socket
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.globus.standin.state import ApiError, Caller, ServiceState

__all__ = ["PORT", "StandIn"]

Json = dict[str, Any]
PORT = 5000  # where the SDK's environment `local` looks
_UUID = r"([0-9a-fA-F-]{36})"
_COMPUTE_SCOPE = "https://auth.globus.org/scopes/facd7ccc-c5f4-42aa-916b-a0e270e2c2a9/all"
_WINDOW_S, _PER_WINDOW = 10.0, 20
_VERSION = "1.99.0"


class Request:
    """A request as a route sees it."""

    def __init__(self, service: "StandIn", headers: Any, query: dict[str, str], body: bytes) -> None:
        self.service, self.state = service, service.state
        self.query, self.body = query, body
        self.authorization = str(headers.get("Authorization") or "")

    @property
    def json(self) -> Json:
        """The body."""
        body: Json = json.loads(self.body)
        return body

    @property
    def caller(self) -> str:
        """Who asks."""
        scheme, _, token = self.authorization.partition(" ")
        caller = self.service.tokens.get(token) if scheme == "Bearer" else None
        if caller is None:
            raise ApiError(401, "AUTHENTICATION_ERROR", "missing or expired token")
        return caller


Route = Callable[..., Any]
_ROUTES: list[tuple[str, re.Pattern[str], Route]] = []


def _route(method: str, path: str) -> Callable[[Route], Route]:
    def add(function: Route) -> Route:
        _ROUTES.append((method, re.compile(path), function))
        return function

    return add


@_route("POST", "/v2/oauth2/token")
def _token(request: Request) -> Json:
    form = {key: values[-1] for key, values in parse_qs(request.body.decode()).items()}
    scheme, _, credentials = request.authorization.partition(" ")
    if scheme != "Basic" or form.get("grant_type") != "client_credentials":
        raise ApiError(400, "unsupported_grant_type", "only client credentials are known here")
    client, _, secret = base64.b64decode(credentials).decode().partition(":")
    caller = request.state.callers.get(client)
    if caller is None or caller.secret != secret:
        raise ApiError(401, "invalid_client", "unknown client or wrong secret")
    scopes: dict[str, list[str]] = defaultdict(list)
    for scope in form["scope"].split():
        scopes["funcx_service" if scope == _COMPUTE_SCOPE else "auth.globus.org"].append(scope)
    answers = []
    for server, granted in scopes.items():
        token = secrets.token_hex(32)
        request.service.tokens[token] = client
        answers.append(
            {
                "access_token": token,
                "scope": " ".join(granted),
                "expires_in": 172800,
                "token_type": "Bearer",
                "resource_server": server,
            }
        )
    return {**answers[0], "other_tokens": answers[1:]}


@_route("POST", "/v2/oauth2/token/revoke")
def _revoke(request: Request) -> Json:
    return {"active": False}


@_route("GET", "/v2/oauth2/userinfo")
def _userinfo(request: Request) -> Json:
    identity = request.state.callers[request.caller].document()
    return {**identity, "identity_set": [identity]}


@_route("GET", "/v2/api/identities")
def _identities(request: Request) -> Json:
    wanted = request.query.get("ids", request.caller).split(",")
    return {"identities": [request.state.callers[one].document() for one in wanted if one in request.state.callers]}


@_route("GET", "/v2/version")
def _version(request: Request) -> Any:
    oldest = {"min_sdk_version": "2.0.0", "min_ep_version": "2.0.0", "min_endpoint_version": "2.0.0"}
    return {"api": _VERSION, "git_sha": "0" * 40, **oldest} if request.query.get("service") == "all" else _VERSION


@_route("POST", "/v3/endpoints")
def _register_endpoint(request: Request) -> Json:
    return request.state.register_endpoint(request.caller, request.json, None)


@_route("PUT", f"/v3/endpoints/{_UUID}")
def _update_endpoint(request: Request, endpoint: str) -> Json:
    return request.state.register_endpoint(request.caller, request.json, endpoint)


@_route("GET", f"/v2/endpoints/{_UUID}")
def _endpoint(request: Request, endpoint: str) -> Json:
    assert request.caller
    found = request.state.endpoint(endpoint)
    named = found.data.get("display_name") or found.data["endpoint_name"]
    metadata: Json = found.data.get("metadata") or {}
    multi_user = bool(found.data.get("multi_user"))
    return {"uuid": endpoint, "name": named, "display_name": named, "owner": found.owner, "multi_user": multi_user, **metadata}


@_route("GET", f"/v2/endpoints/{_UUID}/status")
def _endpoint_status(request: Request, endpoint: str) -> Json:
    assert request.caller
    found = request.state.processes.get(endpoint) or request.state.endpoint(endpoint)
    return {"status": "online" if found.online else "offline", "details": found.report}


@_route("DELETE", f"/v2/endpoints/{_UUID}")
def _delete_endpoint(request: Request, endpoint: str) -> Json:
    request.state.endpoint(endpoint, request.caller)
    del request.state.endpoints[endpoint]
    return {"result": 302}


@_route("GET", f"/v3/endpoints/{_UUID}/allowed_functions")
def _allowed(request: Request, endpoint: str) -> Json:
    assert request.caller
    allowed = request.state.endpoint(endpoint).data.get("allowed_functions")
    return {"endpoint_id": endpoint, "restricted": allowed is not None, "functions": allowed or []}


@_route("POST", f"/v3/endpoints/{_UUID}/submit")
def _submit(request: Request, endpoint: str) -> Json:
    return request.state.submit(request.caller, endpoint, request.json, len(request.body))


@_route("POST", "/v3/functions")
def _register_function(request: Request) -> Json:
    data = request.json
    code = data["function_code"]
    if not data.get("serialized", True):  # source text, as PureSourceTextInspect packs it
        text = f"st\n{data['function_name']}:{code}"
        code = f"{len(text)}\n{text}"
    function = str(uuid.uuid4())
    request.state.functions[function] = {**data, "packed_code": code, "owner": request.caller}
    return {"function_uuid": function}


@_route("GET", f"/v2/functions/{_UUID}")
def _function(request: Request, function: str) -> Json:
    assert request.caller
    found = request.state.functions.get(function)
    if found is None:
        raise ApiError(404, "FUNCTION_NOT_FOUND", f"Function {function} could not be resolved")
    shown: Json = {key: found.get(key) for key in ("function_name", "function_code", "description")}
    return shown | {"function_uuid": function, "metadata": found.get("meta")}


@_route("GET", f"/v2/tasks/{_UUID}")
def _task(request: Request, task: str) -> Json:
    found = request.state.task(request.caller, task)
    if found is None:
        raise ApiError(404, "TASK_NOT_FOUND", f"Task {task} could not be resolved")
    return found


@_route("POST", "/v2/batch_status")
def _tasks(request: Request) -> Json:
    found = {task: request.state.task(request.caller, task) for task in request.json["task_ids"]}
    return {"response": "batch", "results": {task: document for task, document in found.items() if document}}


@_route("GET", f"/v2/taskgroup/{_UUID}")
def _task_group(request: Request, group: str) -> Json:
    found = request.state.group(request.caller, group)
    tasks = [{"id": task, "created_at": "2026-01-01T00:00:00"} for task in found.tasks]
    return {"taskgroup_id": group, "create_websockets_queue": found.has_queue, "tasks": tasks}


@_route("GET", "/v2/get_amqp_result_connection_url")
def _result_url(request: Request) -> Json:
    return {"queue_prefix": f"tg.{request.caller}.", "connection_url": request.state.broker.url}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    service: "StandIn"

    def log_message(self, *arguments: object) -> None:
        pass

    def _answer(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {key: values[-1] for key, values in parse_qs(address.query).items()}
        status, document = self.service.answer(self.command, address.path, Request(self.service, self.headers, query, body))
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def get_request(self) -> Any:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address


class StandIn:
    """The service, serving while it is entered.

    Attributes:
        state: What it remembers.
        tokens: Caller of each access token.
        requests: Every request so far: method, path, status, bytes of its body.
    """

    def __init__(self, amqp: str, *callers: Caller) -> None:
        self.state = ServiceState(amqp, callers)
        self.tokens: dict[str, str] = {}
        self.requests: list[tuple[str, str, int, int]] = []
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._server = _Server(("127.0.0.1", PORT), type("Handler", (_Handler,), {"service": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, name="stand-in service")

    def __enter__(self) -> "StandIn":
        self.state.broker.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.state.broker.stop()

    def answer(self, method: str, path: str, request: Request) -> tuple[int, Any]:
        """Answer one request."""
        status, document = 404, {"code": "NOT_FOUND", "message": f"no route {method} {path}"}
        try:
            for wanted, pattern, function in _ROUTES:
                match = pattern.fullmatch(path)
                if wanted == method and match:
                    self._hold_to_rate(path, request)
                    status, document = 200, function(request, *match.groups())
        except ApiError as error:
            reason = {"message": str(error), "reason": str(error), "status": "Failed"}
            status, document = error.status, {"code": error.code, **reason}
        self.requests.append((method, path, status, len(request.body)))
        return status, document

    def forget_rates(self) -> None:
        """Begin a new window for everybody: what earlier clients asked is not held against the next."""
        self._recent.clear()

    def _hold_to_rate(self, path: str, request: Request) -> None:
        if "/oauth2/" in path or path.startswith(("/v2/version", "/v2/api")):
            return
        recent, now = self._recent[request.caller], time.monotonic()
        while recent and now - recent[0] > _WINDOW_S:
            recent.popleft()
        recent.append(now)
        if len(recent) > _PER_WINDOW:
            raise ApiError(429, "TOO_MANY_REQUESTS", f"more than {_PER_WINDOW} requests in {_WINDOW_S:g} s")
