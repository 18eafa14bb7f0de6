"""`pyhf-endpoint probe`: what the workers of a site are, and whether that is what the site promises."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pyhf_endpoint.cli.options import client_arguments, site_options

if TYPE_CHECKING:
    from pyhf_endpoint.functions.report import Device, WorkerReport
    from pyhf_endpoint.verdicts import Expected, Verdict

__all__ = ["probe", "show"]

# Workers named with a reason; the rest are counted.
_NAMED = 4


@click.command()
@click.argument("site")
@site_options
@click.option("--seconds", type=click.FloatRange(0, 2), default=0.2, show_default=True, help="How long a probe keeps its worker.")
@click.option(
    "--wait", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True, help="Seconds to wait for all workers."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything that the workers told, as JSON.")
@click.pass_context
def probe(ctx: click.Context, /, site: str, seconds: float, wait: float, as_json: bool, **given: Any) -> None:
    """Ask the workers of SITE where they run, which devices they see and where a computation lands.

    Two verdicts follow. `pinning`: every worker has an accelerator of its own, one that exists, and no more threads than cores.
    `compute device`: a float64 matrix product was computed on it. The exit code is 1 if one of them is `failed`.
    """
    from pyhf_endpoint.client import Client
    from pyhf_endpoint.probing import expectation

    where = client_arguments(given)
    with Client(site, **where) as client:
        expected = expectation(where["choice"].use(client.profile))
        reports = client.probe(seconds=seconds, limit_s=wait)
        wanted = client.transport.slots
    if len(reports) < wanted:
        click.echo(f"warning: {len(reports)} of {wanted} workers answered within {wait:g} s; wait longer with --wait", err=True)
    ctx.exit(0 if show(site, expected, reports, as_json=as_json) else 1)


def show(site: str, expected: "Expected", reports: Sequence["WorkerReport"], *, as_json: bool = False) -> bool:
    """Print what the workers told and the verdicts on it; return whether none of these is `failed`.

    Args:
        site: The site's name.
        expected: What the site promises.
        reports: What the workers told.
        as_json: Print everything, as JSON.
    """
    from pyhf_endpoint.verdicts import VERDICTS

    verdicts = [judge(reports, expected) for judge in VERDICTS]
    if as_json:
        click.echo(_json(site, expected, reports, verdicts))
    else:
        _table(site, reports)
        _warnings(reports)
        for verdict in verdicts:
            click.echo(_described(verdict))
    return not any(verdict.outcome == "failed" for verdict in verdicts)


def _json(site: str, expected: "Expected", reports: Sequence["WorkerReport"], verdicts: Sequence["Verdict"]) -> str:
    import orjson

    from pyhf_endpoint.verdicts import differing_versions

    whole: dict[str, Any] = {
        "site": site,
        "expected": asdict(expected),
        "workers": [report.to_json() for report in reports],
        "differing_versions": differing_versions(reports),
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode()


def _table(site: str, reports: Sequence["WorkerReport"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"workers of {site}", title_justify="left", box=None, pad_edge=False)
    for title in ("worker", "cores", "threads", "devices", "memory", "driver", "computes on", "container"):
        table.add_column(title)
    for report in reports:
        table.add_row(*(Text(cell) for cell in _cells(report)))
    # A pipe has no width of its own: columns must not be cut there.
    console = Console() if click.get_text_stream("stdout").isatty() else Console(width=10_000)
    console.print(table)


def _cells(report: "WorkerReport") -> tuple[str, ...]:
    devices, compute = report.devices, report.compute
    choices = [f"{name}={value}" for name, value in report.visibility.items() if name.endswith(("VISIBLE_DEVICES", "MASK"))]
    cells = (
        report.name if report.node == report.host else f"{report.name} ({report.node})",
        report.cpus,
        str(report.threads or ""),
        ", ".join(_device(device) for device in devices.visible) or next(iter(choices), ""),
        ", ".join(f"{device.memory / 2**30:.1f} GiB" for device in devices.visible),
        devices.driver,
        f"{compute.device} ({compute.library}, {'float64' if compute.x64 else 'float32'})" if compute.library else "",
        report.container,
    )
    return tuple(cell or "-" for cell in cells)


def _device(device: "Device") -> str:
    return f"{device.name} {device.uuid[:12]}".strip()


def _warnings(reports: Sequence["WorkerReport"]) -> None:
    from pyhf_endpoint.verdicts import differing_versions

    for library, versions in differing_versions(reports).items():
        where = "; ".join(f"{version} on {_some(workers)}" for version, workers in versions.items())
        click.echo(f"warning: {library} is not the same everywhere: {where}", err=True)
    for report in reports:
        for part, fault in report.faults.items():
            click.echo(f"warning: {report.name} could not tell its {part}: {fault}", err=True)


def _described(verdict: "Verdict") -> str:
    lines = [f"{verdict.name}: {verdict.outcome} ({verdict.summary})"]
    for reason in verdict.reasons:
        where = f" [{_some(reason.workers)}]" if reason.workers else ""
        lines += [f"  {reason.text}{where}", f"    remedy: {reason.remedy}"]
    return "\n".join(lines)


def _some(workers: Sequence[str]) -> str:
    rest = len(workers) - _NAMED
    return ", ".join(workers[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
