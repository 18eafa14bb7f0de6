"""The fits behind a profile likelihood ratio, for all rows and all values of the parameter of interest (POI) side by side.

Excluded hypotheses pull parameters so far that their likelihood has several minima. Each conditional fit therefore starts from
the best fit and, where the POI is at all constrained, with alphas flipped (see `looks`), from the initial values or, where it is
strongly excluded, at random. Fits that took a normalisation far away are tried from the initial values, too, and those with a
factor at zero with the other sign of what it multiplies. The lowest minimum counts, and a lower point that leads to none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from types import ModuleType

import numpy as np

from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.fits import PROBE, TIGHT, Fit, Fitter, Flags, Integers, Job
from pyhf_endpoint.histfactory.likelihood import Model
from pyhf_endpoint.histfactory.looks import flips, idle, mirrored
from pyhf_endpoint.histfactory.minimise import Minimum

__all__ = ["Profile", "Profiled"]

_CONSTRAINED = 1.0  # test statistic above which another minimum is looked for by flipping alphas,
_PULLED = 4.0  # above which it is looked for from the initial values, too,
_EXCLUDED = 9.0  # and above which from the mirror image and at random instead
_ROUNDS = 3  # of looks; each but the first only where the one before has found something
_PROBE_LIMIT = 40  # iterations; what takes longer is given up


@dataclass(frozen=True)
class Profiled:
    """Fits and test statistics at one POI value; what needs the observed data and a signal is None where blind."""

    value: float
    null: Fit
    free: Fit | None
    fixed: Fit | None
    asimov: Fit
    q: Floats | None
    q_asimov: Floats

    def fits(self) -> list[tuple[str, Fit]]:
        """All fits, labelled."""
        labelled = [
            ("background-only fit", self.null),
            ("free fit", self.free),
            (f"fit at {self.value:g}", self.fixed),
            (f"Asimov fit at {self.value:g}", self.asimov),
        ]
        return [(label, fit) for label, fit in labelled if fit is not None]


class Profile:
    """The rows of a batch, all of which have a POI that may be 0."""

    def __init__(self, batch: Batch, seed: int, xp: ModuleType) -> None:
        self.batch = batch
        self.model = Model(batch, xp)
        self.fitter = Fitter(batch, self.model, seed)
        self.held = self.fitter.hold_poi(batch.fixed)
        self.offset = self.model.nll_offset

    def run(self, values: Sequence[float], *, blind: bool = False) -> list[Profiled]:
        """Fit everything that a test at each POI value needs."""
        if blind:
            null = self.null_fit()
            data = self.asimov_model(null)
            asimov = self._conditional(data, [null.theta] * len(values), values)
            for at, value in zip(asimov, values, strict=True):
                further = np.union1d(_rows(2 * at.nll > _EXCLUDED), self.fitter.strayed(at))
                looks = [(at, self._at(self.batch.init, value), further)]
                self._probe([*looks, *self._flips(at, _rows(2 * at.nll > _CONSTRAINED))])
            return [self._profiled(value, null, None, None, at) for value, at in zip(values, asimov, strict=True)]
        null, free = self._null_and_free()
        data = self.asimov_model(null)
        fixed = self._conditional(self.model, [free.theta] * len(values), values)
        # Asimov data lie between what the two fits see; where nothing but the background is tested the minimum is known exactly
        near = [0.5 * (null.theta + at.theta) if value else null.theta for at, value in zip(fixed, values, strict=True)]
        asimov = self._conditional(data, near, values)
        for value, at, expected in zip(values, fixed, asimov, strict=True):
            self._look_further(value, free, at, expected)
        for at in (null, *fixed):
            self.keep_lower(free, at)
        return [self._profiled(value, null, free, at, a) for value, at, a in zip(values, fixed, asimov, strict=True)]

    def null_fit(self, value: float = 0.0) -> Fit:
        """The fit behind Asimov data: they depend on its parameters to first order, hence its tight tolerance."""
        job = self._null_job(value)
        other = self._at(self.batch.init, value)
        null = self.fitter.begin(job, self.fitter.run([job])[0], [other])
        self._probe([(null, other, self.fitter.strayed(null)), *self._flips(null, null.rows_found())])
        return null

    def _null_job(self, value: float) -> Job:
        return Job(self.model, self.fitter.rows, self.fitter.background_start(value), self.held, 1e-12)

    def asimov_model(self, null: Fit) -> Model:
        """The model with the data expected at the parameters of a fit."""
        theta = self.model.xp.asarray(null.theta)
        return self.model.with_data(self.model.rates(theta), theta)

    def _at(self, theta: Floats, value: float) -> Floats:
        return self.fitter.at_poi(theta, value)

    def _null_and_free(self) -> tuple[Fit, Fit]:
        """Both start from the background's best fit."""
        null = self._null_job(0.0)
        free = replace(null, fixed=self.batch.fixed, tolerance=TIGHT)
        best = self.fitter.run([null, free])
        others = self._at(self.batch.init, 0.0), self.batch.init
        begun = [self.fitter.begin(job, at, [other]) for job, at, other in zip((null, free), best, others, strict=True)]
        looks = [(fit, other, self.fitter.strayed(fit)) for fit, other in zip(begun, others, strict=True)]
        self._probe([*looks, *(look for fit in begun for look in self._flips(fit, fit.rows_found()))])
        return begun[0], begun[1]

    def _conditional(self, model: Model, near: Sequence[Floats], values: Sequence[float]) -> list[Fit]:
        """Fits with the POI held at each value, each from a point [H, P] nearby."""
        starts = [self._at(theta, value) for theta, value in zip(near, values, strict=True)]
        jobs = [Job(model, self.fitter.rows, start, self.held) for start in starts]
        found = self.fitter.run(jobs)
        return [
            self.fitter.begin(job, best, [self._at(self.batch.init, value)])
            for job, best, value in zip(jobs, found, values, strict=True)
        ]

    def _look_further(self, value: float, free: Fit, fixed: Fit, asimov: Fit) -> None:
        """Look for lower minima at one POI value, on observed and on Asimov data."""
        init, q, q_asimov = self._at(self.batch.init, value), 2 * _above(fixed, free), 2 * asimov.nll
        looks = [look for fit, rise in ((fixed, q), (asimov, q_asimov)) for look in self._flips(fit, _rows(rise > _CONSTRAINED))]
        excluded = _rows(q > _EXCLUDED)
        starts = [mirrored(self.fitter, fixed, excluded), self.fitter.random_start(fixed, init, excluded, 0)]
        pulled = np.union1d(_rows((q > _PULLED) & (q <= _EXCLUDED)), self.fitter.strayed(fixed))
        looks += [
            (fixed, init, pulled),
            (asimov, init, self.fitter.strayed(asimov)),
            *((fixed, start, excluded) for start in starts),
        ]
        for _ in range(_ROUNDS):
            improved = self._probe(looks)
            looks = [look for fit in (fixed, asimov) for look in self._flips(fit, _rows_of(improved, fit))]
            looks.append((asimov, fixed.theta, _rows_of(improved, fixed)))

    def _flips(self, fit: Fit, rows: Integers) -> list[tuple[Fit, Floats, Integers]]:
        """Starts with a sign changed: of alphas in the given rows, and of idle factors wherever there are any."""
        return [(fit, start, some) for start, some in [*flips(self.fitter, fit, rows), *idle(self.fitter, fit)]]

    def _probe(self, looks: Sequence[tuple[Fit, Floats, Integers]]) -> list[tuple[Fit, Integers]]:
        """Fit rows from other starts, keep what is lower, and return which rows were improved."""
        jobs = [Job(fit.model, rows, start, fit.fixed, limit=_PROBE_LIMIT, known=fit) for fit, start, rows in looks]
        found = self.fitter.run(jobs)
        self._finish(jobs, found)
        return [
            (look[0], np.union1d(self.fitter.absorb(look[0], job, best), self.fitter.pursue(look[0], job, best)))
            for look, job, best in zip(looks, jobs, found, strict=True)
        ]

    def _finish(self, jobs: Sequence[Job], found: Sequence[Minimum]) -> None:
        """Let probes go on that were given up below the known minimum."""
        for job, best in zip(jobs, found, strict=True):
            assert job.known is not None  # noqa: S101  (a probe has one)
            below = np.nonzero(~best.converged & (best.nll < job.known.nll[job.rows] - PROBE))[0]
            start = np.array(job.start)
            start[job.rows[below]] = best.theta[below]
            (more,) = self.fitter.run([Job(job.model, job.rows[below], start, job.fixed, job.tolerance)])
            for field in fields(Minimum):
                getattr(best, field.name)[below] = getattr(more, field.name)

    def keep_lower(self, free: Fit, other: Fit) -> None:
        """A fit with fewer free parameters cannot be better: where it is, the free fit goes on from there."""
        rows = np.nonzero(other.nll < free.nll - 1e-7)[0]
        job = Job(self.model, rows, other.theta, free.fixed)
        self.fitter.absorb(free, job, self.fitter.run([job])[0])

    def _profiled(self, value: float, null: Fit, free: Fit | None, fixed: Fit | None, asimov: Fit) -> Profiled:
        # The free fit of Asimov data is exact: the saturated likelihood is zero where the data were made, with the POI at 0
        q_asimov = np.clip(2 * asimov.nll, 0.0, None) if value >= 0 else np.zeros(len(asimov.nll))
        q = None
        if free is not None and fixed is not None:
            above = free.theta[:, self.batch.poi] > value
            q = np.where(above, 0.0, np.clip(2 * _above(fixed, free), 0.0, None))
        return Profiled(value, null, free, fixed, asimov, q, q_asimov)


def _above(fit: Fit, free: Fit) -> Floats:
    """How much higher a fit's minimum is [H]; zero where either has no finite likelihood anywhere."""
    both = np.isfinite(fit.nll) & np.isfinite(free.nll)
    return np.where(both, np.where(both, fit.nll, 0.0) - np.where(both, free.nll, 0.0), 0.0)


def _rows_of(improved: Sequence[tuple[Fit, Integers]], fit: Fit) -> Integers:
    """The rows in which a fit was improved."""
    return np.unique(np.concatenate([np.zeros(0, dtype=np.intp), *(rows for found, rows in improved if found is fit)]))


def _rows(which: Flags) -> Integers:
    return np.nonzero(which)[0]
