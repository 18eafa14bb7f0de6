"""What a check found, and how bad it is."""

from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["SEVERITIES", "Finding", "Severity", "error", "ok", "skipped", "warning"]

Severity = Literal["ok", "skipped", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("ok", "skipped", "warning", "error")
"""From harmless to fatal."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: The check's name.
        severity: `ok`; `skipped` where it does not apply or cannot be made here, with why; `warning` for what may go wrong;
            `error` for what will.
        message: What was found.
        remedy: What to do about it; empty where there is nothing to do.
    """

    check: str
    severity: Severity
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the finding as a JSON object."""
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    """Return a finding that needs nothing done."""
    return Finding(check, "ok", message)


def skipped(check: str, message: str) -> Finding:
    """Return the reason why a check was not made."""
    return Finding(check, "skipped", message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """Return a finding about what may go wrong."""
    return Finding(check, "warning", message, remedy)


def error(check: str, message: str, remedy: str) -> Finding:
    """Return a finding about what will go wrong."""
    return Finding(check, "error", message, remedy)
