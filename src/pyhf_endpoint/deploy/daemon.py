"""An endpoint's daemon on this machine, by Globus Compute's own command line and the files that it keeps."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pyhf_endpoint import process
from pyhf_endpoint.errors import TransportError

__all__ = ["Daemon", "home"]

_PROGRAM = "globus-compute-endpoint"
_COMMAND_S = 120.0
_FORCED_STOP_S = 60.0
_KILLED_S = 5.0
_TAIL = 1500  # characters of a failed command that are shown


def home() -> Path:
    """Return the folder in which Globus Compute keeps its endpoints."""
    return Path(os.environ.get("GLOBUS_COMPUTE_USER_DIR") or Path.home() / ".globus_compute")


class Daemon:
    """One endpoint.

    Args:
        name: Its name, which is that of its folder.
        runner: What runs the command line.
    """

    def __init__(self, name: str, runner: process.Runner = process.run) -> None:
        self.name = name
        self.folder = home() / name
        self._runner = runner

    @property
    def is_configured(self) -> bool:
        """Whether there is such an endpoint."""
        return (self.folder / "config.yaml").exists()

    @property
    def id(self) -> str | None:
        """The endpoint's id; None until its first start."""
        try:
            return str(json.loads((self.folder / "endpoint.json").read_text(encoding="utf-8"))["endpoint_id"])
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return None

    @property
    def pid(self) -> int | None:
        """The daemon's process; None where it does not run."""
        try:
            pid = int((self.folder / "daemon.pid").read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        # A daemon gives itself a title with its id; an interpreter that still starts has the program's name.
        known = [_PROGRAM, *([self.id] if self.id else [])]
        return pid if any(word in command for word in known) else None

    def forget_dead(self) -> bool:
        """Remove the note of a daemon that has died, without which it would not start again; return whether there was one."""
        note = self.folder / "daemon.pid"
        if not note.exists() or self.pid is not None:
            return False
        note.unlink()
        return True

    def configure(self, files: Mapping[str, Path], *, contact: str | None, multi_user: bool) -> None:
        """Let Globus Compute make the endpoint's folder.

        Args:
            files: Its files by the command line's options (`core-config` and so on).
            contact: An administrator's address, which Globus Compute insists on where root runs the endpoint.
            multi_user: Whether each user's processes run as a local user of their own.
        """
        options = [word for option, path in files.items() for word in (f"--{option}", str(path))]
        options += ["--contact-email", contact] if contact else []
        self._run("configure", *options, "--multi-user", str(multi_user).lower(), self.name)

    def start(self) -> None:
        """Start it, detached from this terminal."""
        self.forget_dead()
        self._run("start", "--detach", self.name)

    def stop(self) -> None:
        """Stop it, if it runs, and with it what serves users."""
        if self.forget_dead() or self.pid is None:
            return
        try:
            self._run("stop", self.name)
        except TransportError:
            # Its command gives up after ten seconds; the daemon, after as many, ends users' processes by force, and then itself.
            if not self._ends():
                self._kill()

    def delete(self) -> None:
        """Stop it and remove it, here and from the service."""
        self.stop()
        self._run("delete", "--yes", "--force", self.name)

    def log_tail(self, lines: int = 20) -> str:
        """Return the end of its log."""
        path = self.folder / "endpoint.log"
        if not path.exists():
            return ""
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _ends(self) -> bool:
        """Whether it ends in time, once it has been told to."""
        deadline = time.monotonic() + _FORCED_STOP_S
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(0.2)
        self.forget_dead()
        return self.pid is None

    def _kill(self) -> None:
        """End a daemon that does not heed its signal, with all that it has started."""
        import psutil  # which Globus Compute brings

        try:
            daemon = psutil.Process(self.pid or 0)
            processes = [daemon, *daemon.children(recursive=True)] if self.pid else []
        except psutil.NoSuchProcess:
            processes = []
        for one in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(processes, timeout=_KILLED_S)
        self.forget_dead()

    def _run(self, *arguments: str) -> None:
        program = Path(sys.executable).parent / _PROGRAM
        done = self._runner([str(program), *arguments], timeout=_COMMAND_S)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-_TAIL:]
            raise TransportError(f"`{_PROGRAM} {' '.join(arguments)}` ended with code {done.returncode}:\n{said}")
