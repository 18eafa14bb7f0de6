"""The errors that users see, one root, each with its exit code.

PyhfEndpointError                 1
├── UsageError                    2   an option, name or combination that does not exist (click's own code)
├── InputError                    3   a workspace, patch set, archive or site profile that cannot be used
├── ResultsError                  4   a results file or plot that cannot be read, written or continued
├── MissingExtraError             5   an optional dependency that is not installed
├── DownloadError                 6   a download that failed
├── TransportError                7   the site or its workers cannot be reached or keep dying
├── ProgramError                  8   another program that does not start or does not end
│   ├── ProgramMissingError       8   ... because it is not there
│   └── ProgramTimeoutError       8   ... within its time
└── FitError                      -   one hypothesis that cannot be computed; becomes its record's message, never an exit

Exit code 1 also stands for a grid in which a hypothesis is `failed` or `not_converged`, and for a check or probe that fails; 4
for any other file that the operating system refuses; 130 for an interrupt, 70 for a fault of this program.
"""

from collections.abc import Iterable, Mapping

__all__ = [
    "INTERRUPTED",
    "DownloadError",
    "FitError",
    "InputError",
    "MissingExtraError",
    "ProgramError",
    "ProgramMissingError",
    "ProgramTimeoutError",
    "PyhfEndpointError",
    "ResultsError",
    "TransportError",
    "UsageError",
    "did_you_mean",
    "list_faults",
    "value_found",
]


#: Exit code after Ctrl-C or SIGTERM, as a shell reports it.
INTERRUPTED = 130


class PyhfEndpointError(Exception):
    """Root of every error whose message is meant for the user as it stands."""

    exit_code = 1


class UsageError(PyhfEndpointError):
    """An option, a name or a combination of them that does not exist."""

    exit_code = 2


class InputError(PyhfEndpointError):
    """A workspace, patch set, archive or site profile that cannot be used."""

    exit_code = 3


class ResultsError(PyhfEndpointError):
    """A results file or plot that cannot be read, written or continued."""

    exit_code = 4


class MissingExtraError(PyhfEndpointError):
    """An optional dependency that is not installed."""

    exit_code = 5

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the extra `{extra}`; install it with: python -m pip install 'pyhf-endpoint[{extra}]'")
        self.extra = extra
        self.purpose = purpose

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # An exception unpickles as class(*args), and `args` holds the composed message; workers send this one back.
        return type(self), (self.extra, self.purpose)


class DownloadError(PyhfEndpointError):
    """A download that failed."""

    exit_code = 6


class TransportError(PyhfEndpointError):
    """The site or its workers cannot be reached, or keep dying."""

    exit_code = 7


class ProgramError(PyhfEndpointError):
    """Another program that does not start or does not end; a program that ends with a code other than 0 is no error by itself."""

    exit_code = 8


class ProgramMissingError(ProgramError):
    """A program that is not on this machine or not on PATH."""


class ProgramTimeoutError(ProgramError):
    """A program that did not end within its time and was ended."""


class FitError(PyhfEndpointError):
    """One hypothesis that cannot be computed; its record carries the message."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `` Did you mean `x`?`` for the closest choice, or an empty string where none is close."""
    import difflib

    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


def list_faults(where: str, faults: list[str]) -> str:
    """Return one message that names `where` and lists all its faults."""
    head = f"{where} has {len(faults)} fault{'s' if len(faults) != 1 else ''}"
    return "\n".join([head, *(f"  {fault}" for fault in faults)])


def value_found(fault: Mapping[str, object], width: int = 80) -> str:
    """Return the value that pydantic reports a fault of, as the end of a message; empty where there is none."""
    if fault["type"] == "missing":
        return ""
    text = repr(fault["input"])
    return f", found {text}" if len(text) <= width else f", found {text[:width]}..."
