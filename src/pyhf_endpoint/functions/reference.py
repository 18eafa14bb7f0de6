"""The reference engine: pyhf itself, NumPy backend, asymptotic calculator, one hypothesis after the other."""

import logging
import math
import warnings
from typing import Any

from pyhf_endpoint.errors import FitError, InputError, MissingExtraError, UsageError
from pyhf_endpoint.functions.settings import HypotestSettings
from pyhf_endpoint.inputs.check import check_workspace

__all__ = ["Reference"]

Json = dict[str, Any]
# The interpolation codes of the published ATLAS likelihoods, and of `pyhf cls`.
_INTERPCODES = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}


class Reference:
    """One hypothesis, ready to be tested at any value of the parameter of interest.

    Args:
        workspace: A HistFactory workspace.
        patch: RFC 6902 operations on it.
        settings: What to compute.

    Raises:
        FitError: The patch does not apply, or pyhf refuses what comes out.
        MissingExtraError: pyhf is not installed.
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
            self._model = spec.model(measurement_name=settings.measurement, modifier_settings=_INTERPCODES, validate=False)
            self._data = spec.data(self._model)
        except Exception as error:  # whatever pyhf raises belongs to this one hypothesis
            raise FitError(f"pyhf refuses the patched workspace: {_describe(error)}") from error
        if self._model.config.poi_index is None:
            raise FitError("the measurement names no parameter of interest (its `poi` is empty); name one")

    def hypotest(self, poi_test: float) -> Json:
        """Return `CLs_obs`, `CLs_exp`, `status` and `message` at one value; a fit that breaks gives the status `failed`."""
        with warnings.catch_warnings():
            # SLSQP probes points outside the domain; NumPy's warnings about them say nothing about the minimum.
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                observed, expected = (self._blind if self._settings.blind else self._full)(poi_test)
            except Exception as error:  # one fit that breaks must not stop the others
                return {"CLs_obs": None, "CLs_exp": None, "status": "failed", "message": _describe(error)}
        if not all(map(math.isfinite, [*expected, *([] if observed is None else [observed])])):
            message = f"pyhf gave no finite CLs (observed {observed}, expected {expected})"
            return {"CLs_obs": None, "CLs_exp": None, "status": "not_converged", "message": message}
        return {"CLs_obs": observed, "CLs_exp": expected, "status": "converged", "message": ""}

    def _full(self, poi_test: float) -> tuple[float | None, list[float]]:
        observed, expected = self._pyhf.infer.hypotest(
            poi_test, self._data, self._model, test_stat=self._settings.test_stat, return_expected_set=True
        )
        return float(observed), [float(value) for value in expected]

    def _blind(self, poi_test: float) -> tuple[float | None, list[float]]:
        """Expected values alone: the data enter the background-only fit behind the Asimov data set, and nothing else."""
        infer, model, config = self._pyhf.infer, self._model, self._model.config
        fit = (config.suggested_init(), config.suggested_bounds(), config.suggested_fixed())
        asimov = infer.calculators.generate_asimov_data(0.0, self._data, model, *fit)
        statistic = infer.utils.get_test_stat(self._settings.test_stat)(poi_test, asimov, model, *fit)
        calculator = infer.calculators.AsymptoticCalculator(asimov, model, test_stat=self._settings.test_stat)
        calculator.sqrtqmuA_v = statistic**0.5
        _, _, expected = calculator.expected_pvalues(*calculator.distributions(poi_test))
        return None, [float(value) for value in expected]


def _describe(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__
