"""`pyhf-endpoint doctor`, as a user types it."""

import json
from pathlib import Path

import pytest

from pyhf_endpoint.transport.service import Address, addresses
from tests.cli.command import run

pytest.importorskip("globus_compute_endpoint", reason="the extra `endpoint` is not installed")


def test_this_machine_is_well(tmp_path: Path) -> None:
    out = run("doctor", "local", "--no-service", "--run-directory", tmp_path).out
    assert f"ok       run-directory    {tmp_path} can be written" in out
    assert "ERROR" not in out


def test_a_machine_that_is_not_the_site_is_told_apart_as_json(tmp_path: Path) -> None:
    done = run("doctor", "polaris", "--no-service", "--json", "--run-directory", tmp_path, "--env", "venv:/nowhere", code=1)
    found = {finding["check"]: finding for finding in json.loads(done.out)}
    assert found["account"]["remedy"] == "give --account NAME"
    assert found["commands"]["remedy"] == "run this on a login node of polaris"
    assert found["versions"]["severity"] == "error"
    assert all(finding["remedy"] for finding in found.values() if finding["severity"] in ("warning", "error"))


def test_the_service_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBUS_SDK_ENVIRONMENT", "local")
    assert addresses() == (Address("api", "localhost", 5000, secure=False),)
    monkeypatch.delenv("GLOBUS_SDK_ENVIRONMENT")
    assert [(found.purpose, found.port, found.secure) for found in addresses()] == [("api", 443, True), ("amqp", 443, True)]
    monkeypatch.setenv("GLOBUS_SDK_ENVIRONMENT", "prodution")
    message = "error: GLOBUS_SDK_ENVIRONMENT is `prodution`, which the SDK would take for production; unset it, or choose from:"
    assert run("doctor", "local", code=2).err.startswith(message)


def test_an_environment_is_a_venv_or_an_image() -> None:
    assert (
        run("doctor", "local", "--env", "conda", code=2).err == "error: cannot read --env conda; write venv:PATH or image:URI\n"
    )
