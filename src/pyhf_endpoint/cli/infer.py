"""The inference commands: a workspace and a patch set in, a results file out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pyhf_endpoint.cli.execute import Request, execute
from pyhf_endpoint.cli.options import client_arguments, site_options
from pyhf_endpoint.functions import ENGINES, HISTOSYS_CODES, NORMSYS_CODES, TEST_STATISTICS

__all__ = ["fit", "hypotest", "ranking", "scan", "significance", "upper_limit"]

_PATH = click.Path(path_type=Path)
# What the shared part takes; everything else that a command is given are its own settings.
_SHARED = tuple(Request.__dataclass_fields__)


def _common(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments and options that every inference takes, the most used first."""
    for decorate in reversed(
        (
            click.argument("workspace", type=_PATH),
            click.argument("patchset", type=_PATH, required=False),
            click.option("--site", default="local", show_default=True, help="Where to compute; see `pyhf-endpoint sites list`."),
            click.option("-o", "--output", type=_PATH, required=True, help="The results file (JSON lines) to write."),
            click.option("--patch", "patches", multiple=True, metavar="NAME", help="Compute only this patch; may be repeated."),
            click.option("--measurement", metavar="NAME", help="The measurement.  [default: the workspace's first]"),
            click.option("--region", metavar="FOLDER", help="Which analysis of a folder or archive that holds several."),
            click.option("--resume", is_flag=True, help="Continue the results file: compute only what is missing."),
            click.option("--overwrite", is_flag=True, help="Replace the results file."),
            click.option("--detach", is_flag=True, help="Only send the work; `results collect` takes the results later."),
            click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
            click.option("--quiet", is_flag=True, help="Show no progress and no summary."),
            site_options,
            click.option(
                "--normsys", type=click.Choice(NORMSYS_CODES), default="code4", show_default=True, help="Interpolation code."
            ),
            click.option(
                "--histosys", type=click.Choice(HISTOSYS_CODES), default="code4p", show_default=True, help="Interpolation code."
            ),
            click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of random starts."),
        )
    ):
        command = decorate(command)
    return command


_test_stat = click.option(
    "--test-stat", type=click.Choice(TEST_STATISTICS), default="qtilde", show_default=True, help="Test statistic."
)
_blind = click.option("--blind", is_flag=True, help="Compute expected values alone.")


def _execute(kind: Any, given: dict[str, Any]) -> None:
    where = client_arguments(given)
    request = Request(**{name: given.pop(name) for name in _SHARED if name != "where"}, where=where)
    click.get_current_context().exit(execute(kind, request, given))


@click.command()
@_common
@click.option(
    "--poi-test", type=float, multiple=True, default=(1.0,), show_default=True, help="Tested POI value; may be repeated."
)
@_test_stat
@click.option("--engine", type=click.Choice(ENGINES), default="batched", show_default=True, help="What computes the fits.")
@_blind
def hypotest(**given: Any) -> None:
    """Test signal hypotheses with asymptotic CLs.

    WORKSPACE is a (background-only) workspace as JSON, plain or gzipped, or a folder, tar or zip as HEPData publishes them, with
    BkgOnly.json and patchset.json inside. PATCHSET is a patch set on it; without one the workspace is tested as it stands.
    """
    _execute("hypotest", given)


@click.command("upper-limit")
@_common
@click.option("--level", type=float, default=0.05, show_default=True, help="CLs at the limit; 0.05 for 95 % confidence.")
@click.option(
    "--tolerance", type=float, default=1e-4, show_default=True, help="Error of CLs at the limit, relative to the level."
)
@_test_stat
@_blind
def upper_limit(**given: Any) -> None:
    """Find upper limits on the parameter of interest, observed and expected.

    WORKSPACE and PATCHSET are as for `hypotest`.
    """
    _execute("upper-limit", given)


@click.command()
@_common
@click.option("--correlations", is_flag=True, help="Also write the correlation matrix (a number for each pair of parameters).")
def fit(**given: Any) -> None:
    """Fit all parameters to the data: best fit, uncertainties, correlations.

    WORKSPACE and PATCHSET are as for `hypotest`.
    """
    _execute("fit", given)


@click.command()
@_common
@_blind
def significance(**given: Any) -> None:
    """Find the discovery significance (q0), observed and expected.

    WORKSPACE and PATCHSET are as for `hypotest`.
    """
    _execute("significance", given)


@click.command()
@_common
@click.option("--parameter", "parameters", multiple=True, help="Scanned parameter; may be repeated.  [default: the POI]")
@click.option(
    "--at", "grid", type=float, multiple=True, help="Value to hold it at; may be repeated.  [default: steps across width]"
)
@click.option("--steps", type=int, default=31, show_default=True, help="Number of values.")
@click.option("--width", type=float, default=3.0, show_default=True, help="Half width of the scan in standard deviations.")
def scan(**given: Any) -> None:
    """Scan the profile likelihood along the parameter of interest or any other.

    WORKSPACE and PATCHSET are as for `hypotest`.
    """
    _execute("scan", given)


@click.command()
@_common
def ranking(**given: Any) -> None:
    """Rank the nuisance parameters by their impact on the parameter of interest, pre- and post-fit.

    WORKSPACE and PATCHSET are as for `hypotest`.
    """
    _execute("ranking", given)
