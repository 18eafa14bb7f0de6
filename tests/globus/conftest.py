"""The real endpoint daemon, SDK and RabbitMQ around a stand-in of the hosted service; `make test-globus` runs these tests.

They are collected only where this folder is named, because they take minutes and a fixed port.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.globus.daemon import SCHEMA, Daemon, environment
from tests.globus.rabbitmq import RabbitMQ
from tests.globus.standin import Caller, StandIn

MUST_RUN = 1
"""Tests of this folder that a full run must pass; held by `make test-globus`."""
_HERE = Path(__file__).parent
_START = time.monotonic()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    named = any("globus" in argument for argument in map(str, config.args))
    return None if named else True


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    passed = sum(report.nodeid.startswith("tests/globus/") for report in terminalreporter.stats.get("passed", []))
    terminalreporter.write_line(f"globus: {passed} of {MUST_RUN} tests passed in {time.monotonic() - _START:.0f} s")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    whole = all(Path(argument).resolve() == _HERE for argument in map(str, session.config.args))
    if os.environ.get("CI") == "true" and whole and session.testscollected - session.testsfailed < MUST_RUN:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """In continuous integration a skipped test is a failed one."""
    if os.environ.get("CI") == "true" and call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception):
        call.excinfo = pytest.ExceptionInfo.from_exception(AssertionError(f"skipped in CI: {call.excinfo.value}"))


@pytest.fixture(scope="session")
def caller() -> Caller:
    """Who owns endpoints and runs grids."""
    return Caller(str(uuid.uuid4()), "a secret of these tests")


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as broker:
        yield broker


@pytest.fixture(scope="session")
def service(rabbitmq: RabbitMQ, caller: Caller, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """The stand-in, with this process' SDK turned to it."""
    with pytest.MonkeyPatch.context() as patch, StandIn(rabbitmq.url, caller) as standin:
        for name, value in environment(caller, tmp_path_factory.mktemp("client")).items():
            if name.startswith(("GLOBUS_", "XDG_", "PYTHONPATH")):
                patch.setenv(name, value)
        yield standin


@pytest.fixture(scope="session")
def functions(service: StandIn) -> dict[str, str]:
    """This version's functions, registered: their ids by kind."""
    from pyhf_endpoint.functions.register import Registry, register
    from pyhf_endpoint.service import Service

    assert len(register(Service(), Registry())) == 8
    return Registry().latest("local")


@pytest.fixture(scope="session")
def daemon(
    service: StandIn, caller: Caller, functions: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """An endpoint that allows this version's functions and no other."""
    with Daemon(service, caller, tmp_path_factory.mktemp("endpoint"), "fits", tuple(functions.values())) as running:
        yield running


@pytest.fixture
def site(daemon: Daemon, functions: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A site whose endpoint it is, in this process' environment and in that of the commands it starts."""
    return make_site("loopback", daemon.id, functions, tmp_path, monkeypatch)


def make_site(name: str, endpoint: str, functions: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the profile of a site and a directory that has its endpoint."""
    sites = folder / "sites"
    sites.mkdir(exist_ok=True)
    profile = {
        "name": name,
        "facility": "these tests",
        "description": "Two workers on this machine behind an endpoint",
        "status": "active",
        "scheduler": {"kind": "local"},
        "network": {"address": "loopback"},
        "variants": {"cpu": {"description": "One worker per core"}},
    }
    (sites / f"{name}.yaml").write_text(yaml.safe_dump(profile))
    entry = {"endpoint": endpoint, "functions": functions, "options": json.loads(SCHEMA), "workers": 2}
    (folder / "endpoints.yaml").write_text(yaml.safe_dump({name: entry}))
    monkeypatch.setenv("PYHF_ENDPOINT_SITES", str(sites))
    monkeypatch.setenv("PYHF_ENDPOINT_ENDPOINTS", str(folder / "endpoints.yaml"))
    return name
