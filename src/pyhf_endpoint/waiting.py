"""Results that wait at Globus Compute: a note of the task groups next to the results file, and how to take what is in them.

`FILE.tasks` holds ids and the site's name, no credentials. It is written as soon as tasks are sent, so that a grid whose client
was killed, or detached on purpose, can be taken up by another; it goes when nothing waits any more.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pyhf_endpoint.errors import PyhfEndpointError, ResultsError
from pyhf_endpoint.functions import RemoteError, wire
from pyhf_endpoint.results import RECORDS, Kind, Result, ResultsWriter, read
from pyhf_endpoint.service import Answer, Service

__all__ = ["Collected", "Journal", "collect", "journal_path", "take"]

_FORMAT = "pyhf-endpoint tasks"
_ASK_S, _LONGEST_S = 1.0, 10.0
# Seconds without an answer after which a resumed run no longer waits for tasks of the run before, but sends its own.
_PATIENCE_S = 60.0


def journal_path(results: Path) -> Path:
    """Return the note's path for a results file."""
    return results.with_name(results.name + ".tasks")


class Journal:
    """The note of where a results file's tasks are.

    Args:
        results: The results file.
        site: Name of the site.
        endpoint: Id of its endpoint.
        service: Who is asked after the tasks.
        resume: Take over the note that is there; otherwise it goes.

    Raises:
        ResultsError: The note that is there cannot be read.
    """

    def __init__(self, results: Path, site: str, endpoint: str, service: Service, *, resume: bool) -> None:
        self.path = journal_path(results)
        self.site, self.endpoint, self.service = site, endpoint, service
        self.groups: dict[str, int] = {}
        if not resume:
            self.remove()
        elif self.path.exists():
            self.groups = _read(self.path)["groups"]

    def sent(self, group: str, tasks: int) -> None:
        """Note tasks that were added to a group."""
        self.groups[group] = self.groups.get(group, 0) + tasks
        note = {"format": _FORMAT, "site": self.site, "endpoint": self.endpoint, "groups": self.groups}
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            fresh.write_bytes(orjson.dumps(note, option=orjson.OPT_INDENT_2))
            fresh.replace(self.path)
        except OSError as error:
            raise ResultsError(f"cannot write {self.path}, which tells where the tasks are: {error.strerror}") from error

    def remove(self) -> None:
        """Forget the tasks."""
        self.groups = {}
        self.path.unlink(missing_ok=True)

    def tasks(self) -> list[str]:
        """Return the ids of all noted tasks.

        Raises:
            TransportError: The service cannot be asked.
        """
        return [task for group in self.groups for task in self.service.group(group)]


@dataclass(frozen=True)
class Collected:
    """What `collect` found.

    Attributes:
        written: Records that are new in the results file.
        waiting: Tasks that have not come back.
        failed: Tasks that came back without a result; `--resume` computes their hypotheses again.
    """

    written: int
    waiting: int
    failed: int


def collect(results: Path, *, wait: bool = False) -> Collected:
    """Take what has come back for a detached or interrupted grid into its results file.

    Args:
        results: The results file.
        wait: Also wait for what has not come back.

    Raises:
        ResultsError: There is no such file, no note next to it, or another process writes it.
        TransportError: The service cannot be asked.
    """
    header = read(results).header
    path = journal_path(results)
    if not path.exists():
        raise ResultsError(f"nothing waits for {results}: there is no {path.name} next to it")
    note = _read(path)
    journal = Journal(results, note["site"], note["endpoint"], Service(), resume=True)
    written = failed = 0
    with ResultsWriter(results, header, resume=True) as writer:
        left = journal.tasks()
        pause = _ASK_S
        while left:
            answers = journal.service.answers(left)
            for answer in answers.values():
                records = _records(answer, header.kind)
                failed += records is None
                for record in records or ():
                    if record.key not in writer.done:
                        writer.write(record)
                        written += 1
            left = [task for task in left if task not in answers]
            if not wait or not left:
                break
            time.sleep(pause)
            pause = _ASK_S if answers else min(1.5 * pause, _LONGEST_S)
    if not left:
        journal.remove()
    return Collected(written, len(left), failed)


def take(journal: Journal, kind: Kind) -> Iterator[Result]:
    """Yield the records that come back for the tasks of an earlier run; end when none is out, or none comes for a minute.

    Args:
        journal: Where the tasks are.
        kind: What they compute.

    Raises:
        TransportError: The service cannot be asked.
    """
    left, pause, heard = journal.tasks(), _ASK_S, time.monotonic()
    while left and time.monotonic() - heard < _PATIENCE_S:
        answers = journal.service.answers(left)
        for answer in answers.values():
            yield from _records(answer, kind) or ()
        left = [task for task in left if task not in answers]
        if answers:
            heard, pause = time.monotonic(), _ASK_S
        if left:
            time.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_S)
    journal.groups = {}  # what is sent next is all there is to wait for


def _records(answer: Answer, kind: Kind) -> list[Result] | None:
    """The records in an answer: none of a task that only woke a worker up, None for a failure."""
    if answer.result is None:
        return None
    try:
        found = orjson.loads(wire.result(answer.result))
    except (PyhfEndpointError, RemoteError):
        return None
    return [RECORDS[kind].model_validate(record) for record in found.get("records", ())]


def _read(path: Path) -> dict[str, Any]:
    try:
        note = orjson.loads(path.read_bytes())
        if note["format"] == _FORMAT and isinstance(note["groups"], dict):
            return dict(note)
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} cannot be read as a note of tasks: {error!r}; remove it to compute again") from error
    raise ResultsError(f"{path} is no note of tasks; remove it to compute again")
