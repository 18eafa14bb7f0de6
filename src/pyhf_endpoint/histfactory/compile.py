"""Workspace and patches, compiled into batches of hypotheses that share their background and their structure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyhf_endpoint.errors import FitError, InputError, did_you_mean
from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.build import FaultyRowsError, build
from pyhf_endpoint.histfactory.interpolate import HISTOSYS_CODES, NORMSYS_CODES
from pyhf_endpoint.histfactory.spec import Base, Hypothesis, read_base, read_hypothesis
from pyhf_endpoint.histfactory.walk import Own, StandaloneError, Walk

__all__ = ["Compiled", "Patch", "compile_patches", "compile_workspace"]

Patch = tuple[str, Sequence[Mapping[str, Any]]]
"""Name of a hypothesis and the operations that turn the workspace into it."""

# What reading malformed JSON content raises; a schema check beforehand says it better, but nothing may escape.
_MALFORMED = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


@dataclass
class Compiled:
    """Batches, and a message for each patch that is in none."""

    batches: list[Batch] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    """By position among the patches."""


def compile_workspace(
    workspace: Mapping[str, Any],
    patches: Sequence[Patch],
    *,
    measurement: str | None = None,
    normsys: str = "code4",
    histosys: str = "code4p",
) -> list[Batch]:
    """Compile a workspace under each of its patches.

    Args:
        workspace: A HistFactory workspace as pyhf 0.7.6 accepts it.
        patches: Names and operations; an empty list of operations stands for the workspace itself.
        measurement: Name of the measurement, by default the first.
        normsys: `code1` or `code4`.
        histosys: `code0`, `code2` or `code4p`.

    Returns:
        One batch for each structure, each knowing the names and positions of its hypotheses.

    Raises:
        InputError: The workspace, or an option, cannot be used.
        FitError: A patch cannot be used.
    """
    compiled = compile_patches(workspace, list(enumerate(patches)), measurement=measurement, normsys=normsys, histosys=histosys)
    for message in compiled.failures.values():
        raise FitError(message)
    return compiled.batches


def compile_patches(
    workspace: Mapping[str, Any], patches: Iterable[tuple[int, Patch]], *, measurement: str | None, normsys: str, histosys: str
) -> Compiled:
    """Compile numbered patches, collecting those that cannot be used.

    Raises:
        InputError: The workspace, or an option, cannot be used.
    """
    _check_code("normsys", normsys, NORMSYS_CODES)
    _check_code("histosys", histosys, HISTOSYS_CODES)
    try:
        base = read_base(workspace, measurement)
    except (FitError, *_MALFORMED) as fault:
        raise InputError(f"workspace: {_reason(fault)}") from None
    compiled = Compiled()
    groups: dict[object, list[Hypothesis]] = {}
    for index, (name, operations) in patches:
        try:
            hypothesis = read_hypothesis(base, index, name, operations)
        except (FitError, *_MALFORMED) as fault:
            compiled.failures[index] = f"patch `{name}`: {_reason(fault)}"
        else:
            groups.setdefault(hypothesis.key(), []).append(hypothesis)
    for members in groups.values():
        _compile_group(compiled, base, members, (normsys, histosys))
    return compiled


def _check_code(modifier: str, code: str, codes: Iterable[str]) -> None:
    if code not in codes:
        choices = ", ".join(codes)
        raise InputError(f"{modifier}: `{code}` is no interpolation code of it (choose {choices}).{did_you_mean(code, codes)}")


def _reason(fault: Exception) -> str:
    return str(fault) if isinstance(fault, FitError) else f"not what a workspace holds here ({type(fault).__name__}: {fault})"


def _compile_group(compiled: Compiled, base: Base, members: Sequence[Hypothesis], codes: tuple[str, str]) -> None:
    """Compile hypotheses that share their background, in as few batches as their structures allow."""
    first = members[0]
    walk = Walk([channel.bins for channel in first.channels], [channel.name for channel in first.channels])
    try:
        walk.add_background(first)
    except (FitError, *_MALFORMED) as fault:
        _blame(compiled, base, members, _reason(fault))
        return
    fitting, owns = _walk_members(compiled, base, walk, members, codes)
    parts = _compatible(owns)
    if len(fitting) == len(members) and len(parts) == 1:
        rest = _build(compiled, base, walk, (fitting, owns), codes)
        parts = [rest] if rest else []
    for part in parts:
        _compile_group(compiled, base, [fitting[row] for row in part], codes)


def _walk_members(
    compiled: Compiled, base: Base, walk: Walk, members: Sequence[Hypothesis], codes: tuple[str, str]
) -> tuple[list[Hypothesis], list[Own]]:
    """Collect the hypotheses that fit onto the shared background; compile those that need their own, note those that fail."""
    fitting: list[Hypothesis] = []
    owns: list[Own] = []
    for hypothesis in members:
        try:
            owns.append(walk.add_own(len(fitting), hypothesis))
            fitting.append(hypothesis)
        except StandaloneError:
            _compile_group(compiled, base, [_standalone(hypothesis)], codes)
        except (FitError, *_MALFORMED) as fault:
            compiled.failures[hypothesis.index] = f"patch `{hypothesis.name}`: {_reason(fault)}"
    return fitting, owns


def _build(
    compiled: Compiled, base: Base, walk: Walk, walked: tuple[list[Hypothesis], list[Own]], codes: tuple[str, str]
) -> list[int]:
    """Build one batch, or note which hypotheses have faults and return the rows of the others."""
    hypotheses, owns = walked
    try:
        compiled.batches.append(build(walk, hypotheses, owns, codes))
    except FaultyRowsError as fault:
        if fault.background:
            _blame(compiled, base, hypotheses, fault.background)
            return []
        for row, message in fault.rows.items():
            compiled.failures[hypotheses[row].index] = f"patch `{hypotheses[row].name}`: {message}"
        return [row for row in range(len(hypotheses)) if row not in fault.rows]
    return []


def _blame(compiled: Compiled, base: Base, members: Sequence[Hypothesis], message: str) -> None:
    """Report a fault of what hypotheses share: the workspace's own where nothing of it was replaced, else that of the patches."""
    for hypothesis in members:
        kept = {channel.name: channel.shared for channel in hypothesis.channels}
        own_settings = hypothesis.settings is base.settings
        if own_settings and all(kept.get(name) == samples for name, samples in base.samples.items()):
            raise InputError(f"workspace: {message}")
        compiled.failures[hypothesis.index] = f"patch `{hypothesis.name}`: {message}"


def _standalone(hypothesis: Hypothesis) -> Hypothesis:
    """The same hypothesis, sharing nothing."""
    channels = tuple(
        replace(channel, shared=(), own=tuple(sorted((*channel.shared, *channel.own), key=lambda sample: str(sample["name"]))))
        for channel in hypothesis.channels
    )
    return replace(hypothesis, channels=channels)


def _compatible(owns: Sequence[Own]) -> list[list[int]]:
    """Split rows into sets within which no two signatures contradict each other, first come first served."""
    parts: list[tuple[dict[object, object], list[int]]] = []
    for own in owns:
        for union, rows in parts:
            if all(union.get(key, value) == value for key, value in own.signature.items()):
                union.update(own.signature)
                rows.append(own.row)
                break
        else:
            parts.append((dict(own.signature), [own.row]))
    return [rows for _, rows in parts]
