"""The commands around endpoints: `login`, `logout`, `functions`, `cancel`, and of `sites`: `add`, `endpoints`."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pyhf_endpoint.directory import Entry

__all__ = ["add_endpoint", "cancel", "functions", "list_endpoints", "login", "logout"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@click.command()
def login() -> None:
    """Log in to Globus, once; tokens go into the storage of Globus' own SDK.

    Not needed where GLOBUS_COMPUTE_CLIENT_ID and GLOBUS_COMPUTE_CLIENT_SECRET are set.
    """
    from pyhf_endpoint.service import Service

    click.echo(f"logged in as {Service().login()}")


@click.command()
def logout() -> None:
    """Forget the login, here and at Globus."""
    from pyhf_endpoint.service import Service

    Service().logout()
    click.echo("logged out")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def cancel(file: Path) -> None:
    """Give up what still waits for the results file FILE.

    Globus Compute offers no way to stop a task that was sent: the endpoint computes it, and its result is dropped.
    """
    from pyhf_endpoint.errors import UsageError
    from pyhf_endpoint.waiting import journal_path

    path = journal_path(file)
    if not path.exists():
        raise UsageError(f"nothing waits for {file}: there is no {path.name} next to it")
    path.unlink()
    click.echo(f"{file}: what was sent is forgotten; the endpoint still computes what it has, and nobody will fetch it")


@click.group()
def functions() -> None:
    """List, register and check the functions that endpoints offer."""


@functions.command("list")
def list_functions() -> None:
    """List what this version carries and what is on record as registered, older versions included."""
    from pyhf_endpoint.functions.register import Registry, carried, digest

    registry = Registry()
    rows = [("function", "sha256", "id", "version", "service")]
    for one in carried():
        known = [found for found in registry.registrations if found.kind == one.kind]
        if not any(found.digest == digest(one.source) for found in known):
            rows.append((one.kind, digest(one.source)[:12], "not registered", "", ""))
        for found in known:
            mark = "" if found.digest == digest(one.source) else " (older text)"
            rows.append((found.kind, found.digest[:12], found.id, found.version + mark, found.service))
    _table(rows)
    click.echo(f"record: {registry.path}", err=True)


@functions.command()
def register() -> None:
    """Register the functions whose text has changed; the ids of older texts stay callable.

    Each is a few lines of source text that anybody may see and call; endpoints decide which they allow.
    """
    from pyhf_endpoint.functions import register as registrations
    from pyhf_endpoint.service import Service

    registry = registrations.Registry()
    fresh = registrations.register(Service(), registry)
    _table([(one.kind, one.id) for one in fresh])
    click.echo(f"{len(fresh)} registered, {len(registrations.carried()) - len(fresh)} unchanged; record: {registry.path}")


@functions.command()
@click.argument("site", required=False)
def check(site: str | None) -> int:
    """Tell drift: what this version carries, what is registered, and what the endpoint of SITE allows.

    The exit code is 1 if a function of this version cannot be called there.
    """
    from pyhf_endpoint import directory, profiles
    from pyhf_endpoint.functions.register import Registry, drift
    from pyhf_endpoint.service import Service

    service, allowed = Service(), None
    if site is not None:
        address = directory.require(profiles.find(site).profile)
        allowed = service.allowed(address.entry.endpoint)
        click.echo(f"{site}: endpoint {address.entry.endpoint} ({address.origin}), " + _restriction(allowed))
    found = drift(service, Registry(), allowed)
    rows = [("function", "id", "state")]
    for one in found:
        older = f"; also allowed, with an older text: {', '.join(one.stale)}" if one.stale else ""
        rows.append((one.kind, one.allowed or (one.registered[-1] if one.registered else "-"), (one.fault or "ok") + older))
    _table(rows)
    return 1 if any(one.fault for one in found) else 0


def _restriction(allowed: tuple[str, ...] | None) -> str:
    return "which allows every function" if allowed is None else f"which allows {len(allowed)} functions"


@click.command("add")
@click.argument("site")
@click.argument("endpoint", metavar="ENDPOINT_ID|SNIPPET")
@click.option("--workers", type=click.IntRange(min=1), help="Workers that run there at the same time.")
def add_endpoint(site: str, endpoint: str, workers: int | None) -> None:
    """Note which endpoint stands for SITE: by its id, or by the snippet of its administrator (a file, or - for standard input).

    Of an id alone, the functions that the endpoint allows are looked up, for which you must be logged in.
    """
    from pyhf_endpoint import directory, profiles
    from pyhf_endpoint.errors import UsageError

    profiles.find(site)
    if _UUID.fullmatch(endpoint):
        entry = _look_up(endpoint)
    else:
        text = sys.stdin.read() if endpoint == "-" else _read(Path(endpoint))
        entries = directory.parse(text, "standard input" if endpoint == "-" else endpoint)
        if site not in entries:
            raise UsageError(f"the snippet is for {', '.join(entries) or 'no site'}, not for `{site}`")
        entry = entries[site]
    if workers is not None:
        entry = entry.model_copy(update={"workers": workers})
    path = directory.add(site, entry)
    offered = (
        f"{len(entry.functions)} functions" if entry.functions else "every function, so that your own registered ones are called"
    )
    click.echo(f"{site}: endpoint {entry.endpoint} with {offered}; noted in {path}")


def _look_up(endpoint: str) -> "Entry":
    from pyhf_endpoint import directory
    from pyhf_endpoint.errors import TransportError
    from pyhf_endpoint.functions.register import Registry, identify
    from pyhf_endpoint.service import Service

    service = Service()
    allowed = service.allowed(endpoint)
    if allowed is None:
        return directory.Entry(endpoint=endpoint)
    own = {found: kind for kind, found in Registry().latest(service.environment).items() if found in allowed}
    present = {kind: found for found, kind in own.items()}
    others, _ = identify(service, [one for one in allowed if one not in own])
    if not present and not others:
        raise TransportError(
            f"the endpoint {endpoint} allows {len(allowed)} functions, none of which is this version's; its administrator"
            " registers and allows them: pyhf-endpoint functions register"
        )
    return directory.Entry(endpoint=endpoint, functions=others | present)


def _read(path: Path) -> str:
    from pyhf_endpoint.errors import InputError

    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} is neither an endpoint's id nor a snippet that can be read: {error.strerror}") from error


@click.command("endpoints")
def list_endpoints() -> None:
    """List the endpoints that are known for each site, and where from; the first of a site counts."""
    from pyhf_endpoint import directory, profiles

    rows = [("site", "endpoint", "from", "functions", "use")]
    for name in profiles.names():
        used = False
        for address in directory.addresses(profiles.find(name).profile):
            use = "unused: lacks this project's functions" if not address.is_usable else "unused" if used else "used"
            used = used or address.is_usable
            count = str(len(address.entry.functions)) if address.entry.functions or not address.is_usable else "your own"
            rows.append((name, address.entry.endpoint, address.origin, count, use))
    if len(rows) == 1:
        click.echo("no endpoint is known for any site; add one with: pyhf-endpoint sites add SITE ENDPOINT_ID|SNIPPET")
    else:
        _table(rows)


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
