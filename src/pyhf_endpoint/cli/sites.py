"""`pyhf-endpoint sites`: what sites there are."""

import click

__all__ = ["sites"]


@click.group()
def sites() -> None:
    """List and show the known sites."""


@sites.command("list")
def list_sites() -> None:
    """List the sites: name, scheduler, status and description."""
    from pyhf_endpoint import profiles

    rows = [profiles.find(name).profile for name in profiles.names()]
    table = [(p.name, p.scheduler.kind, p.status, p.description) for p in rows]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        click.echo("  ".join([*(text.ljust(width) for text, width in zip(row[:3], widths, strict=True)), row[3]]))


@sites.command("show")
@click.argument("name")
def show_site(name: str) -> None:
    """Show one site's profile and the file that it comes from."""
    import yaml

    from pyhf_endpoint import profiles

    found = profiles.find(name)
    click.echo(f"# {found.path}")
    click.echo(yaml.safe_dump(found.profile.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)
