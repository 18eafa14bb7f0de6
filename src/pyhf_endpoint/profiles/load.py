"""Finds site profiles and parses them, with every fault of a file in one message."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pyhf_endpoint.errors import InputError, UsageError, did_you_mean, list_faults
from pyhf_endpoint.profiles.model import SiteProfile

__all__ = ["FoundProfile", "find", "names", "parse"]


@dataclass(frozen=True)
class FoundProfile:
    """A profile and the file it came from."""

    profile: SiteProfile
    path: Path


def names() -> list[str]:
    """Return the names of all known sites, sorted."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def find(name: str) -> FoundProfile:
    """Return the profile of one site.

    Raises:
        UsageError: No site has this name.
        InputError: The site's file has faults.
    """
    path = _folder() / f"{name}.yaml"
    if name not in names():
        raise UsageError(f"unknown site `{name}`.{did_you_mean(name, names())} Known sites: {', '.join(names())}")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return FoundProfile(parse(text, path), path)


def parse(text: str, path: Path) -> SiteProfile:
    """Parse the text of one profile; `path` names it in messages and its stem must equal the profile's name.

    Raises:
        InputError: The text is no YAML mapping, or has faults; all of them are listed.
    """
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {_yaml_fault(error)}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} must be a mapping of keys to values; see local.yaml for an example")
    try:
        profile = SiteProfile.model_validate(data)
    except ValidationError as error:
        faults = [_fault(fault) for fault in error.errors(include_url=False)]
        raise InputError(
            list_faults(str(path), faults) + f"\nfix these, then run: pyhf-endpoint sites show {path.stem}"
        ) from error
    if profile.name != path.stem:
        raise InputError(f"{path}: name is `{profile.name}`, but the file's name makes it `{path.stem}`; make them equal")
    return profile


def _folder() -> Path:
    return Path(__file__).parents[1] / "site_profiles"


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML takes the last of two equal keys in silence; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(problem=f"duplicate key `{key}`", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _yaml_fault(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + str(getattr(error, "problem", None) or error)


def _fault(fault: ErrorDetails) -> str:
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        fields = _fields(fault["loc"][:-1])
        return f"{where}: unknown key.{did_you_mean(str(fault['loc'][-1]), fields)} Known keys: {', '.join(fields)}"
    if fault["type"] == "missing":
        return f"{where}: missing; add it"
    return f"{where}: {fault['msg']}, found {fault['input']!r}"


def _fields(location: Sequence[int | str]) -> list[str]:
    """The keys that the model knows at a place in the profile."""
    model: type[BaseModel] = SiteProfile
    for nested in _nested(model, location):
        model = nested
    return list(model.model_fields)


def _nested(model: type[BaseModel], location: Sequence[int | str]) -> Iterator[type[BaseModel]]:
    for key in location:
        field = model.model_fields.get(str(key))
        if field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
            yield model
