"""Run folders: where an engine keeps its logs, certificates and submit scripts."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from pyhf_endpoint.errors import TransportError

__all__ = ["new_run", "tail"]

_KEEP_S = 14 * 24 * 3600
_TAIL = 15  # lines


def new_run(environment: Mapping[str, str] = os.environ) -> Path:
    """Make an empty run folder, and remove those that nobody has touched for two weeks.

    The folder is below `$XDG_STATE_HOME/pyhf-endpoint/runs`, by default `~/.local/state/pyhf-endpoint/runs`. Compute nodes must
    see it: workers read certificates there and leave their logs.

    Args:
        environment: Where `XDG_STATE_HOME` and `HOME` come from.

    Raises:
        TransportError: The folder cannot be made.
    """
    state = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME") or Path.home()) / ".local" / "state"
    runs = Path(state).absolute() / "pyhf-endpoint" / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for old in runs.iterdir():
            if time.time() - old.stat().st_mtime > _KEEP_S:
                shutil.rmtree(old, ignore_errors=True)
        path = runs / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{time.monotonic_ns() % 10**6}"
        path.mkdir(mode=0o700)
    except OSError as error:
        raise TransportError(
            f"cannot make a folder for this run below {runs}: {error.strerror}; set XDG_STATE_HOME to a folder that you may write"
            " to and that compute nodes see"
        ) from error
    return path


def tail(path: Path) -> str:
    """Return the last lines of a log, indented, or an empty string where there are none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in lines[-_TAIL:])
