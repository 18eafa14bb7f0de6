"""Says what is wrong with a profile's values, where, and what would be right."""

import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from pyhf_endpoint.errors import did_you_mean
from pyhf_endpoint.profiles.model import SiteProfile

__all__ = ["describe", "place"]

_REMEDIES = {
    "date": "write YEAR-MONTH-DAY (2026-01-31)",
    "directives": "write one option as on the command line, without the prefix that makes it a line of a job script",
    "flags": "write it without braces, quotes and shell characters; pass values that need them through `environment`",
    "interface": "write the name of a network interface (hsn0)",
    "max_walltime": 'write HOURS:MINUTES:SECONDS in quotes ("01:00:00")',
    "overrides": "write it on one line and without braces",
    "walltime": 'write HOURS:MINUTES:SECONDS in quotes ("01:00:00")',
}


def describe(faults: Sequence[ErrorDetails]) -> list[str]:
    """Return one line for each place at which pydantic found a fault."""
    places: dict[str, list[ErrorDetails]] = {}
    for fault in faults:
        places.setdefault(place(fault["loc"]), []).append(fault)
    return [f"{where}: {_describe(found, where)}" for where, found in places.items()]


def _describe(faults: Sequence[ErrorDetails], where: str) -> str:
    """What is wrong at one place; several faults are those of the members of a union."""
    fault, location = faults[0], faults[0]["loc"]
    if fault["type"] == "extra_forbidden":
        fields = _fields(location[:-1])
        return f"unknown key.{did_you_mean(str(location[-1]), fields)} Known keys: {', '.join(fields)}"
    if fault["type"] == "missing":
        return "missing; add it"
    if fault["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return _kind(fault, _kinds(location))
    if "walltime" in where and isinstance(fault["input"], int):
        return f'found the number {fault["input"]}; put quotes around it ("01:00:00"), or YAML reads it as seconds'
    known = " or write `unknown`" if any("'unknown'" in str(f["ctx"]) for f in faults[1:] if f["type"] == "literal_error") else ""
    field = next((key for key in reversed(where.split(".")) if not key.isdigit()), where)
    if fault["type"] == "string_pattern_mismatch" and field in _REMEDIES:
        return f"found {fault['input']!r}; {_REMEDIES[field]}{known and ',' + known}"
    return f"{fault['msg']}, found {fault['input']!r}{known and ';' + known}"


def _kind(fault: ErrorDetails, kinds: Sequence[str]) -> str:
    if fault["type"] == "union_tag_not_found":
        return f"`kind` is missing; add one of: {', '.join(kinds)}"
    found = str(fault["ctx"]["tag"])
    return f"unknown kind `{found}`.{did_you_mean(found, kinds)} Known kinds: {', '.join(kinds)}"


def _kinds(location: Sequence[int | str]) -> list[str]:
    """The kinds that the model knows at a place in the profile."""
    annotation: Any = SiteProfile
    for key in location:
        annotation, _ = _step(annotation, key)
    return [kind for model in _models(annotation) for kind in get_args(model.model_fields["kind"].annotation)]


def place(location: Sequence[int | str]) -> str:
    """Return a place in the profile as a path, without the choices that pydantic puts between its keys."""
    return ".".join(str(key) for key, is_key in _walk(location) if is_key)


def _fields(location: Sequence[int | str]) -> list[str]:
    """The keys that the model knows at a place in the profile."""
    annotation: Any = SiteProfile
    for key in location:
        annotation, _ = _step(annotation, key)
    model = next(iter(_models(annotation)), None)
    return list(model.model_fields) if model else []


def _walk(location: Sequence[int | str]) -> Iterator[tuple[int | str, bool]]:
    annotation: Any = SiteProfile
    for key in location:
        annotation, is_key = _step(annotation, key)
        yield key, is_key


def _step(annotation: Any, key: int | str) -> tuple[Any, bool]:
    """What is expected below a key, and whether the key stands in the file or names one of several choices."""
    models = _models(annotation)
    if len(models) == 1 and key in models[0].model_fields:
        return models[0].model_fields[str(key)].annotation, True
    tagged = [m for m in models if "kind" in m.model_fields and key in get_args(m.model_fields["kind"].annotation)]
    if tagged:
        return tagged[0], False
    if isinstance(key, str) and key.startswith(("literal[", "constrained-", "function-", "float", "int", "str")):
        return annotation, False
    arguments = [a for part in _parts(annotation) for a in get_args(part) if get_origin(part) in (dict, tuple)]
    return (arguments[-1] if arguments and arguments[-1] is not Ellipsis else arguments[0] if arguments else None), True


def _parts(annotation: Any) -> list[Any]:
    """The members of a union, however it is wrapped."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [part for member in get_args(annotation) for part in _parts(member)]
    return [annotation]


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
