"""Results files of upper limits, scans and rankings whose numbers are known in closed form."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyhf_endpoint.results import Header, Impact, Kind, RankingResult, Result, ResultsFile, ScanResult, Status, UpperLimitResult
from tests.plot.grids import MASSES


def file_of(kind: Kind, results: Sequence[Result], settings: dict[str, Any] | None = None) -> ResultsFile:
    header = Header(
        kind=kind,
        workspace_digest="0" * 64,
        patchset_digest="1" * 64,
        labels=("m_C1N2", "m_N1"),
        settings=settings or {},
        versions={},
        site="here",
        created="2024-01-01T00:00:00Z",
    )
    return ResultsFile(header=header, results=tuple(results))


def limit(m1: float, m2: float) -> float:
    """The median expected limit: 1 at m1 = 700, tenfold each 500."""
    return float(10 ** ((m1 - 700) / 500 + m2 / 5000))


def limits(
    masses: Sequence[tuple[float, float]] = MASSES, *, bound: float = np.inf, blind: bool = False, failed: Sequence[int] = ()
) -> ResultsFile:
    """Upper limits, the expected ones factors of 2 apart, the observed one 1.5 times the median; None above the bound."""
    records = []
    for index, (m1, m2) in enumerate(masses):
        numbers = [limit(m1, m2) * factor for factor in (1 / 4, 1 / 2, 1, 2, 4, 1.5)]
        known = [number if number <= bound else None for number in numbers]
        status: Status = "failed" if index in failed else "at_boundary" if None in known else "converged"
        usable = status != "failed"
        records.append(
            UpperLimitResult(
                name=f"signal_{m1:g}_{m2:g}",
                values=(m1, m2),
                status=status,
                wall_s=0.1,
                worker="node:1",
                limit_obs=known[5] if usable and not blind else None,
                limit_exp=(known[0], known[1], known[2], known[3], known[4]) if usable else None,
            )
        )
    return file_of("upper-limit", records, {"blind": blind, "level": 0.05})


def parabola(
    *,
    best: float = 0.4,
    width: float = 0.5,
    grid: Sequence[float] = tuple(np.linspace(-1, 2, 13)),
    missing: Sequence[int] = (),
    name: str = "signal",
    parameter: str = "mu",
    status: Status = "converged",
) -> ScanResult:
    """A scan of a Gaussian likelihood; None at the indices `missing`."""
    rise = tuple(None if i in missing else ((x - best) / width) ** 2 for i, x in enumerate(grid))
    return ScanResult(
        name=name,
        values=(500.0, 100.0),
        status=status,
        message="no minimum found" if status == "failed" else "",
        wall_s=0.1,
        worker="node:1",
        parameter=parameter,
        grid=tuple(map(float, grid)),
        twice_delta_nll=rise,
        best_fit=best,
    )


def impact(index: int, *, free: bool = False, name: str | None = None, **changes: Any) -> Impact:
    """The impact of the parameter of this index: 1 / (1 + index) up after the fit, a little less down, a tenth more before."""
    size = 1 / (1 + index)
    numbers: dict[str, Any] = {
        "parameter": name or f"theta_{index}",
        "best_fit": 1.194 if free else 0.3,
        "uncertainty": 0.763 if free else 0.8,
        "pull": None if free else 0.3,
        "constraint": None if free else 0.8,
        "pre_up": None if free else 1.1 * size,
        "pre_down": None if free else -1.1 * size,
        "post_up": size,
        "post_down": -0.9 * size,
    }
    return Impact(**{**numbers, **changes})


def ranked(impacts: Sequence[Impact], *, name: str = "signal", status: Status = "converged") -> RankingResult:
    return RankingResult(
        name=name,
        values=(500.0, 100.0),
        status=status,
        wall_s=0.1,
        worker="node:1",
        mu_hat=0.1926,
        mu_uncertainty=0.1659,
        impacts=tuple(impacts),
    )


def ranking_file(impacts: Sequence[Impact]) -> ResultsFile:
    return file_of("ranking", [ranked(impacts)])
