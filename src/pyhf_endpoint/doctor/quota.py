"""Checks of what may be written besides free space: the quota of this user, and the number of files."""

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyhf_endpoint.doctor.finding import Finding, error, ok, skipped, warning
from pyhf_endpoint.doctor.machine import mount_of
from pyhf_endpoint.errors import ProgramError, ProgramMissingError
from pyhf_endpoint.process import Runner

__all__ = ["Usage", "files", "parse", "quota"]

# An endpoint leaves some ten files per block, and one per worker.
_ENOUGH_FILES, _FEW_FILES = 10_000, 500
_NEARLY = 0.9
_COMMAND_S = 20.0
# A number of the two programs: perhaps marked as over its soft limit, or, by Lustre, as inaccurate.
_NUMBER = re.compile(r"\[?(\d+)\*?\]?\*?")
_COLUMNS = 8  # used, soft limit, hard limit and grace: first of space in KiB, then of files
_REMEDY = "remove what you no longer need there, ask the site for more, or choose another folder"


@dataclass(frozen=True)
class Usage:
    """What somebody uses of one kind of thing that is limited.

    Attributes:
        what: `KiB` or `files`.
        used: How much.
        soft: What may be exceeded for a time; 0 for no such limit.
        hard: What may not be exceeded; 0 for no such limit.
        expired: Whether the time for which the soft limit may be exceeded is over.
    """

    what: str
    used: int
    soft: int
    hard: int
    expired: bool

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing more can be written."""
        return 0 < self.hard <= self.used or (0 < self.soft < self.used and self.expired)

    @property
    def is_short(self) -> bool:
        """Whether little more can be written, or not for long."""
        return 0 < self.soft < self.used or self.used >= _NEARLY * (self.hard or self.soft or float("inf"))

    def __str__(self) -> str:
        """Say how much of the limit is used."""
        return f"{self.used:,} of {self.hard or self.soft:,} {self.what}"


def files(folder: Path) -> Finding:
    """See how many more files the run directory's file system takes, quotas aside."""
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    found = os.statvfs(place)
    if found.f_files == 0:
        return skipped("files", f"the file system of {place} has no fixed number of files")
    message = f"{found.f_favail:,} more files fit in {place}"
    if found.f_favail < _FEW_FILES:
        return error("files", message, "remove some; each block leaves some ten, and each worker one")
    if found.f_favail < _ENOUGH_FILES:
        return warning("files", message, "remove some before long")
    return ok("files", message)


def quota(folder: Path, runner: Runner, mounts: Path = Path("/proc/self/mounts")) -> Finding:
    """See whether this user's quota leaves room in the run directory's file system.

    Args:
        folder: The run directory, or where it will be.
        runner: What runs the file system's program.
        mounts: The table of mounts.
    """
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    mount = mount_of(place, mounts)
    lustre = mount.kind == "lustre"
    argv = ["lfs", "quota", "-q", "-u", str(os.geteuid()), str(place)] if lustre else ["quota", "-w", "-p"]
    try:
        done = runner(argv, timeout=_COMMAND_S)
    except ProgramMissingError:
        return skipped("quota", f"there is no `{argv[0]}` here; the site may have a program of its own")
    except ProgramError as fault:
        return skipped("quota", f"the quota is not told: {fault}")
    found = parse(done.stdout, None if lustre else mount.source)
    if not found:
        return skipped(
            "quota", f"`{' '.join(argv)}` tells of none for {place} ({mount.kind}); the site may have a program of its own"
        )
    for test, finding in _VERDICTS:
        parts = [str(usage) for usage in found if test(usage)]
        if parts:
            return finding("quota", f"of the quota for {place}, {' and '.join(parts)} are used", _REMEDY)
    used = " and ".join(str(usage) for usage in found if usage.hard or usage.soft)
    return ok("quota", f"of the quota for {place}, {used} are used" if used else f"no limit for {place}")


_VERDICTS: tuple[tuple[Callable[[Usage], bool], Callable[[str, str, str], Finding]], ...] = (
    (lambda usage: usage.is_exhausted, error),
    (lambda usage: usage.is_short, warning),
)


def parse(text: str, source: str | None = None) -> tuple[Usage, ...]:
    """Return the usage in what `lfs quota -q` or `quota -w -p` prints; nothing where it does not tell.

    Args:
        text: A file system's name, which Lustre may put on a line of its own, and eight columns; perhaps other lines.
        source: The file system's name, as it is mounted; None for the first that is there.
    """
    words = text.split()
    for i, word in enumerate(words):
        row = words[i + 1 : i + 1 + _COLUMNS]
        if (word == source if source else not _NUMBER.fullmatch(word)) and len(row) == _COLUMNS and _is_row(row):
            return tuple(_usages(row))
    return ()


def _is_row(row: list[str]) -> bool:
    return all(_NUMBER.fullmatch(row[i]) for i in (0, 1, 2, 4, 5, 6))


def _usages(row: list[str]) -> Iterator[Usage]:
    for what, (used, soft, hard, grace) in (("KiB", row[:4]), ("files", row[4:])):
        yield Usage(what, _number(used), _number(soft), _number(hard), _is_over(grace))


def _number(word: str) -> int:
    found = _NUMBER.fullmatch(word)
    return int(found[1]) if found else 0


def _is_over(grace: str) -> bool:
    """`quota -p` gives seconds since 1970, or 0; Lustre `-`, a duration, or `none` or `expired` once it is over."""
    return 0 < int(grace) < time.time() if grace.isdecimal() else grace in ("none", "expired")
