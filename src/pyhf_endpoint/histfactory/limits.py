"""Upper limits on the parameter of interest: where CLs falls to a given level, by a bracketing root finder over the batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.asymptotics import N_SIGMA, cls_values
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.compile import Patch
from pyhf_endpoint.histfactory.describe import describe_all
from pyhf_endpoint.histfactory.driver import Setup, each_hypothesis
from pyhf_endpoint.histfactory.fits import FALLBACK, LOST, PROBE, RESTARTED, TIGHT, Fit, Flags, Integers, Job
from pyhf_endpoint.histfactory.infer import TEST_STATISTICS, untestable
from pyhf_endpoint.histfactory.likelihood import Model
from pyhf_endpoint.histfactory.minimise import Minimum
from pyhf_endpoint.histfactory.profile import Profile
from pyhf_endpoint.histfactory.result import STATUSES, worst

__all__ = ["UpperLimit", "upper_limit"]

_STEPS = 60
_OBSERVED = 5  # position of the observed limit behind the five expected ones
_TARGETS = ("-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma", "observed")
_NORMAL = NormalDist()
_FARTHEST = 8.0  # standard deviations: CLs beyond is as good as this for the root finder
_CONFIRMATIONS = 3  # times that a limit is given up for a lower minimum


@dataclass(frozen=True)
class UpperLimit:
    """Upper limits of one hypothesis; None where one was not or could not be computed, or lies above the parameter's bound."""

    name: str
    status: str
    message: str
    limit_obs: float | None = None
    limit_exp: tuple[float | None, float | None, float | None, float | None, float | None] | None = None
    """At -2, -1, 0, +1 and +2 sigma of the background-only test statistic, the smallest first."""
    edm: float | None = None
    iterations: int = 0


def upper_limit(
    workspace: Mapping[str, Any],
    patches: Iterable[Patch],
    setup: Setup | None = None,
    *,
    level: float = 0.05,
    tolerance: float = 1e-4,
    test_stat: str = "qtilde",
    blind: bool = False,
) -> list[UpperLimit]:
    """Find the values of the parameter of interest (POI) at which CLs falls to `level`, observed and expected.

    Args:
        workspace: A HistFactory workspace.
        patches: Name and JSON patch of each hypothesis.
        setup: How to read them.
        level: CLs at the limit; 0.05 for a confidence level of 95 %.
        tolerance: Largest error of CLs at the limit, relative to `level`.
        test_stat: `qtilde` or `q`.
        blind: Find expected limits only.

    Returns:
        One result a patch; one that cannot be computed has the status `failed`.

    Raises:
        InputError: The workspace or an option cannot be used.
    """
    if test_stat not in TEST_STATISTICS:
        raise InputError(f"test_stat: `{test_stat}` is not among {', '.join(TEST_STATISTICS)}")
    if not 0 < level < 1:
        raise InputError(f"level: {level:g} is not between 0 and 1")
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance: {tolerance:g} is not between 0 and 1")
    given = setup or Setup()

    def failed(name: str, message: str) -> UpperLimit:
        return UpperLimit(name, "failed", message)

    def compute(batch: Batch) -> list[UpperLimit]:
        return _Limits(batch, given, level, tolerance, test_stat, blind=blind).results()

    return each_hypothesis(workspace, patches, given, compute=compute, failed=failed, impossible=untestable, weight=4)


class _Root:
    """Where the search for one limit stands, [H] each; heights are zero at the limit and rise with the POI."""

    def __init__(self, at: Floats, near: Floats, near_data: Floats) -> None:
        count = len(at)
        self.at = np.array(at)
        self.lower, self.upper = np.zeros(count), np.full(count, np.inf)
        # Where the search was before; NaN at its start and where this is not to be relied on
        self.last, self.last_height = np.full((2, count), np.nan)
        self.searching = np.ones(count, dtype=bool)
        # Beyond: the limit is above the POI's upper bound. Lost: a fit did not converge on the way
        self.found, self.beyond, self.lost = np.zeros((3, count), dtype=bool)
        self.near, self.near_data = (
            np.array(near),
            np.array(near_data),
        )  # [H, P] starts of the next fits of Asimov and observed data
        self.nll = np.zeros(count)  # of Asimov data at `at`
        self.confirmed = np.zeros(count, dtype=np.intp)  # how often another minimum was looked for at the limit


class _Limits:
    """The search for all limits of a batch."""

    def __init__(self, batch: Batch, setup: Setup, level: float, tolerance: float, test_stat: str, *, blind: bool) -> None:
        self.batch, self.level, self.tolerance, self.test_stat = batch, level, tolerance, test_stat
        self.profile = Profile(batch, setup.seed, setup.xp)
        self.fitter = self.profile.fitter
        self.null = self.profile.null_fit()
        self.data = self.profile.asimov_model(self.null)
        self.free = None if blind else self._free_fit()
        self.top = batch.upper[:, batch.poi]
        self.edm = np.array(self.null.edm)
        self.iterations = np.array(self.null.iterations)
        self.restarted = np.zeros(len(batch.names), dtype=bool)
        self.fallen_back = np.zeros(len(batch.names), dtype=bool)
        self.roots = self._search()

    def _free_fit(self) -> Fit:
        job = Job(self.profile.model, self.fitter.rows, self.null.theta, self.batch.fixed)
        second = Job(self.profile.model, self.fitter.rows, self.batch.init, self.batch.fixed)
        first, found = self.fitter.run([job, second])
        free = self.fitter.begin(job, first, [self.batch.init])
        self.fitter.absorb(free, second, found)
        self.profile.keep_lower(free, self.null)
        return free

    def _search(self) -> list[_Root]:
        """Find all limits: the expected ones and, unless blind, the observed one."""
        start = np.minimum(np.where(self.top > 1.0, 1.0, 0.5 * self.top), self.top)
        free = self.null if self.free is None else self.free
        roots = []
        for target in range(_OBSERVED + (self.free is not None)):
            at = np.maximum(start, np.minimum(free.theta[:, self.batch.poi], self.top)) if target == _OBSERVED else start
            roots.append(_Root(at, self.null.theta, free.theta))
        for _ in range(_STEPS):
            active = [(target, np.nonzero(root.searching)[0]) for target, root in enumerate(roots)]
            if not any(len(rows) for _, rows in active):
                break
            for (target, rows), (q, q_asimov) in zip(active, self._statistics(roots, active), strict=True):
                self._advance(roots[target], target, rows, q, q_asimov)
            self._confirm(roots)
        return roots

    def _confirm(self, roots: Sequence[_Root]) -> None:
        """Look from the initial values for a lower minimum of Asimov data at limits just found; there the search goes on."""
        fresh = [np.nonzero(root.found & (root.confirmed < _CONFIRMATIONS))[0] for root in roots]
        jobs = [self._job(self.data, self.batch.init, root.at, rows, PROBE) for root, rows in zip(roots, fresh, strict=True)]
        for root, rows, best in zip(roots, fresh, self.fitter.run(jobs), strict=True):
            self.iterations[rows] += best.iterations
            lower = best.converged & (best.nll < root.nll[rows] - PROBE)
            root.confirmed[rows] = np.where(lower, root.confirmed[rows] + 1, _CONFIRMATIONS)
            again = rows[lower]
            root.near[again] = best.theta[lower]
            root.found[again], root.searching[again], self.restarted[again] = False, True, True
            root.upper[again], root.last[again] = np.inf, np.nan  # where q is smaller than thought, the limit is larger

    def _statistics(self, roots: Sequence[_Root], active: Sequence[tuple[int, Integers]]) -> list[tuple[Floats, Floats]]:
        """Test statistics of the active rows at each root's present value, from fits that all run side by side."""
        jobs = [self._job(self.data, roots[target].near, roots[target].at, rows) for target, rows in active]
        observed = [rows for target, rows in active if target == _OBSERVED]
        for rows in observed:
            root = roots[_OBSERVED]
            jobs += [self._job(self.profile.model, start, root.at, rows) for start in (root.near_data, self.batch.init)]
        found = self.fitter.run(jobs)
        statistics = []
        for (target, rows), asimov in zip(active, found[: len(active)], strict=True):
            settled = self._settle(roots[target], self.data, rows, asimov)
            roots[target].near[rows], roots[target].nll[rows] = settled.theta, settled.nll
            statistics.append((np.zeros(len(rows)), np.clip(2 * settled.nll, 0.0, None)))
        if observed and self.free is not None:
            q = self._observed(roots[_OBSERVED], observed[0], self.free, found[len(active)], found[len(active) + 1])
            statistics[-1] = (q, statistics[-1][1])  # the observed limit is the last of the roots
        return statistics

    def _observed(self, root: _Root, rows: Integers, free: Fit, first: Minimum, second: Minimum) -> Floats:
        """Observed test statistic from the better of two fits."""
        better = second.converged & (~first.converged | (second.nll < first.nll - 1e-6))
        self.restarted[rows[better & first.converged]] = True
        best = Minimum(*(_choose(better, getattr(second, name), getattr(first, name)) for name in _MINIMUM))
        settled = self._settle(root, self.profile.model, rows, best)
        root.near_data[rows] = settled.theta
        q = np.clip(2 * (settled.nll - free.nll[rows]), 0.0, None)
        return np.asarray(np.where(free.theta[rows, self.batch.poi] > root.at[rows], 0.0, q))

    def _job(self, model: Model, near: Floats, at: Floats, rows: Integers, tolerance: float = TIGHT) -> Job:
        start = np.array(near)
        start[:, self.batch.poi] = at
        return Job(model, rows, start, self.profile.held, tolerance)

    def _settle(self, root: _Root, model: Model, rows: Integers, found: Minimum) -> Minimum:
        """Fit rows that did not converge again, and mark those for which nothing helps."""
        self.iterations[rows] += found.iterations
        lost = np.nonzero(~found.converged)[0]
        if len(lost):
            self._rescue(root, model, rows[lost], found, lost)
        self.edm[rows] = np.maximum(self.edm[rows], np.where(found.converged, found.edm, self.edm[rows]))
        return found

    def _rescue(self, root: _Root, model: Model, rows: Integers, found: Minimum, places: Integers) -> None:
        """Try what a hypothesis test tries: the initial values, random starts, SciPy."""
        job = self._job(model, self.batch.init, root.at, self.fitter.rows)
        settled = np.ones(len(self.top), dtype=bool)
        settled[rows] = False
        blank = np.zeros(len(self.top))
        none = Minimum(np.array(job.start), np.where(settled, 0.0, np.inf), blank, blank.astype(np.intp), settled)
        fit = self.fitter.begin(job, none, [job.start])
        usable = fit.status[rows] < LOST
        found.theta[places], found.edm[places], found.converged[places] = fit.theta[rows], fit.edm[rows], usable
        found.nll[places] = np.where(usable, fit.nll[rows], 0.0)
        self.iterations[rows] += fit.iterations[rows]
        self.restarted[rows] |= fit.status[rows] == RESTARTED
        self.fallen_back[rows] |= fit.status[rows] == FALLBACK
        root.lost[rows] |= ~usable

    def _advance(self, root: _Root, target: int, rows: Integers, q: Floats, q_asimov: Floats) -> None:
        """Narrow the brackets of the rows, and choose where to look next."""
        observed, band = cls_values(q, q_asimov, self.test_stat)
        cls = observed if target == _OBSERVED else band[:, target]
        at, height = root.at[rows], self._height(cls)
        root.found[rows] = np.abs(cls / self.level - 1.0) < self.tolerance
        root.beyond[rows] = (height < 0) & (at >= self.top[rows]) & ~root.found[rows]
        root.searching[rows] = ~(root.found[rows] | root.beyond[rows] | root.lost[rows])
        rises = height >= 0
        root.lower[rows] = np.where(rises, root.lower[rows], at)
        root.upper[rows] = np.where(rises, at, root.upper[rows])
        self._reopen(root, rows, rises)
        root.at[rows] = np.where(root.searching[rows], self._next(root, target, rows, height, q_asimov), at)
        root.last[rows], root.last_height[rows] = at, height

    def _reopen(self, root: _Root, rows: Integers, rises: Flags) -> None:
        """A bracket that closes around a jump of CLs has an end from another, higher minimum: give that end up."""
        closed = root.upper[rows] - root.lower[rows] < 1e-3 * self.tolerance * root.upper[rows]
        root.upper[rows[closed & ~rises]] = np.inf
        root.lower[rows[closed & rises]] = 0.0
        root.last[rows[closed]] = np.nan

    def _height(self, cls: Floats) -> Floats:
        """Distance from the level in standard deviations, nearly linear in the POI."""
        goal = _NORMAL.inv_cdf(1.0 - self.level)
        ends = _FARTHEST, -_FARTHEST
        heights = [-_NORMAL.inv_cdf(value) if 0.0 < value < 1.0 else ends[value >= 1.0] for value in map(float, cls)]
        return np.asarray(np.clip(heights, -_FARTHEST, _FARTHEST) - goal)

    def _next(self, root: _Root, target: int, rows: Integers, height: Floats, q_asimov: Floats) -> Floats:
        """Where to look next: along the secant or, without a slope, where the root of q, linear in the POI, puts the limit."""
        at, lower, upper, last, before = (
            values[rows] for values in (root.at, root.lower, root.upper, root.last, root.last_height)
        )
        shift = 0.0 if target == _OBSERVED else N_SIGMA[target]
        goal = _NORMAL.inv_cdf(1.0 - self.level * _NORMAL.cdf(-shift)) - shift
        with np.errstate(all="ignore"):
            scaled = at * goal / np.sqrt(q_asimov)
            secant = at - height * (at - last) / (height - before)
        sloped = np.isfinite(secant) & (np.abs(height) < 0.9 * _FARTHEST) & (np.abs(before) < 0.9 * _FARTHEST)
        proposal = np.where(sloped, secant, scaled)
        inside = (proposal > np.where(sloped & (lower == 0), 0.1 * upper, lower)) & (proposal < np.minimum(upper, 10 * at))
        middle = np.where(lower == 0, 0.5 * upper, np.where(np.isfinite(upper), 0.5 * (lower + upper), 2 * lower))
        return np.asarray(np.minimum(np.where(inside, proposal, middle), self.top[rows]))

    def results(self) -> list[UpperLimit]:
        return [self._result(row) for row in range(len(self.batch.names))]

    def _result(self, row: int) -> UpperLimit:
        name, poi = self.batch.names[row], self.batch.hypotheses[row].poi
        fits = [("background-only fit", self.null), *([("free fit", self.free)] if self.free else [])]
        statuses = [STATUSES[fit.status[row]] for _, fit in fits]
        notes = [describe_all(self.fitter, fits, row)]
        if worst(statuses) == "failed":
            return UpperLimit(name, "failed", f"patch `{name}`: " + notes[0])
        if self.restarted[row]:
            statuses.append("restarted")
            notes.append("a lower minimum was found from another start")
        if self.fallen_back[row]:
            statuses.append("fallback")
            notes.append("a fit was minimised by SciPy")
        limits = [float(root.at[row]) if root.found[row] else None for root in self.roots]
        beyond = [label for root, label in zip(self.roots, _TARGETS, strict=False) if root.beyond[row]]
        if beyond:
            statuses.append("at_boundary")
            which = f"the limits {', '.join(beyond)} are" if len(beyond) > 1 else f"the limit {beyond[0]} is"
            notes.append(f"{which} above the upper bound {self.top[row]:g} of `{poi}`; raise it in the measurement")
        for root, label in zip(self.roots, _TARGETS, strict=False):
            if not (root.found[row] or root.beyond[row]):
                statuses.append("not_converged")
                notes.append(f"the limit {label} was not found; the search ended at {root.at[row]:g}")
        known = [limit for limit in limits[:_OBSERVED] if limit is not None]
        if known != sorted(known):
            statuses.append("not_converged")
            notes.append("the expected limits are not in order: not all were found on the lowest minimum")
        return UpperLimit(
            name,
            worst(statuses),
            "; ".join(filter(None, notes)),
            limit_obs=limits[_OBSERVED] if self.free else None,
            limit_exp=(limits[0], limits[1], limits[2], limits[3], limits[4]),
            edm=float(self.edm[row]),
            iterations=int(self.iterations[row]),
        )


_MINIMUM = ("theta", "nll", "edm", "iterations", "converged")


def _choose(condition: Flags, yes: Any, no: Any) -> Any:
    return np.where(condition.reshape((-1,) + (1,) * (yes.ndim - 1)), yes, no)
