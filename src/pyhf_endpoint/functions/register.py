"""The functions' registrations with Globus Compute: what this version carries, what was registered, what has drifted.

A function is a few lines of source text (see `wire.Function`), so a new version of this package seldom changes it. Each text is
registered once, under its digest; older registrations stay on record because endpoints and clients may still use them. The
record is `pyhf-endpoint/functions.json` in the user's folder of state (XDG_STATE_HOME, else `~/.local/state`).
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from pyhf_endpoint import __version__
from pyhf_endpoint.errors import InputError
from pyhf_endpoint.functions.registered import FUNCTIONS
from pyhf_endpoint.functions.wire import Function
from pyhf_endpoint.service import Published, Service

__all__ = ["Drift", "Registration", "Registry", "carried", "digest", "drift", "identify", "register"]


@dataclass(frozen=True)
class Registration:
    """A function that was registered.

    Attributes:
        id: The service's id of it.
        kind: A key of `functions.FUNCTIONS`.
        digest: SHA-256 of its source text.
        version: Version of this package that registered it.
        created: When.
        service: Which service, as GLOBUS_SDK_ENVIRONMENT names it.
    """

    id: str
    kind: str
    digest: str
    version: str
    created: str
    service: str


@dataclass(frozen=True)
class Drift:
    """How one function of this version fares at an endpoint.

    Attributes:
        kind: Its kind.
        digest: SHA-256 of its source text.
        registered: Its ids on record.
        allowed: The id under which the endpoint allows it; None where it does not.
        stale: Ids that the endpoint allows and that are another version's text of the same function.
    """

    kind: str
    digest: str
    registered: tuple[str, ...]
    allowed: str | None
    stale: tuple[str, ...] = ()

    @property
    def fault(self) -> str:
        """What to do about it; empty where all is well."""
        if self.allowed is not None:
            return ""
        if self.registered:
            return "not allowed: the administrator adds its id to `allowed_functions`"
        return "not registered: pyhf-endpoint functions register"


class Registry:
    """The record of registrations.

    Args:
        path: The file; None takes the user's.

    Raises:
        InputError: The file is not such a record.
    """

    def __init__(self, path: Path | None = None) -> None:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        self.path = path or home / "pyhf-endpoint" / "functions.json"
        self.registrations: tuple[Registration, ...] = ()
        if self.path.exists():
            try:
                rows = orjson.loads(self.path.read_bytes())
                self.registrations = tuple(Registration(**row) for row in rows)
            except (orjson.JSONDecodeError, TypeError) as error:
                raise InputError(f"{self.path} is no record of functions ({error}); move it away and register again") from error

    def ids(self, service: str, function: Function) -> tuple[str, ...]:
        """Return the ids under which a function's present text was registered, oldest first."""
        wanted = (service, function.kind, digest(function.source))
        return tuple(one.id for one in self.registrations if (one.service, one.kind, one.digest) == wanted)

    def latest(self, service: str) -> dict[str, str]:
        """Return the newest id of each of this version's functions that is on record, by kind."""
        return {one.kind: ids[-1] for one in carried() if (ids := self.ids(service, one))}

    def add(self, registration: Registration) -> None:
        """Append to the record."""
        self.registrations = (*self.registrations, registration)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps([asdict(one) for one in self.registrations], option=orjson.OPT_INDENT_2))
        fresh.replace(self.path)


def carried() -> tuple[Function, ...]:
    """Return the functions of this version."""
    return tuple(Function(kind) for kind in FUNCTIONS)


def digest(source: str) -> str:
    """Return the SHA-256 of a source text."""
    return hashlib.sha256(source.encode()).hexdigest()


def register(service: Service, registry: Registry) -> list[Registration]:
    """Register the functions whose text is not on record, and return those; the rest stay as they are.

    Raises:
        TransportError: The service cannot be reached or refuses.
    """
    fresh = []
    for function in carried():
        if registry.ids(service.environment, function):
            continue
        text = digest(function.source)
        description = f"pyhf-endpoint {__version__}: {function.kind} (sha256 {text})"
        registration = Registration(
            id=service.register(function.name, function.source, description),
            kind=function.kind,
            digest=text,
            version=__version__,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            service=service.environment,
        )
        registry.add(registration)
        fresh.append(registration)
    return fresh


def identify(service: Service, ids: Iterable[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Tell which functions of this version hide behind ids.

    Args:
        service: Where to ask.
        ids: Registered functions.

    Returns:
        The id of each kind that is this version's text, and the ids of each kind that is another text.
    """
    sources = {digest(function.source): function.kind for function in carried()}
    names = {function.name: function.kind for function in carried()}
    present: dict[str, str] = {}
    stale: dict[str, list[str]] = {}
    for published in filter(None, map(service.function, ids)):
        kind = sources.get(digest(_text(published)))
        if kind is not None:
            present[kind] = published.id
        elif published.name in names:
            stale.setdefault(names[published.name], []).append(published.id)
    return present, stale


def drift(service: Service, registry: Registry, allowed: Sequence[str] | None) -> list[Drift]:
    """Compare what this version carries with what is registered and what an endpoint allows.

    Args:
        service: Where to ask.
        registry: The record.
        allowed: The ids that the endpoint allows; None where it allows all.
    """
    on_record: Mapping[str, tuple[str, ...]] = {one.kind: registry.ids(service.environment, one) for one in carried()}
    present: dict[str, str] = {kind: ids[-1] for kind, ids in on_record.items() if ids} if allowed is None else {}
    stale: dict[str, list[str]] = {}
    if allowed is not None:
        present = {kind: one for kind, ids in on_record.items() for one in ids if one in allowed}
        known = set(present.values())
        others, stale = identify(service, [one for one in allowed if one not in known])
        present = others | present
    return [
        Drift(one.kind, digest(one.source), on_record[one.kind], present.get(one.kind), tuple(stale.get(one.kind, ())))
        for one in carried()
    ]


def _text(published: Published) -> str:
    """The source text of a function; the service may show it with the head under which the SDK sends it."""
    source = published.source
    head = f"st\n{published.name}:"
    return source.partition(head)[2] if head in source else source
