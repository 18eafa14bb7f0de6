"""Runs the command as a user does: another process, its two outputs and its exit code."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-m", "pyhf_endpoint"]


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


def run(*arguments: object, cwd: Path | None = None, code: int = 0, python: Path = Path(sys.executable)) -> Done:
    """Run `pyhf-endpoint` and hold it to its exit code."""
    done = subprocess.run([str(python), *COMMAND[1:], *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=240)
    assert done.returncode == code, done.stderr + done.stdout
    return Done(done.returncode, done.stdout, done.stderr)
