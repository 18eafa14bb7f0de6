"""The fits behind a profile likelihood ratio, for all rows and all values of the parameter of interest (POI) side by side.

Strongly excluded hypotheses pull parameters so far that their likelihood has several minima. Each conditional fit therefore
starts from the best fit and, where the POI is at all constrained, from the initial values; where it is strongly excluded, also at
random. The lowest minimum counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.fits import PROBE, Fit, Fitter, Integers, Job
from pyhf_endpoint.histfactory.likelihood import Model

__all__ = ["Profile", "Profiled"]

_CONSTRAINED = 1.0  # test statistic above which a second minimum is looked for
_EXCLUDED = 9.0  # and above which this is done at random, too
_RANDOM_STARTS = 3
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
        null = self.null_fit()
        data = self.asimov_model(null)
        if blind:
            asimov = self._conditional(data, null, values)
            for at, value in zip(asimov, values, strict=True):
                self._probe([(at, self._at(self.batch.init, value), _rows_above(at.nll, _EXCLUDED))])
            return [self._profiled(value, null, None, None, at) for value, at in zip(values, asimov, strict=True)]
        free, asimov = self._free_and_asimov(data, null, values)
        fixed = self._conditional(self.model, free, values)
        for value, at, expected in zip(values, fixed, asimov, strict=True):
            self._look_further(value, free, at, expected)
        for at in (null, *fixed):
            self.keep_lower(free, at)
        return [self._profiled(value, null, free, at, a) for value, at, a in zip(values, fixed, asimov, strict=True)]

    def null_fit(self, value: float = 0.0) -> Fit:
        """The fit behind Asimov data: they depend on its parameters to first order, hence its tight tolerance."""
        start, other = self.fitter.background_start(value), self._at(self.batch.init, value)
        job = Job(self.model, self.fitter.rows, start, self.held, 1e-12)
        return self.fitter.begin(job, self.fitter.run([job])[0], [other])

    def asimov_model(self, null: Fit) -> Model:
        """The model with the data expected at the parameters of a fit."""
        theta = self.model.xp.asarray(null.theta)
        return self.model.with_data(self.model.rates(theta), theta)

    def _at(self, theta: Floats, value: float) -> Floats:
        return self.fitter.at_poi(theta, value)

    def _free_and_asimov(self, data: Model, null: Fit, values: Sequence[float]) -> tuple[Fit, list[Fit]]:
        rows = self.fitter.rows
        jobs = [Job(self.model, rows, null.theta, self.batch.fixed)]
        jobs += [Job(data, rows, self._at(null.theta, value), self.held) for value in values]
        free, *asimov = self.fitter.run(jobs)
        others = [[self.batch.init], *([self._at(self.batch.init, value)] for value in values)]
        fits = [self.fitter.begin(job, best, other) for job, best, other in zip(jobs, (free, *asimov), others, strict=True)]
        return fits[0], fits[1:]

    def _conditional(self, model: Model, near: Fit, values: Sequence[float]) -> list[Fit]:
        """Fits with the POI held at each value, from a nearby fit."""
        jobs = [Job(model, self.fitter.rows, self._at(near.theta, value), self.held) for value in values]
        found = self.fitter.run(jobs)
        return [
            self.fitter.begin(job, best, [self._at(self.batch.init, value)])
            for job, best, value in zip(jobs, found, values, strict=True)
        ]

    def _look_further(self, value: float, free: Fit, fixed: Fit, asimov: Fit) -> None:
        """Look for lower minima at one POI value, on observed and on Asimov data."""
        init, q, q_asimov = self._at(self.batch.init, value), _rise(fixed, free), asimov.nll
        excluded = _rows_above(q, _EXCLUDED)
        looks = [(fixed, init, _rows_above(q, _CONSTRAINED)), (asimov, fixed.theta, _rows_above(q_asimov, _EXCLUDED))]
        looks += [
            (fixed, self.fitter.random_start(fixed, init, excluded, attempt), excluded) for attempt in range(_RANDOM_STARTS)
        ]
        improved = self._probe(looks)
        again = np.unique(np.concatenate([rows for fit, rows in improved if fit is fixed]))
        self._probe([(asimov, fixed.theta, again)])

    def _probe(self, looks: Sequence[tuple[Fit, Floats, Integers]]) -> list[tuple[Fit, Integers]]:
        """Fit rows from other starts, keep what is lower, and return which rows were improved."""
        jobs = [Job(fit.model, rows, start, fit.fixed, PROBE, _PROBE_LIMIT) for fit, start, rows in looks]
        found = self.fitter.run(jobs)
        return [(look[0], self.fitter.absorb(look[0], job, best)) for look, job, best in zip(looks, jobs, found, strict=True)]

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
            q = np.where(above, 0.0, np.clip(2 * _rise(fixed, free), 0.0, None))
        return Profiled(value, null, free, fixed, asimov, q, q_asimov)


def _rise(fixed: Fit, free: Fit) -> Floats:
    """How far the likelihood of each row is above its minimum; NaN for rows that have no finite likelihood anywhere."""
    with np.errstate(invalid="ignore"):
        return np.asarray(fixed.nll - free.nll)


def _rows_above(nll: Floats, statistic: float) -> Integers:
    """Rows whose likelihood, relative to its minimum, makes for a larger test statistic."""
    return np.nonzero(2 * nll > statistic)[0]
