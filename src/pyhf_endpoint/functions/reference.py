"""The reference engines: pyhf itself, asymptotic calculator, one hypothesis after the other."""

import logging
import math
import warnings
from collections.abc import Sequence
from typing import Any

from pyhf_endpoint.errors import FitError, InputError, MissingExtraError, UsageError
from pyhf_endpoint.functions import limit
from pyhf_endpoint.functions.settings import HypotestSettings
from pyhf_endpoint.inputs.check import check_workspace

__all__ = ["Reference", "hypotest"]

Json = dict[str, Any]
_TIGHT = 1e-12
_COARSE = 1e-6  # rounding of log-likelihoods that shows in CLs


def hypotest(workspace: Json, patches: Sequence[Json], settings: HypotestSettings) -> list[list[Json]]:
    """Return one outcome per patch and, within it, per tested value; what breaks has the status `failed` and says why.

    Raises:
        MissingExtraError: pyhf is not installed.
    """
    return [_row(workspace, patch["patch"], settings) for patch in patches]


def _row(workspace: Json, patch: list[Json], settings: HypotestSettings) -> list[Json]:
    try:
        reference = Reference(workspace, patch, settings)
    except FitError as error:
        return [_failed(str(error))] * len(settings.poi_test)
    return [reference.hypotest(poi_test) for poi_test in settings.poi_test]


class Reference:
    """One hypothesis, ready to be tested at any value of the parameter of interest.

    Args:
        workspace: A HistFactory workspace.
        patch: RFC 6902 operations on it.
        settings: What to compute.

    Raises:
        FitError: The patch does not apply, or pyhf refuses what comes out.
        MissingExtraError: pyhf, or JAX where the engine needs it, is not installed.
    """

    def __init__(self, workspace: Json, patch: list[Json], settings: HypotestSettings) -> None:
        try:
            import jsonpatch
            import pyhf
        except ImportError as error:
            raise MissingExtraError("pyhf", "the engine `pyhf`") from error
        # Without a handler Python prints pyhf's account of a failed fit on standard error; here it becomes the record's message.
        logging.getLogger("pyhf").addHandler(logging.NullHandler())
        self._pyhf = pyhf
        self._settings = settings
        if settings.engine == "pyhf-jax":
            _use_jax(pyhf)
        else:
            pyhf.set_backend("numpy", "scipy", precision="64b")
        try:
            patched = jsonpatch.apply_patch(workspace, patch)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
            raise FitError(f"the patch does not apply to the workspace: {_describe(error)}") from error
        try:
            check_workspace(patched, "the patched workspace", measurement=settings.measurement, complete=True, from_file=True)
        except (InputError, UsageError) as error:
            raise FitError(str(error)) from error
        try:
            # Validated above by the same schema, compiled; pyhf's own check takes a second for a large workspace.
            spec = pyhf.Workspace(patched, validate=False)
            codes = {"normsys": {"interpcode": settings.normsys}, "histosys": {"interpcode": settings.histosys}}
            self._model = spec.model(measurement_name=settings.measurement, modifier_settings=codes, validate=False)
            self._data = spec.data(self._model)
        except Exception as error:  # whatever pyhf raises belongs to this one hypothesis
            if limit.strikes(error):
                raise
            raise FitError(f"pyhf refuses the patched workspace: {_describe(error)}") from error
        if self._model.config.poi_index is None:
            raise FitError("the measurement names no parameter of interest (its `poi` is empty); name one")

    def hypotest(self, poi_test: float) -> Json:
        """Return the outcome at one value: CLs, status, message, and the minima of the fits to data."""
        with warnings.catch_warnings():
            # SLSQP probes points outside the domain; NumPy's warnings about them say nothing about the minimum.
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                outcome = (self._blind if self._settings.blind else self._full)(poi_test)
            except Exception as error:  # one fit that breaks must not stop the others
                if limit.strikes(error):
                    raise
                return _failed(_describe(error))
        numbers = [value for value in (outcome["CLs_obs"], *outcome["CLs_exp"]) if value is not None]
        if not all(map(math.isfinite, numbers)):
            message = f"pyhf gave no finite CLs (observed {outcome['CLs_obs']}, expected {outcome['CLs_exp']})"
            return _failed(message) | {"status": "not_converged"}
        return outcome | {"status": "converged", "message": self._rounding()}

    def _rounding(self) -> str:
        """Say so where pyhf's likelihood, a sum of terms like n log n, is too coarse for CLs."""
        largest = max(map(float, self._data), default=0.0)
        coarse = math.ulp(largest * math.log(largest)) if largest > 1 else 0.0
        if coarse < _COARSE:
            return ""
        return (
            f"pyhf rounds its log-likelihood to {coarse:.0e}, as there are (auxiliary) counts of {largest:.1e}, and CLs with it"
        )

    def _full(self, poi_test: float) -> Json:
        observed, expected, calculator = self._pyhf.infer.hypotest(
            poi_test,
            self._data,
            self._model,
            test_stat=self._settings.test_stat,
            return_expected_set=True,
            return_calculator=True,
        )
        fits = calculator.fitted_pars
        asimov = self._model.expected_data(fits.asimov_pars)
        return {
            "CLs_obs": float(observed),
            "CLs_exp": [float(value) for value in expected],
            "mu_hat": float(fits.free_fit_to_data[self._model.config.poi_index]),
            "twice_nll_free": self._twice_nll(fits.free_fit_to_data, self._data),
            "twice_nll_fixed": self._twice_nll(fits.fixed_poi_fit_to_data, self._data),
            "twice_nll_background": self._twice_nll(fits.asimov_pars, self._data),
            # pyhf fits the Asimov data with the parameter of interest free, too, and may miss the minimum, which is known.
            "q_asimov": self._twice_nll(fits.fixed_poi_fit_to_asimov, asimov) - self._twice_nll(fits.asimov_pars, asimov),
        }

    def _twice_nll(self, parameters: Any, data: Any) -> float:
        return float(self._pyhf.infer.mle.twice_nll(parameters, data, self._model)[0])

    def _blind(self, poi_test: float) -> Json:
        """Expected values alone: the data enter the background-only fit behind the Asimov data set, and nothing else."""
        infer, model, config = self._pyhf.infer, self._model, self._model.config
        fit = (config.suggested_init(), config.suggested_bounds(), config.suggested_fixed())
        asimov = infer.calculators.generate_asimov_data(0.0, self._data, model, *fit)
        statistic = infer.utils.get_test_stat(self._settings.test_stat)(poi_test, asimov, model, *fit)
        calculator = infer.calculators.AsymptoticCalculator(asimov, model, test_stat=self._settings.test_stat)
        calculator.sqrtqmuA_v = statistic**0.5
        _, _, expected = calculator.expected_pvalues(*calculator.distributions(poi_test))
        return {"CLs_obs": None, "CLs_exp": [float(value) for value in expected]}


def _use_jax(pyhf: Any) -> None:
    try:
        # pyhf's own tolerance leaves a likelihood 1e-7 above its minimum, which shows in the fifth digit of CLs.
        pyhf.set_backend("jax", pyhf.optimize.scipy_optimizer(tolerance=_TIGHT), precision="64b")
    except pyhf.exceptions.ImportBackendError as error:
        raise MissingExtraError("jax", "the engine `pyhf-jax`") from error


def _failed(message: str) -> Json:
    return {"status": "failed", "message": message}


def _describe(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__
