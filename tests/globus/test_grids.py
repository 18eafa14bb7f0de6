"""Grids through the real daemon: the client as users have it, by name of the site."""

import secrets
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pyhf_endpoint import example
from pyhf_endpoint.client import Client
from pyhf_endpoint.errors import InputError, PyhfEndpointError
from pyhf_endpoint.functions import Function, RemoteError
from pyhf_endpoint.results import read
from pyhf_endpoint.service import REQUEST_LIMIT, Call, Service
from pyhf_endpoint.transport import Choice
from tests import small
from tests.cli.command import COMMAND, run
from tests.globus.standin import StandIn


def tasks_sent(service: StandIn) -> int:
    return len(service.state.tasks)


def test_a_grid_gives_what_it_gives_here(site: str, tmp_path: Path) -> None:
    inputs = small.write(tmp_path, signals=40)
    with Client(site) as remote, Client("local", workers=1) as here:
        found = {one.name: one for one in remote.hypotest(*inputs)}
        expected = {one.name: one for one in here.hypotest(*inputs)}
    assert found.keys() == expected.keys()
    for name, one in found.items():
        assert one.CLs_obs == pytest.approx(expected[name].CLs_obs, rel=1e-9)


def test_a_grid_of_125_by_command(site: str, service: StandIn, tmp_path: Path) -> None:
    inputs = example.write(tmp_path / "analysis")
    before, output = len(service.requests), tmp_path / "results.jsonl"
    done = run("hypotest", *inputs, "--site", site, "-o", output)
    assert "125" in done.err or "converged" in done.err
    found = read(output)
    assert len({one.key for one in found.results}) == len(found.results) == 125
    assert found.header.site == site
    new = service.requests[before:]
    assert {status for _, _, status, _ in new} == {200}
    assert max(size for _, _, _, size in new) < REQUEST_LIMIT
    assert sum(path.endswith("/submit") for _, path, _, _ in new) <= 2  # waking the workers, and all chunks in one
    assert not (tmp_path / "results.jsonl.tasks").exists()


def test_two_thousand_hypotheses_stay_within_the_limits(site: str, service: StandIn, tmp_path: Path) -> None:
    inputs = small.write(tmp_path, signals=2000)
    before = len(service.requests)
    with Client(site) as client:
        found = list(client.hypotest(*inputs))
    assert len({one.name for one in found}) == len(found) == 2000
    assert {status for _, _, status, _ in service.requests[before:]} == {200}


def test_options_are_refused_before_anything_is_sent(site: str, service: StandIn, tmp_path: Path) -> None:
    inputs = small.write(tmp_path)
    before = len(service.requests)
    done = run("hypotest", *inputs, "--site", site, "-o", tmp_path / "r", "--option", "workers_per_node=9", code=2)
    assert "workers_per_node: 9 is greater than the maximum of 4" in done.err
    done = run("hypotest", *inputs, "--site", site, "-o", tmp_path / "r", "--queue", "debug", code=2)
    assert "options that it accepts: workers_per_node" in done.err
    assert len(service.requests) == before


def test_an_option_reaches_the_endpoint(site: str, tmp_path: Path) -> None:
    with Client(site, choice=Choice(settings={"workers_per_node": 1})) as client:
        found = list(client.hypotest(*small.write(tmp_path, signals=6), engine="pyhf"))
    assert len(found) == 6
    assert len({one.worker for one in found}) == 1


def test_a_function_that_the_endpoint_does_not_allow_is_refused_twice(site: str, service: StandIn) -> None:
    client, ours = Service(), Client(site)
    endpoint = ours.transport.address.entry.endpoint  # type: ignore[attr-defined]
    stranger = client.register("stranger", "def stranger(text):\n    return text\n", "not one of ours")
    with pytest.raises(PyhfEndpointError, match=r"FUNCTION_NOT_PERMITTED.*functions check"):
        client.submit(endpoint, [Call(stranger, "x")], {})
    service.state.checks_functions = False
    try:
        _, (task,) = client.submit(endpoint, [Call(stranger, "x")], {})
        answers = {}
        while task not in answers:
            time.sleep(0.5)
            answers = client.answers([task])
    finally:
        service.state.checks_functions = True
    assert answers[task].result is None
    assert "not permitted" in answers[task].failure or "allowed" in answers[task].failure
    ours.close()


def test_what_a_worker_raises_comes_back_as_text(site: str) -> None:
    with Client(site) as client:
        future = client.transport.executor().submit(Function("hypotest"), b'{"patches": []}')
        with pytest.raises(RemoteError, match="KeyError: 'settings'"):
            future.result(timeout=120)


def test_a_killed_client_is_taken_up_by_another(site: str, service: StandIn, tmp_path: Path) -> None:
    inputs = small.write(tmp_path, signals=40)
    output, note = tmp_path / "results.jsonl", tmp_path / "results.jsonl.tasks"
    command = [*COMMAND, "hypotest", *map(str, inputs), "--site", site, "-o", str(output), "--engine", "pyhf"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as client:
        while not note.exists():
            assert client.poll() is None
            time.sleep(0.02)
        client.send_signal(signal.SIGKILL)
    lost, sent = 40 - len(read(output).results), tasks_sent(service)
    assert lost > 0
    run("hypotest", *inputs, "--site", site, "-o", output, "--engine", "pyhf", "--resume")
    found = read(output).results
    assert len({one.key for one in found}) == len(found) == 40
    assert tasks_sent(service) - sent <= 2  # workers were woken; nothing was computed again
    assert not note.exists()


def test_a_detached_grid_is_collected(site: str, tmp_path: Path) -> None:
    inputs, output = small.write(tmp_path, signals=20), tmp_path / "results.jsonl"
    done = run("hypotest", *inputs, "--site", site, "-o", output, "--engine", "pyhf", "--detach")
    assert f"results collect {output}" in done.out
    assert read(output).results == ()
    done = run("results", "collect", output, "--wait")
    assert done.out == f"{output}: 20 new records, 0 tasks still out, 0 failed\n"
    assert len(read(output).results) == 20
    done = run("results", "collect", output, code=4)
    assert "nothing waits for" in done.err


def test_a_detached_grid_is_given_up(site: str, tmp_path: Path) -> None:
    inputs, output = small.write(tmp_path), tmp_path / "results.jsonl"
    run("hypotest", *inputs, "--site", site, "-o", output, "--detach")
    assert "nobody will fetch it" in run("cancel", output).out
    assert "nothing waits for" in run("cancel", output, code=2).err


def named(name: str) -> small.Json:
    """The small workspace, made as large as wanted by the name of its background."""
    (channel,) = small.WORKSPACE["channels"]
    (background,) = channel["samples"]
    return small.WORKSPACE | {"channels": [channel | {"samples": [background | {"name": name}]}]}


def test_a_workspace_over_the_limit_runs_if_it_compresses(site: str, tmp_path: Path) -> None:
    workspace = named("long" * 3_000_000)
    with Client(site) as client:
        found = list(client.hypotest(workspace, small.patchset(2, workspace)))
    assert [one.status for one in found] == ["converged", "converged"]


def test_a_workspace_over_the_limit_that_does_not_compress_is_refused(site: str, service: StandIn) -> None:
    workspace = named(secrets.token_hex(12_000_000))
    sent = tasks_sent(service)
    with (
        Client(site) as client,
        pytest.raises(InputError, match=r"too large for Globus Compute: 24,\d{3},\d{3} bytes, 1\d,\d{3},\d{3} as sent"),
    ):
        list(client.hypotest(workspace, small.patchset(2, workspace)))
    assert tasks_sent(service) == sent
