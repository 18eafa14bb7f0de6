"""Reads payloads; a worker that gets the same workspace with every chunk parses it once."""

import hashlib
from collections import OrderedDict
from typing import Any

import msgspec
import orjson

__all__ = ["read"]

Json = dict[str, Any]
# Workspaces to keep: one, and another whose grid runs at the same time. Parsed, one takes some ten times its text's bytes.
_KEPT = 2
_kept: OrderedDict[bytes, Json] = OrderedDict()


class _Payload(msgspec.Struct, omit_defaults=True):
    workspace: msgspec.Raw = msgspec.Raw()
    patches: msgspec.Raw = msgspec.Raw()
    settings: msgspec.Raw = msgspec.Raw()


def read(payload: bytes) -> Json:
    """Return the object that a payload is.

    Its workspace may be the very object that an earlier payload with the same text got, which nobody may change.

    Args:
        payload: JSON text of an object.
    """
    split = msgspec.json.decode(payload, type=_Payload)
    if not split.workspace:
        found: Json = orjson.loads(payload)
        return found
    digest = hashlib.sha256(split.workspace).digest()
    workspace = _kept.pop(digest, None)
    if workspace is None:
        workspace = orjson.loads(bytes(split.workspace))
    _kept[digest] = workspace
    while len(_kept) > _KEPT:
        _kept.popitem(last=False)
    rest = {name: orjson.loads(bytes(text)) for name, text in (("patches", split.patches), ("settings", split.settings)) if text}
    return {"workspace": workspace} | rest
