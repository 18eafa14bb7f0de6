"""Where this machine keeps what it knows of sites: a profile for each, and the files of their endpoints.

A profile is looked for in this order, and the first file found counts:

1. the folders named by PYHF_ENDPOINT_SITES, separated by colons;
2. `pyhf-endpoint/sites` in the user's configuration folder (XDG_CONFIG_HOME, else `~/.config`);
3. the profiles that come with this package.

This module finds files and reads none, so that a command which needs no more than a profile's name loads neither YAML nor models.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pyhf_endpoint.errors import UsageError, did_you_mean

__all__ = [
    "ENDPOINTS_VARIABLE",
    "FOLDERS_VARIABLE",
    "GIVEN",
    "Site",
    "endpoint_files",
    "find",
    "folders",
    "names",
    "user_endpoint_file",
]

FOLDERS_VARIABLE = "PYHF_ENDPOINT_SITES"
ENDPOINTS_VARIABLE = "PYHF_ENDPOINT_ENDPOINTS"
GIVEN = "--profile"
"""The origin of a profile that was given by file."""
_SHIPPED = "shipped"


@dataclass(frozen=True)
class Site:
    """A site by name: which file describes it, and in whose hands that file is."""

    name: str
    path: Path
    origin: str

    @property
    def is_embedded_default(self) -> bool:
        """Whether it is the site `local` as it comes with this package: this machine, without a scheduler."""
        return self.name == "local" and self.origin == _SHIPPED


def folders() -> list[tuple[str, Path]]:
    """Return the folders that are searched for profiles, each with what put it there, first come first served."""
    named = [(FOLDERS_VARIABLE, Path(part)) for part in os.environ.get(FOLDERS_VARIABLE, "").split(":") if part]
    return [*named, ("user", _user_folder() / "sites"), (_SHIPPED, Path(__file__).parent / "site_profiles")]


def names() -> list[str]:
    """Return the names of all known sites, sorted."""
    return sorted({path.stem for _, folder in folders() for path in folder.glob("*.yaml")})


def find(name: str) -> Site:
    """Return the site of this name.

    Raises:
        UsageError: No site has this name.
    """
    for origin, folder in folders():
        path = folder / f"{name}.yaml"
        # a name is no path: it must be the stem of a file that the folder itself lists
        if name and "/" not in name and path.is_file():
            return Site(name, path, origin)
    raise UsageError(f"unknown site `{name}`.{did_you_mean(name, names())} Known sites: {', '.join(names())}")


def user_endpoint_file() -> Path:
    """Return the user's own file of endpoints, which need not exist."""
    return _user_folder() / "endpoints.yaml"


def endpoint_files() -> list[Path]:
    """Return the files of endpoints that are searched, first come first served; those of the environment must exist."""
    named = [Path(part) for part in os.environ.get(ENDPOINTS_VARIABLE, "").split(":") if part]
    return [*named, *([user_endpoint_file()] if user_endpoint_file().exists() else [])]


def _user_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pyhf-endpoint"
