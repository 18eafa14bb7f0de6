"""The results file: append-only JSON lines, a header and then one record per hypothesis, that a killed run can continue."""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from pyhf_endpoint.errors import ResultsError, list_faults, value_found
from pyhf_endpoint.results.records import RECORDS, Header, HypotestResult, Key, Kind, Result

__all__ = ["ResultsFile", "ResultsWriter", "completed", "read"]

# What --resume does not compare: the same grid may go on at another site, at another time.
_FREE_FIELDS = {"created", "site"}
_FORMAT = "pyhf-endpoint results"
# How every results file begins: what a killed run left of its header is a part of this, or begins with it.
_HEAD = b'{"format":"' + _FORMAT.encode() + b'"'
_REMEDY = "remove that line, then run again with --resume"
# Within so many bytes a whole header has named its format, whoever wrote it out again.
_HEAD_BYTES = 4096
_Model = TypeVar("_Model", bound=BaseModel)
_Record = TypeVar("_Record", bound=Result)


@dataclass(frozen=True)
class ResultsFile:
    """A results file as read: its header and its records in the order in which they arrived."""

    header: Header
    results: tuple[Result, ...]

    def of(self, kind: Kind, record: type[_Record]) -> tuple[_Record, ...]:
        """Return the records, which must be of this kind.

        Raises:
            ResultsError: The file holds another kind.
        """
        if self.header.kind != kind:
            raise ResultsError(f"the results are of the kind `{self.header.kind}`; `{kind}` is needed here")
        return tuple(result for result in self.results if isinstance(result, record))

    def hypotests(self) -> tuple[HypotestResult, ...]:
        """Return the records of a file of hypothesis tests.

        Raises:
            ResultsError: The file holds another kind.
        """
        return self.of("hypotest", HypotestResult)


def read(path: Path | str) -> ResultsFile:
    """Read a results file.

    A last line without its newline, as a killed run leaves it, is not a record and is passed over.

    Raises:
        ResultsError: The file is missing, empty or no results file, or a line in it is broken.
    """
    path = Path(path)
    header, results, _ = _parse(_read_bytes(path), path)
    if header is None:
        raise ResultsError(f"{path} is empty: the run that wrote it ended before its first record; run it again with --resume")
    return ResultsFile(header=header, results=tuple(results))


def completed(path: Path, header: Header) -> set[Key]:
    """Return the keys of the records of a file that a run with this header could continue.

    Raises:
        ResultsError: The file cannot be read or is another run's.
    """
    found, results, _ = _parse(_read_bytes(path), path)
    if found is not None:
        _compare(found, header, path)
    return {result.key for result in results}


class ResultsWriter:
    """Appends records to a results file, each on disk before `write` returns.

    A new file gets the header. With `resume` an existing file is continued: its header must agree, a torn last line is cut
    off, and `done` holds the keys of its records. The file is locked against a second writer until `close`.

    Args:
        path: The file.
        header: The header of this run.
        resume: Continue an existing file; a missing one is begun.
        overwrite: Replace an existing results file.

    Raises:
        ResultsError: The file cannot be written, is being written by another process, exists (without `resume` or
            `overwrite`), is no results file, or holds another run's results.
    """

    def __init__(self, path: Path | str, header: Header, *, resume: bool = False, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.header = header
        self.done: set[Key] = set()
        self.written = 0
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise ResultsError(f"cannot write {self.path}: {error.strerror}; choose another file with -o") from error
        try:
            self._begin(resume=resume, overwrite=overwrite)
        except BaseException:
            os.close(self._fd)
            raise

    def write(self, result: Result) -> None:
        """Append one record; a record of a key that the file already holds is refused.

        Raises:
            ResultsError: The disk is full or the file cannot be written; what was written before stays readable.
        """
        if result.key in self.done:
            raise ResultsError(f"{self.path}: a second record for {result.name} at {result.point}; please report this")
        self._append(result)
        self.done.add(result.key)
        self.written += 1

    def close(self) -> None:
        """Release the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _begin(self, *, resume: bool, overwrite: bool) -> None:
        if stat.S_ISREG(os.fstat(self._fd).st_mode):
            self._lock()
            size = os.fstat(self._fd).st_size
            if size and resume:
                if self._continue():
                    return
            elif size and overwrite:
                self._refuse_a_stranger()
                os.ftruncate(self._fd, 0)
            elif size:
                raise ResultsError(
                    f"{self.path} exists; continue it with --resume, replace it with --overwrite, or choose another file with -o"
                )
        self._append(self.header)

    def _refuse_a_stranger(self) -> None:
        """Replace results alone: a slip of `-o` must not cost a workspace."""
        start = os.pread(self._fd, _HEAD_BYTES, 0)
        if not (_is_torn_header(start) or _FORMAT.encode() in start):
            raise ResultsError(
                f"{self.path} is not a results file and is not replaced; remove it, or choose another file with -o"
            )

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ResultsError(
                f"{self.path} is being written by another run; wait for its end or choose another file with -o"
            ) from error
        except OSError:
            # Some parallel file systems (Lustre mounted without `flock`) refuse locks; a run there goes on without one.
            return

    def _continue(self) -> bool:
        """Take over the file's records; False where not even its header was written whole."""
        header, results, end = _parse(self.path.read_bytes(), self.path)
        if header is not None:
            _compare(header, self.header, self.path)
        self.done = {result.key for result in results}
        os.ftruncate(self._fd, end)
        return header is not None

    def _append(self, record: BaseModel) -> None:
        line = memoryview(orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_APPEND_NEWLINE))
        try:
            while line:
                line = line[os.write(self._fd, line) :]
        except OSError as error:
            raise ResultsError(
                f"cannot write {self.path}: {error.strerror}; {len(self.done)} records in it are safe:"
                " make room, then run the same command with --resume"
            ) from error


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}; give a results file") from error


def _parse(data: bytes, path: Path) -> tuple[Header | None, list[Result], int]:
    """Return the header, the records and the length of the whole lines; no header if its line is not whole."""
    end = data.rfind(b"\n") + 1
    lines = _lines(data[:end], path)
    first = next(lines, None)
    if first is None:
        if not _is_torn_header(data):
            raise ResultsError(f"{path} is not a results file; choose another file")
        return None, [], 0
    if not isinstance(first[1], dict) or first[1].get("format") != _FORMAT:
        raise ResultsError(f"{path} is not a results file: its first line has no `format`; choose another file")
    header = _validated(Header, first[1], f"{path}: line 1", "read it with the version that wrote it, or choose another file")
    return header, [_record(header.kind, value, number, path) for number, value in lines], end


def _record(kind: Kind, value: object, number: int, path: Path) -> Result:
    where = f"{path}: line {number}"
    if isinstance(value, dict) and value.get("format") == _FORMAT:
        raise ResultsError(f"{where} begins another results file; two of them do not make one: cut the file there")
    return _validated(RECORDS[kind], value, where, _REMEDY)


def _is_torn_header(data: bytes) -> bool:
    """Whether this is what a run that was killed in its first line left behind; JSON on a single line is not."""
    return data.startswith(_HEAD) or _HEAD.startswith(data)


def _lines(data: bytes, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            remedy = _REMEDY if number > 1 else "choose another file"
            raise ResultsError(f"{path}: line {number} is not JSON ({error.msg}); {remedy}") from error


def _validated(model: type[_Model], value: object, where: str, remedy: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'line'}: {fault['msg']}{value_found(fault)}"
            for fault in error.errors(include_url=False)
        ]
        raise ResultsError(f"{list_faults(where, faults)}\n{remedy}") from error


def _compare(old: Header, new: Header, path: Path) -> None:
    before, now = (header.model_dump(mode="json", exclude=_FREE_FIELDS) for header in (old, new))
    faults = [f"{field}: {a!r} in the file, {b!r} in this run" for field, a, b in _differences(before, now)]
    if faults:
        raise ResultsError(
            list_faults(f"{path} cannot be continued: it", faults)
            + "\nrun with what the file was computed from, or choose another file with -o"
        )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for field in before.keys() | now.keys():
        a, b = before.get(field), now.get(field)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _differences(a, b, f"{prefix}{field}.")
        elif a != b:
            yield f"{prefix}{field}", a, b
