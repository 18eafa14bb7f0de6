"""What makes an endpoint one for several users: its configuration, who may read its files, what everybody must be able to run."""

import json
import os
import stat
from pathlib import Path

import pytest
import yaml

from pyhf_endpoint import deploy, endpoint, profiles
from pyhf_endpoint.deploy import multiuser
from pyhf_endpoint.errors import InputError, UsageError
from tests.cli.command import run

pytest.importorskip("globus_compute_endpoint", reason="the extra `endpoint` is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root serves other users")
IDENTITIES = json.dumps(
    [{"DATA_TYPE": "expression_identity_mapping#1.0.0", "mappings": [{"source": "{id}", "match": "x", "output": "{username}"}]}]
)
ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def bundle() -> endpoint.Bundle:
    """The files of an endpoint for one user."""
    return endpoint.render(profiles.resolve(profiles.find("local").profile))


def test_the_daemon_takes_the_configuration(bundle: endpoint.Bundle, tmp_path: Path) -> None:
    from globus_compute_endpoint.endpoint.config import CoreEndpointConfig
    from globus_compute_endpoint.endpoint.config.utils import load_config_yaml

    found = multiuser.extend(bundle, deploy.MultiUser(IDENTITIES), tmp_path)
    endpoint.write(found, tmp_path)
    config = load_config_yaml(found.files[endpoint.CONFIG])
    assert isinstance(config, CoreEndpointConfig)
    assert config.public
    assert not config.high_assurance
    assert config.identity_mapping_config_path == tmp_path / "identity_mapping_config.json"
    assert config.identity_mapping_config_path.read_text() == IDENTITIES
    assert config.audit_log_path == tmp_path / "audit.log"
    assert "public: false" in bundle.files[endpoint.CONFIG]


def test_high_assurance_is_a_subscription_and_a_policy(bundle: endpoint.Bundle, tmp_path: Path) -> None:
    found = multiuser.extend(bundle, deploy.MultiUser(IDENTITIES, ID, ID.replace("1", "2")), tmp_path)
    config = yaml.safe_load(found.files[endpoint.CONFIG])
    assert config["high_assurance"] is True
    assert (config["subscription_id"], config["authentication_policy"]) == (ID, ID.replace("1", "2"))


@needs_root
def test_only_root_reads_the_files(bundle: endpoint.Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "endpoint"
    endpoint.write(multiuser.extend(bundle, deploy.MultiUser(IDENTITIES), folder), folder)
    os.chown(folder / endpoint.CONFIG, 4321, 4321)
    (folder / "daemon.log").write_text("what a daemon left open")
    multiuser.protect(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {name for name, mode in modes.items() if mode != 0o600} == {endpoint.TEMPLATE, endpoint.SCHEMA}
    assert modes[endpoint.TEMPLATE] == modes[endpoint.SCHEMA] == 0o644
    assert {(path.stat().st_uid, path.stat().st_gid) for path in folder.iterdir()} == {(0, 0)}
    assert (folder / "audit.log").read_text() == ""


def test_a_closed_environment_is_told(tmp_path: Path) -> None:
    programs = tmp_path / "closed" / "venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "globus-compute-endpoint"):
        (programs / name).touch(mode=0o700)
    (tmp_path / "closed").chmod(0o700)
    with pytest.raises(UsageError) as caught:
        deploy.check_environment(endpoint.Environment("venv", str(programs.parent)))
    said = str(caught.value)
    assert f"{tmp_path / 'closed'}: mode 0700, which keeps others out" in said
    assert f"{programs / 'python'}: mode 0700, so that others may not run it" in said
    assert f"{programs / 'process_worker_pool.py'}: is not there" in said
    assert "say /opt, and deploy from there" in said


@needs_root
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ((ID, None), "needs --subscription-id and --auth-policy"),
        ((None, ID), "needs --subscription-id and --auth-policy"),
        (("mine", ID), "--subscription-id mine: an id has"),
    ],
)
def test_high_assurance_by_halves_is_refused(ids: tuple[str | None, str | None], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        deploy.MultiUser.read(tmp_path / "map.json", *ids)


@needs_root
def test_a_mapping_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--idmap .*map.json: the identity mapping cannot be read: No such file"):
        deploy.MultiUser.read(tmp_path / "map.json")
    (tmp_path / "map.json").write_bytes(b"\xff")
    with pytest.raises(InputError, match="it is no UTF-8 text; name a JSON file"):
        deploy.MultiUser.read(tmp_path / "map.json")


@pytest.mark.parametrize("option", [("--idmap", "map.json"), ("--subscription-id", ID), ("--auth-policy", ID)])
def test_an_option_of_many_users_alone_is_refused(option: tuple[str, str]) -> None:
    assert f"{option[0]} goes with --multi-user" in run("deploy", "local", *option, code=2).err


@needs_root
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--multi-user needs --idmap FILE"),
        (("--idmap", "/dev/null"), "--multi-user needs --contact-email ADDRESS"),
        (("--idmap", "/dev/null", "--contact-email", "a@b"), "/dev/null has 1 fault\n  line 1, column 1: not JSON"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_done(options: tuple[str, ...], message: str) -> None:
    done = run("deploy", "local", "--multi-user", *options, code=3 if "a@b" in options else 2)
    assert message in done.err
    assert done.out == ""


def test_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    with pytest.raises(
        UsageError, match=r"can be started by root alone, and this is user 1234; run it as root \(sudo\), or leave"
    ):
        deploy.require_root()
