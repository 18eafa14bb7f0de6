"""The command `pyhf-endpoint`: loads only the command that is called, and turns errors into exit codes in one place."""

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from pyhf_endpoint import __version__
from pyhf_endpoint.errors import INTERRUPTED, PyhfEndpointError, ResultsError

__all__ = ["main"]

_INTERNAL = 70
# command -> the module of this package that defines it, under the same name with `-` as `_`
_COMMANDS = {
    "hypotest": "infer",
    "upper-limit": "infer",
    "significance": "infer",
    "fit": "infer",
    "scan": "infer",
    "ranking": "infer",
    "results": "results",
    "plot": "plot",
    "sites": "sites",
    "cancel": "endpoints",
    "functions": "endpoints",
    "login": "endpoints",
    "logout": "endpoints",
    "render": "render",
    "doctor": "doctor",
    "deploy": "deploy",
    "undeploy": "deploy",
    "start": "deploy",
    "stop": "deploy",
    "restart": "deploy",
    "status": "deploy",
    "probe": "probe",
    "example": "files",
    "fetch": "files",
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is asked for: `--version` need not load NumPy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = __import__(f"{__name__}.{_COMMANDS[cmd_name]}", fromlist=[cmd_name])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


# Commands that only print: who reads no further, as `| head` does, has had what was wanted.
_PRINTERS = {("results", "show"), ("sites", "list"), ("sites", "show"), ("sites", "endpoints"), ("functions", "list")}

_EPILOG = """\b
Exit codes: 0 all hypotheses computed; 1 some are `failed` or `not_converged`, or
a check or a probe fails; 2 wrong usage or unknown name; 3 unusable input; 4 a
file cannot be read or written; 5 a missing extra; 6 a failed download;
7 site out of reach; 8 another program missing or hanging; 130 interrupted; 70 a
fault of this program. `--debug` shows the traceback."""


@click.group(cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pyhf-endpoint")
def cli() -> None:
    """Fit whole grids of pyhf signal hypotheses at named sites."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: The arguments; None takes the process's own.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Taken out here so that it works before and after the command's name.
    debug = "--debug" in given
    if debug:
        given.remove("--debug")
    signal.signal(signal.SIGTERM, _interrupt)
    _prepare_streams()
    try:
        code: Any = cli.main(given, prog_name="pyhf-endpoint", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except SystemExit as error:
        # how click takes a pipe whose reader has gone
        code = 0 if tuple(given[:2]) in _PRINTERS else error.code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again when it flushes stdout at exit.
        sys.stdout = None
        code = 0
    except PyhfEndpointError as error:
        code = _report(str(error), error.exit_code, debug=debug)
    except OSError as error:
        code = _report(_refused(error), ResultsError.exit_code, debug=debug)
        if error.filename is None:
            sys.stdout = None  # or Python would say the same again when it flushes at exit
    except Exception as error:
        fault = f"{type(error).__name__}: {error}\nthis is a fault of pyhf-endpoint; please report it with the output of --debug"
        code = _report(fault, _INTERNAL, debug=debug)
    return code if isinstance(code, int) else 0


def _prepare_streams() -> None:
    """Let no stream be missing and no character be refused.

    Where a shell has closed standard error (`2>&-`), the next file opened would get its number, and what a library says would
    end in the results; and not every terminal or pipe can show a sigma.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)  # the workers need theirs as well
            setattr(sys, name, os.fdopen(number, mode))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _refused(error: OSError) -> str:
    """What the operating system refused that no module has a better word for."""
    what = error.filename if error.filename is not None else "the output"
    remedy = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the path, and that you may write there"
    return f"cannot use {what}: {error.strerror or error}; {remedy}"


def _report(message: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.echo(f"error: {message}", err=True)
    return code


def _interrupt(*_: object) -> None:
    """A batch system's SIGTERM is as orderly an end as Ctrl-C."""
    raise KeyboardInterrupt
