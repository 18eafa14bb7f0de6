"""`pyhf-endpoint doctor`: what would go wrong at a site, before it does."""

from pathlib import Path

import click

__all__ = ["doctor"]

_MARKS = {"ok": "ok     ", "skipped": "skipped", "warning": "WARNING", "error": "ERROR  "}
_CODES = {"ok": 0, "skipped": 0, "warning": 0, "error": 1}


@click.command()
@click.argument("site")
@click.option("--variant", help="Variant of the site; by default its first.")
@click.option("--account", help="Account to charge.")
@click.option("--queue", help="Queue to use.")
@click.option("--env", "environment", metavar="venv:PATH|image:URI", help="What the workers run in; by default this environment.")
@click.option("--run-directory", type=click.Path(path_type=Path), default="~/.globus_compute", show_default=True)
@click.option("--no-service", is_flag=True, help="Leave out the checks that only Globus Compute needs.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def doctor(
    site: str,
    variant: str | None,
    account: str | None,
    queue: str | None,
    environment: str | None,
    run_directory: Path,
    *,
    no_service: bool,
    as_json: bool,
) -> int:
    """Check a login node for everything that an endpoint of SITE needs; needs no privileges.

    Exit code 1 if a check ends in an error; warnings and skipped checks leave it 0.
    """
    from pyhf_endpoint import profiles
    from pyhf_endpoint.doctor import Host, Patient, examine, worst
    from pyhf_endpoint.transport.service import addresses

    use = profiles.resolve(profiles.find(site).profile, variant, {"account": account, "queue": queue})
    folder, image = _environment(environment)
    hosts = () if no_service else tuple(Host(a.purpose, a.name, a.port, a.secure) for a in addresses())
    findings = []
    for finding in examine(Patient(use, run_directory.expanduser(), hosts, folder, image)):
        findings.append(finding)
        if not as_json:
            click.echo(f"{_MARKS[finding.severity]}  {finding.check:<17}{finding.message}")
            if finding.remedy:
                click.echo(f"{'':9}{'':17}-> {finding.remedy}")
    if as_json:
        import orjson

        click.echo(orjson.dumps([finding.to_json() for finding in findings], option=orjson.OPT_INDENT_2))
    return _CODES[worst(findings)]


def _environment(text: str | None) -> tuple[Path | None, str | None]:
    """The virtual environment or the image that the workers run in."""
    import sys

    from pyhf_endpoint.errors import UsageError

    if text is None:
        return Path(sys.prefix), None
    kind, _, value = text.partition(":")
    if kind == "venv" and value:
        return Path(value).expanduser(), None
    if kind == "image" and value:
        return None, value
    raise UsageError(f"cannot read --env {text}; write venv:PATH or image:URI")
