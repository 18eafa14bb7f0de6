"""Discovery significance: the test of the background-only hypothesis with q0 (arXiv:1007.1727, eq. 12, 47 and 52)."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.compile import Patch
from pyhf_endpoint.histfactory.describe import describe_all
from pyhf_endpoint.histfactory.driver import Setup, each_hypothesis
from pyhf_endpoint.histfactory.fits import Fit, Fitter, Job
from pyhf_endpoint.histfactory.infer import outside_bounds, untestable
from pyhf_endpoint.histfactory.profile import Profile
from pyhf_endpoint.histfactory.result import STATUSES, worst

__all__ = ["Significance", "significance"]

_SIGNAL = 1.0  # value of the parameter of interest behind the expected significance, as in pyhf


@dataclass(frozen=True)
class Significance:
    """Significance of one hypothesis' signal; None where it was not or could not be computed."""

    name: str
    status: str
    message: str
    z_obs: float | None = None
    """Square root of q0: standard deviations."""
    p0_obs: float | None = None
    z_exp: float | None = None
    """The same on Asimov data made with the parameter of interest at 1."""
    p0_exp: float | None = None
    mu_hat: float | None = None
    edm: float | None = None
    iterations: int = 0


def significance(
    workspace: Mapping[str, Any], patches: Iterable[Patch], setup: Setup | None = None, *, blind: bool = False
) -> list[Significance]:
    """Find the significance of every hypothesis' signal, as `pyhf.infer.hypotest(0.0, ..., test_stat="q0")` does one by one.

    Args:
        workspace: A HistFactory workspace.
        patches: Name and JSON patch of each hypothesis.
        setup: How to read them.
        blind: Compute the expected significance only; the observed data enter nothing but the fit behind the Asimov data.

    Returns:
        One result a patch; one that cannot be computed has the status `failed`.

    Raises:
        InputError: The workspace or an option cannot be used.
    """
    given = setup or Setup()

    def impossible(batch: Batch, row: int) -> str:
        return untestable(batch, row) or outside_bounds(batch, row, _SIGNAL, "the expected significance")

    def failed(name: str, message: str) -> Significance:
        return Significance(name, "failed", message)

    def compute(batch: Batch) -> list[Significance]:
        return _Discovery(batch, given, blind=blind).results()

    return each_hypothesis(workspace, patches, given, compute=compute, failed=failed, impossible=impossible)


class _Discovery:
    """All fits of one batch."""

    def __init__(self, batch: Batch, setup: Setup, *, blind: bool) -> None:
        self.profile = Profile(batch, setup.seed, setup.xp)
        fitter = self.profile.fitter
        signal = self.profile.null_fit(_SIGNAL)
        asimov = self.profile.asimov_model(signal)
        # The free fit of Asimov data is exact: the saturated likelihood is zero where the data were made
        self.expected = _fit(fitter, Job(asimov, fitter.rows, fitter.at_poi(signal.theta, 0.0), self.profile.held))
        self.fits = [(f"fit at {_SIGNAL:g}", signal), ("Asimov fit at 0", self.expected)]
        self.null = self.free = None
        if not blind:
            self.null = self.profile.null_fit()
            self.free = _fit(fitter, Job(self.profile.model, fitter.rows, self.null.theta, batch.fixed))
            for other in (self.null, signal):
                self.profile.keep_lower(self.free, other)
            self.fits = [("background-only fit", self.null), ("free fit", self.free), *self.fits]

    def results(self) -> list[Significance]:
        return [self._result(row) for row in range(len(self.profile.batch.names))]

    def _result(self, row: int) -> Significance:
        name = self.profile.batch.names[row]
        status = worst([STATUSES[fit.status[row]] for _, fit in self.fits])
        message = describe_all(self.profile.fitter, self.fits, row)
        if status == "failed":
            return Significance(name, status, f"patch `{name}`: {message}")
        z_exp = math.sqrt(max(0.0, 2 * float(self.expected.nll[row])))
        z_obs = mu_hat = None
        if self.null is not None and self.free is not None:
            mu_hat = float(self.free.theta[row, self.profile.batch.poi])
            q0 = 2 * float(self.null.nll[row] - self.free.nll[row]) if mu_hat > 0 else 0.0
            z_obs = math.sqrt(max(0.0, q0))
        return Significance(
            name,
            status,
            message,
            z_obs=z_obs,
            p0_obs=None if z_obs is None else _upper_tail(z_obs),
            z_exp=z_exp,
            p0_exp=_upper_tail(z_exp),
            mu_hat=mu_hat,
            edm=float(max(fit.edm[row] for _, fit in self.fits)),
            iterations=int(sum(fit.iterations[row] for _, fit in self.fits)),
        )


def _fit(fitter: Fitter, job: Job) -> Fit:
    """Fit all rows from the job's start and from the initial values, and keep the lower minimum."""
    batch = fitter.batch
    other = np.where(job.fixed, job.start, batch.init)
    second = Job(job.model, fitter.rows, other, job.fixed, job.tolerance)
    first, found = fitter.run([job, second])
    fit = fitter.begin(job, first, [other])
    fitter.absorb(fit, second, found)
    return fit


def _upper_tail(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2))
