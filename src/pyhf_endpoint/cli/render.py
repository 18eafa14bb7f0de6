"""`pyhf-endpoint render`: the files of an endpoint, from a site's profile."""

from dataclasses import dataclass
from pathlib import Path

import click

from pyhf_endpoint.errors import PyhfEndpointError, UsageError

__all__ = ["render"]

_PARSL_FILE = "parsl_config.py"


@dataclass(frozen=True)
class _Request:
    """What is asked for; the fields are the options' names."""

    variant: str | None
    account: str | None
    queue: str | None
    settings: tuple[str, ...]
    env: str
    path: tuple[str, ...]
    layout: str
    check: bool
    force: bool
    retired_ok: bool


@click.command()
@click.argument("site", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the files.")
@click.option("--all", "every", is_flag=True, help="Render every active site, each into a folder of its name.")
@click.option("--variant", help="A variant of the site; default the first.")
@click.option("--account", help="Account that jobs are charged to, as the users' default; without it they must name one.")
@click.option("--queue", help="Queue, as the users' default.")
@click.option("--option", "settings", multiple=True, metavar="NAME=VALUE", help="Any other setting; see `sites show --explain`.")
@click.option(
    "--env",
    default="venv:~/pyhf-endpoint-venv",
    show_default=True,
    metavar="venv:PATH|image:IMAGE",
    help="Where workers find pyhf-endpoint.",
)
@click.option("--path", multiple=True, metavar="FOLDER", help="Folder of the batch system's commands, where PATH must name it.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["globus-compute", "parsl"]),
    default="globus-compute",
    show_default=True,
    help="An endpoint's files, or a plain Parsl Config.",
)
@click.option("--check", is_flag=True, help="Write nothing; show what would change, and exit with 1 if anything would.")
@click.option("--force", is_flag=True, help="Also replace files that were edited by hand.")
@click.option("--retired-ok", is_flag=True, help="Also render a site that is retired.")
@click.pass_context
def render(ctx: click.Context, /, site: str | None, output: Path, every: bool, **options: object) -> None:
    """Write the configuration of an endpoint at SITE."""
    request = _Request(**options)  # type: ignore[arg-type] # click gives what the options above declare
    if every == (site is not None):
        raise UsageError("name one site, or give --all")
    ctx.exit(_every(output, request) if site is None else _one(site, output, request))


def _one(site: str, folder: Path, request: _Request) -> int:
    from pyhf_endpoint import endpoint, profiles

    profile = profiles.find(site).profile
    if profile.status == "retired" and not request.retired_ok:
        raise UsageError(f"site `{site}` is retired, and stays as a record; to render it all the same, give --retired-ok")
    named = {"account": request.account, "queue": request.queue}
    settings = endpoint.parse_settings([*request.settings, *(f"{name}={text}" for name, text in named.items() if text)])
    options = endpoint.Options(endpoint.Environment.parse(request.env), request.path)
    bundle = endpoint.render(profiles.resolve(profile, request.variant, settings), options)
    if request.layout == "parsl":
        bundle = endpoint.Bundle(site, {_PARSL_FILE: endpoint.parsl_config(bundle)})
    if request.check:
        changes = endpoint.diff(bundle, folder)
        click.echo(changes, nl=False)
        return 1 if changes else 0
    for path in endpoint.write(bundle, folder, force=request.force):
        click.echo(path)
    click.echo(f"{site}: workers use {options.environment}", err=True)
    return 0


def _every(folder: Path, request: _Request) -> int:
    from pyhf_endpoint import profiles

    code = 0
    for site in profiles.names():
        try:
            if profiles.find(site).profile.status != "active" and not request.retired_ok:
                continue
            code = max(code, _one(site, folder / site, request))
        except PyhfEndpointError as error:  # the other sites are rendered all the same
            click.echo(f"error: {error}", err=True)
            code = max(code, error.exit_code)
    return code
