"""Reads JSON files, plain or gzipped, with one clear error for each way in which that fails."""

import gc
import gzip
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeAlias

import orjson

from pyhf_endpoint.errors import InputError, did_you_mean

__all__ = [
    "MAX_BYTES",
    "JsonValue",
    "Readable",
    "TooLargeError",
    "bounded_read",
    "parse_json",
    "paused_gc",
    "read_json",
    "shorten",
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


def shorten(value: object, width: int = 60) -> str:
    """Return `value` as JSON text on one line, cut to `width` characters."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        text = repr(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def bounded_read(stream: Readable, limit: int) -> bytes:
    """Read `stream` to its end.

    Raises:
        TooLargeError: it holds more than `limit` bytes; no more than that and one chunk was held in memory.
    """
    chunks, total = [], 0
    while chunk := stream.read(_CHUNK):
        chunks.append(chunk)
        total += len(chunk)
        if total > limit:
            raise TooLargeError
    return b"".join(chunks)


def read_json(path: Path, *, limit: int = MAX_BYTES) -> JsonValue:
    """Read one JSON document from a plain or gzipped file; which of the two is seen from its first bytes.

    Args:
        path: the file.
        limit: largest size in bytes, before and after decompression.

    Raises:
        InputError: the file is missing, a folder, unreadable, empty, too large, damaged or not JSON.
    """
    return parse_json(_read_bytes(path, limit), str(path), limit=limit)


def parse_json(data: bytes, name: str, *, limit: int = MAX_BYTES) -> JsonValue:
    """Parse the bytes of one plain or gzipped JSON document.

    Args:
        data: the bytes.
        name: what messages call the document.
        limit: largest size in bytes after decompression.

    Raises:
        InputError: the bytes are empty, too large, damaged or not JSON; NaN and infinities are not JSON.
    """
    if data.startswith(_GZIP):
        data = _gunzip(data, name, limit)
    data = data.removeprefix(_BOM)
    if not data.strip():
        raise InputError(f"{name} is empty; a JSON document is expected")
    try:
        with paused_gc():
            value: JsonValue = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InputError(_explain(data, name, error)) from None
    return value


def _read_bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and status.st_size > limit:
                raise InputError(_too_large(str(path), limit))
            return bounded_read(file, limit)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.{_similar(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder where a JSON file is expected; give a file inside it") from None
    except TooLargeError:
        raise InputError(_too_large(str(path), limit)) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; check the path and its permissions") from None


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
    for magic, remedy in _NOT_JSON.items():
        if data.lstrip().startswith(magic):
            return f"{name} is not a JSON file: {remedy}"
    if data[257:262] == b"ustar":
        return f"{name} is not a JSON file: it is a tar archive; give the archive as the workspace, or unpack it"
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        before = data[: fault.start].decode()
        return f"{_place(name, before)}: byte 0x{data[fault.start]:02x} is not UTF-8; save the file as UTF-8"
    at = error.pos
    start = at - text.startswith("-Infinity", max(at - 1, 0))  # the fault is seen after the sign
    if literal := next((word for word in ("NaN", "Infinity", "-Infinity") if text.startswith(word, start)), None):
        return f"{_place(name, text[:start])}: {literal} is not JSON and no usable number; replace it with a finite number"
    if at >= len(text.rstrip()):
        return f"{_place(name, text[:at])}: the file ends in the middle of the document; copy or download it again"
    found = shorten(text[at : at + 20].splitlines()[0] if text[at : at + 1].strip() else text[at : at + 1])
    return f"{_place(name, text[:at])}: not JSON: {error.msg}, at {found}"


def _place(name: str, before: str) -> str:
    return f"{name}: line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
