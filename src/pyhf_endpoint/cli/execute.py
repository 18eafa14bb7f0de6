"""Carries an inference command out: runs it, shows how it goes, sums it up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyhf_endpoint.errors import INTERRUPTED, UsageError

if TYPE_CHECKING:
    from pyhf_endpoint.cli.progress import Tally
    from pyhf_endpoint.client import Run
    from pyhf_endpoint.results import Kind, Result
    from pyhf_endpoint.transport import SiteStatus

__all__ = ["Request", "execute"]


@dataclass(frozen=True)
class Request:
    """What every inference command is given; the fields are the options' names."""

    workspace: Path
    patchset: Path | None
    site: str
    output: Path
    patches: tuple[str, ...]
    measurement: str | None
    region: str | None
    resume: bool
    overwrite: bool
    dry_run: bool
    detach: bool
    quiet: bool
    normsys: str
    histosys: str
    seed: int
    where: Mapping[str, Any]
    """What `Client` takes besides the site's name."""


def execute(kind: "Kind", request: Request, settings: Mapping[str, Any]) -> int:
    """Carry out one command and return its exit code.

    Args:
        kind: The inference.
        request: What every inference is given.
        settings: What this one is given, by the names of its settings' fields.
    """
    from pyhf_endpoint.client import Client

    if request.resume and request.overwrite:
        raise UsageError("--resume continues the results file and --overwrite replaces it; give one of them")
    with Client(request.site, **request.where) as client:
        if not request.dry_run:
            client.warm_up(settings.get("engine", "batched"))
        run = client.run(
            kind,
            request.workspace,
            request.patchset,
            settings,
            {
                "patches": request.patches,
                "measurement": request.measurement,
                "region": request.region,
                "normsys": request.normsys,
                "histosys": request.histosys,
                "seed": request.seed,
                "output": request.output,
                "resume": request.resume,
                "overwrite": request.overwrite,
            },
        )
        if request.dry_run:
            click.echo(_describe(run, request, client.site, client.transport.slots))
            return 0
        if request.detach:
            click.echo(_detached(run, request))
            return 0
        return _compute(run, client.transport.status, quiet=request.quiet)


def _detached(run: "Run[Result]", request: Request) -> str:
    chunks = run.detach()
    return (
        f"{chunks} chunks are on their way to {request.site}\n"
        f"collect what has come back: pyhf-endpoint results collect {request.output}  (--wait for all of it)\n"
        f"forget them: pyhf-endpoint cancel {request.output}"
    )


def _compute(run: "Run[Result]", status: "Callable[[], SiteStatus | None]", *, quiet: bool) -> int:
    from pyhf_endpoint.cli.progress import Tally, follow

    done = run.done()
    tally = Tally(run.plan.total - len(done))
    try:
        for _ in follow(run, tally, status, quiet=quiet):
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


def _summary(run: "Run[Result]", tally: "Tally", done: int) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in sorted(tally.statuses.items())) or "nothing left to compute"
    before = f" ({done} were there before)" if done else ""
    lines = [f"{run.output}: {counts}{before} in {tally.elapsed:.1f} s"]
    lines += [f"  {result.name}: {result.status}: {result.message}" for result in tally.unfinished]
    if tally.failures > len(tally.unfinished):
        lines.append(f"  and {tally.failures - len(tally.unfinished)} more; see `pyhf-endpoint results show {run.output}`")
    return "\n".join(lines)


def _obstacle(request: Request) -> str:
    """What would keep the run from its results file; empty where nothing is known to."""
    path = request.output
    if not (request.resume or request.overwrite) and path.is_file() and path.stat().st_size:
        return "  (exists: it will take --resume, --overwrite or another file)"
    return "" if path.parent.is_dir() else "  (its folder does not exist: make it first)"


def _describe(run: "Run[Result]", request: Request, site: str, slots: int) -> str:
    plan, done = run.plan, run.done()
    chunks = plan.chunks(slots, done)
    digest = plan.header.workspace_digest[:12]
    settings = {name: value for name, value in plan.settings.to_json().items() if name != "measurement"}
    rows = {
        "site": site,
        "workspace": f"{plan.analysis.workspace_name}, sha256 {digest}, measurement {plan.settings.measurement}",
        "patch set": plan.analysis.patchset_name or "none",
        "inference": f"{plan.kind}: " + ", ".join(f"{name} {_plain(value)}" for name, value in settings.items()),
        "hypotheses": str(len(plan.patches)),
        "already done": f"{len(done)} of {plan.total} records",
        "chunks": f"{len(chunks)} for {min(slots, len(chunks))} workers",
        "output": f"{run.output}{_obstacle(request)}",
    }
    return "\n".join(f"{name:<14}{value}" for name, value in rows.items()) + "\nnothing was computed (--dry-run)"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return "/".join(map(_plain, value)) or "default"
    return f"{value:g}" if isinstance(value, float) else str(value)
