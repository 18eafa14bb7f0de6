"""An administrator with a home of their own, whose endpoint is ended whatever becomes of the test."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pyhf_endpoint.deploy import Daemon
from tests.cli.command import run
from tests.globus.daemon import environment
from tests.globus.standin import Caller

__all__ = ["administrator", "deploy", "processes"]


@contextmanager
def administrator(endpoint: str, caller: Caller, home: Path, patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be an administrator who has nothing but a home; whatever they start is ended.

    Args:
        endpoint: The name of the endpoint that they will deploy.
        caller: Who they are.
        home: Their home.
        patch: What takes this process' environment back.
    """
    patch.delenv("PYHF_ENDPOINT_ENDPOINTS", raising=False)
    for name, value in environment(caller, home).items():
        patch.setenv(name, value)
    yield home
    _, alive = psutil.wait_procs(processes(endpoint, home), timeout=0.1)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=20)


def deploy(site: str, *options: object, code: int = 0, python: Path = Path(sys.executable)) -> str:
    """Deploy a site's endpoint by the package of a Python, and return what the command says."""
    return run("deploy", site, "--contact-email", "nobody@localhost", *options, code=code, python=python).out


def processes(endpoint: str, home: Path) -> list[psutil.Process]:
    """What runs on behalf of a home: by its variables, from an environment in it, or below a process that does."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("HOME") == str(home) or "".join(process.cmdline()[:1]).startswith(f"{home}/")
            if process.pid != os.getpid() and ours:
                found += [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
    pid = Daemon(endpoint).pid
    return [*found, *([psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] if pid else [])]
