"""The only module that runs other programs: argument lists, no shell, a time limit, and everything they printed."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pyhf_endpoint.errors import ProgramError, ProgramMissingError, ProgramTimeoutError

__all__ = ["Completed", "Runner", "run"]

# What an ended program's pipes get to run dry; a descendant that left the process group may hold them open for ever.
_DRAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended.

    Attributes:
        returncode: Its exit code; minus the signal's number where a signal ended it.
        stdout: What it printed, decoded as UTF-8 with replacement characters for what is not.
        stderr: What it complained about, decoded likewise.
    """

    returncode: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """What runs a program: `run`, or a stand-in of its shape."""

    def __call__(self, argv: Sequence[str], *, timeout: float) -> Completed:
        """Run `argv`, at most `timeout` seconds long."""


def run(
    argv: Sequence[str], *, timeout: float, stdin: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Completed:
    """Run a program to its end and return how it ended, whatever its exit code.

    The program gets a session of its own: it never waits for the terminal, Ctrl-C is not its business, and when its time is over
    its descendants end with it.

    Args:
        argv: The program, looked up on this process's PATH where it has no slash, and its arguments; no shell reads them.
        timeout: The most seconds that it may run.
        stdin: What it can read.
        env: Its whole environment; None passes this process's own.
        cwd: The folder that it starts in; None is this process's own.

    Raises:
        ProgramMissingError: There is no such program.
        ProgramTimeoutError: It did not end in time; it has been killed.
        ProgramError: It cannot be started for another reason.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the argument list is ours and no shell sees it
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cwd,
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise _not_started(argv[0], cwd, error) from error
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise ProgramTimeoutError(
                f"`{' '.join(argv)}` did not end within {timeout:g} s and was ended; "
                "see whether the same command answers by hand, and allow it more time if it does"
            ) from error
        except BaseException:
            _end(process)
            raise
    return Completed(process.returncode, stdout, stderr)


def _not_started(program: str, cwd: Path | None, error: OSError) -> ProgramError:
    if cwd is not None and not cwd.is_dir():
        return ProgramError(f"`{program}` cannot start in {cwd}: there is no such folder")
    if isinstance(error, FileNotFoundError) and os.sep in program:
        return ProgramMissingError(
            f"`{program}` does not exist or its interpreter does not; correct the path or install what it belongs to"
        )
    if isinstance(error, FileNotFoundError):
        return ProgramMissingError(
            f"`{program}` is not on PATH ({os.environ.get('PATH', 'unset')}); install it, load the module that brings it, "
            "or work on a machine that has it (batch commands live on login nodes)"
        )
    return ProgramError(f"`{program}` cannot be started: {error.strerror}; make it executable, or name another program")


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_DRAIN_S)
