"""The records of a results file: the header, and one type of record for each kind of inference."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "FORMAT_VERSION",
    "RECORDS",
    "UNFINISHED",
    "Band",
    "FitResult",
    "Header",
    "HypotestResult",
    "Impact",
    "Key",
    "Kind",
    "OpenBand",
    "RankingResult",
    "Result",
    "ScanResult",
    "SignificanceResult",
    "Status",
    "UpperLimitResult",
]

FORMAT_VERSION: Literal[1] = 1
Status: TypeAlias = Literal["converged", "at_boundary", "restarted", "fallback", "not_converged", "failed"]
Kind: TypeAlias = Literal["hypotest", "upper-limit", "fit", "significance", "scan", "ranking"]
#: The statuses that make a run exit with code 1: no usable number came out.
UNFINISHED: frozenset[str] = frozenset({"not_converged", "failed"})
#: Values at -2, -1, 0, 1, 2 standard deviations of the background-only test statistic, in the order of `pyhf cls`.
Band: TypeAlias = tuple[float, float, float, float, float]
#: The same, each of which may not exist.
OpenBand: TypeAlias = tuple[float | None, float | None, float | None, float | None, float | None]
#: What a run computes once: the hypothesis, and where on it (a tested value, a scanned parameter; None where there is one).
Key: TypeAlias = tuple[str, float | str | None]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Header(_Frozen):
    """What a results file was computed from; `--resume` refuses a file in which any of it but `site` and `created` differs.

    Attributes:
        format_version: Version of this file format.
        kind: The inference; says which type of record follows (`RECORDS`).
        workspace_digest: SHA-256 of the workspace as `pyhf.utils.digest` computes it.
        patchset_digest: SHA-256 of the patch set's canonical JSON; None for a single workspace.
        labels: The patch set's labels, one for each entry of a record's `values`.
        settings: The settings of the inference.
        versions: Versions of what computed the numbers.
        site: Name of the site at which the run began.
        created: Time of the first record, ISO 8601 in UTC.
    """

    format: Literal["pyhf-endpoint results"] = "pyhf-endpoint results"
    format_version: Literal[1] = FORMAT_VERSION
    kind: Kind = "hypotest"
    workspace_digest: str
    patchset_digest: str | None
    labels: tuple[str, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    site: str
    created: str


class Result(_Frozen):
    """What every record has.

    Attributes:
        name: Name of the patch, or of the measurement for a single workspace.
        values: The patch's values, in the order of the patch set's labels.
        status: `converged`, `at_boundary`, `restarted`, `fallback`, `not_converged` or `failed`: the worst of the record's fits.
        message: Why the status is not `converged`; empty otherwise.
        edm: Largest estimated distance to the minimum among the record's fits, in units of log L; None from pyhf.
        iterations: Iterations of all its fits; None from pyhf.
        wall_s: Seconds that the worker spent on this record.
        worker: `host:pid` of the worker.
    """

    name: str
    values: tuple[float | str, ...]
    status: Status
    message: str = ""
    edm: float | None = None
    iterations: int | None = None
    wall_s: float = Field(ge=0)
    worker: str

    @property
    def point(self) -> float | str | None:
        """Where on the hypothesis the record was taken; None where there is only one place."""
        return None

    @property
    def key(self) -> Key:
        """What a run computes once."""
        return self.name, self.point


class HypotestResult(Result):
    """CLs of one hypothesis at one value of the parameter of interest.

    Attributes:
        poi_test: Tested value of the parameter of interest.
        CLs_obs: Observed CLs; None when blind or without a usable fit.
        CLs_exp: Expected CLs; None without a usable fit.
        mu_hat: Best-fit parameter of interest; None when blind or without a usable fit.
        twice_nll_free: -2 log L of the free fit to the data, constants included, as pyhf's `twice_nll`.
        twice_nll_fixed: The same with the parameter of interest at `poi_test`.
        twice_nll_background: The same at zero: the fit behind the Asimov data.
        q_asimov: Test statistic on the background-only Asimov data: -2 log of the likelihood at `poi_test` over that at the
            parameters which made the data.
    """

    poi_test: float
    CLs_obs: float | None = None
    CLs_exp: Band | None = None
    mu_hat: float | None = None
    twice_nll_free: float | None = None
    twice_nll_fixed: float | None = None
    twice_nll_background: float | None = None
    q_asimov: float | None = None

    @property
    def point(self) -> float:
        """The tested value."""
        return self.poi_test


class UpperLimitResult(Result):
    """Upper limit on the parameter of interest: where CLs falls to 1 - confidence level.

    Attributes:
        limit_obs: Observed upper limit; None when blind or without a usable fit.
        limit_exp: Expected upper limits.
    """

    limit_obs: float | None = None
    limit_exp: OpenBand | None = None


class FitResult(Result):
    """Best fit of all parameters to the data.

    Attributes:
        parameters: Names, as pyhf's `par_names`.
        best_fit: Values, in the order of `parameters`.
        uncertainties: Standard deviations from the inverse Hessian; None for what is fixed or at a bound.
        correlations: Correlation matrix, rows and columns in the order of `parameters`; None unless asked for.
        twice_nll: -2 log L at the best fit, constants included.
    """

    parameters: tuple[str, ...] = ()
    best_fit: tuple[float, ...] = ()
    uncertainties: tuple[float | None, ...] = ()
    correlations: tuple[tuple[float | None, ...], ...] | None = None
    twice_nll: float | None = None


class SignificanceResult(Result):
    """Discovery significance: the test of a parameter of interest of zero.

    Attributes:
        p0_obs: Observed p-value of the background-only hypothesis; None when blind or without a usable fit.
        z_obs: The same in standard deviations.
        p0_exp: Expected p-value for a parameter of interest of one.
        z_exp: The same in standard deviations.
        mu_hat: Best-fit parameter of interest; None when blind.
    """

    p0_obs: float | None = None
    z_obs: float | None = None
    p0_exp: float | None = None
    z_exp: float | None = None
    mu_hat: float | None = None


class ScanResult(Result):
    """Profile likelihood along one parameter.

    Attributes:
        parameter: The scanned parameter, as in pyhf's `par_names`.
        grid: Its values.
        twice_delta_nll: -2 log of the profile likelihood ratio at each value; None where the fit did not converge.
        best_fit: The parameter's best-fit value.
    """

    parameter: str
    grid: tuple[float, ...] = ()
    twice_delta_nll: tuple[float | None, ...] = ()
    best_fit: float | None = None

    @property
    def point(self) -> str:
        """The scanned parameter."""
        return self.parameter


class Impact(_Frozen):
    """What one nuisance parameter does to the parameter of interest.

    Attributes:
        parameter: Name, as in pyhf's `par_names`.
        best_fit: Best-fit value.
        uncertainty: Its post-fit standard deviation.
        pull: (best fit - constraint's centre) / constraint's width; None for an unconstrained parameter.
        constraint: Post-fit over pre-fit standard deviation; None for an unconstrained parameter.
        pre_up: Shift of the parameter of interest with this one held up by a pre-fit standard deviation, if it has one.
        pre_down: The same, down.
        post_up: The same with one post-fit standard deviation up.
        post_down: The same, down.
    """

    parameter: str
    best_fit: float
    uncertainty: float | None = None
    pull: float | None = None
    constraint: float | None = None
    pre_up: float | None = None
    pre_down: float | None = None
    post_up: float | None = None
    post_down: float | None = None


class RankingResult(Result):
    """Impacts of all nuisance parameters on the parameter of interest, the largest first.

    Attributes:
        mu_hat: Best-fit parameter of interest.
        mu_uncertainty: Its standard deviation.
        impacts: One for each free nuisance parameter.
    """

    mu_hat: float | None = None
    mu_uncertainty: float | None = None
    impacts: tuple[Impact, ...] = ()


#: The type of a file's records, by its header's kind.
RECORDS: Mapping[str, type[Result]] = {
    "hypotest": HypotestResult,
    "upper-limit": UpperLimitResult,
    "fit": FitResult,
    "significance": SignificanceResult,
    "scan": ScanResult,
    "ranking": RankingResult,
}
