"""The options with which every command that reaches a site says which, how, and on whose account."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pyhf_endpoint.transport import VIAS

__all__ = ["SITE_OPTIONS", "client_arguments", "site_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
#: The options' names.
SITE_OPTIONS = ("via", "profile", "variant", "account", "queue", "env", "settings", "retired_ok", "workers")


def site_options(command: _Command) -> _Command:
    """Add the options; the command is given them by the names in `SITE_OPTIONS`."""
    for decorate in reversed(
        (
            click.option("--via", type=click.Choice(VIAS), help="How to reach the site.  [default: what the site has]"),
            click.option("--account", metavar="NAME", help="Account to charge."),
            click.option("--queue", metavar="NAME", help="Queue, partition or QOS."),
            click.option("--variant", metavar="NAME", help="Variant of the site.  [default: its first]"),
            click.option("--option", "settings", multiple=True, metavar="NAME=VALUE", help="Any other setting of the site."),
            click.option("--env", metavar="venv:PATH|image:IMAGE", help="Where workers find pyhf-endpoint.  [default: here]"),
            click.option("--profile", type=click.Path(path_type=Path), metavar="FILE", help="The site's profile, by file."),
            click.option("--retired-ok", is_flag=True, help="Also use a retired site."),
            click.option("--workers", type=click.IntRange(min=1), help="Worker processes here, or to count on at an endpoint."),
        )
    ):
        command = decorate(command)
    return command


def client_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Take the site's options out of what a command was given, and return what `Client` takes.

    Raises:
        UsageError: A setting does not exist or does not fit.
    """
    from pyhf_endpoint.transport import Choice

    taken = {name: given.pop(name) for name in SITE_OPTIONS}
    settings: dict[str, Any] = {}
    named = [f"{name}={taken[name]}" for name in ("account", "queue") if taken[name]]
    if named or taken["settings"]:
        from pyhf_endpoint.endpoint import parse_settings

        settings = parse_settings([*taken["settings"], *named])
    choice = Choice(taken["variant"], settings, taken["env"], taken["retired_ok"])
    return {"via": taken["via"], "workers": taken["workers"], "profile": taken["profile"], "choice": choice}
