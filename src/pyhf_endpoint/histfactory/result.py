"""Results of hypothesis tests: one frozen record for each hypothesis and tested value."""

from dataclasses import dataclass

__all__ = ["STATUSES", "USABLE", "HypotestResult", "worst"]

STATUSES = ("converged", "at_boundary", "restarted", "fallback", "not_converged", "failed")
"""From best to worst; a record's status is the worst of its fits.

`converged`: the estimated distance to the minimum is below tolerance (the parameter of interest may sit at its bound).
`at_boundary`: converged, with another parameter at one of its bounds.
`restarted`: converged, to a lower minimum (or at all) only from another starting point.
`fallback`: only SciPy's bounded minimiser found the minimum, for instance where an expected rate is zero.
`not_converged`: the best point found is no minimum; values are given but cannot be trusted.
`failed`: nothing could be computed.
"""

USABLE = frozenset(STATUSES[:4])
"""Statuses whose values can be used."""


def worst(statuses: "tuple[str, ...] | list[str]") -> str:
    """Return the worst of some statuses."""
    return max(statuses, key=STATUSES.index, default=STATUSES[0])


@dataclass(frozen=True)
class HypotestResult:
    """CLs of one hypothesis at one value of the parameter of interest (POI); None where it was not or could not be computed."""

    name: str
    poi_test: float
    status: str
    """One of `STATUSES`."""
    message: str
    """What kept the status from being `converged`; empty otherwise."""
    cls_obs: float | None = None
    cls_exp: tuple[float, float, float, float, float] | None = None
    """At -2, -1, 0, +1 and +2 sigma of the background-only test statistic, in the order of pyhf's `return_expected_set`."""
    mu_hat: float | None = None
    """Best-fit POI within its bounds."""
    q: float | None = None
    """Observed test statistic."""
    q_asimov: float | None = None
    """Test statistic on the background-only Asimov data."""
    twice_nll_free: float | None = None
    """-2 log L at the best fit, normalised like pyhf's `twice_nll`."""
    twice_nll_fixed: float | None = None
    """-2 log L with the POI fixed to `poi_test`."""
    twice_nll_background: float | None = None
    """-2 log L with the POI fixed to 0."""
    edm: float | None = None
    """Largest estimated distance to the minimum among the fits, in units of the negative log-likelihood."""
    iterations: int = 0
    """Sum over all fits, restarts included."""
