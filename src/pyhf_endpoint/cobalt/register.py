"""How Globus Compute comes to know the Cobalt provider: one function, and a launcher that calls it before the real program.

Globus Compute looks providers up as attributes of `parsl.providers`, in the process that builds the engine. That process is
`globus-compute-endpoint`, which the daemon starts by name from the PATH in `user_environment.yaml`. A launcher of that name in
a folder first on that PATH is therefore the hook: it runs `main`, which registers the provider and goes on as the real program.
"""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from pyhf_endpoint.errors import MissingExtraError

__all__ = ["PROGRAM", "main", "register_cobalt_provider", "write_launcher"]

#: The program that the daemon starts, and the launcher's name.
PROGRAM = "globus-compute-endpoint"


def register_cobalt_provider() -> None:
    """Make `CobaltProvider` an attribute of `parsl.providers`, in this process only.

    Raises:
        MissingExtraError: Parsl is not installed.
    """
    if find_spec("parsl") is None:
        raise MissingExtraError("endpoint", "the Cobalt provider")
    import parsl.providers

    from pyhf_endpoint.cobalt.provider import CobaltProvider

    parsl.providers.CobaltProvider = CobaltProvider


def write_launcher(folder: Path, python: Path) -> Path:
    """Write the launcher and return its path.

    Args:
        folder: Where it goes, made if need be: a folder of its own, first on the PATH of `user_environment.yaml`.
        python: The Python of the environment that holds this package and Globus Compute. It is not resolved: a virtual
            environment's Python is a link, and only by the link's name is it the environment's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    launcher = folder / PROGRAM
    # -P: the folder that the endpoint happens to start in must not shadow any module.
    # -c rather than -m: with -m the program would name itself after this module in its help.
    command = f"exec {shlex.quote(str(python.absolute()))} -P -c 'from {__name__} import main; main()' \"$@\""
    launcher.write_text(
        f"#!/bin/sh\n# Makes CobaltProvider known to {PROGRAM}, then is {PROGRAM}.\n{command}\n", encoding="utf-8"
    )
    launcher.chmod(0o755)
    return launcher


def main() -> None:
    """Register the provider, then be `globus-compute-endpoint`."""
    register_cobalt_provider()
    # The program derives its name from a path, at import.
    sys.argv[0] = str(Path(sys.executable).with_name(PROGRAM))
    from globus_compute_endpoint.cli import cli_run

    cli_run()
