"""pyhf as it is installed, run on the same workspaces: the reference that the project's numbers are held against."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyhf

__all__ = ["Outcome", "Reference", "backend", "tight_hypotest", "tight_optimizer"]

Json = Mapping[str, Any]
Codes = Mapping[str, str]


@contextmanager
def backend(name: str, optimizer: Any = None) -> Iterator[None]:
    """Switch pyhf to a tensor library (and a minimiser), and back to what it was."""
    before = pyhf.get_backend()
    pyhf.set_backend(name, optimizer)
    try:
        yield
    finally:
        pyhf.set_backend(*before)


@dataclass(frozen=True)
class Reference:
    """pyhf's model of a workspace, with its data; schemas are not checked here, which would take nine tenths of the time."""

    model: Any
    data: list[float]

    @classmethod
    def of(cls, workspace: Json, measurement: str | None, codes: Codes) -> "Reference":
        """Build the model under one measurement (None: the first) with the given interpolation code of each modifier type."""
        settings = {kind: {"interpcode": code} for kind, code in codes.items()}
        spec = pyhf.Workspace(workspace, validate=False)
        model = spec.model(measurement_name=measurement, modifier_settings=settings, validate=False)
        return cls(model, list(spec.data(model)))


@dataclass(frozen=True)
class Outcome:
    """pyhf's hypothesis test, with -2 log L at the points it took for minima."""

    cls_obs: float
    cls_exp: tuple[float, ...]
    twice_nll_free: float
    twice_nll_fixed: float
    twice_nll_background: float


def tight_hypotest(reference: Reference, poi_test: float, test_stat: str) -> Outcome:
    """Run pyhf's own test; to be called under `backend("jax", tight_optimizer())`, which has gradients."""
    model, data = reference.model, reference.data
    observed, expected, calculator = pyhf.infer.hypotest(
        poi_test, data, model, test_stat=test_stat, return_expected_set=True, return_calculator=True
    )
    fits = calculator.fitted_pars
    found = (fits.free_fit_to_data, fits.fixed_poi_fit_to_data, fits.asimov_pars)
    twice = [-2 * float(model.logpdf(values, pyhf.tensorlib.astensor(data))[0]) for values in found]
    return Outcome(float(observed), tuple(float(x) for x in expected), *twice)


def tight_optimizer() -> Any:
    """pyhf's SciPy minimiser at a tolerance that leaves its minima exact to about 1e-10."""
    return pyhf.optimize.scipy_optimizer(tolerance=1e-12, maxiter=10_000)
