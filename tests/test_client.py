"""The client's way to a site: the embedded default needs no profile, and whatever takes its place counts all the same."""

from pathlib import Path
from typing import Any

import pytest

import pyhf_endpoint.client
from pyhf_endpoint import directory, profiles, sites
from pyhf_endpoint.client import Client
from pyhf_endpoint.errors import InputError, TransportError, UsageError
from pyhf_endpoint.run import Run
from pyhf_endpoint.transport import Choice, LocalTransport, connect
from pyhf_endpoint.transport.globus import GlobusTransport
from tests import small
from tests.profiles.example import changed

ENDPOINT, FIT = "aaaaaaaa-2222-4333-8444-555555555555", "dddddddd-2222-4333-8444-555555555555"
SLURM = changed(("name: site", "name: local"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in (sites.FOLDERS_VARIABLE, sites.ENDPOINTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def user_profile(home: Path, text: str) -> Path:
    path = home / "pyhf-endpoint" / "sites" / "local.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_the_embedded_default_is_what_its_profile_says() -> None:
    profile = profiles.find("local").profile
    assert sites.find("local").is_embedded_default
    assert isinstance(connect(profile), LocalTransport)
    with Client("local", workers=3) as client:
        assert isinstance(client.transport, LocalTransport)
        assert (client.site, client.transport.slots) == ("local", 3)
        assert client.profile == profile
        assert client.profile is client.profile


@pytest.mark.parametrize("via", [None, "local"])
@pytest.mark.parametrize("given", [{"workers": 0}, {"choice": Choice(variant="cpu")}, {"workers": -1, "choice": Choice(env="x")}])
def test_what_does_not_fit_is_refused_as_for_any_site(via: Any, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as expected:
        connect(profiles.find("local").profile, via=via, **given)
    with pytest.raises(UsageError) as error:
        Client("local", via=via, **given)
    assert str(error.value) == str(expected.value)


def test_an_unknown_site_is_answered_with_the_closest() -> None:
    with pytest.raises(UsageError, match=r"^unknown site `locl`\. Did you mean `local`\? Known sites: anvil, "):
        Client("locl")


@pytest.mark.parametrize("origin", ["user", sites.FOLDERS_VARIABLE])
def test_a_profile_of_the_users_own_takes_the_place_of_local(home: Path, monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    path = user_profile(home, SLURM)
    if origin == sites.FOLDERS_VARIABLE:
        monkeypatch.setenv(origin, str(path.parent))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "empty"))
    with pytest.raises(TransportError, match=r"^no Globus Compute endpoint is known for the site `local`"):
        Client("local")
    with Client("local", via="local", workers=1) as client:
        assert client.profile.scheduler.kind == "slurm"


@pytest.mark.parametrize("via", [None, "local"])
def test_faults_of_such_a_profile_are_told_at_once(home: Path, via: Any) -> None:
    path = user_profile(home, SLURM.replace("kind: slurm", "kind: slrm"))
    with pytest.raises(InputError) as error:
        Client("local", via=via)
    assert str(error.value).startswith(f"{path} has 1 fault\n  scheduler: unknown kind `slrm`. Did you mean `slurm`?")


def test_a_profile_by_file_counts_whatever_its_name(home: Path) -> None:
    path = home / "local.yaml"
    path.write_text(SLURM)
    with Client(profile=path, via="local", workers=1) as client:
        assert (client.site, client.profile.scheduler.kind) == ("local", "slurm")
    with pytest.raises(InputError, match=r"cannot read .*none\.yaml"):
        Client(profile=home / "none.yaml", via="local")


def test_an_endpoint_by_the_name_of_local_is_gone_to_unless_told_otherwise() -> None:
    directory.add("local", directory.Entry(endpoint=ENDPOINT, functions={"fit": FIT}, workers=4))
    with Client("local") as client:
        assert isinstance(client.transport, GlobusTransport)
        assert client.transport.address.entry.endpoint == ENDPOINT
    with Client("local", via="local", workers=1) as client:
        assert isinstance(client.transport, LocalTransport)


def test_endpoints_of_other_sites_change_nothing() -> None:
    directory.add("polaris", directory.Entry(endpoint=ENDPOINT))
    with Client("local", workers=1) as client:
        assert isinstance(client.transport, LocalTransport)


def test_the_type_of_a_run_is_part_of_the_module() -> None:
    assert pyhf_endpoint.client.Run is Run
    with pytest.raises(AttributeError, match=r"module 'pyhf_endpoint\.client' has no attribute 'Rum'"):
        pyhf_endpoint.client.Rum  # type: ignore[attr-defined] # noqa: B018


def test_a_misspelt_option_is_refused() -> None:
    with Client("local", workers=1) as site, pytest.raises(UsageError) as error:
        site.hypotest(small.WORKSPACE, small.patchset(), mesurement="measurement", worker=1)  # type: ignore[call-arg]
    assert str(error.value) == (
        "unknown option `mesurement`. Did you mean `measurement`? unknown option `worker`."
        " Options: histosys, measurement, normsys, output, overwrite, patches, region, resume, seed"
    )


def test_one_patch_may_be_named_without_a_list() -> None:
    with Client("local", workers=1) as site:
        run = site.hypotest(small.WORKSPACE, small.patchset(), patches="S200")
    assert [patch.name for patch in run.plan.patches] == ["S200"]
