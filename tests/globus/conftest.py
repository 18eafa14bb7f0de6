"""The real endpoint daemon, SDK and RabbitMQ around a stand-in of the hosted service; `make test-globus` runs these tests.

They are marked `globus` and left out of a plain run: they take minutes, and the port at which the SDK looks for the service.
"""

import json
import os
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.globus.daemon import SCHEMA, Daemon, environment
from tests.globus.rabbitmq import RabbitMQ, install
from tests.globus.standin import Caller, StandIn
from tests.suite import Suite

#: How many tests a run of the whole suite must carry out; the one on published data comes on top where that is there.
SUITE = Suite(Path(__file__).parent, must_run=47)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SUITE.folder in item.path.parents:
            item.add_marker("globus")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    SUITE.summarise(terminalreporter)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    SUITE.finish(session)


@pytest.fixture(scope="session")
def caller() -> Caller:
    """Who owns endpoints and runs grids."""
    return Caller(str(uuid.uuid4()), "a secret of these tests")


@pytest.fixture(scope="session")
def stranger() -> Caller:
    """Somebody else."""
    return Caller(str(uuid.uuid4()), "another secret of these tests")


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    try:
        install()
    except FileNotFoundError as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as broker:
        yield broker


@pytest.fixture(scope="session")
def service(rabbitmq: RabbitMQ, caller: Caller, stranger: Caller, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """The stand-in, with this process' SDK turned to it."""
    with pytest.MonkeyPatch.context() as patch, StandIn(rabbitmq.url, caller, stranger) as standin:
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


@pytest.fixture(autouse=True)
def new_window(service: StandIn) -> None:
    """Each test has the service's rate of requests to itself."""
    service.forget_rates()


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
        # Root's endpoint starts its processes with an empty environment: without this, workers might import another copy.
        "environment": [f"export PYTHONPATH={shlex.quote(str(Path(__file__).parents[2] / 'src'))}"],
        "variants": {"cpu": {"description": "One worker per core"}},
    }
    (sites / f"{name}.yaml").write_text(yaml.safe_dump(profile))
    entry = {"endpoint": endpoint, "functions": functions, "options": json.loads(SCHEMA), "workers": 2}
    (folder / "endpoints.yaml").write_text(yaml.safe_dump({name: entry}))
    monkeypatch.setenv("PYHF_ENDPOINT_SITES", str(sites))
    monkeypatch.setenv("PYHF_ENDPOINT_ENDPOINTS", str(folder / "endpoints.yaml"))
    return name
