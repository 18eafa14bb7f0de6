"""Patch sets as frozen objects, and the digests that tie them to their workspace."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from pyhf_endpoint.errors import InputError, UsageError, did_you_mean
from pyhf_endpoint.inputs.check import Point, check_patchset, check_split, point_of
from pyhf_endpoint.inputs.plain import plain_faults
from pyhf_endpoint.inputs.schema import refuse
from pyhf_endpoint.inputs.split import OperationsText, SplitPatchSet

__all__ = ["Patch", "PatchSet", "make_patchset", "verify_digests", "workspace_digest", "workspace_digests"]

Json = Mapping[str, Any]

_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", b"000000000")


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Patch:
    """One signal hypothesis: the operations that turn the background-only workspace into its own.

    The operations of a patch that was read from a file stay text until they are asked for, and are not kept.

    Args:
        name: unique within its patch set.
        values: one for each label of the patch set, such as masses in GeV.
        operations: JSON Patch (RFC 6902): objects, which are shared, not copied, or their text.
    """

    name: str
    values: tuple[float | str, ...]
    _operations: tuple[Json, ...] | OperationsText = field(repr=False)

    def __init__(self, name: str, values: Sequence[float | str], operations: Sequence[Json] | OperationsText) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", tuple(values))
        object.__setattr__(self, "_operations", operations if isinstance(operations, OperationsText) else tuple(operations))

    @property
    def operations(self) -> tuple[Json, ...]:
        """The operations, parsed anew each time where they are text.

        Raises:
            InputError: the file that holds them was changed since it was checked.
        """
        held = self._operations
        return tuple(orjson.loads(held.read())) if isinstance(held, OperationsText) else held

    @property
    def operations_json(self) -> bytes:
        """The list of operations as JSON, as it stands in the file, to be placed into a larger text unparsed.

        Raises:
            InputError: the file that holds them was changed since it was checked.
        """
        held = self._operations
        return held.read() if isinstance(held, OperationsText) else orjson.dumps(held)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Patch):
            return NotImplemented
        return (self.name, self.values) == (other.name, other.values) and self.operations == other.operations

    def __hash__(self) -> int:
        return hash((self.name, self.values))


@dataclass(frozen=True, slots=True, eq=False)
class PatchSet:
    """The signal hypotheses of an analysis.

    Attributes:
        name: what messages call it, usually its path.
        description: the publisher's.
        labels: names of the dimensions that the patches' values span.
        references: such as ``{"hepdata": "ins1755298"}``.
        digests: digest of the background-only workspace that it was made for, by algorithm (sha256, md5).
        digest: SHA-256 of the patch set itself: of its JSON with sorted keys and no white space, however it was stored.
        patches: in the order of the file.
    """

    name: str
    description: str
    labels: tuple[str, ...]
    references: Mapping[str, str]
    digests: Mapping[str, str]
    digest: str
    patches: tuple[Patch, ...]
    _by_name: dict[str, Patch] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {patch.name: patch for patch in self.patches})

    def __len__(self) -> int:
        return len(self.patches)

    def __iter__(self) -> Iterator[Patch]:
        return iter(self.patches)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Patch:
        """Return the patch of that name.

        Raises:
            UsageError: there is none; the message names the closest.
        """
        try:
            return self._by_name[name]
        except KeyError:
            count = f"{len(self)} patch{'es' * (len(self) != 1)}"
            raise UsageError(f"`{name}` is not among the {count} of {self.name}.{did_you_mean(name, self.names)}") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the patches, in the order of the file."""
        return tuple(self._by_name)


def make_patchset(document: object, name: str = "the patch set", *, from_file: bool = False) -> PatchSet:
    """Check a patch set and turn it into a frozen object.

    Args:
        document: the patch set as JSON in Python's terms, or split.
        name: what messages call it, usually its path.
        from_file: the document was parsed from JSON, and so needs no search for what JSON cannot hold.

    Raises:
        InputError: it is no patch set, or has faults; they are listed together.
    """
    if isinstance(document, SplitPatchSet):
        head, rows = document.head, check_split(document, name)
    else:
        head = check_patchset(document, name, from_file=from_file)
        rows = ((point_of(patch), patch, patch["patch"]) for patch in head["patches"])
    patches, digest = _gather(name, head, rows)
    metadata = head["metadata"]
    return PatchSet(
        name=name,
        description=metadata["description"],
        labels=tuple(metadata["labels"]),
        references=dict(metadata["references"]),
        digests=dict(metadata["digests"]),
        digest=digest,
        patches=patches,
    )


def _gather(
    whole: str, head: Json, rows: Iterable[tuple[Point, Json, Sequence[Json] | OperationsText]]
) -> tuple[tuple[Patch, ...], str]:
    """Make the patches, and digest the patch set as if it were written as a whole with sorted keys and no white space."""
    patches: list[Patch] = []
    digest = hashlib.sha256(b'{"metadata":%b,"patches":[' % _sorted_text(whole, "metadata", head["metadata"]))
    for (name, values), document, operations in rows:
        digest.update(b"," if patches else b"")
        digest.update(_sorted_text(whole, f"patch `{name}`", document))
        patches.append(Patch(name, values, operations))
    digest.update(b'],"version":%b}' % _sorted_json(head["version"]))
    return tuple(patches), digest.hexdigest()


def _sorted_text(whole: str, part: str, value: object) -> bytes:
    try:
        return _sorted_json(value)
    except TypeError:  # it could be read, but is too deep to be written
        refuse(whole, [f"{part}: {fault}" for fault in plain_faults(value)] or [f"{part} cannot be written as JSON"])


def _sorted_json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def workspace_digest(workspace: Json, algorithm: str = "sha256") -> str:
    """Return the digest of a workspace as `pyhf.utils.digest` computes it, in hexadecimal.

    Args:
        workspace: the workspace; whether a number is written 1 or 1.0 matters, white space and the order of keys do not.
        algorithm: a name of `hashlib`.
    """
    return _digests(_pyhf_json(workspace), [algorithm])[algorithm]


def workspace_digests(workspace: Json, algorithms: Iterable[str]) -> dict[str, str]:
    """Return digests of a checked workspace as `workspace_digest` does, faster, for several algorithms at the price of one."""
    return _digests(_quick_pyhf_json(workspace) or _pyhf_json(workspace), algorithms)


def _digests(text: bytes, algorithms: Iterable[str]) -> dict[str, str]:
    return {algorithm: hashlib.new(algorithm, text, usedforsecurity=False).hexdigest() for algorithm in algorithms}


def _pyhf_json(workspace: Json) -> bytes:
    return json.dumps(workspace, sort_keys=True, ensure_ascii=False).encode()


def _quick_pyhf_json(workspace: Json) -> bytes | None:
    """Return the text that `_pyhf_json` returns, or None where it might differ.

    Both write the shortest digits that read back as the same number, but powers of ten in different ways; text that looks
    like a power of ten, or like a number small enough for one, is left to the standard library.
    """
    try:
        text = _sorted_json(workspace)
    except TypeError:  # what only the standard library takes
        return None
    if b"0e" in text.translate(_ALL_DIGITS_ZERO) or b"0.0000" in text:
        return None
    return msgspec.json.format(text, indent=0)


def verify_digests(patchset: PatchSet, digests: Mapping[str, str], workspace_name: str = "the workspace") -> None:
    """Hold the digests that a patch set states against those of a workspace.

    Args:
        patchset: states the digests of the workspace that it was made for.
        digests: the workspace's, by algorithm; all that the patch set states.
        workspace_name: what messages call the workspace.

    Raises:
        InputError: they differ; the message shows both.
    """
    lines = [
        f"  {algorithm}: {stated} stated by the patch set, {digests[algorithm]} found"
        for algorithm, stated in patchset.digests.items()
        if stated.lower() != digests[algorithm]
    ]
    if lines:
        head = f"{patchset.name} was not made for {workspace_name}: the workspace's digest differs"
        remedy = "use the background-only workspace published with this patch set (same record, same version), unedited"
        raise InputError("\n".join([head, *lines, remedy]))
