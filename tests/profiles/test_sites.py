"""The profiles that come with the project."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from pyhf_endpoint import profiles
from pyhf_endpoint.profiles import evidence, resolve
from pyhf_endpoint.profiles.handbook import field_table, update
from pyhf_endpoint.profiles.resolve import Resolved
from pyhf_endpoint.profiles.schedulers import SlurmScheduler
from pyhf_endpoint.profiles.schema import descriptions, schema_text

FOLDER = Path(__file__).parents[2] / "site_profiles"
KINDS = {
    "cobalt": {"theta", "thetagpu", "cooley"},
    "pbspro": {"polaris", "aurora", "sophia", "crux", "improv", "bebop", "swing"},
    "slurm": {
        "perlmutter", "frontier", "delta", "deltaai", "expanse", "anvil", "bell", "bridges2", "frontera", "stampede3", "vista",
        "faster", "midway3",
    },
    "torque": {"bluewaters"},
    "kubernetes": {"river"},
    "htcondor": {"cern-lxbatch", "uchicago-af"},
    "local": {"local"},
}  # fmt: skip
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
REMOTE = [name for name in NAMES if name != "local"]


def profile(name: str) -> profiles.SiteProfile:
    """The shipped profile of a site, whatever folders the user has."""
    return profiles.read(FOLDER / f"{name}.yaml", "shipped").profile


def uses(*kinds: str) -> list[Resolved]:
    """Every variant of every site with one of these schedulers."""
    found = [profile(name) for name in NAMES]
    return [resolve(site, variant) for site in found if site.scheduler.kind in kinds for variant in site.variants]


def test_the_sites_are_these() -> None:
    assert set(NAMES) == set.union(*KINDS.values())
    assert {name: profile(name).scheduler.kind for name in NAMES} == {
        name: kind for kind, names in KINDS.items() for name in names
    }
    assert len(REMOTE) >= 24


@pytest.mark.parametrize("name", REMOTE)
def test_every_site_has_sources_with_addresses_and_a_dated_check(name: str) -> None:
    site = profile(name)
    assert site.sources
    assert [key for key, source in site.sources.items() if source.url is None] == []
    assert site.verified
    assert all(check.how for check in site.verified)
    assert site.contact or site.docs or site.status != "active" or name == "faster"


@pytest.mark.parametrize("name", REMOTE)
def test_every_fact_of_a_site_has_a_source_a_reason_or_is_unknown(name: str) -> None:
    found = evidence(profile(name))
    assert found.unsupported == found.idle == ()
    assert found.sourced


def test_the_machines_that_are_gone_are_marked() -> None:
    assert {name for name in NAMES if profile(name).status == "retired"} == KINDS["cobalt"] | KINDS["torque"]
    assert {name for name in NAMES if profile(name).status == "unknown"} == {"river"}


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_can_be_used_as_it_is(name: str) -> None:
    site = profile(name)
    for variant in site.variants:
        use = resolve(site, variant)
        assert profiles.check_use(use) == []
        if name != "local":
            assert use["workers_per_node"], f"{variant} leaves the number of workers open"
            assert use["cores_per_node"] or use.node is None or use.node.cores == "unknown"


@pytest.mark.parametrize("name", REMOTE)
def test_variants_are_named_alike(name: str) -> None:
    """`gpu` takes every accelerator of a node, `cpu` runs on cores alone, `debug` is short."""
    site = profile(name)
    for variant in site.variants:
        use = resolve(site, variant)
        if variant == "gpu" and not use.shared:
            assert len(use.slots) == use["workers_per_node"] > 0
        if variant == "gpu-shared":
            assert (use["accelerators"], use["workers_per_node"], use.shared) == (1, 1, True)
        if variant.startswith("cpu"):
            assert use["image"] == "cpu"
        if variant == "debug":
            assert use["walltime"] <= "00:10:00"
    devices = [node.accelerators for node in site.nodes.values() if node.accelerators]
    assert bool(devices) == ("gpu" in site.variants)


def test_exclusive_is_stated_on_every_slurm_site() -> None:
    slurm = uses("slurm")
    assert len({use.profile.name for use in slurm}) == len(KINDS["slurm"])
    assert {use.settings["exclusive"].origin for use in slurm} == {"profile", "variant"}


def test_tacc_is_asked_for_whole_nodes_without_the_options_that_it_refuses() -> None:
    for name in ("frontera", "stampede3", "vista"):
        scheduler = profile(name).scheduler
        assert isinstance(scheduler, SlurmScheduler)
        assert "--mem" in scheduler.rejects
        for node in profile(name).nodes.values():
            assert node.accelerators is None or node.accelerators.request.how == "whole-node"


def test_devices_are_named_as_each_machine_names_them() -> None:
    assert resolve(profile("aurora"), "gpu").slots[:3] == ("0.0", "0.1", "1.0")
    assert resolve(profile("frontier"), "gpu").slots == tuple("01234567")
    assert resolve(profile("perlmutter"), "cpu").directives == ("-C cpu",)
    assert resolve(profile("perlmutter"), "gpu").directives == ("-C gpu",)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_lines_name_the_schema_and_the_machine(name: str) -> None:
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# yaml-language-server: $schema=site-profile.schema.json"
    assert lines[1].startswith("# ")
    assert max(map(len, lines)) <= 260


def test_the_schema_file_is_current() -> None:
    assert (FOLDER / "site-profile.schema.json").read_text(encoding="utf-8") == schema_text(), "run `make schema`"


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_accepts_every_profile_and_no_misspelt_key(name: str) -> None:
    """As an editor sees it: dates are text."""
    schema = jsonschema_rs.validator_for(json.loads((FOLDER / "site-profile.schema.json").read_text(encoding="utf-8")))
    site: dict[str, Any] = yaml.load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    stated = profile(name).model_dump(mode="json", exclude_unset=True, exclude_none=True)
    assert site.keys() == stated.keys()
    schema.validate(stated)
    assert not schema.is_valid({**stated, "facilty": "somewhere"})
    assert not schema.is_valid({**stated, "status": "gone"})


def test_the_table_of_fields_is_current() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert text == update(text), "run `make schema`"


def test_the_table_of_fields_explains_every_field_once() -> None:
    table = field_table()
    for name, fields in descriptions().items():
        if not name.startswith("_") and name not in ("Batch", "Frozen"):
            part = table.split(f"### {name}\n")[1].split("### ")[0]
            assert [part.count(f"\n| `{field}` |") for field in fields] == [1] * len(fields)


def test_the_table_of_fields_states_defaults() -> None:
    table = field_table()
    assert "| `command_timeout_s` | `60` |" in table
    assert "| `shared` | `false` |" in table
    assert "| `interface` |  |" in table
    assert "| `launcher` | `kind: simple` |" in table
