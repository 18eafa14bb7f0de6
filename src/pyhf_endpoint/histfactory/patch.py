"""JSON patches (RFC 6902) applied without copying what they leave alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyhf_endpoint.errors import FitError

__all__ = ["ARRAY", "OBJECT", "apply_patch"]

Json = Any  # a JSON value: what a document holds is checked where it is read

# Most are dicts and lists; asking an abstract class first is much slower.
OBJECT = (dict, Mapping)
"""What counts as a JSON object."""
ARRAY = (list, Sequence)
"""What counts as a JSON array, if it is no text."""


def apply_patch(document: Json, operations: Sequence[Mapping[str, Json]]) -> Json:
    """Return the patched document; every part that no operation touches is the very object of `document`.

    Args:
        document: A JSON value; it is not changed.
        operations: Operations `add`, `remove`, `replace`, `move`, `copy` and `test` as RFC 6902 defines them.

    Raises:
        FitError: An operation that cannot be carried out, named by its position, kind and path.
    """
    for position, operation in enumerate(operations):
        try:
            document = _apply(document, operation)
        except (KeyError, IndexError, TypeError, ValueError) as fault:
            kind, path = (operation.get("op"), operation.get("path")) if isinstance(operation, OBJECT) else (operation, "")
            reason = fault.args[0] if fault.args else "it cannot be carried out"
            raise FitError(f"operation {position} (`{kind} {path}`): {reason}") from None
    return document


def _apply(document: Json, operation: Mapping[str, Json]) -> Json:
    kind, path = operation["op"], _tokens(operation["path"])
    if kind == "add":
        return _insert(document, path, operation["value"])
    if kind == "remove":
        return _edit(document, path, _removed)
    if kind == "replace":
        _find(document, path)
        return (
            _edit(document, path, lambda parent, key: _assigned(parent, key, operation["value"])) if path else operation["value"]
        )
    if kind == "test":
        if not _equal(_find(document, path), operation["value"]):
            raise ValueError("the document holds another value than the one tested for")
        return document
    if kind in ("move", "copy"):
        source = _tokens(operation["from"])
        value = _find(document, source)
        if kind == "copy":
            return _insert(document, path, value)
        if len(path) > len(source) and path[: len(source)] == source:
            raise ValueError("a value cannot be moved into itself")
        return _insert(_edit(document, source, _removed), path, value)
    raise ValueError("no such operation; use add, remove, replace, move, copy or test")


def _tokens(pointer: str) -> list[str]:
    """The reference tokens of a JSON pointer (RFC 6901)."""
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise ValueError("a JSON pointer starts with `/`")
    tokens = pointer[1:].split("/")
    return [token.replace("~1", "/").replace("~0", "~") for token in tokens] if "~" in pointer else tokens


def _index(array: list[Json], token: str, limit: int) -> int:
    if not (token.isascii() and token.isdigit()) or (len(token) > 1 and token[0] == "0"):
        raise ValueError(f"`{token}` is no index of an array")
    if int(token) >= limit:
        raise IndexError(f"index {token} is past the end of an array of {len(array)}")
    return int(token)


def _child(node: Json, token: str) -> Json:
    if isinstance(node, OBJECT):
        if token not in node:
            raise KeyError(f"there is no member `{token}`")
        return node[token]
    if isinstance(node, list):
        return node[_index(node, token, len(node))]
    raise TypeError(f"`{token}` is looked up in a value that is neither object nor array")


def _find(document: Json, path: list[str]) -> Json:
    for token in path:
        document = _child(document, token)
    return document


def _edit(node: Json, path: list[str], change: Callable[[Json, str], Json]) -> Json:
    """Copy the containers along `path` and let `change` return the innermost one's new form."""
    if not path:
        raise ValueError("the whole document cannot be removed")
    if len(path) == 1:
        return change(node, path[0])
    return _assigned(node, path[0], _edit(_child(node, path[0]), path[1:], change))


def _assigned(parent: Json, key: str, value: Json) -> Json:
    _child(parent, key)
    if isinstance(parent, OBJECT):
        return {**parent, key: value}
    position = int(key)
    return [*parent[:position], value, *parent[position + 1 :]]


def _removed(parent: Json, key: str) -> Json:
    _child(parent, key)
    if isinstance(parent, OBJECT):
        return {name: value for name, value in parent.items() if name != key}
    position = int(key)
    return parent[:position] + parent[position + 1 :]


def _insert(document: Json, path: list[str], value: Json) -> Json:
    def inserted(parent: Json, key: str) -> Json:
        if isinstance(parent, OBJECT):
            return {**parent, key: value}
        if not isinstance(parent, list):
            raise TypeError(f"`{key}` is added to a value that is neither object nor array")
        position = len(parent) if key == "-" else _index(parent, key, len(parent) + 1)
        return [*parent[:position], value, *parent[position:]]

    return _edit(document, path, inserted) if path else value


def _equal(left: Json, right: Json) -> bool:
    """JSON equality: 1 equals 1.0 but true does not equal 1."""
    if isinstance(left, OBJECT) and isinstance(right, OBJECT):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)
