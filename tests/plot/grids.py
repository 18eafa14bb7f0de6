"""Results files whose CLs are known in closed form."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pyhf_endpoint.results import Header, HypotestResult, ResultsFile, Status

#: 125 points in 25 columns of 5: m1 from 200 to 1160, m2 from 0 to a share of m1.
MASSES = [(200.0 + 40 * i, j * (100.0 + 20 * i) / 4) for i in range(25) for j in range(5)]


def separation(m1: float, m2: float) -> float:
    """Expected significance of a signal: falls with the mass and towards the diagonal."""
    return max(0.0, float(6.5 * np.exp(-(((m1 - 200) / 620) ** 2)) - 3.0 * (m2 / 350) ** 2))


def expected_cls(a: float) -> tuple[float, float, float, float, float]:
    """Asymptotic expected CLs at -2 to 2 standard deviations for the Asimov test statistic a**2 (arXiv:1007.1727)."""
    low2, low1, median, high1, high2 = (float(ndtr(n - a) / ndtr(n)) for n in (-2.0, -1.0, 0.0, 1.0, 2.0))
    return low2, low1, median, high1, high2


def result(
    values: Sequence[float | str],
    a: float,
    *,
    shift: float = 0.3,
    poi_test: float = 1.0,
    blind: bool = False,
    status: Status = "converged",
    name: str | None = None,
) -> HypotestResult:
    """One record: Asimov significance `a`, data fluctuated by `shift` standard deviations."""
    failed = status in ("failed", "not_converged")
    return HypotestResult(
        name=name or "signal_" + "_".join(str(value) for value in values),
        values=tuple(values),
        poi_test=poi_test,
        CLs_obs=None if blind or failed else float(ndtr(shift - a) / ndtr(shift)),
        CLs_exp=None if failed else expected_cls(a),
        status=status,
        message="no minimum found" if failed else "",
        wall_s=0.1,
        worker="node:1",
    )


def results_file(results: Iterable[HypotestResult], labels: Sequence[str] = ("m_C1N2", "m_N1")) -> ResultsFile:
    header = Header(
        workspace_digest="0" * 64,
        patchset_digest="1" * 64,
        labels=tuple(labels),
        settings={},
        versions={},
        site="here",
        created="2024-01-01T00:00:00Z",
    )
    return ResultsFile(header=header, results=tuple(results))


def grid(
    field: Callable[[float, float], float] = separation,
    *,
    masses: Sequence[tuple[float, float]] = MASSES,
    failed: Sequence[int] = (),
    blind: bool = False,
    labels: Sequence[str] = ("m_C1N2", "m_N1"),
) -> ResultsFile:
    """The grid of masses with Asimov significance `field(m1, m2)`; the points with the indices `failed` have none."""
    return results_file(
        (
            result(point, field(*point), blind=blind, status="failed" if index in failed else "converged")
            for index, point in enumerate(masses)
        ),
        labels,
    )


def poi_scan(names: Sequence[str] = ("signal_500_100",), *, blind: bool = False, per_unit: float = 2.2) -> ResultsFile:
    """Hypotheses tested at 11 values of the parameter of interest from 0 to 2; the significance grows linearly with it."""
    return results_file(
        (
            result((500.0, 100.0), per_unit * mu / (index + 1), poi_test=float(mu), blind=blind, name=name)
            for index, name in enumerate(names)
            for mu in np.linspace(0, 2, 11)
        )
    )


def observed(file: ResultsFile) -> NDArray[np.float64]:
    """Observed CLs of a file that has all of them, shape (n,)."""
    return np.array([record.CLs_obs for record in file.hypotests()], dtype=np.float64)


def expected(file: ResultsFile) -> NDArray[np.float64]:
    """Expected CLs of a file that has all of them, shape (n, 5)."""
    return np.array([record.CLs_exp for record in file.hypotests()], dtype=np.float64)
