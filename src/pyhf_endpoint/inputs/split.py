"""Splits the text of a patch set into the texts of its patches, so that one patch at a time is ever parsed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from pyhf_endpoint.inputs.jsonfile import JsonText, parse_text

__all__ = ["OperationsText", "SplitPatchSet", "split_patchset"]

Json = Mapping[str, Any]


class _Patch(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    metadata: msgspec.Raw
    patch: msgspec.Raw


class _PatchSet(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    metadata: msgspec.Raw
    patches: list[_Patch]
    version: msgspec.Raw


@dataclass(frozen=True, slots=True)
class OperationsText:
    """The text of a patch's list of operations, still a part of the document that it came from."""

    part: msgspec.Raw | bytes
    document: JsonText | None

    def read(self) -> bytes:
        """Return a copy of the text.

        Raises:
            InputError: the document's file was changed since it was checked.
        """
        if self.document:
            self.document.verify()
        return bytes(self.part)

    def __reduce__(self) -> tuple[type["OperationsText"], tuple[bytes, None]]:
        return OperationsText, (self.read(), None)


@dataclass(frozen=True, slots=True)
class SplitPatchSet:
    """A patch set whose patches are not parsed; each is an object with `metadata` and `patch` and no other keys.

    Attributes:
        text: the whole.
        head: all but the patches: `metadata` and `version`, of any type.
    """

    text: JsonText
    head: Json
    _patches: list[_Patch]

    def key_order(self) -> list[str]:
        """Return the keys of the whole in the order of the text, which is the order in which its faults are told."""
        return list(msgspec.json.decode(self.text.data, type=dict[str, msgspec.Raw]))

    def __len__(self) -> int:
        return len(self._patches)

    def __iter__(self) -> Iterator[tuple[Json, OperationsText]]:
        """Yield each patch, parsed, with the text of its operations.

        Raises:
            InputError: a patch is not JSON.
        """
        self.text.verify()
        for patch in self._patches:
            try:
                document = {"metadata": orjson.loads(memoryview(patch.metadata)), "patch": orjson.loads(memoryview(patch.patch))}
            except orjson.JSONDecodeError:
                parse_text(self.text)  # says where in the document
                raise
            yield document, OperationsText(patch.patch, self.text)


def split_patchset(text: JsonText) -> SplitPatchSet | None:
    """Split a patch set; its patches are parsed when they are iterated over.

    Returns:
        None if `text` is not JSON, or not the kind of object that a patch set is; parsing it as a whole will tell.
    """
    try:
        found = msgspec.json.decode(text.data, type=_PatchSet)
        head = {"metadata": orjson.loads(memoryview(found.metadata)), "version": orjson.loads(memoryview(found.version))}
    except (msgspec.DecodeError, orjson.JSONDecodeError, RecursionError):  # the last where it is nested too deeply
        return None
    return SplitPatchSet(text, head, found.patches)
