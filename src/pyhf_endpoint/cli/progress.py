"""Progress on standard error: a bar on a terminal, a line every few seconds elsewhere, nothing when quiet."""

import time
from collections.abc import Iterable, Iterator
from typing import Protocol

import click

from pyhf_endpoint.results import UNFINISHED, Result

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


def follow(results: Iterable[Result], tally: Tally, *, quiet: bool) -> Iterator[Result]:
    """Yield the results on, counting them and showing how far they are."""
    display = _display(tally, quiet=quiet)
    try:
        for result in results:
            tally.add(result)
            display.update(tally)
            yield result
    finally:
        display.close()


def _display(tally: Tally, *, quiet: bool) -> _Display:
    if quiet:
        return _Silent()
    return _Bar(tally) if click.get_text_stream("stderr").isatty() else _Lines()


class _Silent:
    def update(self, tally: Tally) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines:
    def __init__(self) -> None:
        self._next = _LINE_EVERY_S

    def update(self, tally: Tally) -> None:
        if tally.elapsed >= self._next and tally.done < tally.total:
            click.echo(tally.line(), err=True)
            self._next = tally.elapsed + _LINE_EVERY_S

    def close(self) -> None:
        pass


class _Bar:
    def __init__(self, tally: Tally) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("ETA"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[failures]}"),
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
