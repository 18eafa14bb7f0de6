"""Shows where each value of a site comes from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pyhf_endpoint.profiles import SiteProfile

__all__ = ["explain_site"]

_WIDTH = 60


def explain_site(profile: "SiteProfile", variant: str | None) -> None:
    """Print every setting of one use of a site with its origin, and every fact of its profile with what it rests on.

    Raises:
        UsageError: The site has no such variant.
    """
    from pyhf_endpoint import profiles

    use = profiles.resolve(profile, variant)
    click.echo(f"\nSettings of variant `{use.variant}`: default < profile < variant < option; `node` follows from the hardware")
    _print_table([(name, _shown(setting.value), setting.origin) for name, setting in use.settings.items()])
    click.echo("\nFacts, and what they rest on: keys of the profile's sources, or reasons")
    _print_table(_facts(profile))


def _facts(profile: "SiteProfile") -> list[tuple[str, str, str]]:
    from pyhf_endpoint import profiles

    rests, data = profiles.evidence(profile), profile.model_dump(mode="json")
    bases = {path: ", ".join(keys) for path, keys in rests.sourced.items()}
    bases |= {path: f"inferred: {reason}" for path, reason in rests.inferred.items()}
    bases |= dict.fromkeys(rests.unknown, "-") | dict.fromkeys(rests.unsupported, "nothing")
    return sorted((path, _shown(_at(data, path)), basis) for path, basis in bases.items())


def _at(data: Mapping[str, Any], path: str) -> Any:
    """The value at a path, whose keys may themselves hold dots."""
    key = next(key for key in data if path == key or path.startswith(f"{key}."))
    return data[key] if path == key else _at(data[key], path[len(key) + 1 :])


def _shown(value: object) -> str:
    """A value on one line; a dash where there is none."""
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value)) or "-"
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _print_table(rows: Sequence[tuple[str, str, str]]) -> None:
    first = max((len(row[0]) for row in rows), default=0)
    second = min(_WIDTH, max((len(row[1]) for row in rows), default=0))
    for name, value, basis in rows:
        click.echo(f"  {name.ljust(first)}  {value.ljust(second)}  {basis}")
