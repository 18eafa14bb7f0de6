"""Tells how the container image is had and run at a site."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyhf_endpoint.profiles import Resolved

__all__ = ["image_lines"]


def image_lines(use: "Resolved") -> Iterator[str]:
    """Yield the lines: what gets the image, what the engine runs a worker with, and the option that names the image.

    Of a retired site there is nothing to get or to run.
    """
    if use.profile.status == "retired":
        yield "this site is retired: its machine is gone, and the profile stays as a record"
        return
    from pyhf_endpoint import __version__, endpoint

    found = endpoint.guide(use, __version__)
    if found is None:
        yield f"container runtime: {use.profile.container.runtime}; workers use a virtual environment"
        return
    yield f"container runtime: {found.runtime}; image for variant `{use.variant}`: {found.image}"
    if found.pull:
        yield f"  pull: {' && '.join([*found.setup, found.pull])}"
    if found.run:
        yield f"  run:  {found.run}"
    yield f"  use:  pyhf-endpoint render {use.profile.name} --env {found.env}"
