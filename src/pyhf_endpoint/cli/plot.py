"""`pyhf-endpoint plot`: pictures drawn from a results file alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pyhf_endpoint.errors import UsageError

__all__ = ["plot"]

_PATH = click.Path(path_type=Path)


class _Fixed(click.ParamType):
    """`LABEL=VALUE`; the value a number where it reads as one."""

    name = "label=value"

    def convert(
        self, value: str | tuple[str, float | str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float | str]:
        if isinstance(value, tuple):
            return value
        label, equals, text = value.partition("=")
        if not equals or not label:
            raise UsageError(f"--fix {value}: give a label and its value, as in --fix mass=100")
        try:
            return label, float(text)
        except ValueError:
            return label, text


def _basic(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every picture takes."""
    for decorate in (
        click.option("--title", help="Title above the picture."),
        click.option("-o", "--output", type=_PATH, required=True, help="The picture to write: .pdf, .png or .svg."),
        click.argument("file", type=_PATH),
    ):
        command = decorate(command)
    return command


def _common(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a picture along labels of the patch set."""
    for decorate in (
        click.option("--theory-label", default="Theory", show_default=True, help="The theory line's name in the legend."),
        click.option("--theory", type=_PATH, help="A two-column file with a curve to draw over the picture."),
        click.option("--unit", default="GeV", show_default=True, help="Unit of the labels; empty for none."),
        click.option("--poi-test", type=float, help="The tested POI value.  [default: the only one, or 1]"),
        click.option("--fix", type=_Fixed(), multiple=True, help="Value of another label; may be repeated."),
    ):
        command = decorate(command)
    return _basic(command)


@click.group()
def plot() -> None:
    """Draw the contents of a results file."""


@plot.command()
@_common
@click.option("--x", metavar="LABEL", help="The horizontal axis.  [default: the first label that varies]")
@click.option("--y", metavar="LABEL", help="The vertical axis.  [default: the second label that varies]")
@click.option("--values", is_flag=True, help="Write CLs, or the limit, beside each point.")
@click.option("--points/--no-points", "show_points", default=True, help="Mark the tested points.")
def contour(file: Path, output: Path, fix: tuple[tuple[str, float | str], ...], **options: Any) -> None:
    """Draw the exclusion contour in the plane of two labels: CLs = 0.05, or an upper limit of 1."""
    from pyhf_endpoint import plot as pictures
    from pyhf_endpoint.results import read

    pictures.contour(read(file), output, fix=dict(fix) or None, **options)


@plot.command()
@_common
@click.option("--along", metavar="LABEL", help="The horizontal axis.  [default: the only label that varies]")
@click.option("--hypothesis", metavar="NAME", help="Draw this hypothesis' CLs against the POI instead.")
def brazil(file: Path, output: Path, fix: tuple[tuple[str, float | str], ...], **options: Any) -> None:
    """Draw CLs or upper limits with expected bands along one label, or CLs against the POI for one hypothesis."""
    from pyhf_endpoint import plot as pictures
    from pyhf_endpoint.results import read

    pictures.brazil(read(file), output, fix=dict(fix) or None, **options)


@plot.command()
@_basic
@click.option("--hypothesis", metavar="NAME", help="The hypothesis.  [default: the only one]")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="How many parameters to draw at most.")
def ranking(file: Path, output: Path, **options: Any) -> None:
    """Draw the nuisance parameters with the largest impacts, their pulls and constraints."""
    from pyhf_endpoint import plot as pictures
    from pyhf_endpoint.results import read

    pictures.ranking(read(file), output, **options)


@plot.command()
@_basic
@click.option("--hypothesis", metavar="NAME", help="The hypothesis.  [default: the only one]")
@click.option("--parameter", metavar="NAME", help="The scanned parameter.  [default: the only one]")
def scan(file: Path, output: Path, **options: Any) -> None:
    """Draw the profile likelihood along one parameter, with its intervals."""
    from pyhf_endpoint import plot as pictures
    from pyhf_endpoint.results import read

    pictures.scan(read(file), output, **options)
