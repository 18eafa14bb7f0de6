"""Checks documents against pyhf's JSON schemas and says in plain words what is wrong where."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

import jsonschema_rs
import orjson
from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

from pyhf_endpoint.errors import InputError, did_you_mean
from pyhf_endpoint.inputs.places import MAX_SHOWN, at, shorten, shortened_list
from pyhf_endpoint.inputs.plain import plain_faults

__all__ = ["MAX_SHOWN", "SCHEMA_VERSION", "DocumentKind", "refuse", "schema_faults"]

DocumentKind = Literal["workspace", "patchset", "patchset/patch", "measurement", "model"]

SCHEMA_VERSION = "1.0.0"
_SCHEMAS = Path(__file__).parents[1] / "schemas"
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
# The keys by which the alternatives of modifiers and of patch operations are told apart.
_TAGS = ("type", "op")


def schema_faults(document: object, kind: DocumentKind) -> list[str]:
    """Return one line for each way in which `document` breaks pyhf's schema of that `kind`.

    Args:
        document: JSON in Python's terms; numbers must be finite (see `plain_faults`).
        kind: which of the schema's definitions holds.

    Returns:
        Lines such as ``channels[0].samples[1].data[2]: "x" found where a number belongs``; none where all is well.
    """
    validator = _validator(kind)
    if validator.is_valid(document):
        return []
    try:
        faults = [fault for error in validator.iter_errors(document) for fault in _faults(error)]
    except ValueError:  # the validator reports no faults of what is nested more deeply than it can follow
        faults = list(plain_faults(document))
        if not faults:
            raise
    return list(dict.fromkeys(faults))


def refuse(name: str, faults: list[str], remedy: str = "") -> NoReturn:
    """Raise the error that lists the first faults of the document `name` and counts the others.

    Args:
        name: what the document is called, usually its path.
        faults: one line each, at least one.
        remedy: a last line with the next step.

    Raises:
        InputError: always.
    """
    text = shortened_list(name, faults)
    raise InputError(f"{text}\n{remedy}" if remedy else text)


@functools.cache
def _definitions() -> dict[str, Any]:
    schema: dict[str, Any] = orjson.loads((_SCHEMAS / SCHEMA_VERSION / "defs.json").read_bytes())
    return schema


@functools.cache
def _validator(kind: DocumentKind) -> jsonschema_rs.Validator:
    schema = _definitions()
    document = {"$schema": schema["$schema"], "definitions": schema["definitions"], "$ref": f"#/definitions/{kind}"}
    return jsonschema_rs.validator_for(document)


def _faults(error: ValidationError) -> Iterator[str]:
    if isinstance(error.kind, Kind.AnyOf | Kind.OneOfNotValid):
        yield from _alternatives(error, error.kind.context)
    elif not isinstance(error.kind, Kind.OneOfMultipleValid):  # where the tag is missing, which is a fault of its own
        yield from (_located(error, text) for text in _texts(error))


def _located(error: ValidationError, text: str) -> str:
    return f"{at(tuple(error.instance_path))}: {text}" if error.instance_path else text


def _texts(error: ValidationError) -> Iterator[str]:
    found = shorten(error.instance)
    match error.kind:
        case Kind.Type(types):
            yield f"{found} found where {' or '.join(_TYPES.get(name, name) for name in types)} belongs"
        case Kind.Constant(expected):
            yield f"{found} found where {shorten(expected)} belongs"
        case Kind.Required(name):
            yield f"`{name}` is missing"
        case Kind.AdditionalProperties(unexpected):
            known = _known_keys(error)
            for key in unexpected:
                yield f"`{key}` is not among the keys here ({', '.join(known)}).{did_you_mean(key, known)}"
        case Kind.MinItems() | Kind.MinProperties():
            yield f"{found} is empty; at least one entry belongs here"
        case Kind.Pattern(pattern):
            yield f"{found} does not match the pattern {pattern}"
        case _:
            yield error.message


def _known_keys(error: ValidationError) -> list[str]:
    node: Any = _definitions()
    for step in error.schema_path[:-1]:
        node = node[step]
    return list(node["properties"])


def _alternatives(error: ValidationError, branches: list[list[ValidationError]]) -> Iterator[str]:
    """Yield the faults of the alternative that `error.instance` names, not those of all alternatives."""
    instance = error.instance
    if not isinstance(instance, dict):
        types = dict.fromkeys(name for branch in branches for fault in branch for name in _expected_types(fault))
        words = " or ".join(_TYPES.get(name, name) for name in types)
        yield _located(error, f"{shorten(instance)} found where {words} belongs")
        return
    tag = next((key for key in _TAGS if key in instance), None)
    if tag is None:
        shared = set.intersection(*({text for fault in branch for text in _faults(fault)} for branch in branches))
        yield from sorted(shared)
        return
    path = [*error.instance_path, tag]
    chosen = [branch for branch in branches if not any(fault.instance_path == path for fault in branch)]
    if chosen:
        label = f" ({instance[tag]} `{instance['name']}`)" if "name" in instance else f" ({instance[tag]})"
        yield from (f"{text}{label}" for fault in chosen[0] for text in _faults(fault))
        return
    tagged = [fault for branch in branches for fault in branch if fault.instance_path == path]
    valid = list(dict.fromkeys(word for fault in tagged for word in _expected_words(fault)))
    hint = did_you_mean(str(instance[tag]), valid)
    yield f"{at(tuple(path))}: {shorten(instance[tag])} is not among the valid ones ({', '.join(valid)}).{hint}"


def _expected_types(error: ValidationError) -> list[str]:
    return error.kind.types if isinstance(error.kind, Kind.Type) else []


def _expected_words(error: ValidationError) -> list[str]:
    match error.kind:
        case Kind.Constant(word):
            return [str(word)]
        case Kind.Enum(words):
            return [str(word) for word in words]
        case _:
            return []
