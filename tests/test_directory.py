"""The directory of endpoints: which entry counts, and what is said where there is none."""

from pathlib import Path

import pytest

from pyhf_endpoint import directory, profiles
from pyhf_endpoint.errors import InputError, TransportError
from pyhf_endpoint.profiles import SiteProfile
from pyhf_endpoint.transport import connect

ONE, TWO, THREE = (f"{digit * 8}-2222-4333-8444-555555555555" for digit in "abc")
FIT = "dddddddd-2222-4333-8444-555555555555"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv(directory.FILES_VARIABLE, raising=False)
    return tmp_path


def profile(**facility: object) -> SiteProfile:
    found = profiles.find("polaris").profile
    if not facility:
        return found.model_copy(update={"facility_endpoint": None})
    return SiteProfile.model_validate_json(
        found.model_copy(update={"facility_endpoint": facility}).model_dump_json(warnings=False)
    )


def test_environment_then_user_then_facility(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = profile(endpoint=THREE, functions={"fit": FIT})
    found = directory.find(site)
    assert found is not None
    assert (found.entry.endpoint, found.origin) == (THREE, "facility")
    path = directory.add("polaris", directory.Entry(endpoint=TWO, workers=4))
    found = directory.find(site)
    assert found is not None
    assert (found.entry.endpoint, found.entry.workers, found.origin) == (TWO, 4, str(path))
    named = home / "ours.yaml"
    named.write_text(f"polaris: {{endpoint: {ONE}, functions: {{fit: {FIT}}}}}\n")
    monkeypatch.setenv(directory.FILES_VARIABLE, str(named))
    assert [one.entry.endpoint for one in directory.addresses(site)] == [ONE, TWO, THREE]
    found = directory.find(site)
    assert found is not None
    assert found.entry == directory.Entry(endpoint=ONE, functions={"fit": FIT})


def test_of_a_retired_site_no_endpoint_is_offered(home: Path) -> None:
    with pytest.raises(TransportError, match="site `theta` is retired: its machine is gone") as error:
        directory.require(profiles.find("theta").profile)
    assert "three ways" not in str(error.value)


def test_a_facilitys_endpoint_without_our_functions_is_shown_and_never_used(home: Path) -> None:
    site = profile(endpoint=THREE)
    (address,) = directory.addresses(site)
    assert not address.is_usable
    assert directory.find(site) is None
    with pytest.raises(TransportError) as error:
        directory.require(site)
    assert str(error.value).endswith(
        f"(Argonne Leadership Computing Facility (ALCF) runs the endpoint {THREE}, which lacks this project's functions)"
    )


def test_a_site_without_an_endpoint_names_three_ways(home: Path) -> None:
    with pytest.raises(TransportError) as error:
        connect(profile(), via="globus")
    assert str(error.value) == (
        "no Globus Compute endpoint is known for the site `polaris`; three ways to reach it:\n"
        "  its administrator has set one up: pyhf-endpoint sites add polaris SNIPPET, with what `deploy` printed there\n"
        "  set one up yourself, on its login node: pyhf-endpoint deploy polaris\n"
        "  go without one, on its login node: give --via scheduler"
    )


def test_an_endpoint_that_allows_everything_needs_functions_of_ones_own(home: Path) -> None:
    directory.add("polaris", directory.Entry(endpoint=ONE))
    with pytest.raises(
        TransportError, match="comes with no functions, and you have registered none; run: pyhf-endpoint functions"
    ):
        connect(profile(), via="globus")


def test_adding_replaces_one_entry_and_keeps_the_others(home: Path) -> None:
    directory.add("polaris", directory.Entry(endpoint=ONE))
    directory.add("delta", directory.Entry(endpoint=TWO))
    path = directory.add("polaris", directory.Entry(endpoint=THREE, functions={"fit": FIT}))
    assert path.read_text() == f"polaris:\n  endpoint: {THREE}\n  functions:\n    fit: {FIT}\ndelta:\n  endpoint: {TWO}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- polaris", "snippet must map names of sites to endpoints, such as `polaris: {endpoint: UUID}`"),
        ("a: [", "snippet is not YAML: "),
        (
            "polaris: {endpoint: x, key: 1}\ndelta: {}",
            (
                "snippet has 3 faults\n"
                "  polaris.endpoint: String should match pattern '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$', found 'x'\n"
                "  polaris.key: Extra inputs are not permitted, found 1\n"
                "  delta.endpoint: Field required\n"
                "correct or remove these entries, or get the snippet again"
            ),
        ),
    ],
)
def test_faults_of_a_snippet(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        directory.parse(text, "snippet")
    assert str(error.value).startswith(message)


def test_a_file_of_the_environment_must_be_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(directory.FILES_VARIABLE, str(home / "none.yaml"))
    with pytest.raises(InputError, match=r"cannot read .*none.yaml, a file of endpoints: No such file"):
        directory.find(profile())
