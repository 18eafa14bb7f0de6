"""From a login node to a running endpoint: each step says what it did, can be repeated, and changes only what differs."""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from pyhf_endpoint import directory
from pyhf_endpoint.cobalt import register as cobalt
from pyhf_endpoint.deploy import logs, multiuser, systemd
from pyhf_endpoint.deploy.daemon import Daemon
from pyhf_endpoint.doctor.batch import COMMANDS
from pyhf_endpoint.endpoint import (
    CONFIG,
    ENVIRONMENT,
    SCHEMA,
    TEMPLATE,
    Bundle,
    Environment,
    Options,
    launcher_folder,
    render,
    write,
)
from pyhf_endpoint.errors import TransportError, UsageError
from pyhf_endpoint.functions.register import Registry, register
from pyhf_endpoint.profiles import Resolved
from pyhf_endpoint.service import Service

__all__ = ["SNIPPET", "Order", "deploy", "files", "snippet", "undeploy"]

_OPTIONS = {
    "core-config": CONFIG,
    "template-config": TEMPLATE,
    "schema-config": SCHEMA,
    "user-env-config": ENVIRONMENT,
    "id-mapping-config": multiuser.IDENTITIES,
}
#: What users are given, in the endpoint's folder.
SNIPPET = "snippet.yaml"
_ONLINE_S = 90.0
_POLL_S = 1.0


@dataclass(frozen=True)
class Order:
    """What is to be deployed.

    Attributes:
        use: The site, as it is to be used.
        name: The endpoint's name on this machine.
        environment: What the workers run in.
        path: Folders of the batch system's commands, where the endpoint's PATH must name them.
        contact: An administrator's address; Globus Compute insists on one where root runs the endpoint.
        force: Whether files that were edited by hand are replaced.
        multi: How identities become local users; None where the endpoint serves its owner alone.
        renewed: Whether the environment was built anew, so that what runs in the old one must end.
        systemd: Whether systemd is to start the endpoint; it also is where there is a unit for it.
    """

    use: Resolved
    name: str
    environment: Environment
    path: tuple[str, ...] = ()
    contact: str | None = None
    force: bool = False
    multi: multiuser.MultiUser | None = None
    renewed: bool = False
    systemd: bool = False


def deploy(order: Order, service: Service, registry: Registry) -> Iterator[str]:
    """Deploy, and yield a line for each step that is done.

    Where systemd is to start the endpoint and has not yet, the last lines say how to have it do so, and the rest is left to a
    repetition; see `systemd.is_left`.

    Raises:
        UsageError: The order breaks a rule of the site's, or a file was edited by hand.
        TransportError: The service or Globus Compute's command line refuses, or the endpoint does not come online.
    """
    daemon = Daemon(order.name)
    _keep_mapping(daemon, order)
    fresh = register(service, registry)
    functions = registry.latest(service.environment)
    yield f"{len(fresh)} functions registered, {len(functions) - len(fresh)} were before"
    bundle = files(order, tuple(functions.values()))
    changed = _configure(daemon, bundle, order)
    yield f"{daemon.folder}: " + (", ".join(sorted(changed)) if changed else "nothing has changed")
    if order.use.profile.scheduler.kind == "cobalt":
        yield f"{_write_launcher(order)}: makes Cobalt known to Globus Compute"
    if order.multi is not None:
        multiuser.protect(daemon.folder)
        yield f"{daemon.folder}: closed to all but root, {'with' if order.multi.audited else 'without'} an audit log"
    yield from _pruned(daemon)
    if systemd.is_left(daemon, wanted=order.systemd):
        yield from systemd.hand_over(daemon)
        return
    if order.systemd and systemd.write(order.name)[1]:
        yield f"{systemd.unit_path(order.name)}: has changed; let systemd know: {systemd.manager()} daemon-reload"
    yield from _run(daemon, service, restart=bool(changed - multiuser.RELOADED) or order.renewed)
    entry = _entry(daemon, functions, bundle, order.use)
    text = snippet(order.use.profile.name, entry)
    path = daemon.folder / SNIPPET
    path.write_text(text, encoding="utf-8")
    yield f"{path}: what users add with `pyhf-endpoint sites add {order.use.profile.name} {SNIPPET}`"
    yield f"{directory.add(order.use.profile.name, entry)}: knows the endpoint, for you"


def undeploy(name: str, site: str) -> Iterator[str]:
    """Stop and remove an endpoint, and yield a line for each step that is done.

    Args:
        name: The endpoint's name on this machine.
        site: The site whose entry in the user's directory goes with it.

    Raises:
        UsageError: There is no such endpoint, or systemd runs it.
        TransportError: Globus Compute's command line refuses.
    """
    daemon = Daemon(name)
    systemd.refuse(daemon, "disable --now")
    if not daemon.is_configured:
        raise UsageError(f"there is no endpoint `{name}` in {daemon.folder.parent}")
    known = daemon.id
    daemon.delete()
    yield f"{daemon.folder}: stopped and removed"
    unit = systemd.remove(name)
    if unit is not None:
        yield f"{unit}: removed; let systemd know: {systemd.manager()} daemon-reload"
    if known is not None and directory.remove(site, known):
        yield f"{directory.user_file()}: the endpoint is no longer in it"


def files(order: Order, functions: tuple[str, ...] = ()) -> Bundle:
    """Return the endpoint's files, by which it allows the given functions only."""
    folder = Daemon(order.name).folder.absolute()
    # Root's folder is closed to the users that processes run as: theirs keep to their own homes.
    users = str(folder) if order.multi is None else ""
    options = Options(order.environment, order.path or _path_of_root(order), functions, users)
    bundle = _with_contact(render(order.use, options), order.contact)
    return bundle if order.multi is None else multiuser.extend(bundle, order.multi, folder)


def snippet(site: str, entry: directory.Entry) -> str:
    """Return what an administrator gives to users."""
    return yaml.safe_dump({site: entry.model_dump(exclude_defaults=True)}, sort_keys=False, width=1000)


def _configure(daemon: Daemon, bundle: Bundle, order: Order) -> set[str]:
    """Make the endpoint, or bring its files up to date; return the names of those that changed."""
    if daemon.is_configured:
        return {path.name for path in write(bundle, daemon.folder, force=order.force)}
    with tempfile.TemporaryDirectory() as folder:
        write(bundle, Path(folder))
        paths = {option: Path(folder) / name for option, name in _OPTIONS.items() if name in bundle.files}
        daemon.configure(paths, contact=order.contact, multi_user=order.multi is not None)
    # Globus Compute rewrites some; what it made counts as ours from here on.
    write(bundle, daemon.folder, force=True)
    return set(bundle.files)


def _keep_mapping(daemon: Daemon, order: Order) -> None:
    """What others run as themselves must not become root's by an option that was forgotten."""
    if order.multi is None and (daemon.folder / multiuser.IDENTITIES).exists():
        raise UsageError(
            f"the endpoint `{order.name}` maps identities to local users; say so again: --multi-user --idmap FILE"
            f" (its mapping: {daemon.folder / multiuser.IDENTITIES}), or remove it first: pyhf-endpoint undeploy {order.name}"
        )


def _path_of_root(order: Order) -> tuple[str, ...]:
    """Root's endpoint starts its processes with an empty environment: where the batch system's commands are must be written."""
    if os.geteuid() != 0:
        return ()
    found = [shutil.which(command) for command in COMMANDS[order.use.profile.scheduler.kind]]
    # An image holds nothing that would start the engine here.
    own = [] if order.environment.folder else [Path(sys.prefix) / "bin" / "python"]
    return tuple(dict.fromkeys(str(Path(path).parent) for path in [*own, *found] if path)) or ("/usr/bin",)


def _with_contact(bundle: Bundle, contact: str | None) -> Bundle:
    if contact is None:
        return bundle
    return Bundle(bundle.site, {**bundle.files, CONFIG: f"{bundle.files[CONFIG]}email: {json.dumps(contact)}\n"})


def _write_launcher(order: Order) -> Path:
    folder = order.environment.folder
    if folder is None:
        raise UsageError("name the environment by an absolute path, which the launcher needs: --env venv:/PATH")
    return cobalt.write_launcher(Path(launcher_folder(folder)), Path(folder) / "bin" / "python")


def _run(daemon: Daemon, service: Service, *, restart: bool) -> Iterator[str]:
    if daemon.forget_dead():
        yield f"{daemon.folder}: the note of a daemon that had died is removed"
    if restart and daemon.pid is not None:
        daemon.stop()
        yield "stopped, to start with what is new"
    if daemon.pid is None and not systemd.unit_path(daemon.name).exists():
        daemon.start()
    deadline = time.monotonic() + _ONLINE_S
    while daemon.id is None or daemon.pid is None or not service.is_online(daemon.id):
        if time.monotonic() > deadline:
            raise TransportError(f"the endpoint is not online after {_ONLINE_S:g} s; the end of its log:\n{daemon.log_tail()}")
        time.sleep(_POLL_S)
    yield f"endpoint {daemon.id} is online, process {daemon.pid}"


def _pruned(daemon: Daemon) -> Iterator[str]:
    removed = logs.prune(daemon.folder)
    if removed:
        yield f"{daemon.folder / logs.USERS}: {removed / 1e6:.1f} MB of old logs are removed"


def _entry(daemon: Daemon, functions: dict[str, str], bundle: Bundle, use: Resolved) -> directory.Entry:
    # Without a scheduler the workers are here, one a core; elsewhere the profile says how many there are, or nobody knows.
    here = use.profile.scheduler.kind == "local" and not use["workers_per_node"]
    return directory.Entry.model_validate(
        {
            "endpoint": daemon.id,
            "functions": functions,
            "options": json.loads(bundle.files[SCHEMA]),
            "workers": os.cpu_count() if here else None,
        }
    )
