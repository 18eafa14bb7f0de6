"""`pyhf-endpoint sites`: what sites there are, whether their profiles hold, and how to add one."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyhf_endpoint.cli.endpoints import add_endpoint, list_endpoints

if TYPE_CHECKING:
    from pyhf_endpoint.profiles import FoundProfile

__all__ = ["sites"]


@click.group()
def sites() -> None:
    """List, show, check and add sites."""


sites.add_command(add_endpoint)
sites.add_command(list_endpoints)


@sites.command("list")
def list_sites() -> int:
    """List the sites: name, scheduler, status, variants and description.

    A profile with faults does not hide the others: it is named, and the exit code is 3.
    """
    from pyhf_endpoint import profiles
    from pyhf_endpoint.errors import InputError

    rows, faults = [], []
    for name in profiles.names():
        try:
            rows.append(profiles.find(name).profile)
        except InputError as error:
            faults.append(str(error))
    _print_table([(p.name, p.scheduler.kind, p.status, ",".join(p.variants), p.description) for p in rows])
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    return InputError.exit_code if faults else 0


@sites.command("show")
@click.argument("name")
@click.option("--variant", help="A variant of the site, to explain; default the first.")
@click.option("--explain", is_flag=True, help="Show every setting with its origin, and every fact with its source.")
def show_site(name: str, variant: str | None, *, explain: bool) -> None:
    """Show one site's profile, the file that it comes from, and how a container image is had and run there."""
    import yaml

    from pyhf_endpoint import profiles
    from pyhf_endpoint.cli.images import image_lines

    found = profiles.find(name)
    use = profiles.resolve(found.profile, variant)
    click.echo(f"# {found.path} ({found.origin})")
    for line in image_lines(use):
        click.echo(f"# {line}")
    if explain or variant:
        from pyhf_endpoint.cli.explain import explain_site

        explain_site(found.profile, variant)
        return
    click.echo(yaml.safe_dump(found.profile.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)


@sites.command("check")
@click.argument("names", nargs=-1, metavar="[SITE]...")
@click.option("--all", "every", is_flag=True, help="Check all sites.")
@click.option("--profile", "files", multiple=True, type=click.Path(path_type=Path), help="Check a file, wherever it is.")
def check_sites(names: tuple[str, ...], files: tuple[Path, ...], *, every: bool) -> int:
    """Check profiles: types, the rules between fields, and what each fact rests on.

    Prints for each how many of its facts have a source, are inferred or unknown, and every fault with its remedy. Exit code 3
    if any has faults.
    """
    from pyhf_endpoint import profiles
    from pyhf_endpoint.errors import InputError, UsageError

    if not (names or files or every):
        raise UsageError("name the sites to check, or give --all or --profile FILE")
    wanted = dict.fromkeys(profiles.names() if every else names)
    good: list[FoundProfile] = []
    faults = []
    for find, item in [*((profiles.find, name) for name in wanted), *((profiles.read, path) for path in files)]:
        try:
            good.append(find(item))  # type: ignore[operator]
        except InputError as error:
            faults.append(str(error))
    _print_table([_checked(found) for found in good])
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    click.echo(f"{len(good) + len(faults)} checked, {len(faults)} with faults")
    return InputError.exit_code if faults else 0


@sites.command("new")
@click.argument("name")
@click.option("--from", "source", required=True, metavar="SITE", help="The site whose profile to begin with.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; by default in the user's folder of sites.")
def new_site(name: str, source: str, output: Path | None) -> None:
    """Begin the profile of a new site with another's: a file to edit, then `sites check`."""
    from pyhf_endpoint import profiles

    path = profiles.begin(name, source, output)
    click.echo(f"{path}\nedit it, then run: pyhf-endpoint sites check {f'--profile {path}' if output else name}")


def _checked(found: "FoundProfile") -> tuple[str, ...]:
    from pyhf_endpoint import profiles

    profile = found.profile
    counts = profiles.evidence(profile).counts()
    return (profile.name, profile.status, profile.scheduler.kind, f"{len(profile.variants)} variants", counts, found.origin)


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
