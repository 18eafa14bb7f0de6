"""The commands around endpoints, against the stand-in and the real daemon."""

import json
import os
from pathlib import Path

import pytest
import yaml

from pyhf_endpoint.functions import FUNCTIONS
from tests import small
from tests.cli.command import run
from tests.globus.daemon import Daemon
from tests.globus.standin import Caller, StandIn


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with neither a record of functions nor a file of endpoints."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_login_with_credentials_of_the_environment(service: StandIn, caller: Caller, home: Path) -> None:
    assert run("login").out == f"logged in as {caller.id}@clients.auth.globus.org\n"
    texts = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert not [text for text in texts for token in service.tokens if token.encode() in text]


def test_wrong_credentials_are_refused_with_a_remedy(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_SECRET", "wrong")
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "nobody"))
    done = run("hypotest", *small.write(tmp_path), "--site", site, "-o", tmp_path / "r", code=7)
    assert "unknown client or wrong secret" in done.err
    assert "check GLOBUS_COMPUTE_CLIENT_ID and GLOBUS_COMPUTE_CLIENT_SECRET" in done.err


def test_nobody_is_logged_in(site: str, service: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLOBUS_COMPUTE_CLIENT_SECRET")
    monkeypatch.delenv("GLOBUS_COMPUTE_CLIENT_ID")
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "nobody"))
    done = run("hypotest", *small.write(tmp_path), "--site", site, "-o", tmp_path / "r", code=7)
    assert "nobody is logged in to Globus; run: pyhf-endpoint login" in done.err


def test_functions_are_registered_once(service: StandIn, home: Path) -> None:
    before = len(service.state.functions)
    assert "not registered" in run("functions", "list").out
    first = run("functions", "register")
    assert f"{len(FUNCTIONS)} registered, 0 unchanged" in first.out
    assert len(service.state.functions) - before == len(FUNCTIONS)
    assert f"0 registered, {len(FUNCTIONS)} unchanged" in run("functions", "register").out
    record = json.loads((home / "state" / "pyhf-endpoint" / "functions.json").read_text())
    assert [row["kind"] for row in record] == list(FUNCTIONS)
    hypotest = service.state.functions[record[0]["id"]]
    assert hypotest["public"]
    assert record[0]["digest"] in hypotest["description"]
    assert record[0]["version"] in hypotest["description"]


def test_a_changed_text_is_registered_anew_and_the_old_id_stays(service: StandIn, home: Path) -> None:
    run("functions", "register")
    path = home / "state" / "pyhf-endpoint" / "functions.json"
    record = json.loads(path.read_text())
    old = record[0] | {"digest": "0" * 64, "version": "0.0.1"}
    path.write_text(json.dumps([old, *record[1:]]))
    assert "1 registered" in run("functions", "register").out
    rows = [row for row in json.loads(path.read_text()) if row["kind"] == "hypotest"]
    assert rows[0]["id"] == old["id"] != rows[1]["id"]
    assert old["id"] in service.state.functions
    assert "0.0.1 (older text)" in run("functions", "list").out


def test_drift_between_package_record_and_endpoint(site: str, daemon: Daemon, home: Path) -> None:
    done = run("functions", "check", site)
    assert f"which allows {len(FUNCTIONS)} functions" in done.out
    assert done.out.count(" ok\n") == len(FUNCTIONS)
    done = run("functions", "check", code=1)
    assert done.out.count("not registered: pyhf-endpoint functions register") == len(FUNCTIONS)


def test_drift_is_told_for_an_endpoint_that_lags_behind(
    site: str, daemon: Daemon, functions: dict[str, str], service: StandIn
) -> None:
    data = service.state.endpoints[daemon.id].data
    allowed = data["allowed_functions"]
    stale = "11111111-2222-4333-8444-555555555555"
    service.state.functions[stale] = service.state.functions[functions["fit"]] | {
        "function_code": "def fit(text):\n    return 1\n"
    }
    data["allowed_functions"] = [one for one in allowed if one != functions["fit"]] + [stale]
    try:
        done = run("functions", "check", site, code=1)
    finally:
        data["allowed_functions"] = allowed
        del service.state.functions[stale]
    assert f"fit           {functions['fit']}  not allowed" in done.out
    assert f"also allowed, with an older text: {stale}" in done.out
    assert done.out.count(" ok\n") == len(FUNCTIONS) - 1


def test_a_site_is_added_by_id_and_used(site: str, daemon: Daemon, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYHF_ENDPOINT_ENDPOINTS")
    done = run("sites", "add", site, daemon.id, "--workers", 2)
    assert f"endpoint {daemon.id} with {len(FUNCTIONS)} functions" in done.out
    assert "used" in run("sites", "endpoints").out
    done = run("hypotest", *small.write(home), "--site", site, "-o", home / "r.jsonl")
    assert "3 converged" in done.err


def test_a_site_is_added_by_snippet(site: str, daemon: Daemon, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snippet = Path(os.environ["PYHF_ENDPOINT_ENDPOINTS"])
    monkeypatch.delenv("PYHF_ENDPOINT_ENDPOINTS")
    run("sites", "add", site, snippet)
    written = yaml.safe_load((home / "config" / "pyhf-endpoint" / "endpoints.yaml").read_text())
    assert written == yaml.safe_load(snippet.read_text())
