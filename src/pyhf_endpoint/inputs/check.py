"""Refuses workspaces and patch sets that cannot be used, with all faults of a document in one error."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pyhf_endpoint.errors import InputError, UsageError, did_you_mean
from pyhf_endpoint.inputs.plain import plain_faults
from pyhf_endpoint.inputs.rules import complete_model, measurement_parameters, rule_faults, view
from pyhf_endpoint.inputs.schema import DocumentKind, refuse, schema_faults
from pyhf_endpoint.inputs.split import OperationsText, SplitPatchSet

__all__ = ["check_patchset", "check_split", "check_workspace", "choose_measurement", "point_of"]

Json = Mapping[str, Any]
Point = tuple[str, tuple[float | str, ...]]
"""Name and values of a patch."""

_POINTER = re.compile(r"(/([^~/]|~[01])*)*")


def check_workspace(
    document: object,
    name: str = "the workspace",
    *,
    measurement: str | None = None,
    complete: bool = False,
    from_file: bool = False,
) -> Json:
    """Check a workspace against pyhf's schema and the rules of pyhf's model building.

    Args:
        document: the workspace.
        name: what messages call it, usually its path.
        measurement: the measurement whose parameters are checked; the first if None.
        complete: whether the parameter of interest must exist; a background-only workspace may leave it to the patches.
        from_file: the document was parsed from JSON, and so needs no search for what JSON cannot hold.

    Returns:
        The same document, typed.

    Raises:
        InputError: the document is no workspace, or has faults; they are listed together.
        UsageError: there is no such measurement.
    """
    if _has(document, "patches"):
        raise InputError(f"{name} is a patch set where a workspace is expected; give the workspace first, then the patch set")
    workspace = _typed(document, name, "workspace", from_file)
    chosen = choose_measurement(workspace, measurement, name)
    model = view(workspace)
    faults = [*rule_faults(model), *measurement_parameters(model, chosen), *(complete_model(model, chosen) if complete else ())]
    if faults:
        refuse(name, faults)
    return workspace


def choose_measurement(workspace: Json, measurement: str | None, name: str = "the workspace") -> Json:
    """Return the measurement of that name, or the first if the name is None, as pyhf does.

    Raises:
        UsageError: there is no such measurement.
    """
    found: list[Json] = workspace["measurements"]
    if measurement is None:
        return found[0]
    for item in found:
        if item["name"] == measurement:
            return item
    names = [item["name"] for item in found]
    valid = ", ".join(names)
    raise UsageError(f"measurement: `{measurement}` is not among those of {name} ({valid}).{did_you_mean(measurement, names)}")


def check_patchset(document: object, name: str = "the patch set", *, from_file: bool = False) -> Json:
    """Check a patch set against pyhf's schema and the rules of pyhf's patch sets.

    Args:
        document: the patch set.
        name: what messages call it, usually its path.
        from_file: the document was parsed from JSON, and so needs no search for what JSON cannot hold.

    Returns:
        The same document, typed.

    Raises:
        InputError: the document is no patch set, or has faults; they are listed together.
    """
    if _has(document, "channels"):
        raise InputError(f"{name} is a workspace where a patch set is expected; give the workspace first, then the patch set")
    if isinstance(document, list) and document and all(_has(item, "op") for item in document):
        raise InputError(
            f"{name} is a single JSON patch where a patch set is expected; "
            "wrap it as one of the `patches` of a patch set, with its `metadata`"
        )
    patchset = _typed(document, name, "patchset", from_file)
    points = [point_of(patch) for patch in patchset["patches"]]
    pointers = (fault for index, patch in enumerate(patchset["patches"]) for fault in _pointers(index, patch))
    if faults := [*_value_counts(patchset, points), *_unique_patches(points), *pointers]:
        refuse(name, faults)
    return patchset


def check_split(patchset: SplitPatchSet, name: str = "the patch set") -> Iterator[tuple[Point, Json, OperationsText]]:
    """Check a patch set as `check_patchset` does, with one patch in memory at a time.

    Args:
        patchset: the patch set.
        name: what messages call it, usually its path.

    Yields:
        Each patch that satisfies the schema: its name and values, all of it, and the text of its operations.

    Raises:
        InputError: the document is not JSON, or has faults; they are listed together, after the last patch.
    """
    points: list[Point] = []
    schema: list[str] = []
    pointers: list[str] = []
    for index, (patch, text) in enumerate(patchset):
        # A split patch is an object with the right keys, so its faults all have a path inside it.
        if faults := schema_faults(patch, "patchset/patch"):
            schema += [f"patches[{index}].{fault}" for fault in faults]
            continue
        points.append(point_of(patch))
        pointers += _pointers(index, patch)
        yield points[-1], patch, text
    faults = list(_with_head(patchset, schema))
    if faults := faults or [*_value_counts(patchset.head, points), *_unique_patches(points), *pointers]:
        refuse(name, faults)


def _with_head(patchset: SplitPatchSet, of_patches: Sequence[str]) -> Iterator[str]:
    """Yield the faults of the patches among those of the rest, where checking the whole would have found them."""
    stand_in = [None] if len(patchset) else []
    document = {**patchset.head, "patches": stand_in}
    if not of_patches and len(schema_faults(document, "patchset")) == len(stand_in):
        return
    for fault in schema_faults({key: document[key] for key in patchset.key_order()}, "patchset"):
        if fault.startswith("patches[0]: "):
            yield from of_patches
        else:
            yield fault


def point_of(patch: Json) -> Point:
    """Return name and values of a patch that satisfies the schema."""
    return patch["metadata"]["name"], tuple(patch["metadata"]["values"])


def _has(document: object, key: str) -> bool:
    return isinstance(document, Mapping) and key in document


def _typed(document: object, name: str, kind: DocumentKind, from_file: bool) -> Json:
    if isinstance(document, Mapping) and not isinstance(document, dict):
        document = dict(document)
    faults = [] if from_file else list(plain_faults(document))
    if faults := faults or schema_faults(document, kind):
        refuse(name, faults)
    return cast("Json", document)


def _value_counts(patchset: Json, points: Sequence[Point]) -> Iterator[str]:
    """Each patch has one value for each label."""
    labels = patchset["metadata"]["labels"]
    for name, values in points:
        if len(values) != len(labels):
            count = f"{len(values)} value{'s' * (len(values) != 1)}"
            yield f"patch `{name}`: {count} for {len(labels)} label{'s' * (len(labels) != 1)} ({', '.join(labels)})"


def _unique_patches(points: Sequence[Point]) -> Iterator[str]:
    """No two patches have the same name or the same values."""
    names: dict[str, int] = {}
    places: dict[tuple[float | str, ...], int] = {}
    for index, (name, values) in enumerate(points):
        if (first := names.setdefault(name, index)) != index:
            yield f"patches[{index}]: the name `{name}` is taken by patches[{first}]; rename or remove one"
        if (first := places.setdefault(values, index)) != index:
            shown = ", ".join(map(str, values))
            yield f"patches[{index}]: the values ({shown}) are taken by patches[{first}]; change or remove one"


def _pointers(index: int, patch: Json) -> Iterator[str]:
    """Paths of operations are JSON pointers (RFC 6901)."""
    for number, operation in enumerate(patch["patch"]):
        for key in ("path", "from"):
            text = operation.get(key, "")
            if not _POINTER.fullmatch(text):
                yield f"patches[{index}].patch[{number}].{key}: `{text}` is not a JSON pointer such as /channels/0/samples/5"
