"""The directory of endpoints: which Globus Compute endpoint stands for a site, with which functions and options.

A site is looked for in this order, and the first entry found counts:

1. the files named by PYHF_ENDPOINT_ENDPOINTS, separated by colons;
2. `pyhf-endpoint/endpoints.yaml` in the user's configuration folder (XDG_CONFIG_HOME, else `~/.config`), which
   `pyhf-endpoint sites add` writes;
3. the endpoint that the facility itself runs, from the site's profile, provided that it carries this project's functions.

Such a file maps names of sites to entries; an administrator's snippet is such a file with one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, StringConstraints, ValidationError

from pyhf_endpoint import sites
from pyhf_endpoint.errors import InputError, TransportError, list_faults, value_found
from pyhf_endpoint.profiles import SiteProfile
from pyhf_endpoint.profiles.types import Count, Frozen, Name

__all__ = ["FILES_VARIABLE", "Address", "Entry", "add", "addresses", "find", "parse", "remove", "require", "user_file"]

FILES_VARIABLE = sites.ENDPOINTS_VARIABLE
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Id = Annotated[str, StringConstraints(pattern=rf"^{_UUID}$")]
_FACILITY = "facility"


class Entry(Frozen):
    """What is known of an endpoint."""

    endpoint: Id
    """Its id."""
    functions: dict[Name, Id] = Field(default_factory=dict)
    """Ids of the functions by kind; none for an endpoint that allows every function, where the user's own are called."""
    options: dict[str, Any] = Field(default_factory=dict)
    """JSON schema of the options that it accepts; empty where that is not known."""
    workers: Count | None = None
    """Workers that run at the same time."""


@dataclass(frozen=True)
class Address:
    """A site's endpoint, and what says so.

    Attributes:
        site: Name of the site.
        entry: The endpoint.
        origin: The file, or `facility` for one that the site's own operators run.
    """

    site: str
    entry: Entry
    origin: str

    @property
    def is_usable(self) -> bool:
        """Whether grids may go there: a facility's endpoint without this project's functions is only ever shown."""
        return self.origin != _FACILITY or bool(self.entry.functions)


def user_file() -> Path:
    """Return the user's file."""
    return sites.user_endpoint_file()


def addresses(profile: SiteProfile) -> Iterator[Address]:
    """Yield a site's endpoints in the order in which they count.

    Raises:
        InputError: A file cannot be read or has faults.
    """
    for path in sites.endpoint_files():
        entries = _read(path)
        if profile.name in entries:
            yield Address(profile.name, entries[profile.name], str(path))
    facility = profile.facility_endpoint
    if facility is not None:
        yield Address(profile.name, Entry(endpoint=facility.endpoint, functions=facility.functions), _FACILITY)


def find(profile: SiteProfile) -> Address | None:
    """Return the endpoint that stands for a site; None where there is none to use.

    Raises:
        InputError: A file cannot be read or has faults.
    """
    return next((address for address in addresses(profile) if address.is_usable), None)


def require(profile: SiteProfile) -> Address:
    """Return the endpoint that stands for a site.

    Raises:
        TransportError: There is none; the message names the ways to get one.
        InputError: A file cannot be read or has faults.
    """
    found = find(profile)
    if found is not None:
        return found
    if profile.status == "retired":
        raise TransportError(
            f"site `{profile.name}` is retired: its machine is gone, and no Globus Compute endpoint is known for it;"
            " `pyhf-endpoint sites list` shows the active ones"
        )
    name, facility = profile.name, next(addresses(profile), None)
    lines = [
        f"no Globus Compute endpoint is known for the site `{name}`; three ways to reach it:",
        f"  its administrator has set one up: pyhf-endpoint sites add {name} SNIPPET, with what `deploy` printed there",
        f"  set one up yourself, on its login node: pyhf-endpoint deploy {name}",
        "  go without one, on its login node: give --via scheduler",
    ]
    if facility is not None:
        lines.append(f"({profile.facility} runs the endpoint {facility.entry.endpoint}, which lacks this project's functions)")
    raise TransportError("\n".join(lines))


def add(site: str, entry: Entry) -> Path:
    """Write a site's endpoint into the user's file, in the place of the one that was there; return the file.

    Raises:
        InputError: The file has faults.
    """
    entries = _read(user_file()) if user_file().exists() else {}
    return _write(entries | {site: entry})


def remove(site: str, endpoint: str) -> bool:
    """Take a site's endpoint out of the user's file; return whether it was there.

    Args:
        site: The site.
        endpoint: Id of the endpoint; another one stays.

    Raises:
        InputError: The file has faults.
    """
    entries = _read(user_file()) if user_file().exists() else {}
    if site not in entries or entries[site].endpoint != endpoint:
        return False
    _write({name: one for name, one in entries.items() if name != site})
    return True


def parse(text: str, where: str) -> dict[str, Entry]:
    """Return the entries in the text of a file or snippet.

    Args:
        text: YAML.
        where: What to call it in messages.

    Raises:
        InputError: It has faults; all of them are listed.
    """
    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where} is not YAML: {error}") from error
    if not isinstance(rows, Mapping):
        raise InputError(f"{where} must map names of sites to endpoints, such as `polaris: {{endpoint: UUID}}`")
    entries, faults = {}, []
    for name, row in rows.items():
        try:
            entries[str(name)] = Entry.model_validate(row)
        except ValidationError as error:
            faults += [
                f"{'.'.join(map(str, (name, *fault['loc'])))}: {fault['msg']}{value_found(fault)}"
                for fault in error.errors(include_url=False)
            ]
    if faults:
        raise InputError(list_faults(where, faults) + "\ncorrect or remove these entries, or get the snippet again")
    return entries


def _read(path: Path) -> dict[str, Entry]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}, a file of endpoints: {error.strerror}; see {FILES_VARIABLE}") from error
    return parse(text, str(path))


def _write(entries: Mapping[str, Entry]) -> Path:
    path = user_file()
    rows = {name: one.model_dump(exclude_defaults=True) for name, one in entries.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(rows, sort_keys=False), encoding="utf-8")
    fresh.replace(path)
    return path
