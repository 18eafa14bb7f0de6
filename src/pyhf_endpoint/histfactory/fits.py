"""Fits of a batch: where they start, how several run side by side, and what is tried where one does not converge."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import orjson

from pyhf_endpoint.histfactory import fallback
from pyhf_endpoint.histfactory.arrays import Floats, to_numpy
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.likelihood import Model
from pyhf_endpoint.histfactory.minimise import Known, Minimum, minimise, minimise_rows
from pyhf_endpoint.histfactory.result import STATUSES

__all__ = ["PROBE", "TIGHT", "Fit", "Fitter", "Flags", "Integers", "Job"]

Integers = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

CONVERGED, BOUNDARY, RESTARTED, FALLBACK, LOST, FAILED = range(len(STATUSES))
TIGHT = 1e-9
"""Tolerance on the EDM of fits whose likelihood is used."""
PROBE = 1e-4
"""Tolerance of fits that only look whether there is a lower minimum."""
_LOWER = 1e-6  # a minimum counts as another, lower one if it is lower by this much
_SPREAD = 0.5  # of random starts, in units of the constraints' widths
_ATTEMPTS = 3
_FAR = 2.0  # a factor by which a parameter without a constraint has changed that makes other minima likely


@dataclass(frozen=True)
class Job:
    """A fit of some rows of a batch."""

    model: Model
    """Of all rows, with the data to fit."""
    rows: Integers
    start: Floats
    """[H, P], of all rows."""
    fixed: Flags
    """[H, P], of all rows."""
    tolerance: float = TIGHT
    limit: int = 150
    """Number of iterations."""
    known: "Fit | None" = None
    """Minima that need not be found again."""


@dataclass
class Fit:
    """Best point of each row so far, in the host's memory."""

    model: Model
    """With the data that are fitted."""
    fixed: Flags
    theta: Floats
    nll: Floats
    edm: Floats
    iterations: Integers
    status: Integers
    """Index into `STATUSES`."""

    def rows_found(self) -> Integers:
        """Rows with a minimum."""
        return np.nonzero(self.status < LOST)[0]

    def rows_lost(self) -> Integers:
        """Rows without a minimum."""
        return np.nonzero(self.status >= LOST)[0]


class Fitter:
    """Fits of one batch, whose starting points and random numbers depend on each hypothesis' own content only."""

    def __init__(self, batch: Batch, model: Model, seed: int) -> None:
        self.batch, self.model, self.seed = batch, model, seed
        self.rows = np.arange(len(batch.names))
        self._digests: dict[int, int] = {}

    def background_start(self, poi: float) -> Floats:
        """Start of each row [H, P]: the best fit of the background without any hypothesis' samples, the POI at `poi`."""
        batch, alone = self.batch, self.batch.background
        if alone is None:
            return self.at_poi(batch.init, poi)
        fixed = self.hold_poi(alone.fixed)
        best = minimise(Model(alone, self.model.xp), self.at_poi(alone.init, poi), fixed, tolerance=1e-10)
        usable = alone.present & best.converged[:, None] & ~batch.fixed
        return self.at_poi(np.where(usable, best.theta, batch.init), poi)

    def at_poi(self, theta: Floats, poi: float) -> Floats:
        """Copy `theta` with the parameter of interest set."""
        theta = np.array(theta)
        if self.batch.poi is not None:
            theta[:, self.batch.poi] = poi
        return theta

    def hold_poi(self, fixed: Flags) -> Flags:
        """Copy `fixed` with the parameter of interest fixed."""
        fixed = np.array(fixed)
        if self.batch.poi is not None:
            fixed[:, self.batch.poi] = True
        return fixed

    def run(self, jobs: Sequence[Job]) -> list[Minimum]:
        """Run fits side by side."""
        lengths = [len(job.rows) for job in jobs]
        if not sum(lengths):
            return [_nothing(self.batch.sizes.parameters) for _ in jobs]
        rows = np.concatenate([job.rows for job in jobs])
        model, xp = self.model, self.model.xp
        counts, centre = (
            xp.concatenate([getattr(job.model.rows, name)[job.rows] for job in jobs]) for name in ("counts", "centre")
        )

        def pick(numbers: Integers) -> Model:
            return model.take(rows[numbers]).with_data(counts[numbers], centre[numbers])

        tolerance, limit = (np.repeat([getattr(job, name) for job in jobs], lengths) for name in ("tolerance", "limit"))
        found = minimise_rows(
            pick,
            np.concatenate([job.start[job.rows] for job in jobs]),
            np.concatenate([job.fixed[job.rows] for job in jobs]),
            tolerance=tolerance,
            limit=limit,
            known=self._known(jobs, rows),
        )
        ends = np.cumsum(lengths)
        return [_part(found, slice(end - length, end)) for length, end in zip(lengths, ends, strict=True)]

    def _known(self, jobs: Sequence[Job], rows: Integers) -> Known | None:
        """The minima that jobs need not find again; rows without one have none."""
        if all(job.known is None for job in jobs):
            return None
        nll, theta = [], []
        for job in jobs:
            fit = job.known
            nll.append(np.full(len(job.rows), np.inf) if fit is None else np.where(fit.status < LOST, fit.nll, np.inf)[job.rows])
            theta.append((job.start if fit is None else fit.theta)[job.rows])
        stiffness = np.asarray(self.batch.rows.precision + self.batch.rows.factor)[rows]
        return Known(np.concatenate(nll), np.concatenate(theta), stiffness)

    def begin(self, job: Job, best: Minimum, others: Sequence[Floats] = ()) -> Fit:
        """Take the minima of a job of all rows; those that did not converge are tried from other starts [H, P]."""
        status = np.where(best.converged, CONVERGED, LOST)
        fit = Fit(job.model, job.fixed, best.theta, best.nll, best.edm, best.iterations, status)
        starts = [job.start, *others]
        for start in others:
            self._retry(fit, start, job.tolerance)
        for attempt in range(_ATTEMPTS):
            lost = fit.rows_lost()
            if len(lost):
                self._retry(fit, self.random_start(fit, starts[-1], lost, attempt), job.tolerance)
        for row in fit.rows_lost():
            self._last_resort(fit, starts, job.tolerance, int(row))
        self._mark_boundaries(fit)
        return fit

    def _retry(self, fit: Fit, start: Floats, tolerance: float) -> None:
        job = Job(fit.model, fit.rows_lost(), start, fit.fixed, tolerance)
        self.absorb(fit, job, self.run([job])[0])

    def absorb(self, fit: Fit, job: Job, found: Minimum) -> Integers:
        """Take what is better than the fit has, sharpened if the job was a probe; return the rows that were improved."""
        rows = job.rows
        fit.iterations[rows] += found.iterations
        lost = fit.status[rows] >= LOST
        lower = found.nll < fit.nll[rows] - _LOWER
        better = np.where(lost, found.converged | lower, found.converged & lower)
        if not better.any():
            return rows[:0]
        chosen = rows[better]
        if job.tolerance > TIGHT:
            start = np.array(job.start)
            start[rows] = found.theta
            sharp = Job(job.model, chosen, start, job.fixed)
            return self.absorb(fit, sharp, self.run([sharp])[0])
        fit.theta[chosen], fit.nll[chosen], fit.edm[chosen] = found.theta[better], found.nll[better], found.edm[better]
        fit.status[chosen] = np.where(found.converged[better], RESTARTED, LOST)
        return chosen

    def pursue(self, fit: Fit, job: Job, found: Minimum) -> Integers:
        """Let SciPy go on from points that are lower than the fit's minimum and have led to none; return the rows.

        Where that leads to none either, the row has lost the minimum that it had: there is a lower point.
        """
        below = np.nonzero(~found.converged & (found.nll < fit.nll[job.rows] - PROBE))[0]
        for place in below:
            row = int(job.rows[place])
            with np.errstate(all="ignore"):
                theta, nll, edm, iterations, converged = fallback.solve(
                    fit.model.take(np.array([row])), found.theta[place], fit.fixed[row], TIGHT
                )
            fit.iterations[row] += iterations
            if not nll <= found.nll[place] + _LOWER:  # neither higher nor no number
                theta, nll, edm, converged = found.theta[place], found.nll[place], found.edm[place], False
            fit.theta[row], fit.nll[row], fit.edm[row] = theta, nll, edm
            fit.status[row] = FALLBACK if converged else LOST
        return job.rows[below]

    def random_start(self, fit: Fit, around: Floats, rows: Integers, attempt: int) -> Floats:
        """Points scattered around `around` [H, P] in the given rows, drawn in an order that only the hypothesis decides."""
        start, width = np.array(around), self._widths()
        for row in map(int, rows):
            generator = np.random.default_rng([self.seed, attempt, self._digest(row)])
            columns = [column for _, found in self.batch.sets[row].values() for column in found]
            start[row, columns] += _SPREAD * width[row, columns] * generator.standard_normal(len(columns))
        start = np.clip(np.where(fit.fixed, around, start), self.batch.lower, self.batch.upper)
        start = np.where(fit.fixed, around, start)
        for _ in range(3):  # a point outside the likelihood's domain moves half the way back
            nll = to_numpy(fit.model.take(rows).nll(fit.model.xp.asarray(start[rows])))
            outside = rows[~np.isfinite(nll)]
            start[outside] = 0.5 * (start[outside] + around[outside])
        return start

    def _widths(self) -> Floats:
        precision = np.asarray(self.batch.rows.precision + self.batch.rows.factor)
        return np.where(precision > 0, 1.0 / np.sqrt(np.where(precision > 0, precision, 1.0)), 1.0)

    def _digest(self, row: int) -> int:
        if row not in self._digests:
            operations = list(self.batch.hypotheses[row].operations)
            try:
                text = orjson.dumps(operations, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
            except TypeError:  # integers of more than 64 bits
                text = json.dumps(operations, default=str, sort_keys=True).encode()
            self._digests[row] = int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
        return self._digests[row]

    def _last_resort(self, fit: Fit, starts: Sequence[Floats], tolerance: float, row: int) -> None:
        single = fit.model.take(np.array([row]))
        candidates = [start[row] for start in (fit.theta, *starts)]
        with np.errstate(all="ignore"):
            inside = [start for start in candidates if np.isfinite(to_numpy(single.nll(single.xp.asarray(start[None])))[0])]
        if not inside:
            fit.status[row] = FAILED
            return
        for start in inside[:2]:
            theta, nll, edm, iterations, converged = fallback.solve(single, start, fit.fixed[row], tolerance)
            fit.iterations[row] += iterations
            if converged or nll < fit.nll[row]:
                fit.theta[row], fit.nll[row], fit.edm[row] = theta, nll, edm
            if converged:
                fit.status[row] = FALLBACK
                return

    def _mark_boundaries(self, fit: Fit) -> None:
        fit.status[(fit.status == CONVERGED) & self.bound(fit).any(axis=1)] = BOUNDARY

    def bound(self, fit: Fit) -> Flags:
        """[H, P] parameters at one of their bounds, that of interest aside."""
        bound = ((fit.theta <= self.batch.lower) | (fit.theta >= self.batch.upper)) & ~fit.fixed
        if self.batch.poi is not None:
            bound[:, self.batch.poi] = False
        return np.asarray(bound)

    @property
    def unconstrained(self) -> slice:
        """Columns of the parameters without a constraint."""
        sizes = self.batch.sizes
        return slice(sizes.parameters - sizes.free, sizes.parameters)

    def strayed(self, fit: Fit) -> Integers:
        """Rows in which a parameter without a constraint, that of interest aside, is far from its initial value, or at a bound.

        Such parameters multiply each other, and others: they may have settled where one does the work of another.
        """
        batch, free = self.batch, self.unconstrained
        value, init = fit.theta[:, free], batch.init[:, free]
        far = np.where(init > 0, (value > _FAR * init) | (_FAR * value < init), np.abs(value - init) > _FAR)
        counted = (far | (value <= batch.lower[:, free]) | (value >= batch.upper[:, free])) & ~fit.fixed[:, free]
        if batch.poi is not None and batch.poi >= free.start:
            counted[:, batch.poi - free.start] = False
        return np.nonzero(counted.any(axis=1) & (fit.status < LOST))[0]


def _part(minimum: Minimum, rows: slice) -> Minimum:
    return Minimum(*(getattr(minimum, field.name)[rows] for field in fields(minimum)))


def _nothing(parameters: int) -> Minimum:
    none = np.zeros(0)
    return Minimum(np.zeros((0, parameters)), none, none, none.astype(np.intp), none.astype(bool))
