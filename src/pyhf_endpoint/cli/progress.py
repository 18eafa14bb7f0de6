"""Progress on standard error: a bar on a terminal, a line every few seconds elsewhere, nothing when quiet."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

import click

from pyhf_endpoint.results import UNFINISHED, Result

if TYPE_CHECKING:
    from pyhf_endpoint.transport import SiteStatus

__all__ = ["Tally", "follow"]

_LINE_EVERY_S = 10.0


class Tally:
    """Counts of a run.

    Attributes:
        total: Records to compute.
        statuses: Records so far, by status.
        unfinished: The first few records without a usable number.
    """

    kept = 5

    def __init__(self, total: int) -> None:
        self.total = total
        self.statuses: dict[str, int] = {}
        self.unfinished: list[Result] = []
        self._start = time.monotonic()

    def add(self, result: Result) -> None:
        """Count one record."""
        self.statuses[result.status] = self.statuses.get(result.status, 0) + 1
        if result.status in UNFINISHED and len(self.unfinished) < self.kept:
            self.unfinished.append(result)

    @property
    def done(self) -> int:
        """Records so far."""
        return sum(self.statuses.values())

    @property
    def failures(self) -> int:
        """Records so far without a usable number."""
        return sum(count for status, count in self.statuses.items() if status in UNFINISHED)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def line(self) -> str:
        """Return the progress as plain text."""
        rate = self.done / self.elapsed if self.elapsed > 0 else 0.0
        eta = f", ETA {_seconds((self.total - self.done) / rate)}" if rate > 0 else ""
        return f"{self.done}/{self.total} done, {self.failures} failed, {rate:.2g}/s{eta}"


class _Display(Protocol):
    def update(self, tally: Tally) -> None: ...
    def close(self) -> None: ...


# How the site is doing; None where there is nothing to wait for.
_Status = Callable[[], "SiteStatus | None"]


def follow(results: Iterable[Result], tally: Tally, status: _Status, *, quiet: bool) -> Iterator[Result]:
    """Yield the results on, counting them and showing how far they are, and how the site is doing while none come."""
    display = _display(tally, status, quiet=quiet)
    try:
        for result in results:
            tally.add(result)
            display.update(tally)
            yield result
    finally:
        display.close()


def _display(tally: Tally, status: _Status, *, quiet: bool) -> _Display:
    if quiet:
        return _Silent()
    return _Bar(tally, status) if click.get_text_stream("stderr").isatty() else _Lines(tally, status)


class _Silent:
    def update(self, tally: Tally) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines:
    """A thread writes them: a queue can take hours, in which no result arrives."""

    def __init__(self, tally: Tally, status: _Status) -> None:
        self._tally = tally
        self._status = status
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        while not self._stop.wait(_LINE_EVERY_S):
            if self._tally.done < self._tally.total:
                site = self._status()
                click.echo(self._tally.line() + (f"; {site}" if site else ""), err=True)

    def update(self, tally: Tally) -> None:
        pass

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


class _Bar:
    def __init__(self, tally: Tally, status: _Status) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class SiteColumn(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(str(status() or ""))

        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("ETA"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[failures]}"),
            SiteColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", total=tally.total, rate="", failures="")
        self._progress.start()

    def update(self, tally: Tally) -> None:
        failures = f"[red]{tally.failures} failed" if tally.failures else "0 failed"
        rate = f"{tally.done / max(tally.elapsed, 1e-3):.2g}/s"
        self._progress.update(self._task, completed=tally.done, rate=rate, failures=failures)

    def close(self) -> None:
        self._progress.stop()


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
