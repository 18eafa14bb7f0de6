"""Reads tar and zip archives in memory, member by member, and refuses what a careless unpacker would regret."""

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.inputs.jsonfile import Readable, TooLargeError, bounded_read

__all__ = ["DEFAULT_LIMITS", "Limits", "is_archive", "read_members"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold.

    Attributes:
        members: number of files and folders.
        member_bytes: size of one file.
        total_bytes: size of all files together, unpacked.
        ratio: unpacked size over the archive's own, minded only above `free_bytes`.
        free_bytes: unpacked size below which the ratio is not minded.
    """

    members: int = 10_000
    member_bytes: int = 2**30
    total_bytes: int = 2 * 2**30
    ratio: int = 200
    free_bytes: int = 64 * 2**20

    def total(self, archive_bytes: int) -> int:
        """Return the unpacked size allowed to an archive of that size."""
        return min(self.total_bytes, max(self.free_bytes, self.ratio * archive_bytes))


DEFAULT_LIMITS = Limits()

_Member = tuple[str, int, Callable[[], bytes]]  # name, size and content
_DAMAGE = (
    EOFError,
    NotImplementedError,  # a zip compression that Python lacks
    OSError,
    RecursionError,  # an endless chain of tar headers
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_BLOCK = tarfile.BLOCKSIZE
_BZ2 = b"BZh"
_XZ = b"\xfd7zXZ"
_GZIP = b"\x1f\x8b"
_OPENERS: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = ((_GZIP, gzip.open), (_BZ2, bz2.open), (_XZ, lzma.open))


def is_archive(path: Path) -> bool:
    """Tell from its first bytes whether a file is a zip or tar archive, compressed or not; bzip2 and xz count as archives."""
    with path.open("rb") as file:
        head = file.read(512)
        if head.startswith((*_ZIP, _BZ2, _XZ)):
            return True
        if head.startswith(_GZIP):
            file.seek(0)
            try:
                with gzip.GzipFile(fileobj=file) as stream:
                    head = stream.read(512)
            except (OSError, EOFError, zlib.error):
                return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def read_members(
    path: Path, wanted: Callable[[PurePosixPath], bool], limits: Limits = DEFAULT_LIMITS, name: str | None = None
) -> tuple[list[PurePosixPath], list[tuple[PurePosixPath, bytes]]]:
    """Read the wanted files of an archive into memory; every member is checked, wanted or not, and nothing is written.

    Args:
        path: a zip archive, or a tar archive, plain or compressed with gzip, bzip2 or xz.
        wanted: which files are read.
        limits: what the archive may hold.
        name: what messages call the archive; its path if None.

    Returns:
        The paths of all files, and paths and contents of the wanted ones.

    Raises:
        InputError: the archive is damaged, encrypted or too large, or holds links, devices or paths that lead outside it.
    """
    name = name or str(path)
    allowed = limits.total(path.stat().st_size)
    try:
        with path.open("rb") as file, _members(file, name, limits, allowed) as members:
            return _collect(members, wanted, name, limits.member_bytes, allowed)
    except TooLargeError:
        raise InputError(
            f"{name} is refused: unpacked it is larger than {allowed:,} bytes, or one file larger than "
            f"{limits.member_bytes:,}, as a decompression bomb would be; unpack it yourself if you trust it"
        ) from None
    except _DAMAGE as error:
        raise InputError(f"{name} is a damaged or unusable archive: {error or type(error).__name__}; download it again") from None


def _collect(
    members: Iterator[_Member], wanted: Callable[[PurePosixPath], bool], name: str, largest: int, allowed: int
) -> tuple[list[PurePosixPath], list[tuple[PurePosixPath, bytes]]]:
    paths, contents, total = [], [], 0
    for member, size, read in members:
        total += size
        if size > largest or total > allowed:
            raise TooLargeError
        inner = _safe_path(member, name)
        paths.append(inner)
        if wanted(inner):
            contents.append((inner, read()))
    return paths, contents


@contextmanager
def _members(file: IO[bytes], name: str, limits: Limits, allowed: int) -> Iterator[Iterator[_Member]]:
    head = file.read(6)
    file.seek(0)
    if head.startswith(_ZIP):
        with zipfile.ZipFile(file) as archive:
            yield _zip_members(archive, name, limits)
        return
    opener = next((opener for magic, opener in _OPENERS if head.startswith(magic)), nullcontext)
    with opener(file) as stream:
        # Headers and padding count too.
        bounded = _Bounded(stream, allowed + 10_240 + 2048 * limits.members)
        with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
            yield _tar_members(archive, bounded, name, limits)


class _Bounded:
    """A stream that ends in an error once more than `limit` bytes were read."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream = stream
        self._left = limit
        self._tail = b""

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError
        self._tail = (self._tail + data)[-_BLOCK:]
        return data

    def finish(self) -> None:
        """Read to the end and require the block of zeros that closes every tar archive; tarfile takes a cut one as it comes."""
        while self.read(2**20):
            pass
        if self._tail != bytes(_BLOCK):
            raise EOFError("it ends early")


def _tar_members(archive: tarfile.TarFile, stream: _Bounded, name: str, limits: Limits) -> Iterator[_Member]:
    for count, member in enumerate(archive, start=1):
        _count(count, name, limits)
        if member.isdir():
            _safe_path(member.name, name)
            continue
        if not member.isreg() or member.issparse():
            what = "a link" if member.issym() or member.islnk() else "a device or another special file"
            raise InputError(_refusal(name, member.name, f"is {what}"))

        def read(member: tarfile.TarInfo = member) -> bytes:
            file = archive.extractfile(member)
            data = bounded_read(file, member.size) if file else b""
            if len(data) != member.size:
                raise EOFError(f"`{member.name}` ends early")
            return data

        yield member.name, member.size, read
    stream.finish()


def _zip_members(archive: zipfile.ZipFile, name: str, limits: Limits) -> Iterator[_Member]:
    for count, member in enumerate(archive.infolist(), start=1):
        _count(count, name, limits)
        mode = stat.S_IFMT(member.external_attr >> 16)
        if stat.S_ISLNK(mode):
            raise InputError(_refusal(name, member.filename, "is a link"))
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise InputError(_refusal(name, member.filename, "is a device or another special file"))
        if member.flag_bits & 1:
            raise InputError(f"{name} is encrypted; unpack it yourself and give the folder")
        if member.is_dir():
            _safe_path(member.filename, name)
            continue

        def read(member: zipfile.ZipInfo = member) -> bytes:
            with archive.open(member) as file:
                return bounded_read(file, member.file_size)

        yield member.filename, member.file_size, read


def _count(count: int, name: str, limits: Limits) -> None:
    if count > limits.members:
        raise InputError(f"{name} is refused: it holds more than {limits.members:,} members; unpack it yourself if you trust it")


def _safe_path(member: str, name: str) -> PurePosixPath:
    windows = PureWindowsPath(member)
    if windows.drive or windows.root:
        raise InputError(_refusal(name, member, "has an absolute path"))
    if "\0" in member:
        raise InputError(_refusal(name, member.replace("\0", "\\0"), "has a null byte in its name"))
    if ".." in windows.parts:
        raise InputError(_refusal(name, member, "leads out of the archive"))
    return PurePosixPath(member)


def _refusal(name: str, member: str, fault: str) -> str:
    return f"{name} is refused: its member `{member}` {fault}; get the archive from its publisher"
