"""Holds a client back to the rate at which Globus Compute takes a user's requests, whatever number of processes ask."""

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Pace"]

# The service takes 20 requests of a user in 10 s; two of them are left to the SDK's own.
_WINDOW_S, _PER_WINDOW = 10.0, 18


class Pace:
    """Lets requests through: some at once, then no more than a rate; and no more in any 10 s than the service takes.

    The latter counts all processes of this user on this machine: commands that follow each other closely, say. They note their
    requests' times in `pyhf-endpoint/requests` in the user's folder of state (XDG_STATE_HOME, else `~/.local/state`); where that
    cannot be written, each process counts for itself.

    Args:
        burst: Requests that go through at once.
        period: Seconds per request after that.
    """

    def __init__(self, burst: int = 8, period: float = 1.0) -> None:
        self._burst, self._period = burst, period
        self._left, self._counted = float(burst), time.monotonic()
        self._lock = threading.Lock()
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        self._file = home / "pyhf-endpoint" / "requests"

    def wait(self) -> None:
        """Return when a request may be sent."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._burst, self._left + (now - self._counted) / self._period) - 1
            self._counted = now
            if self._left < 0:
                time.sleep(-self._left * self._period)
            with suppress(OSError):
                while (pause := self._note()) > 0:
                    time.sleep(pause)

    def _note(self) -> float:
        """Note a request if there is room for it; return the seconds until there may be, or 0."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.time()
            # A clock that was set back must not keep anybody waiting.
            recent = [moment for moment in map(_moment, file) if now - _WINDOW_S < moment <= now]
            if len(recent) >= _PER_WINDOW:
                return min(recent) + _WINDOW_S - now
            file.truncate(0)
            file.writelines(f"{moment}\n" for moment in (*recent, now))
            return 0.0


def _moment(line: str) -> float:
    try:
        return float(line)
    except ValueError:
        return 0.0
