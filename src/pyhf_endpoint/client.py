"""The client: a site by name, a grid of hypotheses in, results as they arrive.

What reads files, plans and takes results is imported with the first run, so that workers can start before.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, Unpack, cast

from pyhf_endpoint import functions, sites
from pyhf_endpoint.options import Options, names, require_known
from pyhf_endpoint.transport import Choice, Transport, Via, connect, connect_here

if TYPE_CHECKING:
    from pyhf_endpoint.functions.report import WorkerReport
    from pyhf_endpoint.inputs import PatchSet
    from pyhf_endpoint.profiles import SiteProfile
    from pyhf_endpoint.results import (
        FitResult,
        HypotestResult,
        Kind,
        RankingResult,
        Result,
        ScanResult,
        SignificanceResult,
        UpperLimitResult,
    )
    from pyhf_endpoint.run import Run

__all__ = ["Client", "Options", "Run"]

Workspace: TypeAlias = Path | str | Mapping[str, Any]
Signals: TypeAlias = "Path | str | Mapping[str, Any] | PatchSet"


if not TYPE_CHECKING:  # a type checker would take it to know every name

    def __getattr__(name: str) -> object:
        """Return `Run`, which is imported no sooner than it is asked for."""
        if name == "Run":
            from pyhf_endpoint.run import Run

            return Run
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Client:
    """A site, addressed by its name.

    Use it as a context manager: leaving it ends the workers.

        with Client("local") as site:
            for result in site.hypotest("BkgOnly.json", "patchset.json"):
                print(result.name, result.CLs_obs)

    Each inference takes a HistFactory workspace, as JSON (a file, plain or gzipped, or the object itself) or a folder, tar or zip
    that holds `BkgOnly.json` and `patchset.json`; and a patch set on it, without which the workspace is taken as it stands. Each
    returns a `Run`; nothing is computed until that is iterated. Each raises a UsageError for a name or setting that does not
    exist, and an InputError for a workspace or patch set that is not valid, or where the two do not belong together.

    Args:
        site: Name of a site (`pyhf-endpoint sites list`).
        via: `local` for processes on this machine, `scheduler` for the site's batch system, from its login node, `globus` for its
            endpoint, from anywhere; None takes the endpoint, or `local` at a site without a scheduler.
        workers: Worker processes of `local`, or how many to count on at an endpoint; None takes what is there.
        profile: A file with the site's profile, instead of looking for the name.
        choice: What to choose of the site, such as an account; for `scheduler` and `globus`.

    Raises:
        UsageError: No site has this name, or it cannot be reached that way.
        InputError: The site's profile has faults.
        TransportError: The scheduler's programs are not on this machine, or no endpoint is known for the site.
    """

    def __init__(
        self,
        site: str = "local",
        *,
        via: Via | None = None,
        workers: int | None = None,
        profile: Path | None = None,
        choice: Choice | None = None,
    ) -> None:
        self._site = sites.Site(profile.stem, profile, sites.GIVEN) if profile else sites.find(site)
        self.site = self._site.name
        self.transport = self._connect(via, workers, choice)

    def _connect(self, via: Via | None, workers: int | None, choice: Choice | None) -> Transport:
        # Only a file of endpoints could make another site of the embedded default; its profile is tested with this package.
        natural = via is None and not sites.endpoint_files()
        if self._site.is_embedded_default and (natural or via == "local"):
            return connect_here(workers, choice)
        return connect(self.profile, via=via, workers=workers, choice=choice)

    @cached_property
    def profile(self) -> "SiteProfile":
        """The site's profile, read when it is first needed: the embedded default can do without.

        Raises:
            InputError: The file has faults.
        """
        from pyhf_endpoint import profiles

        return profiles.read(self._site.path, self._site.origin).profile

    def hypotest(
        self,
        workspace: Workspace,
        patchset: "Signals | None" = None,
        *,
        poi_test: float | Sequence[float] = 1.0,
        test_stat: str = "qtilde",
        blind: bool = False,
        engine: str = "batched",
        **options: Unpack[Options],
    ) -> "Run[HypotestResult]":
        """Test hypotheses with asymptotic CLs.

        Args:
            workspace: The workspace.
            patchset: The patch set.
            poi_test: Tested value or values of the parameter of interest.
            test_stat: `qtilde` or `q`.
            blind: Compute expected values alone.
            engine: `batched`, `pyhf` or `pyhf-jax`; see `HypotestSettings`.
            options: See `Options`.
        """
        values = (poi_test,) if isinstance(poi_test, int | float) else tuple(poi_test)
        own = {"poi_test": tuple(map(float, values)), "test_stat": test_stat, "blind": blind, "engine": engine}
        return cast("Run[HypotestResult]", self.run("hypotest", workspace, patchset, own, options))

    def upper_limit(
        self,
        workspace: Workspace,
        patchset: "Signals | None" = None,
        *,
        level: float = 0.05,
        tolerance: float = 1e-4,
        test_stat: str = "qtilde",
        blind: bool = False,
        **options: Unpack[Options],
    ) -> "Run[UpperLimitResult]":
        """Find upper limits on the parameter of interest, observed and expected.

        Args:
            workspace: The workspace.
            patchset: The patch set.
            level: CLs at the limit; 0.05 for a confidence level of 95 %.
            tolerance: Largest error of CLs at the limit, relative to `level`.
            test_stat: `qtilde` or `q`.
            blind: Compute expected limits alone.
            options: See `Options`.
        """
        own = {"level": level, "tolerance": tolerance, "test_stat": test_stat, "blind": blind}
        return cast("Run[UpperLimitResult]", self.run("upper-limit", workspace, patchset, own, options))

    def fit(
        self,
        workspace: Workspace,
        patchset: "Signals | None" = None,
        *,
        correlations: bool = False,
        **options: Unpack[Options],
    ) -> "Run[FitResult]":
        """Fit all parameters to the data.

        Args:
            workspace: The workspace.
            patchset: The patch set.
            correlations: Also return the correlation matrix.
            options: See `Options`.
        """
        return cast("Run[FitResult]", self.run("fit", workspace, patchset, {"correlations": correlations}, options))

    def significance(
        self, workspace: Workspace, patchset: "Signals | None" = None, *, blind: bool = False, **options: Unpack[Options]
    ) -> "Run[SignificanceResult]":
        """Find the discovery significance, observed and expected.

        Args:
            workspace: The workspace.
            patchset: The patch set.
            blind: Compute the expected significance alone.
            options: See `Options`.
        """
        return cast("Run[SignificanceResult]", self.run("significance", workspace, patchset, {"blind": blind}, options))

    def scan(
        self,
        workspace: Workspace,
        patchset: "Signals | None" = None,
        *,
        parameters: Sequence[str] = (),
        grid: Sequence[float] = (),
        steps: int = 31,
        width: float = 3.0,
        **options: Unpack[Options],
    ) -> "Run[ScanResult]":
        """Scan the profile likelihood along parameters.

        Args:
            workspace: The workspace.
            patchset: The patch set.
            parameters: Names of the parameters, as pyhf's `par_names`; by default the parameter of interest.
            grid: Values at which each is held; by default `steps` values across `width` standard deviations on both sides.
            steps: Number of values.
            width: Half width of the scan in post-fit standard deviations.
            options: See `Options`.
        """
        own = {"parameters": tuple(parameters), "grid": tuple(map(float, grid)), "steps": steps, "width": width}
        return cast("Run[ScanResult]", self.run("scan", workspace, patchset, own, options))

    def ranking(
        self, workspace: Workspace, patchset: "Signals | None" = None, **options: Unpack[Options]
    ) -> "Run[RankingResult]":
        """Rank the nuisance parameters by their impact on the parameter of interest.

        Args:
            workspace: The workspace.
            patchset: The patch set.
            options: See `Options`.
        """
        return cast("Run[RankingResult]", self.run("ranking", workspace, patchset, {}, options))

    def run(
        self, kind: "Kind", workspace: Workspace, patchset: "Signals | None", settings: Mapping[str, Any], options: Options
    ) -> "Run[Result]":
        """Return the run of any kind of inference.

        Args:
            kind: The kind.
            workspace: The workspace.
            patchset: The patch set.
            settings: What only this kind takes, by the names of the settings' fields.
            options: What every kind takes.

        Raises:
            UsageError: A name or setting does not exist.
            InputError: An input cannot be used.
        """
        require_known(options)
        from pyhf_endpoint.inputs import load
        from pyhf_endpoint.plan import make_plan
        from pyhf_endpoint.run import Run, Target

        _, settings_type = functions.SETTINGS[kind]
        common: dict[str, Any] = {name: options[name] for name in ("normsys", "histosys", "seed") if name in options}
        chosen = settings_type(**settings, **common)
        analysis = load(workspace, patchset, region=options.get("region"), measurement=options.get("measurement"))
        plan = make_plan(kind, analysis, chosen, site=self.site, names=names(options.get("patches")))
        output = options.get("output")
        target = Target(Path(output), options.get("resume", False), options.get("overwrite", False)) if output else None
        return Run(self.transport, plan, target)

    def warm_up(self, engine: str = "batched") -> None:
        """Start the workers and let them load an engine in the background, while files are read, say."""
        self.transport.prepare(functions.prepare, engine)

    def probe(self, *, seconds: float = 0.2, count: int | None = None, limit_s: float = 60.0) -> "list[WorkerReport]":
        """Ask each worker where it runs, what it may use and what it computes on; see `probing.probe`."""
        from pyhf_endpoint import probing

        return probing.probe(self.transport, seconds=seconds, count=count, limit_s=limit_s)

    def close(self) -> None:
        """End the workers."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
