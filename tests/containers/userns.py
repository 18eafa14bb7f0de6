"""Run a command as root of a user namespace of its own, in which even a root that lacks capabilities has all of them.

`apptainer build` needs them for a definition file's `%test`; Python 3.11 has no `os.unshare`, and `unshare` of util-linux
cannot map all users without newuidmap.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["run_as_namespace_root"]

_NEWNS = 0x00020000
_NEWUSER = 0x10000000
_IDENTITY = "0 0 65536"


def run_as_namespace_root(command: Sequence[str]) -> int:
    """Return the command's exit code.

    Raises:
        OSError: The kernel refuses the namespace.
    """
    unshared, unshared_end = os.pipe()
    mapped, mapped_end = os.pipe()
    child = os.fork()
    if child == 0:
        if ctypes.CDLL(None, use_errno=True).unshare(_NEWUSER | _NEWNS):
            os._exit(ctypes.get_errno())
        os.write(unshared_end, b".")
        os.read(mapped, 1)
        os.execvp(command[0], [*command])
    os.close(unshared_end)
    if os.read(unshared, 1):
        for kind in ("uid_map", "gid_map"):  # only a process outside may map more than itself
            Path(f"/proc/{child}/{kind}").write_text(_IDENTITY)
        os.write(mapped_end, b".")
    _, status = os.waitpid(child, 0)
    for end in (unshared, mapped, mapped_end):
        os.close(end)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(run_as_namespace_root(sys.argv[1:]))
