"""Reads JSON files, plain or gzipped, with one clear error for each way in which that fails."""

import gc
import gzip
import mmap
import os
import stat
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Protocol, TypeAlias

import orjson

from pyhf_endpoint.errors import InputError, did_you_mean
from pyhf_endpoint.inputs.places import shorten, shortened_list, too_large_numbers

__all__ = [
    "MAX_BYTES",
    "JsonText",
    "JsonValue",
    "Readable",
    "TooLargeError",
    "bounded_read",
    "map_text",
    "parse_json",
    "parse_text",
    "paused_gc",
    "read_json",
    "text_of",
]

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

MAX_BYTES = 2 * 2**30
"""Largest document that is read, in bytes after decompression."""

_CHUNK = 2**20
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_NOT_JSON = {
    b"<": "it is a web page or another XML document; download the JSON file itself",
    b"PK\x03\x04": "it is a zip archive; give the archive as the workspace, or unpack it",
    b"BZh": "it is compressed with bzip2; unpack it, or compress it with gzip",
    b"\xfd7zXZ": "it is compressed with xz; unpack it, or compress it with gzip",
    b"version https://git-lfs": "it is a Git LFS pointer; fetch the content with: git lfs pull",
}


class Readable(Protocol):
    """Anything that hands out bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


class TooLargeError(Exception):
    """A stream that holds more bytes than its reader allows."""


class _Stamp:
    """Size and time of a file that stays open, to notice when somebody writes into it."""

    def __init__(self, file: BufferedReader) -> None:
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._stamp = self._now()

    def _now(self) -> tuple[int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns

    @property
    def holds(self) -> bool:
        return self._now() == self._stamp


@dataclass(frozen=True, slots=True)
class JsonText:
    """The text of a JSON document, unpacked; whether it is JSON is not known yet.

    Attributes:
        name: what messages call the document.
        data: the text in UTF-8 without byte order mark: in memory, or mapped from a file.
    """

    name: str
    data: bytes | memoryview
    _stamp: _Stamp | None = None

    def verify(self) -> None:
        """Require that a mapped file is as it was: reading one that was cut short would end the process.

        Raises:
            InputError: somebody wrote into the file; one that was replaced as a whole does no harm.
        """
        if self._stamp and not self._stamp.holds:
            raise InputError(f"{self.name} was changed while in use; leave it alone during a run, and start again")


def bounded_read(stream: Readable, limit: int) -> bytes:
    """Read `stream` to its end.

    Raises:
        TooLargeError: it holds more than `limit` bytes; no more than that and one chunk was held in memory.
    """
    buffer = BytesIO()  # hands its bytes out without a copy
    while chunk := stream.read(_CHUNK):
        if buffer.tell() + len(chunk) > limit:
            raise TooLargeError
        buffer.write(chunk)
    return buffer.getvalue()


def read_json(path: Path, *, limit: int = MAX_BYTES) -> JsonValue:
    """Read one JSON document from a plain or gzipped file; which of the two is seen from its first bytes.

    Args:
        path: the file.
        limit: largest size in bytes, before and after decompression.

    Raises:
        InputError: the file is missing, a folder, unreadable, empty, too large, damaged or not JSON.
    """
    with _opened(path, limit) as file:
        data = bounded_read(file, limit)
    return parse_json(data, str(path), limit=limit)


def map_text(path: Path, *, limit: int = MAX_BYTES) -> JsonText:
    """Map the text of a plain file into memory, where it takes no memory of its own; any other file is read as by `read_json`.

    Args:
        path: the file.
        limit: largest size in bytes, before and after decompression.

    Raises:
        InputError: the file is missing, a folder, unreadable, too large or damaged.
    """
    with _opened(path, limit) as file:
        if not file.peek(len(_GZIP)).startswith(_GZIP) and (mapped := _mapped(file)):
            return JsonText(str(path), mapped[len(_BOM) :] if mapped[: len(_BOM)] == _BOM else mapped, _Stamp(file))
        data = bounded_read(file, limit)
    return text_of(data, str(path), limit=limit)


def _mapped(file: BufferedReader) -> memoryview | None:
    try:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):
        return None  # empty, a pipe, or a file system that maps no files


def text_of(data: bytes, name: str, *, limit: int = MAX_BYTES) -> JsonText:
    """Return the text of a plain or gzipped JSON document.

    Args:
        data: the document's bytes.
        name: what messages call it.
        limit: largest size in bytes after decompression.

    Raises:
        InputError: it is too large or damaged.
    """
    if data.startswith(_GZIP):
        data = _gunzip(data, name, limit)
    return JsonText(name, data.removeprefix(_BOM))


def parse_json(data: bytes, name: str, *, limit: int = MAX_BYTES) -> JsonValue:
    """Parse the bytes of one plain or gzipped JSON document; see `text_of` and `parse_text`."""
    return parse_text(text_of(data, name, limit=limit))


def parse_text(text: JsonText) -> JsonValue:
    """Parse a text.

    Raises:
        InputError: it is empty or not JSON; NaN and infinities are not JSON.
    """
    text.verify()
    try:
        with paused_gc():
            value: JsonValue = orjson.loads(text.data)
    except orjson.JSONDecodeError as error:
        raise InputError(_explain(bytes(text.data), text.name, error)) from None
    return value


@contextmanager
def _opened(path: Path, limit: int) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as file:
            _limit_size(file, limit)
            yield file
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.{_similar(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder where a JSON file is expected; give a file inside it") from None
    except TooLargeError:
        raise InputError(_too_large(str(path), limit)) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; check the path and its permissions") from None


def _limit_size(file: BufferedReader, limit: int) -> None:
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size > limit:
        raise TooLargeError


def _similar(path: Path) -> str:
    try:
        return did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return ""


def _too_large(name: str, limit: int) -> str:
    return f"{name} holds more than {limit:,} bytes (after decompression), the largest JSON document that is read"


def _gunzip(data: bytes, name: str, limit: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as stream:
            return bounded_read(stream, limit)
    except TooLargeError:
        raise InputError(_too_large(name, limit)) from None
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{name} is a damaged gzip file: {error}; copy or download it again") from None


@contextmanager
def paused_gc() -> Iterator[None]:
    """Keep the cyclic garbage collector off: a big document makes many containers, none of them garbage, and triples its work."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _explain(data: bytes, name: str, error: orjson.JSONDecodeError) -> str:
    if not data.strip():
        return f"{name} is empty; a JSON document is expected"
    if other := _another_format(data):
        return f"{name} is not a JSON file: {other}"
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        before = data[: fault.start].decode()
        return f"{_place(name, before)}: byte 0x{data[fault.start]:02x} is not UTF-8; save the file as UTF-8"
    at = error.pos
    start = at - text.startswith("-Infinity", max(at - 1, 0))  # the fault is seen after the sign
    if literal := next((word for word in ("NaN", "Infinity", "-Infinity") if text.startswith(word, start)), None):
        return f"{_place(name, text[:start])}: {literal} is not JSON and no usable number; replace it with a finite number"
    if "infinity" in error.msg and (faults := too_large_numbers(text)):
        return shortened_list(name, faults)
    if at >= len(text.rstrip()):
        return f"{_place(name, text[:at])}: the file ends in the middle of the document; copy or download it again"
    found = shorten(text[at : at + 20].splitlines()[0] if text[at : at + 1].strip() else text[at : at + 1])
    return f"{_place(name, text[:at])}: not JSON: {error.msg}, at {found}"


def _another_format(data: bytes) -> str | None:
    for magic, remedy in _NOT_JSON.items():
        if data.lstrip().startswith(magic):
            return remedy
    if data[257:262] == b"ustar":
        return "it is a tar archive; give the archive as the workspace, or unpack it"
    if data.startswith(_GZIP):
        return "it was compressed with gzip twice; unpack it once"
    if data[:2].count(0) == 1 or data[:4].count(0) > 1:
        return "its text is UTF-16 or UTF-32, or it is no text at all; save the file as UTF-8"
    return None


def _place(name: str, before: str) -> str:
    return f"{name}: line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
