"""Holds a results file against pyhf: some of its hypotheses, computed again with exact gradients and a tight tolerance."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pyhf_endpoint.client import Client, Signals, Workspace
from pyhf_endpoint.errors import InputError, PyhfEndpointError, ResultsError, UsageError
from pyhf_endpoint.inputs import Analysis, load
from pyhf_endpoint.results import UNFINISHED, HypotestResult, Key, ResultsFile, read

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
    """Return an iterator of comparisons of some of a file's records, drawn at random, as pyhf finishes them.

    All files are read and held against each other before it returns; nothing is computed until it is iterated.

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
        UsageError: The tolerance is negative or no number, or there is no such region.
        InputError: The workspace or the patch set cannot be used; with it all that is wrong with the results file.
        ResultsError: The file is of another kind, empty, or was computed from something else.
        MissingExtraError: pyhf or JAX is not installed; raised by the iterator.
    """
    if not tolerance >= 0:
        raise UsageError(f"tolerance {tolerance:g} is not a number from 0; give the largest difference that counts as none")
    found, analysis = _inputs(path, workspace, patchset, region)
    by_key = {result.key: result for result in found.hypotests()}
    names = sorted({result.name for result in by_key.values()})
    chosen = random.Random(seed).sample(names, min(sample, len(names)))  # noqa: S311 - a sample, not a secret
    return _compared(found, analysis, chosen, by_key, tolerance=tolerance, workers=workers)


def _inputs(
    path: Path | str, workspace: Workspace, patchset: "Signals | None", region: str | None
) -> tuple[ResultsFile, Analysis]:
    faults: list[PyhfEndpointError] = []
    found = analysis = None
    try:
        found = read(path)
        _require_records(found, path)
    except ResultsError as error:
        faults.append(error)
    try:
        analysis = load(workspace, patchset, region=region)
    except (InputError, UsageError) as error:
        faults.append(error)
    if found is None or analysis is None or faults:
        raise type(faults[0])("\n".join(map(str, faults)))
    _same_inputs(found, analysis, path)
    return found, analysis


def _require_records(found: ResultsFile, path: Path | str) -> None:
    if not found.hypotests():
        raise ResultsError(f"{path} holds no record to check")


def _compared(
    found: ResultsFile,
    analysis: Analysis,
    chosen: list[str],
    by_key: Mapping[Key, HypotestResult],
    *,
    tolerance: float,
    workers: int | None,
) -> Iterator[Comparison]:
    settings = dict(found.header.settings)
    own = {name: settings[name] for name in ("test_stat", "blind")} | {"engine": _ENGINE}
    own["poi_test"] = tuple(settings["poi_test"])
    with Client("local", workers=workers) as client:
        run = client.run(
            "hypotest",
            analysis.workspace,
            analysis.patchset,
            own,
            {
                "patches": chosen if analysis.patchset else None,
                "measurement": settings["measurement"],
                "normsys": settings["normsys"],
                "histosys": settings["histosys"],
            },
        )
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


def _same_inputs(found: ResultsFile, analysis: Analysis, path: Path | str) -> None:
    """Refuse results of other inputs; records of others again, under the right header, were put there by hand."""
    patchset = analysis.patchset.digest if analysis.patchset else None
    given: Mapping[str, Any] = {"workspace_digest": analysis.workspace_digest, "patchset_digest": patchset}
    faults = [
        f"its {name} is {getattr(found.header, name)}, the given files' is {digest}"
        for name, digest in given.items()
        if getattr(found.header, name) != digest
    ]
    if faults:
        raise ResultsError(f"{path} was computed from something else: {'; '.join(faults)}")
    known = {patch.name for patch in analysis.patchset.patches} if analysis.patchset else set()
    strangers = sorted({result.name for result in found.results} - known)
    if analysis.patchset and strangers:
        raise ResultsError(
            f"{path} holds {len(strangers)} hypotheses that are not in the patch set, such as `{strangers[0]}`;"
            " files of different analyses cannot be merged: check each by itself"
        )
