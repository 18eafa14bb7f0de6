"""Patch sets as frozen objects, and the digests that tie them to their workspace."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from pyhf_endpoint.errors import InputError, UsageError, did_you_mean
from pyhf_endpoint.inputs.check import check_patchset

__all__ = ["Patch", "PatchSet", "make_patchset", "verify_digests", "workspace_digest", "workspace_digests"]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """One signal hypothesis: the operations that turn the background-only workspace into its own.

    Attributes:
        name: unique within its patch set.
        values: one for each label of the patch set, such as masses in GeV.
        operations: JSON Patch (RFC 6902); shared with the parsed document, not copied.
    """

    name: str
    values: tuple[float | str, ...]
    operations: tuple[Json, ...]


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
        document: the patch set as JSON in Python's terms.
        name: what messages call it, usually its path.
        from_file: the document was parsed from JSON, and so needs no search for what JSON cannot hold.

    Raises:
        InputError: it is no patch set, or has faults; they are listed together.
    """
    spec = check_patchset(document, name, from_file=from_file)
    metadata = spec["metadata"]
    return PatchSet(
        name=name,
        description=metadata["description"],
        labels=tuple(metadata["labels"]),
        references=dict(metadata["references"]),
        digests=dict(metadata["digests"]),
        digest=hashlib.sha256(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        patches=tuple(
            Patch(patch["metadata"]["name"], tuple(patch["metadata"]["values"]), tuple(patch["patch"]))
            for patch in spec["patches"]
        ),
    )


def workspace_digest(workspace: Json, algorithm: str = "sha256") -> str:
    """Return the digest of a workspace as `pyhf.utils.digest` computes it, in hexadecimal.

    Args:
        workspace: the workspace; whether a number is written 1 or 1.0 matters, white space and the order of keys do not.
        algorithm: a name of `hashlib`.
    """
    return workspace_digests(workspace, [algorithm])[algorithm]


def workspace_digests(workspace: Json, algorithms: Iterable[str]) -> dict[str, str]:
    """Return digests as `workspace_digest` does, for several algorithms at the price of one."""
    # The text must be pyhf's to the byte, so the standard library writes it: orjson spells some floats differently.
    text = json.dumps(workspace, sort_keys=True, ensure_ascii=False).encode()
    return {algorithm: hashlib.new(algorithm, text, usedforsecurity=False).hexdigest() for algorithm in algorithms}


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
