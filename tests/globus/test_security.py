"""What an endpoint withstands, and what it does not, where a permitted user writes their own client."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from globus_compute_sdk.serialize import DillDataBase64, JSONData
from globus_sdk import GlobusAPIError

from pyhf_endpoint import endpoint, profiles
from pyhf_endpoint.errors import TransportError
from pyhf_endpoint.service import Call, Service
from tests.globus import forged
from tests.globus.daemon import Bundle, Daemon
from tests.globus.standin import Caller, StandIn


@pytest.fixture(scope="module")
def rendered(
    service: StandIn, caller: Caller, functions: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """An endpoint with the files that are rendered from a site's profile."""
    use = profiles.resolve(profiles.find("local").profile)
    files = endpoint.render(use, endpoint.Options(endpoint.Environment("venv", sys.prefix))).files
    bundle = Bundle(files[endpoint.TEMPLATE], files[endpoint.SCHEMA])
    folder = tmp_path_factory.mktemp("endpoint")
    with Daemon(service, caller, folder, "withstands", tuple(functions.values()), bundle) as daemon:
        yield daemon


def test_a_pickled_argument_is_refused_unread(rendered: Daemon, functions: dict[str, str], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    answer = forged.answer(rendered.id, functions["hypotest"], forged.dilled(mark))
    assert answer.result is None
    assert "Data serializer DillDataBase64 disabled by current configuration" in " ".join(answer.failure.split())
    assert not mark.exists()
    # It would have done its work wherever it is read.
    DillDataBase64().deserialize(forged.dilled(mark))
    assert mark.exists()


def test_an_argument_headed_as_source_text_is_executed(rendered: Daemon, functions: dict[str, str], tmp_path: Path) -> None:
    """What the daemon cannot refuse: functions are source text, and it has one list for them and for arguments."""
    mark = tmp_path / "mark"
    answer = forged.answer(rendered.id, functions["hypotest"], forged.source(f"open({str(mark)!r}, 'w').close()"))
    assert mark.exists()
    assert answer.result is None  # what was read is no list of arguments, so that the function itself was not called
    assert "TypeError" in answer.failure


def test_a_function_outside_the_list_is_refused_by_the_service_and_by_the_endpoint_alone(
    rendered: Daemon, service: StandIn, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    text = f"def stranger():\n    open({str(mark)!r}, 'w').close()\n"
    stranger = Service().register("stranger", text, "not one of ours")
    arguments = JSONData().serialize([])
    with pytest.raises(GlobusAPIError, match="FUNCTION_NOT_PERMITTED"):
        forged.answer(rendered.id, stranger, arguments)
    service.state.checks_functions = False
    try:
        answer = forged.answer(rendered.id, stranger, arguments)
    finally:
        service.state.checks_functions = True
    assert answer.result is None
    assert f"Function {stranger} not permitted on endpoint" in answer.failure
    assert not mark.exists()


def test_another_identity_may_not_use_an_endpoint_without_a_mapping(
    rendered: Daemon, functions: dict[str, str], stranger: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service lets everybody ask an endpoint of root's; the endpoint serves its owner alone."""
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_ID", stranger.id)
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_SECRET", stranger.secret)
    before = {process.pid for process in rendered.user_processes()}
    with pytest.raises(TransportError, match="Ignoring start request for untrusted identity"):
        Service().submit(rendered.id, [Call(functions["hypotest"], "{}")], {})
    assert {process.pid for process in rendered.user_processes()} <= before
