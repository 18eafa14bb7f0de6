"""Impacts: how far the best-fit parameter of interest moves when a nuisance parameter is held one standard deviation off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.bestfit import INDEFINITE, Free
from pyhf_endpoint.histfactory.compile import Patch
from pyhf_endpoint.histfactory.driver import Setup, each_hypothesis
from pyhf_endpoint.histfactory.held import Held, fit_held
from pyhf_endpoint.histfactory.result import STATUSES, USABLE, worst

__all__ = ["Impact", "Ranking", "ranking"]

_SHIFTS = ("pre_up", "pre_down", "post_up", "post_down")


@dataclass(frozen=True)
class Impact:
    """One nuisance parameter; None for what it does not have."""

    parameter: str
    best_fit: float
    uncertainty: float | None
    """Post-fit standard deviation."""
    pull: float | None = None
    """(best fit - centre of the constraint) / width of the constraint."""
    constraint: float | None = None
    """Post-fit over pre-fit standard deviation."""
    pre_up: float | None = None
    """Shift of the parameter of interest with this one held one pre-fit standard deviation above its best fit."""
    pre_down: float | None = None
    post_up: float | None = None
    post_down: float | None = None

    def size(self) -> float:
        """What parameters are ranked by: the larger post-fit impact, or pre-fit where there is no other."""
        post = [abs(value) for value in (self.post_up, self.post_down) if value is not None]
        pre = [abs(value) for value in (self.pre_up, self.pre_down) if value is not None]
        return max(post or pre, default=0.0)


@dataclass(frozen=True)
class Ranking:
    """Impacts of one hypothesis' nuisance parameters, the largest first; empty where they could not be computed."""

    name: str
    status: str
    message: str
    mu_hat: float | None = None
    mu_uncertainty: float | None = None
    impacts: tuple[Impact, ...] = ()
    edm: float | None = None
    iterations: int = 0


def ranking(workspace: Mapping[str, Any], patches: Iterable[Patch], setup: Setup | None = None) -> list[Ranking]:
    """Rank the free nuisance parameters of every hypothesis by their impact on the parameter of interest (POI).

    For each parameter all others are fitted again with it held one pre-fit, and one post-fit, standard deviation above and below
    its best fit (within its bounds).

    Args:
        workspace: A HistFactory workspace.
        patches: Name and JSON patch of each hypothesis.
        setup: How to read them.

    Returns:
        One result a patch; one that cannot be computed has the status `failed`.

    Raises:
        InputError: The workspace or an option cannot be used.
    """
    given = setup or Setup()

    def impossible(batch: Batch, row: int) -> str:
        if batch.poi is None:
            return "the measurement defines no parameter of interest"
        if batch.fixed[row, batch.poi]:
            return f"the parameter of interest `{batch.hypotheses[row].poi}` is fixed; free it to rank impacts on it"
        return ""

    def failed(name: str, message: str) -> Ranking:
        return Ranking(name, "failed", message)

    def compute(batch: Batch) -> list[Ranking]:
        free = Free(batch, given)
        return [_rank(free, row) for row in range(len(batch.names))]

    return each_hypothesis(workspace, patches, given, compute=compute, failed=failed, impossible=impossible)


def _rank(free: Free, row: int) -> Ranking:
    batch, name = free.batch, free.batch.names[row]
    status, message = free.status(row), free.message(row)
    if status == "failed":
        return Ranking(name, status, f"patch `{name}`: {message}")
    covered = free.covariance(row)
    mu_hat = float(free.fit.theta[row, batch.poi])
    if covered is None:
        return Ranking(name, "not_converged", "; ".join(filter(None, (message, INDEFINITE))), mu_hat=mu_hat)
    total, known = covered
    deviation = np.sqrt(np.diag(total))
    places, shifts = _shifts(free, row, deviation)
    impacts = _impacts(free, row, deviation)
    statuses, notes = [status], [message]
    held = None
    if places:
        columns = np.array([column for column, _ in places], dtype=np.intp)
        held = fit_held(free, row, columns, shifts, total)
        lost = _fill(impacts, places, held, mu_hat, batch.poi or 0)
        # One minimum may lie on a bound without the ranking as a whole being uncertain
        statuses += [STATUSES[index] for index in held.status if STATUSES[index] in ("restarted", "fallback")]
        if lost:
            statuses.append("not_converged")
            names = dict(zip(map(int, batch.columns(row)), batch.parameters(row), strict=True))
            notes.append(f"no minimum found with {', '.join(f'`{names[column]}`' for column in lost[:5])} held")
    if not known[batch.poi]:
        notes.append("the parameter of interest is at its bound, so that impacts can only point one way")
    return Ranking(
        name,
        worst(statuses),
        "; ".join(filter(None, notes)),
        mu_hat=mu_hat,
        mu_uncertainty=float(deviation[batch.poi]) if known[batch.poi] else None,
        impacts=tuple(sorted(impacts.values(), key=lambda impact: (-impact.size(), impact.parameter))),
        edm=float(free.fit.edm[row]),
        iterations=int(free.fit.iterations[row] + (held.iterations.sum() if held else 0)),
    )


def _widths(free: Free, row: int) -> Floats:
    """Pre-fit standard deviations [P] from the constraints; zero without one."""
    rows = free.batch.rows
    strength = np.asarray(rows.precision[row]) + np.asarray(rows.factor[row])
    return np.where(strength > 0, 1.0 / np.sqrt(np.where(strength > 0, strength, 1.0)), 0.0)


def _nuisance(free: Free, row: int) -> dict[int, str]:
    """Columns and names of the free parameters besides that of interest."""
    batch = free.batch
    named = zip(map(int, batch.columns(row)), batch.parameters(row), strict=True)
    return {column: name for column, name in named if column != batch.poi and not batch.fixed[row, column]}


def _shifts(free: Free, row: int, deviation: Floats) -> tuple[list[tuple[int, str]], Floats]:
    """Which column is held for which kind of shift, and at what value."""
    batch, best, width = free.batch, free.fit.theta[row], _widths(free, row)
    places: list[tuple[int, str]] = []
    values: list[float] = []
    for column in _nuisance(free, row):
        for kind in _SHIFTS:
            size = width[column] if kind.startswith("pre") else deviation[column]
            if size > 0:
                places.append((column, kind))
                at = best[column] + (size if kind.endswith("up") else -size)
                values.append(float(np.clip(at, batch.lower[row, column], batch.upper[row, column])))
    return places, np.array(values)


def _impacts(free: Free, row: int, deviation: Floats) -> dict[int, Impact]:
    best, width, centre = free.fit.theta[row], _widths(free, row), np.asarray(free.batch.rows.centre[row])
    found = {}
    for column, name in _nuisance(free, row).items():
        known, constrained = bool(deviation[column] > 0), bool(width[column] > 0)
        found[column] = Impact(
            name,
            float(best[column]),
            float(deviation[column]) if known else None,
            pull=float((best[column] - centre[column]) / width[column]) if constrained else None,
            constraint=float(deviation[column] / width[column]) if known and constrained else None,
        )
    return found


def _fill(impacts: dict[int, Impact], places: list[tuple[int, str]], held: Held, mu_hat: float, poi: int) -> list[int]:
    """Enter the shifts of the parameter of interest; return the columns of those without a minimum."""
    lost: list[int] = []
    moved: npt.NDArray[np.float64] = held.theta[:, poi] - mu_hat
    for place, (column, kind) in enumerate(places):
        if STATUSES[held.status[place]] in USABLE:
            shift: dict[str, Any] = {kind: float(moved[place])}
            impacts[column] = replace(impacts[column], **shift)
        elif column not in lost:
            lost.append(column)
    return lost
