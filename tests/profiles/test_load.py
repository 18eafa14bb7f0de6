"""Site profiles: found by name, parsed strictly, faults shown together."""

from pathlib import Path

import pytest

from pyhf_endpoint import profiles
from pyhf_endpoint.errors import InputError, UsageError

GOOD = """
name: site
facility: somewhere
description: a site
status: active
scheduler: {kind: local}
variants: {cpu: {description: all of it}}
"""


@pytest.mark.parametrize("name", profiles.names())
def test_every_shipped_profile_is_valid(name: str) -> None:
    found = profiles.find(name)
    assert found.profile.name == name
    assert found.path.name == f"{name}.yaml"


def test_local_is_there() -> None:
    assert profiles.find("local").profile.scheduler.kind == "local"


def test_a_profile_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        profiles.find("local").profile.name = "other"  # type: ignore[misc]


def test_an_unknown_site_is_answered_with_the_closest() -> None:
    with pytest.raises(UsageError) as error:
        profiles.find("locl")
    assert str(error.value) == f"unknown site `locl`. Did you mean `local`? Known sites: {', '.join(profiles.names())}"


@pytest.mark.parametrize("name", ["../local", "/etc/passwd", "", "local.yaml"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(UsageError, match="unknown site"):
        profiles.find(name)


FAULTS = {
    "unknown key": (
        GOOD + "facilty: x",
        (
            "site.yaml has 1 fault\n"
            "  facilty: unknown key. Did you mean `facility`? Known keys: name, facility, description, status, docs, contact,"
            " sources, sourced, inferred, verified, architecture, scheduler, nodes, network, launcher, environment, container,"
            " proxies, facility_endpoint, run, variants\n"
            "fix these, then run: pyhf-endpoint sites check --profile site.yaml"
        ),
    ),
    "nested unknown key, missing key and bad value together": (
        "name: site\nfacility: x\nstatus: gone\nscheduler: {kind: local, knd: 1}",
        (
            "site.yaml has 4 faults\n"
            "  description: missing; add it\n"
            "  status: Input should be 'active', 'retired' or 'unknown', found 'gone'\n"
            "  scheduler.knd: unknown key. Did you mean `kind`? Known keys: kind\n"
            "  variants: missing; add it\n"
            "fix these, then run: pyhf-endpoint sites check --profile site.yaml"
        ),
    ),
    "another name than the file's": (
        GOOD.replace("name: site", "name: other"),
        (
            "site.yaml has 1 fault\n"
            "  name: `other`, but the file's name makes it `site`; make them equal\n"
            "fix these, then run: pyhf-endpoint sites check --profile site.yaml"
        ),
    ),
    "a key twice": (GOOD + "name: site", "site.yaml is not YAML: line 8, column 1: duplicate key `name`"),
    "broken YAML": ("name: [", "site.yaml is not YAML: line 1, column 8: expected the node content, but found '<stream end>'"),
    "no mapping": ("- name", "site.yaml must be a mapping of keys to values; see local.yaml for an example"),
    "code": (
        "!!python/object/apply:os.system [ls]",
        "site.yaml is not YAML: line 1, column 1: could not determine a constructor",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_remedy(name: str) -> None:
    text, message = FAULTS[name]
    with pytest.raises(InputError) as error:
        profiles.parse(text, Path("site.yaml"))
    assert str(error.value).startswith(message)
