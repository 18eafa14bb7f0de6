"""Parses site profiles, with every fault of a file in one message."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import to_json

from pyhf_endpoint import sites
from pyhf_endpoint.errors import InputError, list_faults
from pyhf_endpoint.profiles.faults import describe
from pyhf_endpoint.profiles.model import SiteProfile
from pyhf_endpoint.profiles.rules import check

__all__ = ["FoundProfile", "find", "parse", "read"]


@dataclass(frozen=True)
class FoundProfile:
    """A profile, the file it came from and in whose hands that file is."""

    profile: SiteProfile
    path: Path
    origin: str


def find(name: str) -> FoundProfile:
    """Return the profile of one site.

    Raises:
        UsageError: No site has this name.
        InputError: The site's file has faults.
    """
    site = sites.find(name)
    return read(site.path, site.origin)


def read(path: Path, origin: str = sites.GIVEN) -> FoundProfile:
    """Return the profile in a file.

    Args:
        path: The file.
        origin: What named it.

    Raises:
        InputError: The file cannot be read or has faults.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a site's profile") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    return FoundProfile(parse(text, path), path, origin)


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
        # By way of JSON, where a list may become a tuple although nothing else is converted
        profile = SiteProfile.model_validate_json(to_json(data))
    except ValidationError as error:
        raise _refuse(path, describe(error.errors(include_url=False))) from error
    faults = [f"{fault.path}: {fault.message}" for fault in check(profile)]
    if profile.name != path.stem:
        faults.insert(0, f"name: `{profile.name}`, but the file's name makes it `{path.stem}`; make them equal")
    if faults:
        raise _refuse(path, faults)
    return profile


def _refuse(path: Path, faults: list[str]) -> InputError:
    known = any(path.parent == folder for _, folder in sites.folders())
    again = path.stem if known else f"--profile {path}"
    return InputError(list_faults(str(path), faults) + f"\nfix these, then run: pyhf-endpoint sites check {again}")


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML takes the last of two equal keys in silence; here that is an error. Dates stay text, as in JSON."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and type for it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

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
