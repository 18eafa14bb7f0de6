"""`pyhf-endpoint results`: what is in a results file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pyhf_endpoint.results import ResultsFile

__all__ = ["results"]

# A column's title where the name of its field is too long for a terminal.
_SHORT = {
    "CLs_exp_-2": "-2σ",
    "CLs_exp_-1": "-1σ",
    "CLs_exp_0": "expected",
    "CLs_exp_1": "+1σ",
    "CLs_exp_2": "+2σ",
    "CLs_obs": "observed",
    "limit_exp_-2": "-2σ",
    "limit_exp_-1": "-1σ",
    "limit_exp_0": "expected",
    "limit_exp_1": "+1σ",
    "limit_exp_2": "+2σ",
    "limit_obs": "observed",
}
# Provenance is for the machine-readable formats; a table must fit a terminal.
_HIDDEN = ("wall_s", "worker")


@click.group()
def results() -> None:
    """Look into results files."""


@results.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["table", "json", "csv", "hepdata"]), default="table", show_default=True)
@click.option("--unit", default="GeV", show_default=True, help="Unit of the labels in a HEPData table; empty for none.")
def show(file: Path, form: str, unit: str) -> None:
    """Show the contents of a results file on standard output; `hepdata` is a data table of a HEPData submission."""
    from pyhf_endpoint import tables
    from pyhf_endpoint.results import read

    found = read(file)
    match form:
        case "json":
            click.echo(tables.to_json(found), nl=False)
        case "csv":
            click.echo(tables.to_csv(found), nl=False)
        case "hepdata":
            from pyhf_endpoint.hepdata import to_hepdata

            click.echo(to_hepdata(found, unit=unit), nl=False)
        case _:
            _table(found)


@results.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("workspace", type=click.Path(path_type=Path))
@click.argument("patchset", type=click.Path(path_type=Path), required=False)
@click.option("--sample", type=click.IntRange(min=1), default=5, show_default=True, help="Number of hypotheses.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of their choice.")
@click.option(
    "--tolerance", type=float, default=1e-6, show_default=True, help="Difference in CLs and in log L that counts as none."
)
@click.option("--region", metavar="FOLDER", help="Which analysis of a folder or archive that holds several.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes.  [default: one per core]")
@click.pass_context
def check(ctx: click.Context, /, file: Path, workspace: Path, patchset: Path | None, **options: Any) -> None:
    """Compute some hypotheses of FILE again with pyhf and compare CLs and minima.

    pyhf runs with the JAX backend, SLSQP and a tolerance of 1e-12 (extras `pyhf` and `jax`). Differences are ours minus
    pyhf's: of CLs, then of the minima of -log L (free fit, POI at its tested value, POI at zero, Asimov data at the tested
    value), negative where ours is lower. The exit code is 1 if pyhf found a lower minimum, or if CLs
    differ where the minima are the same.
    """
    from pyhf_endpoint.check import check as run

    found = run(file, workspace, patchset, **options)
    heads = "".join(f"{title:>11}" for title in ("observed", "expected", "free", "fixed", "at zero", "Asimov"))
    click.echo(f"{'hypothesis':<28}{'POI':>6}{heads}  verdict")
    faults = done = 0
    for one in found:
        numbers = "".join(f"{_small(value):>11}" for value in (one.observed, one.expected, *one.minima))
        reason = one.theirs.message if one.verdict in ("pyhf failed", "pyhf rounds") else ""
        said = reason if reason.startswith(one.verdict) else ": ".join(filter(None, (one.verdict, reason)))
        click.echo(f"{one.ours.name:<28}{one.ours.poi_test:>6g}{numbers}  {said}")
        done += 1
        faults += one.is_fault
    click.echo(f"{done} checked, {faults} at fault")
    ctx.exit(1 if faults else 0)


@results.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--wait", is_flag=True, help="Wait for what has not come back yet.")
def collect(file: Path, *, wait: bool) -> int:
    """Take what has come back for a grid that was detached, or whose client ended, into FILE.

    The exit code is 1 while something is missing. The same inference with --resume computes what cannot be collected.
    """
    from pyhf_endpoint.waiting import collect as run

    found = run(file, wait=wait)
    click.echo(f"{file}: {found.written} new records, {found.waiting} tasks still out, {found.failed} failed")
    return 1 if found.waiting or found.failed else 0


def _small(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _table(found: "ResultsFile") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pyhf_endpoint import tables

    names = tables.columns(found)
    messages = any(result.message for result in found.results)
    shown = [i for i, name in enumerate(names) if name not in _HIDDEN and (messages or name != "message")]
    title = f"{found.header.kind}, site {found.header.site}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for i in shown:
        numeric = names[i] not in ("name", "parameter", "status", "message")
        table.add_column(_SHORT.get(names[i], names[i]), justify="right" if numeric else "left", no_wrap=names[i] != "message")
    for row in tables.rows(found):
        table.add_row(*(Text(_cell(row[i])) for i in shown))
    # A pipe has no width of its own: columns must not be cut there.
    console = Console() if click.get_text_stream("stdout").isatty() else Console(width=10_000)
    console.print(table)


def _cell(value: str | float | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.5g}"
