"""`render`, and `sites show --explain`, as an administrator uses them."""

import json
from pathlib import Path

import pytest
import yaml

from pyhf_endpoint.endpoint import CONFIG, ENVIRONMENT, SCHEMA, TEMPLATE
from tests.cli.command import run

FILES = [CONFIG, TEMPLATE, SCHEMA, ENVIRONMENT]


def schema(folder: Path) -> dict[str, dict[str, object]]:
    properties: dict[str, dict[str, object]] = json.loads((folder / SCHEMA).read_text(encoding="utf-8"))["properties"]
    return properties


def test_a_sites_endpoint_is_written_with_its_defaults(tmp_path: Path) -> None:
    settings = ("--option", "max_blocks=3", "--option", "interface=bond0")
    options = ("--account", "mine", "--queue", "capacity", "--variant", "cpu", *settings)
    done = run("render", "polaris", "-o", tmp_path / "p", *options)
    assert done.out.splitlines() == [str(tmp_path / "p" / name) for name in FILES]
    assert done.err == "polaris: workers use venv:~/pyhf-endpoint-venv\n"
    defaults = {name: shape["default"] for name, shape in schema(tmp_path / "p").items()}
    assert defaults.pop("task_limit_s") == 3600
    assert defaults == {"account": "mine", "queue": "capacity", "walltime_minutes": 60, "nodes_per_block": 1, "max_blocks": 3}
    assert '"ifname": "bond0"' in (tmp_path / "p" / TEMPLATE).read_text(encoding="utf-8")
    assert run("render", "polaris", "-o", tmp_path / "p", *options).out == ""


def test_check_shows_what_would_change_and_edits_are_kept(tmp_path: Path) -> None:
    run("render", "local", "-o", tmp_path)
    assert run("render", "local", "-o", tmp_path, "--check").out == ""
    (tmp_path / CONFIG).write_text("display_name: mine\n", encoding="utf-8")
    shown = run("render", "local", "-o", tmp_path, "--check", code=1).out
    assert "-display_name: mine\n+# local" in shown
    assert f"{CONFIG}: edited by hand" in run("render", "local", "-o", tmp_path, code=2).err
    assert (tmp_path / CONFIG).read_text(encoding="utf-8") == "display_name: mine\n"
    assert run("render", "local", "-o", tmp_path, "--force").out == f"{tmp_path / CONFIG}\n"


def test_faults_are_shown_together(tmp_path: Path) -> None:
    faults = ("--option", "walltme=1", "--option", "exclusive=yes", "--option", "max_blocks", "--account", "a b")
    shown = run("render", "polaris", "-o", tmp_path / "p", *faults, code=2).err
    lines = [line.split(" Options: ")[0] for line in shown.splitlines()]
    assert lines == [
        "error: the command line has 4 faults",
        "  walltme=1: unknown option `walltme`. Did you mean `walltime`?",
        "  max_blocks: say NAME=VALUE",
        "  exclusive: Input should be a valid boolean, found 'yes'",
        r"  account: `a b` does not match ^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?!\n)$",
    ]
    limits = ("--option", "walltime=02:00:00", "--option", "nodes_per_block=3")
    shown = run("render", "polaris", "-o", tmp_path / "p", *limits, code=2).err
    assert "2 faults" in shown
    assert "walltime: 02:00:00 is over the limit of debug, 01:00:00" in shown
    assert not (tmp_path / "p").exists()


def test_a_retired_site_is_rendered_only_when_asked_to(tmp_path: Path) -> None:
    arguments = ("render", "theta", "-o", tmp_path / "t", "--env", "venv:/opt/env")
    assert "site `theta` is retired" in run(*arguments, code=2).err
    run(*arguments, "--retired-ok")
    path = yaml.safe_load((tmp_path / "t" / ENVIRONMENT).read_text(encoding="utf-8"))["PATH"]
    assert path.startswith("/opt/env/libexec/pyhf-endpoint:/opt/env/bin:")


def test_cobalt_needs_a_place_for_its_launcher(tmp_path: Path) -> None:
    assert "--env venv:/PATH" in run("render", "theta", "-o", tmp_path / "t", "--retired-ok", code=2).err


def test_all_active_sites_are_rendered(tmp_path: Path) -> None:
    done = run("render", "--all", "-o", tmp_path)
    folders = {path.name for path in tmp_path.iterdir()}
    assert {"local", "polaris", "perlmutter"} <= folders
    assert not {"theta", "bluewaters"} & folders
    assert len(done.out.splitlines()) == len(FILES) * len(folders)


def test_a_site_that_cannot_be_rendered_stops_no_other(tmp_path: Path) -> None:
    done = run("render", "--all", "-o", tmp_path, "--option", "workers_per_node=3", code=2)
    assert "error: site `polaris`" not in done.err
    assert "error: site `vista`, variant" in done.err
    assert (tmp_path / "polaris" / CONFIG).exists()
    assert not (tmp_path / "vista").exists()


@pytest.mark.parametrize("sites", [["polaris", "--all"], []])
def test_one_site_or_all(tmp_path: Path, sites: list[str]) -> None:
    assert run("render", *sites, "-o", tmp_path, code=2).err == "error: name one site, or give --all\n"


def test_a_plain_parsl_configuration(tmp_path: Path) -> None:
    done = run("render", "polaris", "-o", tmp_path, "--format", "parsl", "--account", "mine")
    assert done.out == f"{tmp_path / 'parsl_config.py'}\n"
    text = (tmp_path / "parsl_config.py").read_text(encoding="utf-8")
    compile(text, "parsl_config.py", "exec")
    assert "account='mine'," in text


def test_explain_says_where_each_value_comes_from() -> None:
    lines = run("sites", "show", "polaris", "--explain").out.splitlines()
    rows = {line.split()[0]: line.split(None, 2)[1:] for line in lines if line.startswith("  ")}
    assert rows["queue"] == ["debug", "profile"]
    assert rows["nodes_per_block"] == ["1", "default"]
    assert rows["workers_per_node"] == ["4", "node"]
    assert rows["interface"] == ["hsn0", "profile"]
    sources = yaml.safe_load(run("sites", "show", "polaris").out)["sources"]
    assert rows["nodes.a100.cores"][0] == "32"
    assert rows["nodes.a100.cores"][1] in sources
    assert any(row[-1].startswith("inferred: ") for row in rows.values())


def test_an_unknown_fact_rests_on_nothing() -> None:
    lines = run("sites", "show", "thetagpu", "--explain").out.splitlines()
    unknown = [line.split() for line in lines if line.startswith("  ") and line.split()[1] == "unknown"]
    assert unknown
    assert {row[2] for row in unknown if "." in row[0]} == {"-"}


def test_a_variant_is_explained() -> None:
    lines = run("sites", "show", "polaris", "--variant", "debug").out.splitlines()
    assert ["walltime", "00:10:00", "variant"] in [line.split() for line in lines]
    assert "has no variant `debg`. Did you mean `debug`?" in run("sites", "show", "polaris", "--variant", "debg", code=2).err
