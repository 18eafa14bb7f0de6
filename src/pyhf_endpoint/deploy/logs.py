"""The logs of an endpoint, all in its folder: where they are, and how they are kept from growing for ever.

| below the endpoint's folder | what | kept short by |
|---|---|---|
| `endpoint.log` | the daemon's | Globus Compute: 100 MB and one older file |
| `users/*/endpoint.log` | the process that serves one user's choice of options; Parsl's are in it | Globus Compute: likewise |
| `users/*/*/interchange.log` | the engine's hub | `prune`: put aside from 100 MB on, where its process has ended |
| `users/*/*/block-*/*/` | each node's manager and workers | `prune`: removed two weeks after the last line |
| `users/*/submit_scripts/` | what was submitted, and each block's output | `prune`: removed two weeks after the last line |
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["KEEP_S", "LARGE", "USERS", "prune", "size"]

#: The folder, in the endpoint's, in which each user endpoint process has one of its own.
USERS = "users"
#: Seconds for which what is no longer written to is kept.
KEEP_S = 14 * 24 * 3600.0
#: Bytes from which on a log that nobody writes to is put aside, replacing the one that was before.
LARGE = 100 * 1024 * 1024


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(found.st_size for path in folder.rglob("*") if (found := _stat(path)) is not None)


def prune(folder: Path) -> int:
    """Remove what an endpoint no longer needs of its users' folders, and return how many bytes that were.

    Args:
        folder: The endpoint's folder. What belongs to a process that runs is left alone but for blocks long gone.
    """
    users = folder / USERS
    before, oldest = size(users), time.time() - KEEP_S
    for user in _entries(users):
        alive = _is_alive(user)
        if not alive and _newest(user) < oldest:
            shutil.rmtree(user, ignore_errors=True)
            continue
        for stale in _stale(user, oldest):
            if stale.is_dir():
                shutil.rmtree(stale, ignore_errors=True)
            else:
                stale.unlink(missing_ok=True)
        if not alive:
            for log in [path for path in user.rglob("*.log") if path.stat().st_size >= LARGE]:
                log.replace(log.with_name(f"{log.name}.1"))
    return before - size(users)


def _stale(user: Path, oldest: float) -> Iterator[Path]:
    """The folders of nodes, and the files of blocks, that nothing has been written to since."""
    for path in [*user.glob("*/block-*/*"), *user.glob("submit_scripts/*")]:
        if _newest(path) < oldest:
            yield path


def _newest(path: Path) -> float:
    """When anything at or below a path was written last; only files count where there are any."""
    times = [found.st_mtime for one in path.rglob("*") if (found := _stat(one)) is not None]
    return max(times, default=path.stat().st_mtime)


def _stat(path: Path) -> os.stat_result | None:
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed by somebody else in the meantime
        return None
    return found if path.is_file() else None


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _is_alive(user: Path) -> bool:
    """Whether the process that a user's folder belongs to may run; one of another program with its number counts, too."""
    try:
        pid = int((user / "daemon.pid").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return False
    return Path(f"/proc/{pid}").exists()
