"""An administrator's mapping from Globus identities to local users, checked before a daemon of root's reads it.

The format is Globus' own (https://docs.globus.org/globus-connect-server/v5.4/identity-mapping-guide/): a JSON list of documents,
each an `expression_identity_mapping` or an `external_identity_mapping`. Globus' library passes over a document whose kind it does
not know and a key that it does not know, and learns of a missing user when somebody is turned away; here each is a fault.
"""

import json
import os
import pwd
import re
import stat
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from pyhf_endpoint.errors import InputError, MissingExtraError, did_you_mean, list_faults

__all__ = ["check_identities"]

_Json: TypeAlias = "str | int | float | bool | list[_Json] | dict[str, _Json] | None"
_EXPRESSION = "expression_identity_mapping#1.0.0"
_EXTERNAL = "external_identity_mapping#1.0.0"
_TEXTS, _FLAGS = ("source", "match", "output"), ("ignore_case", "literal")
_GROUP = re.compile(r"\{(\d+)\}")
_REMEDY = (
    "mend it, and deploy again; the format: https://docs.globus.org/globus-connect-server/v5.4/identity-mapping-guide/,"
    f' an example: [{{"DATA_TYPE": "{_EXPRESSION}",'
    r' "mappings": [{"source": "{username}", "match": "(.*)@example\\.org", "output": "{0}"}]}]'
)


def check_identities(text: str, file: str) -> None:
    """Make sure that the daemon can map identities by a file, and that what it names is there.

    Args:
        text: The file's text.
        file: Its name, for messages.

    Raises:
        InputError: It cannot; every fault is listed with its place and the value found.
        MissingExtraError: Globus Compute's endpoint is not installed.
    """
    if find_spec("globus_compute_endpoint") is None:
        raise MissingExtraError("endpoint", "checking an identity mapping")
    try:
        documents = json.loads(text)
    except json.JSONDecodeError as error:
        faults = [f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}"]
    else:
        faults = list(_faults(documents)) or list(_objections(documents))
    if faults:
        raise InputError(f"{list_faults(file, faults)}\n{_REMEDY}")


def _faults(documents: _Json) -> Iterator[str]:
    if not isinstance(documents, list) or not documents:
        yield f"the whole: {_shown(documents)}, where a list of at least one document must be"
        return
    for i, document in enumerate(documents):
        if not isinstance(document, dict):
            yield f"[{i}]: {_shown(document)}, where an object must be"
        elif document.get("DATA_TYPE") == _EXPRESSION:
            yield from _strangers(document, f"[{i}]", ("DATA_TYPE", "comment", "mappings"))
            yield from _expressions(document.get("mappings"), f"[{i}].mappings")
        elif document.get("DATA_TYPE") == _EXTERNAL:
            yield from _strangers(document, f"[{i}]", ("DATA_TYPE", "comment", "command"))
            yield from _command(document.get("command"), f"[{i}].command")
        else:
            found = document.get("DATA_TYPE")
            hint = did_you_mean(str(found), (_EXPRESSION, _EXTERNAL))
            yield f"[{i}].DATA_TYPE: {_shown(found)} is neither `{_EXPRESSION}` nor `{_EXTERNAL}`.{hint}"


def _strangers(document: dict[str, _Json], place: str, known: tuple[str, ...]) -> Iterator[str]:
    for key in document.keys() - set(known):
        yield f"{place}.{key}: unknown key, which would be ignored.{did_you_mean(key, known)} Keys: {', '.join(known)}"


def _expressions(mappings: _Json, place: str) -> Iterator[str]:
    if not isinstance(mappings, list) or not mappings:
        yield f"{place}: {_shown(mappings)}, where a list of at least one mapping must be"
        return
    for i, mapping in enumerate(mappings):
        here = f"{place}[{i}]"
        if not isinstance(mapping, dict):
            yield f"{here}: {_shown(mapping)}, where an object must be"
            continue
        faults = [*_strangers(mapping, here, (*_TEXTS, *_FLAGS, "comment"))]
        faults += [f"{here}.{key}: {_shown(mapping.get(key))}, where a text must be" for key in _TEXTS if not _text(mapping, key)]
        faults += [
            f"{here}.{key}: {_shown(mapping[key])}, where true or false must be"
            for key in _FLAGS
            if not isinstance(mapping.get(key, False), bool)
        ]
        yield from faults or _expression(mapping, here)


def _expression(mapping: dict[str, _Json], place: str) -> Iterator[str]:
    """What is wrong with a mapping whose keys and types are right."""
    from globus_identity_mapping.errors import InvalidMappingError
    from globus_identity_mapping.mappers.expression import ExpressionIdentityMapping

    try:
        (compiled,) = ExpressionIdentityMapping([mapping]).mappings  # type: ignore[list-item]  # checked above
    except InvalidMappingError as error:
        yield f"{place}.match: {' '.join(map(str, error.args))}"
        return
    output = str(mapping["output"])
    groups = compiled["compiled_match"].groups
    for number in _GROUP.findall(output):
        if int(number) >= groups:
            yield f"{place}.output: `{output}` names group {number}, but `match` has {groups} of them, counted from 0"
    if "{" not in output:
        yield from _user(output, f"{place}.output")


def _user(name: str, place: str) -> Iterator[str]:
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        yield f"{place}: `{name}` is no user of this machine; make the user, or name another"
        return
    if user.pw_uid == 0:
        yield f"{place}: `{name}` is the superuser, as whom the daemon starts nobody's processes; name an ordinary user"


def _command(command: _Json, place: str) -> Iterator[str]:
    if not isinstance(command, list) or not command or not isinstance(command[0], str):
        yield f"{place}: {_shown(command)}, where a list of a program's path and its arguments must be"
        return
    program = Path(command[0])
    if not program.is_absolute() or not program.is_file() or not os.access(program, os.X_OK):
        yield f"{place}[0]: `{program}` is no absolute path of a program that can be run"
        return
    found = program.stat()
    if found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield (
            f"{place}[0]: `{program}` can be changed by others than root, as whom it runs;"
            f" chown root {program} && chmod go-w {program}"
        )


def _objections(documents: list[dict[str, _Json]]) -> Iterator[str]:
    """What Globus' own library has against it."""
    from globus_compute_endpoint.endpoint.identity_mapper import POSIX_CONNECTOR_ID
    from globus_identity_mapping.loader import load_mappers

    try:
        load_mappers(documents, POSIX_CONNECTOR_ID, "pyhf-endpoint")
    except Exception as error:  # the library checks little by itself: a KeyError of its own is an objection too
        yield f"Globus' library does not take it: {type(error).__name__}: {error}"


def _text(mapping: dict[str, _Json], key: str) -> bool:
    return isinstance(mapping.get(key), str) and mapping[key] != ""


def _shown(value: _Json) -> str:
    text = json.dumps(value)
    return f"`{text if len(text) < 60 else text[:57] + '...'}`"
