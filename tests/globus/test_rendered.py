"""The endpoint's files as they are rendered from a site's profile, on the real daemon."""

import sys
from pathlib import Path

import pytest

from pyhf_endpoint import endpoint, profiles
from pyhf_endpoint.client import Client
from tests import small
from tests.globus.conftest import make_site
from tests.globus.daemon import Bundle, Daemon
from tests.globus.standin import Caller, StandIn


def test_a_rendered_endpoint_runs_a_grid(
    service: StandIn, caller: Caller, functions: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = profiles.resolve(profiles.find("local").profile)
    files = endpoint.render(use, endpoint.Options(endpoint.Environment("venv", sys.prefix))).files
    bundle = Bundle(files[endpoint.TEMPLATE], files[endpoint.SCHEMA])
    with Daemon(service, caller, tmp_path / "endpoint", "rendered", tuple(functions.values()), bundle) as daemon:
        site = make_site("rendered", daemon.id, functions, tmp_path, monkeypatch)
        with Client(site) as client:
            found = list(client.hypotest(*small.write(tmp_path, signals=10)))
    assert len(found) == 10
    assert {one.status for one in found} == {"converged"}
