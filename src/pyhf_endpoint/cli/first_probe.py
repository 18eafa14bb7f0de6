"""The end of `deploy`: what the workers behind a fresh endpoint say of themselves, and what users are given."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pyhf_endpoint.profiles import Resolved

__all__ = ["first_probe", "show_snippet"]


def first_probe(use: "Resolved", snippet: Path, log: Path, wait_s: float) -> int:
    """Probe the workers of one block through the endpoint, show what they say, and return the command's exit code.

    A block that does not run yet is no fault: batch systems may take hours. Neither is an account that only users can name.

    Args:
        use: The site, as it was deployed.
        snippet: The file that users are given, which has the endpoint.
        log: The endpoint's log, for messages.
        wait_s: Seconds to wait for a worker.
    """
    from pyhf_endpoint import directory
    from pyhf_endpoint.cli.probe import show
    from pyhf_endpoint.errors import PyhfEndpointError
    from pyhf_endpoint.probing import NoAnswerError, expectation, probe
    from pyhf_endpoint.service import Service
    from pyhf_endpoint.transport.globus import GlobusTransport

    site = use.profile.name
    entry = directory.parse(snippet.read_text(encoding="utf-8"), str(snippet))[site]
    again = f"pyhf-endpoint probe {site}"
    if entry.options.get("required"):
        needed = ", ".join(entry.options["required"])
        click.echo(f"not probed, as users must say: {needed}. Say it yourself: {again} " + _given(entry.options["required"]))
        return 0
    count = _workers_of_a_block(use)
    click.echo(f"probing through the endpoint; a block may have to wait in the queue, of which {wait_s:g} s are waited for")
    address = directory.Address(site, entry, str(snippet))
    transport = GlobusTransport(address, entry.functions, {}, Service(), workers=count)
    try:
        reports = probe(transport, count=count, limit_s=wait_s)
    except NoAnswerError:
        click.echo(
            f"the block is still queued, or starts: no worker answered within {wait_s:g} s. The endpoint serves once it runs;"
            f" look into the queue, or at {log.parent}, and later: {again} --wait 600"
        )
        return 0
    except PyhfEndpointError as error:
        click.echo(f"error: the endpoint is online, but its workers do not answer: {error}\nits log: {log}", err=True)
        return 1
    finally:
        transport.close()
    if len(reports) < count:
        click.echo(f"warning: {len(reports)} of a block's {count} workers answered within {wait_s:g} s; later: {again}", err=True)
    return 0 if show(site, expectation(use), reports) else 1


def show_snippet(path: Path, site: str) -> None:
    """Print what users need, and what they do with it."""
    click.echo(f"for users, as `pyhf-endpoint sites add {site} {path.name}`:")
    click.echo(path.read_text(encoding="utf-8"), nl=False)


def _workers_of_a_block(use: "Resolved") -> int:
    """As far as it is known: without a number, each core of the node gets a worker, and one is heard of."""
    return int(use["workers_per_node"] or 1) * int(use["nodes_per_block"] if use["workers_per_node"] else 1)


def _given(names: list[str]) -> str:
    return " ".join(f"--{name} NAME" if name in ("account", "queue") else f"--option {name}=VALUE" for name in names)
