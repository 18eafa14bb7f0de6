"""Suites that start servers of their own: each says how many of its tests ran, and in continuous integration all of them must."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["Suite"]


@dataclass(frozen=True)
class Suite:
    """A folder of tests under a marker of its name, which a plain run leaves out.

    Attributes:
        folder: The folder.
        must_run: How many tests a run of the whole suite carries out at least.
    """

    folder: Path
    must_run: int
    began: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """The marker."""
        return self.folder.name

    def summarise(self, reporter: pytest.TerminalReporter) -> None:
        """Write how many tests ran, and how long it took."""
        ran = self._ran(reporter)
        if ran:
            reporter.line(f"{self.name}: {ran} tests ran, {self.must_run} must, in {time.monotonic() - self.began:.0f} s")

    def finish(self, session: pytest.Session) -> None:
        """Fail a run of the whole suite, in continuous integration, in which a test did not run."""
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        chosen = session.config.option.markexpr == self.name and not session.config.option.keyword
        whole = chosen and [Path(argument).resolve() for argument in session.config.args] == [self.folder]
        if os.environ.get("CI") == "true" and whole and reporter is not None and self._ran(reporter) < self.must_run:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _ran(self, reporter: pytest.TerminalReporter) -> int:
        done = [*reporter.stats.get("passed", []), *reporter.stats.get("failed", [])]
        return len({report.nodeid for report in done if f"/{self.name}/" in report.nodeid})
