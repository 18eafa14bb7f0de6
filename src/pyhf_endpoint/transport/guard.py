"""Runs a program for a parent: output into a file, deaf to Ctrl-C, and ended, with the parent's jobs, once the parent is gone.

Run by path, without this package: `python -IS guard.py LOG JOBS CANCEL PROGRAM ARGUMENT...`. A parent ended by SIGKILL cannot
clean up, and the program (the engine's interchange) would hold on to its blocks until their walltime.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

_POLL_S = 0.5


def main(log: str, jobs: str, cancel: str, *command: str) -> int:
    """Run the command until it ends, SIGTERM arrives or the parent is gone; return its exit code.

    Args:
        log: File to which the program's output is appended.
        jobs: File with one job id per line.
        cancel: Program that cancels jobs; empty where there is none.
        command: Program and arguments; it inherits standard input.
    """
    parent = os.getppid()
    os.setsid()  # Ctrl-C reaches the terminal's process group; the client alone decides what it means
    with Path(log).open("ab") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603 - the engine's own command
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        while os.getppid() == parent:
            try:
                return child.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                pass
        child.terminate()
        if cancel and Path(jobs).exists():
            subprocess.run([cancel, *Path(jobs).read_text().split()], stdout=output, stderr=output, check=False)  # noqa: S603
        return child.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
