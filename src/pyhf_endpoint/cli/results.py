"""`pyhf-endpoint results`: what is in a results file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pyhf_endpoint.results import ResultsFile

__all__ = ["results"]

_SHORT = {
    "CLs_exp_-2": "-2σ",
    "CLs_exp_-1": "-1σ",
    "CLs_exp_0": "expected",
    "CLs_exp_1": "+1σ",
    "CLs_exp_2": "+2σ",
    "CLs_obs": "observed",
}
# Provenance is for the machine-readable formats; a table must fit a terminal.
_HIDDEN = ("wall_s", "worker")


@click.group()
def results() -> None:
    """Look into results files."""


@results.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def show(file: Path, form: str) -> None:
    """Show the CLs values of a results file on standard output."""
    from pyhf_endpoint import tables
    from pyhf_endpoint.results import read

    found = read(file)
    match form:
        case "json":
            click.echo(tables.to_json(found), nl=False)
        case "csv":
            click.echo(tables.to_csv(found), nl=False)
        case _:
            _table(found)


def _table(found: "ResultsFile") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pyhf_endpoint import tables

    names = tables.columns(found)
    messages = any(result.message for result in found.results)
    shown = [i for i, name in enumerate(names) if name not in _HIDDEN and (messages or name != "message")]
    title = f"CLs, {found.header.settings['test_stat']}, site {found.header.site}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for i in shown:
        numeric = names[i] not in ("name", "status", "message")
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
