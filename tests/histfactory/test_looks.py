"""Second looks: a flipped alpha finds the other minimum of a one-sided systematic, and costs nothing where there is none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pyhf_endpoint.histfactory import Model, compile_workspace, fallback
from pyhf_endpoint.histfactory.fits import FALLBACK, LOST, Fit, Fitter, Job
from pyhf_endpoint.histfactory.looks import flips, idle, mirrored
from pyhf_endpoint.histfactory.minimise import Known, Minimum, minimise, minimise_rows

Json = dict[str, Any]


def fitter(high: Sequence[float], low: Sequence[float], counts: Sequence[float]) -> Fitter:
    """One sample of 100 events a bin with one histosys."""
    shape = {"name": "a", "type": "histosys", "data": {"hi_data": list(high), "lo_data": list(low)}}
    spec: Json = {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": [{"name": "s", "data": [100.0] * len(high), "modifiers": [shape]}]}],
        "observations": [{"name": "SR", "data": list(counts)}],
        "measurements": [{"name": "m", "config": {"poi": "", "parameters": []}}],
    }
    (batch,) = compile_workspace(spec, [("x", [])])
    return Fitter(batch, Model(batch), 0)


def fitted(some: Fitter, at: float) -> Fit:
    start = np.full((1, 1), at)
    job = Job(some.model, some.rows, start, some.batch.fixed)
    return some.begin(job, some.run([job])[0])


def lowest(some: Fitter) -> float:
    around = np.linspace(-3, 3, 60001)
    return float(some.model.take(np.zeros(len(around), dtype=int)).nll(around[:, None]).min())


ONE_SIDED = fitter([130.0, 140.0], [126.0, 118.0], [128.0, 125.0])


def test_a_flip_leads_to_the_lower_minimum() -> None:
    lower, fit = sorted((fitted(ONE_SIDED, start) for start in (0.9, -0.9)), key=lambda fit: float(fit.nll[0]))
    assert lower.nll[0] == pytest.approx(lowest(ONE_SIDED), abs=1e-6)
    assert fit.nll[0] > lower.nll[0] + 0.01
    ((flipped, rows),) = flips(ONE_SIDED, fit, ONE_SIDED.rows)
    assert rows.tolist() == [0]
    assert flipped[0, 0] == -fit.theta[0, 0]
    (found,) = ONE_SIDED.run([Job(fit.model, rows, flipped, fit.fixed)])
    assert found.nll[0] == pytest.approx(lower.nll[0], abs=1e-8)
    assert found.theta[0] == pytest.approx(lower.theta[0], abs=1e-3)


def test_what_is_found_again_or_higher_is_given_up() -> None:
    higher, lower = sorted((fitted(ONE_SIDED, start) for start in (0.9, -0.9)), key=lambda fit: -float(fit.nll[0]))
    for known, start, arrives in ((lower, higher, False), (lower, lower, False), (higher, lower, True)):
        job = Job(known.model, ONE_SIDED.rows, start.theta + 0.05, known.fixed, known=known)
        (found,) = ONE_SIDED.run([job])
        assert found.converged[0] == arrives
        assert bool(ONE_SIDED.absorb(known, job, found).size) == arrives


@pytest.mark.parametrize("counts", [(120.0, 84.0), (95.0, 108.0), (100.0, 100.0)])
def test_a_symmetric_systematic_is_not_flipped(counts: tuple[float, float]) -> None:
    some = fitter([120.0, 85.0], [80.0, 115.0], counts)
    assert flips(some, fitted(some, 0.0), some.rows) == []


def test_a_mirror_image_keeps_what_is_fixed() -> None:
    fit = fitted(ONE_SIDED, 0.9)
    assert mirrored(ONE_SIDED, fit, ONE_SIDED.rows).tolist() == (-fit.theta).tolist()
    assert mirrored(ONE_SIDED, fit, ONE_SIDED.rows[:0]).tolist() == fit.theta.tolist()
    fit.fixed = np.ones_like(fit.fixed)
    assert mirrored(ONE_SIDED, fit, ONE_SIDED.rows).tolist() == fit.theta.tolist()


def test_rows_that_wait_for_their_turn_get_the_same_minimum() -> None:
    """More rows than are fitted side by side, of which some never begin and some need longer than others."""
    count = 200
    start = np.linspace(-4.9, 4.9, count)[:, None]
    start[::7] = np.nan
    model = ONE_SIDED.model.take(np.zeros(count, dtype=int))
    fixed = np.zeros((count, 1), dtype=bool)
    together = minimise(model, start, fixed)
    alone = [minimise(model.take(np.array([row])), start[row : row + 1], fixed[:1]) for row in range(count)]
    assert together.converged.tolist() == [bool(one.converged[0]) for one in alone]
    assert together.iterations.tolist() == [int(one.iterations[0]) for one in alone]
    assert not together.converged[::7].any()
    well = together.converged
    assert well.sum() > 0.8 * count
    assert together.nll[well] == pytest.approx(np.array([one.nll[0] for one in alone])[well], abs=1e-12)


def test_rows_without_a_known_minimum_run_to_the_end() -> None:
    fit = fitted(ONE_SIDED, 0.9)
    known = Known(np.array([np.inf]), fit.theta, np.ones((1, 1)))
    found = minimise_rows(fit.model.take, fit.theta + 0.05, fit.fixed, known=known)
    assert found.converged.all()
    assert found.nll == pytest.approx(fit.nll, abs=1e-8)


def product() -> tuple[Fitter, int, int]:
    """Two factors on one signal, `mu` of either sign and `k` not below zero, and fewer events than expected; their columns."""
    factors = [{"name": name, "type": "normfactor", "data": None} for name in ("mu", "k")]
    samples = [{"name": "bkg", "data": [50.0, 60.0], "modifiers": []}, {"name": "sig", "data": [5.0, 8.0], "modifiers": factors}]
    spec: Json = {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": [45.0, 52.0]}],
        "measurements": [
            {"name": "m", "config": {"poi": "mu", "parameters": [{"name": "mu", "inits": [0.5], "bounds": [[-5, 9]]}]}}
        ],
    }
    (batch,) = compile_workspace(spec, [("x", [])])
    assert batch.poi is not None
    (column,) = {0, 1} - {batch.poi}
    return Fitter(batch, Model(batch), 0), batch.poi, column


def standing(some: Fitter, theta: Sequence[float]) -> Fit:
    """A fit that claims to have found its minimum at `theta`."""
    at = np.array([theta])
    none = np.zeros(1)
    return Fit(some.model, some.batch.fixed, at, np.asarray(some.model.nll(at)), none, none.astype(int), none.astype(int))


def test_a_factor_that_another_one_at_zero_leaves_idle_begins_anew_with_the_other_sign() -> None:
    some, mu, k = product()
    saddle = standing(some, [8.0 if column == mu else 0.0 for column in range(2)])
    ((start, rows),) = idle(some, saddle)
    assert rows.tolist() == [0]
    assert (start[0, mu], start[0, k]) == (-0.5, 1.0)
    best = minimise(some.model, start, some.batch.fixed)
    assert best.converged.all()
    assert best.nll[0] == pytest.approx(0.0, abs=1e-8)
    assert saddle.nll[0] > 0.5
    assert idle(some, standing(some, [0.5, 0.5])) == []


@pytest.mark.parametrize("converges", [True, False])
def test_a_lower_point_costs_a_fit_its_minimum(monkeypatch: pytest.MonkeyPatch, converges: bool) -> None:
    """SciPy goes on from there; where that fails the row has no minimum, but the lower point."""
    some, mu, _ = product()
    fit = standing(some, [8.0 if column == mu else 0.0 for column in range(2)])
    point = np.array([[-0.7 if column == mu else 1.0 for column in range(2)]])
    found = Minimum(point, np.asarray(some.model.nll(point)), np.ones(1), np.ones(1, dtype=int), np.zeros(1, dtype=bool))
    if not converges:
        monkeypatch.setattr(fallback, "solve", lambda *_: (fit.theta[0], np.nan, np.inf, 5, False))
    assert some.pursue(fit, Job(some.model, some.rows, point, some.batch.fixed), found).tolist() == [0]
    assert fit.status[0] == (FALLBACK if converges else LOST)
    assert fit.nll[0] == pytest.approx(0.0 if converges else found.nll[0], abs=1e-8)
    assert some.pursue(fit, Job(some.model, some.rows, point, some.batch.fixed), found).tolist() == []
