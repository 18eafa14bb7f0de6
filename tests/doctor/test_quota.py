"""Quotas as the programs print them, and file systems that are really full."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyhf_endpoint.doctor import machine, quota
from pyhf_endpoint.doctor.finding import Finding
from pyhf_endpoint.errors import ProgramTimeoutError
from pyhf_endpoint.process import Completed
from tests.doctor.test_machine import Answer, missing

HOME = "home:/export"
HEAD = """\
Disk quotas for user alice (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
"""
# What `quota -w -p` prints for NFS, beside another file system.
NFS = HEAD + "server:/a/very/long/name/of/an/export       9       0       0       0       9       0       0       0\n"
LATER, BEFORE = int(time.time()) + 500_000, 1_000_000_000


def nfs(space: str, files: str) -> str:
    return NFS + f"{HOME} {space} {files}\n"


# Lustre's own wording; a name too long for its column stands on a line of its own.
WRAPPED = """\
/home/n/alice
                79593800       0       0       -  623966       0       0       -
uid 3098083 is using default block quota setting
uid 3098083 is using default file quota setting
"""
SAMPLES = {
    "room": (nfs("1000 2000 3000 0", "10 0 0 0"), "ok", "1,000 of 3,000 KiB are used"),
    "soft limit alone": (nfs("1000 2000 0 0", "10 0 0 0"), "ok", "1,000 of 2,000 KiB are used"),
    "none": (nfs("1000 0 0 0", "10 0 0 0"), "ok", "no limit for "),
    "over the soft limit": (nfs(f"2001* 2000 3000 {LATER}", "10 0 0 0"), "warning", "2,001 of 3,000 KiB are used"),
    "for too long": (nfs(f"2001* 2000 3000 {BEFORE}", "10 0 0 0"), "error", "2,001 of 3,000 KiB are used"),
    "full": (nfs("3000* 2000 3000 6000000000", "10 0 0 0"), "error", "3,000 of 3,000 KiB are used"),
    "nearly full": (nfs("2700 0 3000 0", "10 0 0 0"), "warning", "2,700 of 3,000 KiB are used"),
    "files": (nfs("1000 2000 3000 0", "100 0 100 0"), "error", "100 of 100 files are used"),
    "both": (nfs("3000 0 3000 0", "100 0 100 0"), "error", "3,000 of 3,000 KiB and 100 of 100 files are used"),
    "of another file system": (NFS, "skipped", "tells of none"),
    "nobody's": ("Disk quotas for user root (uid 0): none\n", "skipped", "tells of none"),
    "nothing": ("", "skipped", "tells of none"),
}
LUSTRE = {
    "room": (
        "     /scratch 758144624  20000000000 20200000000       - 3528777  4000000 4001000       -\n",
        "ok",
        "758,144,624 of",
    ),
    "nearly out of files": (
        "  /scratch 1 0 0 - 3928777  4000000 4001000 -\n",
        "warning",
        "3,928,777 of 4,001,000 files are used",
    ),
    "over": (
        "/projects/a 3165308*   3072    4096       -      48  1073741824 2147483648       -\n",
        "error",
        "3,165,308 of 4,096",
    ),
    "grace": ("     /scratch 3500* 3072    4096   6d23h59m51s      48  0 0       -\n", "warning", "3,500 of 4,096 KiB are used"),
    "expired": ("     /scratch 3500* 3072    4096   none      48  0 0       -\n", "error", "3,500 of 4,096 KiB are used"),
    "wrapped": (WRAPPED, "ok", "no limit for "),
    "inaccurate": (
        "      /lustre01 [1048576] 2097152 4194304       - [1000] 5000 10000       -\n",
        "ok",
        "1,048,576 of 4,194,304 KiB",
    ),
}


def examined(kind: str, text: str, folder: Path) -> tuple[Finding, Answer]:
    mounts = folder / "mounts"
    mounts.write_text(f"{HOME} / {kind} rw 0 0\n")
    answer = Answer(out=text)
    return quota.quota(folder / "not" / "yet", answer, mounts), answer


@pytest.mark.parametrize("case", SAMPLES)
def test_what_quota_tells(case: str, tmp_path: Path) -> None:
    text, severity, message = SAMPLES[case]
    found, answer = examined("nfs4", text, tmp_path)
    assert answer.argv == ["quota", "-w", "-p"]
    assert found.severity == severity, found
    assert message in found.message
    assert bool(found.remedy) == (severity in ("warning", "error"))


@pytest.mark.parametrize("case", LUSTRE)
def test_what_lustre_tells(case: str, tmp_path: Path) -> None:
    text, severity, message = LUSTRE[case]
    found, answer = examined("lustre", text, tmp_path)
    assert answer.argv == ["lfs", "quota", "-q", "-u", str(os.geteuid()), str(tmp_path)]
    assert found.severity == severity, found
    assert message in found.message


def test_without_the_program(tmp_path: Path) -> None:
    found = quota.quota(tmp_path, missing)
    assert (found.severity, found.message) == ("skipped", "there is no `quota` here; the site may have a program of its own")


def test_a_program_that_hangs(tmp_path: Path) -> None:
    def hanging(argv: Sequence[str], *, timeout: float) -> Completed:
        raise ProgramTimeoutError("`quota -w -p` did not end within 20 s")

    found = quota.quota(tmp_path, hanging)
    assert (found.severity, found.message) == ("skipped", "the quota is not told: `quota -w -p` did not end within 20 s")


@pytest.mark.parametrize(
    ("total", "free", "severity"), [(10**6, 20_000, "ok"), (10**6, 9_999, "warning"), (10**6, 499, "error"), (0, 0, "skipped")]
)
def test_the_number_of_files(total: int, free: int, severity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=total, f_favail=free))
    assert quota.files(tmp_path).severity == severity


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that takes 64 KiB and 20 files."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=20", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no file system can be mounted here; that is for root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_file_system_without_room_for_a_few_bytes(small: Path) -> None:
    assert machine.run_directory(small, one_machine=True).severity == "ok"
    with (small / "full").open("wb") as file:
        file.write(b"x" * 65536)
    found = machine.run_directory(small, one_machine=True)
    assert (found.severity, found.message) == ("error", f"{small} cannot be written: No space left on device")


def test_a_file_system_without_room_for_a_file(small: Path) -> None:
    found = quota.files(small)
    assert (found.severity, found.message) == ("error", f"19 more files fit in {small}")
    for i in range(19):
        (small / str(i)).touch()
    assert machine.run_directory(small, one_machine=True).severity == "error"
