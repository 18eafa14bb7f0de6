"""The client: a site by name, a grid of hypotheses in, results as they arrive."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyhf_endpoint import functions, profiles
from pyhf_endpoint.dispatch import Outcome, run_chunks
from pyhf_endpoint.functions import HypotestSettings
from pyhf_endpoint.inputs import PatchSet, load
from pyhf_endpoint.plan import Plan, make_plan
from pyhf_endpoint.results import Result, ResultsWriter, completed
from pyhf_endpoint.transport import connect

__all__ = ["Client", "Run"]


class Client:
    """A site, addressed by its name.

    Use it as a context manager: leaving it ends the workers.

        with Client("local") as site:
            for result in site.hypotest("BkgOnly.json", "patchset.json"):
                print(result.name, result.CLs_obs)

    Args:
        site: Name of a site (`pyhf-endpoint sites list`).
        workers: Worker processes; None takes what the site offers, at `local` one per usable core.

    Raises:
        UsageError: No site has this name.
        InputError: The site's profile has faults.
    """

    def __init__(self, site: str = "local", *, workers: int | None = None) -> None:
        self.site = site
        self.transport = connect(profiles.find(site).profile, workers=workers)

    def hypotest(
        self,
        workspace: Path | str | Mapping[str, Any],
        patchset: Path | str | Mapping[str, Any] | PatchSet | None = None,
        *,
        patches: Sequence[str] | None = None,
        poi_test: float | Sequence[float] = 1.0,
        test_stat: str = "qtilde",
        engine: str = "pyhf",
        measurement: str | None = None,
        blind: bool = False,
        region: str | None = None,
        output: Path | str | None = None,
        resume: bool = False,
        overwrite: bool = False,
    ) -> "Run":
        """Test hypotheses with asymptotic CLs; nothing runs until the returned `Run` is iterated.

        Args:
            workspace: A HistFactory workspace, as JSON (a file, plain or gzipped, or the object itself), or a folder, tar or zip
                that holds `BkgOnly.json` and `patchset.json`.
            patchset: A patch set on it; without one the workspace is tested as it stands.
            patches: Names of the patches to test; None tests all.
            poi_test: Tested value or values of the parameter of interest.
            test_stat: `qtilde` or `q`.
            engine: `pyhf`.
            measurement: Name of the measurement; None takes the workspace's first.
            blind: Compute expected values alone.
            region: Sub-folder to take, where a folder or archive holds several analyses.
            output: A results file to write as results arrive.
            resume: Continue `output`: compute only what is missing in it.
            overwrite: Replace `output`.

        Raises:
            UsageError: A name or setting does not exist.
            InputError: The workspace or patch set is not valid, or they do not belong together.
        """
        values = (poi_test,) if isinstance(poi_test, int | float) else tuple(poi_test)
        settings = HypotestSettings(tuple(map(float, values)), test_stat, engine, measurement, blind)
        analysis = load(workspace, patchset, region=region, measurement=measurement)
        plan = make_plan(analysis, settings, site=self.site, names=patches)
        return Run(self, plan, Path(output) if output is not None else None, resume=resume, overwrite=overwrite)

    def close(self) -> None:
        """End the workers."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Run:
    """A grid of hypotheses, computed while it is iterated.

    Attributes:
        plan: What the run computes.
        output: The results file, if any.
    """

    def __init__(self, client: Client, plan: Plan, output: Path | None, *, resume: bool, overwrite: bool) -> None:
        self.plan = plan
        self.output = output
        self._client = client
        self._resume = resume
        self._overwrite = overwrite

    def done(self) -> set[tuple[str, float]]:
        """Return the keys of the plan's records that a file to be resumed already holds.

        Raises:
            ResultsError: The file is not this run's.
        """
        if self.output is None or not self._resume or not self.output.exists():
            return set()
        wanted = {(patch.name, value) for patch in self.plan.patches for value in self.plan.settings.poi_test}
        return completed(self.output, self.plan.header) & wanted

    def __iter__(self) -> Iterator[Result]:
        """Compute what is missing and yield each result once it is on disk.

        Raises:
            ResultsError: The results file cannot be written or is not this run's.
            MissingExtraError: The workers lack an optional dependency.
        """
        with ExitStack() as stack:
            writer = None
            if self.output is not None:
                writer = ResultsWriter(self.output, self.plan.header, resume=self._resume, overwrite=self._overwrite)
                stack.enter_context(writer)
            chunks = self.plan.chunks(self._client.transport.slots, writer.done if writer else ())
            outcomes = run_chunks(self._client.transport, functions.hypotest, chunks, self.plan.payload)
            for outcome in stack.enter_context(closing(outcomes)):
                for result in _results(outcome):
                    if writer is not None:
                        writer.write(result)
                    yield result

    def to_list(self) -> list[Result]:
        """Compute what is missing and return the results in the order in which they arrived."""
        return list(self)


def _results(outcome: Outcome) -> Iterator[Result]:
    if outcome.records is not None:
        yield from (Result.model_validate(record) for record in outcome.records)
        return
    for patch in outcome.chunk.patches:
        for poi_test in outcome.chunk.poi_test:
            yield Result(
                name=patch.name,
                values=patch.values,
                poi_test=poi_test,
                CLs_obs=None,
                CLs_exp=None,
                status="failed",
                message=outcome.fault,
                wall_s=0.0,
                worker="",
            )
