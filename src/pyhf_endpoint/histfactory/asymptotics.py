"""Asymptotic CLs from test statistics (Cowan, Cranmer, Gross, Vitells: arXiv:1007.1727)."""

import math

import numpy as np

from pyhf_endpoint.histfactory.arrays import Floats

__all__ = ["N_SIGMA", "cls_values", "log_upper_tail"]

N_SIGMA = (2.0, 1.0, 0.0, -1.0, -2.0)
"""Shifts of the expected test statistic, in the order in which pyhf lists its band: strongest exclusion first."""


_INSENSITIVE = 1e-12  # below this Asimov value both hypotheses are the same; it is rounding, as is what is observed: CLs is 1


def log_upper_tail(x: Floats) -> Floats:
    """log(1 - Phi(x)) of the standard normal distribution, accurate in both tails."""

    def one(value: float) -> float:
        if value < 30:
            return math.log(0.5 * math.erfc(value / math.sqrt(2)))
        # Beyond, erfc nears the smallest double: asymptotic expansion (Abramowitz & Stegun 26.2.12), exact to 1e-8 here
        square = value * value
        return -0.5 * square - math.log(value * math.sqrt(2 * math.pi)) + math.log1p(-1 / square + 3 / square**2 - 15 / square**3)

    return np.array([one(value) if math.isfinite(value) else -math.inf for value in x.ravel()]).reshape(x.shape)


def cls_values(q: Floats, q_asimov: Floats, test_stat: str) -> tuple[Floats, Floats]:
    """CLs, observed [H] and expected [H, 5] in the order of `N_SIGMA`.

    Args:
        q: [H] observed test statistics.
        q_asimov: [H] test statistics on Asimov data.
        test_stat: `q` or `qtilde`; they differ in how an observed value above the Asimov value counts (eq. 62 to 66).
    """
    sensitive = q_asimov > _INSENSITIVE
    root, root_asimov = np.sqrt(q), np.where(sensitive, np.sqrt(q_asimov), 0.0)
    statistic = np.where(sensitive, root - root_asimov, 0.0)
    if test_stat == "qtilde":
        beyond = (q - q_asimov) / (2 * np.where(sensitive, root_asimov, 1.0))
        statistic = np.where(sensitive & (root > root_asimov), beyond, statistic)
    shifts = np.array(N_SIGMA)[None, :]
    return _ratio(statistic, root_asimov), _ratio(np.broadcast_to(shifts, (len(q), 5)), root_asimov[:, None])


def _ratio(statistic: Floats, shift: Floats) -> Floats:
    """CLs+b over CLb; both tails beyond reach give 0."""
    above, below = log_upper_tail(np.asarray(statistic + shift)), log_upper_tail(np.asarray(statistic))
    reachable = np.isfinite(below)
    return np.where(reachable, np.exp(np.where(reachable, above, 0.0) - np.where(reachable, below, 0.0)), 0.0)
