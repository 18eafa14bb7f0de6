"""`pyhf-endpoint hypotest`: a workspace and a patch set in, a results file out."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyhf_endpoint.errors import INTERRUPTED, UsageError
from pyhf_endpoint.functions import ENGINES, TEST_STATISTICS

if TYPE_CHECKING:
    from pyhf_endpoint.cli.progress import Tally
    from pyhf_endpoint.client import Run

__all__ = ["hypotest"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("workspace", type=_PATH)
@click.argument("patchset", type=_PATH, required=False)
@click.option("--site", default="local", show_default=True, help="Where to compute; see `pyhf-endpoint sites list`.")
@click.option("-o", "--output", type=_PATH, required=True, help="The results file (JSON lines) to write.")
@click.option(
    "--poi-test", type=float, multiple=True, default=(1.0,), show_default=True, help="Tested POI value; may be repeated."
)
@click.option("--patch", "patches", multiple=True, metavar="NAME", help="Compute only this patch; may be repeated.")
@click.option("--test-stat", type=click.Choice(TEST_STATISTICS), default="qtilde", show_default=True, help="The test statistic.")
@click.option("--engine", type=click.Choice(ENGINES), default="pyhf", show_default=True, help="What computes the fits.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes.  [default: one per core]")
@click.option("--measurement", metavar="NAME", help="The measurement.  [default: the workspace's first]")
@click.option("--region", metavar="FOLDER", help="Which analysis of a folder or archive that holds several.")
@click.option("--blind", is_flag=True, help="Compute expected values alone.")
@click.option("--resume", is_flag=True, help="Continue the results file: compute only what is missing.")
@click.option("--overwrite", is_flag=True, help="Replace the results file.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--quiet", is_flag=True, help="Show no progress and no summary.")
@click.pass_context
def hypotest(
    ctx: click.Context,
    workspace: Path,
    patchset: Path | None,
    site: str,
    output: Path,
    poi_test: tuple[float, ...],
    patches: tuple[str, ...],
    test_stat: str,
    engine: str,
    workers: int | None,
    measurement: str | None,
    region: str | None,
    blind: bool,
    resume: bool,
    overwrite: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Test signal hypotheses with asymptotic CLs.

    WORKSPACE is a (background-only) workspace as JSON, plain or gzipped, or a folder, tar or zip as HEPData publishes them, with
    BkgOnly.json and patchset.json inside. PATCHSET is a patch set on it; without one the workspace is tested as it stands.
    """
    from pyhf_endpoint.client import Client

    if resume and overwrite:
        raise UsageError("--resume continues the results file and --overwrite replaces it; give one of them")
    with Client(site, workers=workers) as client:
        run = client.hypotest(
            workspace,
            patchset,
            patches=patches,
            poi_test=poi_test,
            test_stat=test_stat,
            engine=engine,
            measurement=measurement,
            blind=blind,
            region=region,
            output=output,
            resume=resume,
            overwrite=overwrite,
        )
        if dry_run:
            click.echo(_describe(run, site, client.transport.slots))
            return
        ctx.exit(_compute(run, quiet=quiet))


def _compute(run: "Run", *, quiet: bool) -> int:
    """Compute the run, show how it goes, sum it up, and return the exit code."""
    from pyhf_endpoint.cli.progress import Tally, follow

    done = run.done()
    tally = Tally(run.plan.total - len(done))
    try:
        for _ in follow(run, tally, quiet=quiet):
            pass
    except KeyboardInterrupt:
        recorded = len(done) + tally.done
        click.echo(
            f"interrupted: {recorded} of {run.plan.total} records are in {run.output};"
            " the same command with --resume computes the rest",
            err=True,
        )
        return INTERRUPTED
    if not quiet:
        click.echo(_summary(run, tally, len(done)), err=True)
    return 1 if tally.failures else 0


def _summary(run: "Run", tally: "Tally", done: int) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in sorted(tally.statuses.items())) or "nothing left to compute"
    before = f" ({done} were there before)" if done else ""
    lines = [f"{run.output}: {counts}{before} in {tally.elapsed:.1f} s"]
    lines += [f"  {result.name}: {result.status}: {result.message}" for result in tally.unfinished]
    if tally.failures > len(tally.unfinished):
        lines.append(f"  and {tally.failures - len(tally.unfinished)} more; see `pyhf-endpoint results show {run.output}`")
    return "\n".join(lines)


def _describe(run: "Run", site: str, slots: int) -> str:
    plan, done = run.plan, run.done()
    digest = plan.header.workspace_digest[:12]
    chunks = plan.chunks(slots, done)
    settings = plan.settings
    rows = {
        "site": site,
        "workspace": f"{plan.analysis.workspace_name}, sha256 {digest}, measurement {settings.measurement}",
        "patch set": plan.analysis.patchset_name or "none",
        "hypotheses": f"{len(plan.patches)} at POI value {', '.join(f'{value:g}' for value in settings.poi_test)}",
        "computation": f"{settings.test_stat}, engine {settings.engine}{', blind' if settings.blind else ''}",
        "already done": f"{len(done)} of {plan.total} records",
        "chunks": f"{len(chunks)} for {min(slots, len(chunks))} workers",
        "output": str(run.output),
    }
    return "\n".join(f"{name:<14}{value}" for name, value in rows.items()) + "\nnothing was computed (--dry-run)"
