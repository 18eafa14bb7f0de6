"""The administrator's commands: `deploy`, `undeploy`, `start`, `stop`, `restart`, `status`."""

import dataclasses
from pathlib import Path
from typing import Any

import click

__all__ = ["deploy", "restart", "start", "status", "stop", "undeploy"]


@click.command()
@click.argument("site")
@click.option("--name", help="The endpoint's name on this machine.  [default: the site's]")
@click.option("--variant", metavar="NAME", help="Variant of the site.  [default: its first]")
@click.option("--account", metavar="NAME", help="Account that jobs are charged to, as the users' default.")
@click.option("--queue", metavar="NAME", help="Queue, as the users' default.")
@click.option("--option", "settings", multiple=True, metavar="NAME=VALUE", help="Any other setting of the site.")
@click.option(
    "--env",
    metavar="venv:PATH|image[:IMAGE]",
    help="What the workers run in: a virtual environment, which is built at PATH from the locks that come along and kept up to"
    " date; or a container image, by default what `make image-VARIANT` or `make sif-VARIANT` made.  [default: this environment]",
)
@click.option("--wheelhouse", type=click.Path(path_type=Path), metavar="FOLDER", help="Build from its wheels, without a network.")
@click.option("--wheel", type=click.Path(path_type=Path), metavar="FILE", help="Our own wheel.  [default: from this source tree]")
@click.option("--python", metavar="PROGRAM", help="The Python to build with.  [default: the one that runs]")
@click.option("--path", multiple=True, metavar="FOLDER", help="Folder of the batch system's commands, where PATH must name it.")
@click.option("--contact-email", metavar="ADDRESS", help="An administrator; needed where root runs the endpoint.")
@click.option("--multi-user", is_flag=True, help="As root: run each user's processes as the local user of their identity.")
@click.option("--idmap", type=click.Path(path_type=Path), metavar="FILE", help="Which identity is which user, in Globus' format.")
@click.option("--subscription-id", metavar="ID", help="With --auth-policy: high assurance, and with it an audit log.")
@click.option("--auth-policy", metavar="ID", help="Authentication policy that users must meet.")
@click.option("--profile", type=click.Path(path_type=Path), metavar="FILE", help="The site's profile, by file.")
@click.option("--force", is_flag=True, help="Replace files that were edited by hand; deploy although `doctor` finds errors.")
@click.option("--retired-ok", is_flag=True, help="Also deploy a retired site.")
@click.option("--systemd", is_flag=True, help="Write a unit by which systemd starts it, instead of starting it here.")
@click.option("--no-probe", is_flag=True, help="Do not ask the workers, for which a job is submitted.")
@click.option(
    "--probe-wait",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for them; a block that is still queued then is no error.",
)
@click.option("--dry-run", is_flag=True, help="Run `doctor`, show what would be built and the endpoint's files; change nothing.")
@click.pass_context
def deploy(ctx: click.Context, /, site: str, **given: Any) -> None:
    """Set up, or bring up to date, a Globus Compute endpoint for SITE on this login node.

    Runs `doctor`, builds the workers' environment, registers the functions, renders the endpoint's files, starts it, waits until
    it is online, asks its workers what they are, and leaves what users need. Repeat it at will: only what differs is changed.
    """
    ctx.exit(_deploy(site, given))


def _deploy(site: str, given: dict[str, Any]) -> int:
    from pyhf_endpoint import deploy as administration
    from pyhf_endpoint import endpoint, profiles
    from pyhf_endpoint.functions.register import Registry
    from pyhf_endpoint.service import Service
    from pyhf_endpoint.transport import Choice

    profile = (profiles.read(given["profile"]) if given["profile"] else profiles.find(site)).profile
    named = [f"{name}={given[name]}" for name in ("account", "queue") if given[name]]
    choice = Choice(given["variant"], endpoint.parse_settings([*given["settings"], *named]), retired_ok=given["retired_ok"])
    use = choice.use(profile)
    request = administration.Request(given["env"], given["wheelhouse"], given["wheel"], given["python"])
    with administration.planned(use, request) as plan:
        order = administration.Order(
            use,
            given["name"] or profile.name,
            plan.environment,
            given["path"],
            given["contact_email"],
            given["force"],
            _multi_user(given),
            systemd=given["systemd"],
        )
        if not _healthy(order, built=not plan.pending) and not given["force"]:
            click.echo("error: nothing was changed; mend what `doctor` found, or give --force", err=True)
            return 1
        if given["dry_run"]:
            return _show(order, plan)
        order = _build(order, plan)
    if order.renewed and not _fits(order) and not given["force"]:
        return 1
    if order.multi is not None and not given["force"]:
        administration.check_environment(order.environment)
    for line in administration.deploy(order, Service(), Registry()):
        click.echo(line)
    return _probed(order, given)


def _probed(order: Any, given: dict[str, Any]) -> int:
    """Probe, unless that is not wanted, and show what users need, whatever comes of it."""
    from pyhf_endpoint.cli.first_probe import first_probe, show_snippet
    from pyhf_endpoint.deploy import SNIPPET, Daemon, systemd

    daemon, site = Daemon(order.name), order.use.profile.name
    if systemd.is_left(daemon, wanted=order.systemd):
        return 0
    code = 0
    if given["no_probe"] or order.multi is not None:  # an identity that is mapped to nobody, as root's is, computes nothing
        click.echo(f"now see whether it computes where it should: pyhf-endpoint probe {site}")
    else:
        code = first_probe(order.use, daemon.folder / SNIPPET, daemon.folder / "endpoint.log", given["probe_wait"])
    show_snippet(daemon.folder / SNIPPET, site)
    return code


def _multi_user(given: dict[str, Any]) -> Any:
    """What makes it an endpoint for several users; None for one user."""
    from pyhf_endpoint.deploy import MultiUser, require_root
    from pyhf_endpoint.errors import UsageError

    others = [name for name in ("idmap", "subscription_id", "auth_policy") if given[name] is not None]
    if not given["multi_user"]:
        if others:
            raise UsageError(f"--{others[0].replace('_', '-')} goes with --multi-user; add that, or leave it away")
        return None
    require_root()
    if given["idmap"] is None:
        raise UsageError("--multi-user needs --idmap FILE, which says which identity is which local user")
    if given["contact_email"] is None:
        raise UsageError("--multi-user needs --contact-email ADDRESS, whom users can ask")
    return MultiUser.read(given["idmap"], given["subscription_id"], given["auth_policy"])


def _show(order: Any, plan: Any) -> int:
    """Show what a deployment would do."""
    from pyhf_endpoint import deploy as administration
    from pyhf_endpoint import endpoint

    for line in plan.announce():
        click.echo(line)
    bundle = administration.files(order)
    click.echo(endpoint.diff(bundle, administration.Daemon(order.name).folder), nl=False)
    return 0


def _build(order: Any, plan: Any) -> Any:
    """Bring the workers' environment up to date, and note in the order whether it is new."""
    renewed = plan.pending
    for line in plan.carry_out():
        click.echo(line)
    return dataclasses.replace(order, renewed=renewed)


def _fits(order: Any) -> bool:
    """Compare what was built with what the endpoint runs."""
    from pyhf_endpoint.doctor import software

    return _tell([software.versions(Path(order.environment.place).expanduser())]) != "error"


def _healthy(order: Any, *, built: bool) -> bool:
    """Run the doctor's checks and show what is not well; an environment that is yet to be built is left out."""
    from pyhf_endpoint.deploy import home
    from pyhf_endpoint.doctor import Host, Patient, examine
    from pyhf_endpoint.transport.service import addresses

    place = order.environment.place
    folder = Path(place).expanduser() if order.environment.kind == "venv" else None
    hosts = tuple(Host(a.purpose, a.name, a.port, a.secure) for a in addresses())
    image = None if folder else place
    return _tell(list(examine(Patient(order.use, home(), hosts, folder if built else None, image)))) != "error"


def _tell(findings: list[Any]) -> str:
    """Show what is not well, and return how bad it is."""
    from pyhf_endpoint.doctor import worst

    for finding in findings:
        if finding.severity in ("warning", "error"):
            click.echo(f"{finding.severity}: {finding.check}: {finding.message}\n  -> {finding.remedy}", err=True)
    return worst(findings)


@click.command()
@click.argument("site")
@click.option("--name", help="The endpoint's name on this machine.  [default: the site's]")
def undeploy(site: str, name: str | None) -> None:
    """Stop and remove the endpoint of SITE, here and from Globus Compute; functions stay registered."""
    from pyhf_endpoint import deploy as administration

    for line in administration.undeploy(name or site, site):
        click.echo(line)


def _daemon(name: str) -> Any:
    from pyhf_endpoint.deploy import Daemon
    from pyhf_endpoint.errors import UsageError

    daemon = Daemon(name)
    if not daemon.is_configured:
        raise UsageError(f"there is no endpoint `{name}` in {daemon.folder.parent}; set one up: pyhf-endpoint deploy {name}")
    return daemon


@click.command()
@click.argument("name")
def start(name: str) -> None:
    """Start the endpoint NAME, which `deploy` has set up, and remove logs that are two weeks old; one that runs goes on."""
    from pyhf_endpoint.deploy import logs, systemd

    daemon = _daemon(name)
    logs.prune(daemon.folder)
    if daemon.pid is None:
        systemd.refuse(daemon, "start")
    if daemon.forget_dead():
        click.echo("the note of a daemon that had died is removed")
    if daemon.pid is None:
        daemon.start()
    click.echo(f"{name}: started")


@click.command()
@click.argument("name")
def stop(name: str) -> None:
    """Stop the endpoint NAME; what runs there is lost."""
    from pyhf_endpoint.deploy import systemd

    daemon = _daemon(name)
    systemd.refuse(daemon, "stop")
    daemon.stop()
    click.echo(f"{name}: stopped")


@click.command()
@click.argument("name")
def restart(name: str) -> None:
    """Stop and start the endpoint NAME, and remove logs that are two weeks old."""
    from pyhf_endpoint.deploy import logs, systemd

    daemon = _daemon(name)
    systemd.refuse(daemon, "restart")
    daemon.stop()
    logs.prune(daemon.folder)
    daemon.start()
    click.echo(f"{name}: restarted")


@click.command()
@click.argument("name")
@click.pass_context
def status(ctx: click.Context, /, name: str) -> None:
    """Say how the endpoint NAME is: its process here, and what the service hears of it. Exit code 1 unless both are well."""
    from pyhf_endpoint.deploy import logs
    from pyhf_endpoint.service import Service

    daemon = _daemon(name)
    online = daemon.id is not None and Service().is_online(daemon.id)
    process = f"process {daemon.pid}" if daemon.pid else "no process"
    click.echo(f"{name}: endpoint {daemon.id or 'not yet registered'}, {process}, {'online' if online else 'not online'}")
    click.echo(f"logs are in {daemon.folder} ({logs.size(daemon.folder) / 1e6:.1f} MB)")
    if daemon.pid is None and (daemon.folder / "daemon.pid").exists():
        click.echo(f"it has died and left a note behind; to start it again: pyhf-endpoint start {name}")
    ctx.exit(0 if online and daemon.pid else 1)
