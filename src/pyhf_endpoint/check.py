"""Holds a results file against pyhf: some of its hypotheses, computed again with exact gradients and a tight tolerance."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pyhf_endpoint.client import Client, Signals, Workspace
from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.results import UNFINISHED, HypotestResult, ResultsFile, read

__all__ = ["Comparison", "Verdict", "check", "compare"]

Verdict: TypeAlias = Literal["agree", "ours is lower", "pyhf is lower", "differ", "ours failed", "pyhf failed", "pyhf rounds"]
_ENGINE = "pyhf-jax"
_MINIMA = ("twice_nll_free", "twice_nll_fixed", "twice_nll_background", "q_asimov")


@dataclass(frozen=True)
class Comparison:
    """One record beside pyhf's.

    Attributes:
        ours: The record of the file.
        theirs: What pyhf gives.
        verdict: `agree`; `ours is lower` or `pyhf is lower`, where a fit ended in different minima; `differ`, where the
            minima are the same and CLs are not; `ours failed` or `pyhf failed`; `pyhf rounds`,
            where they differ and its likelihood is too coarse to tell who is right.
        observed: Difference of the observed CLs, ours minus pyhf's; None where one is missing.
        expected: Largest difference of the expected CLs; None where one is missing.
        minima: Differences of the minima of -log L, ours minus pyhf's, negative where ours is lower: of the free fit, with the
            parameter of interest at the tested value, at zero, and of Asimov data at the tested value; None where one is missing.
    """

    ours: HypotestResult
    theirs: HypotestResult
    verdict: Verdict
    observed: float | None
    expected: float | None
    minima: tuple[float | None, ...]

    @property
    def is_fault(self) -> bool:
        """Whether the file's record is worse than pyhf's or contradicts it."""
        return self.verdict in ("pyhf is lower", "differ", "ours failed")


def check(
    path: Path | str,
    workspace: Workspace,
    patchset: "Signals | None" = None,
    *,
    sample: int = 5,
    seed: int = 0,
    tolerance: float = 1e-6,
    region: str | None = None,
    workers: int | None = None,
) -> Iterator[Comparison]:
    """Yield comparisons of some of a file's records, drawn at random, as pyhf finishes them.

    Args:
        path: A results file of the kind `hypotest`.
        workspace: The workspace that it was computed from.
        patchset: The patch set, if any.
        sample: Number of hypotheses; all if there are fewer.
        seed: Seed of the choice.
        tolerance: Largest difference of CLs, and of minima of the negative log-likelihood, that counts as none.
        region: Sub-folder to take, where a folder or archive holds several analyses.
        workers: Worker processes.

    Raises:
        ResultsError: The file is of another kind, empty, or was computed from something else.
        MissingExtraError: pyhf or JAX is not installed.
    """
    found = read(path)
    by_key = {result.key: result for result in found.hypotests()}
    if not by_key:
        raise ResultsError(f"{path} holds no record to check")
    names = sorted({result.name for result in by_key.values()})
    chosen = random.Random(seed).sample(names, min(sample, len(names)))  # noqa: S311 - a sample, not a secret
    settings = dict(found.header.settings)
    with Client("local", workers=workers) as client:
        own = {name: settings[name] for name in ("test_stat", "blind")} | {"engine": _ENGINE}
        own["poi_test"] = tuple(settings["poi_test"])
        run = client.run(
            "hypotest",
            workspace,
            patchset,
            own,
            {
                "patches": chosen if found.header.patchset_digest else None,
                "measurement": settings["measurement"],
                "normsys": settings["normsys"],
                "histosys": settings["histosys"],
                "region": region,
            },
        )
        _same_inputs(found, run.plan.header.workspace_digest, run.plan.header.patchset_digest, path)
        for theirs in run:
            if theirs.key in by_key and isinstance(theirs, HypotestResult):
                yield compare(by_key[theirs.key], theirs, tolerance)


def compare(ours: HypotestResult, theirs: HypotestResult, tolerance: float) -> Comparison:
    """Return what differs between two records of one hypothesis.

    Args:
        ours: The record of the file.
        theirs: pyhf's.
        tolerance: Largest difference of CLs, and of minima of the negative log-likelihood, that counts as none.
    """
    observed = _minus(ours.CLs_obs, theirs.CLs_obs)
    pairs = zip(ours.CLs_exp or (), theirs.CLs_exp or (), strict=False)
    expected = max((a - b for a, b in pairs), key=abs, default=None)
    minima = tuple(_half(_minus(getattr(ours, name), getattr(theirs, name))) for name in _MINIMA)
    known = [value for value in minima if value is not None]
    differences = [abs(value) for value in (observed, expected) if value is not None]
    verdict: Verdict = "agree"
    if ours.status in UNFINISHED:
        verdict = "ours failed"
    elif theirs.status in UNFINISHED:
        verdict = "pyhf failed"
    elif max(known, default=0.0) > tolerance:
        verdict = "pyhf is lower"
    elif min(known, default=0.0) < -tolerance:
        verdict = "ours is lower"
    elif max(differences, default=0.0) > tolerance:
        verdict = "differ"
    if verdict != "agree" and theirs.status == "converged" and theirs.message:
        verdict = "pyhf rounds"
    return Comparison(ours, theirs, verdict, observed, expected, minima)


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _half(value: float | None) -> float | None:
    return None if value is None else 0.5 * value


def _same_inputs(found: ResultsFile, workspace: str, patchset: str | None, path: Path | str) -> None:
    given: Mapping[str, Any] = {"workspace_digest": workspace, "patchset_digest": patchset}
    for name, digest in given.items():
        before = getattr(found.header, name)
        if before != digest:
            raise ResultsError(f"{path} was computed from something else: its {name} is {before}, the given files' is {digest}")
