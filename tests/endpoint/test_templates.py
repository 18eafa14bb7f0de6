"""The templates themselves: alike where they should be, and fed by nothing but the site's facts and the users' options."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import jinja2
import jinja2.meta
import pytest
import yaml

import pyhf_endpoint
from pyhf_endpoint.endpoint import CONFIG, TEMPLATE, Environment, Options, load_user_config, render, render_user_config
from pyhf_endpoint.profiles import schedulers
from tests.endpoint.golden import use_of
from tests.endpoint.sites import bundle, engine, use

FOLDER = Path(pyhf_endpoint.__file__).parent / "endpoint_configs"
TEMPLATES = sorted(FOLDER.glob("*.yaml.j2"))
OPTIONS = {"account", "queue", "walltime_minutes", "nodes_per_block", "max_blocks", "task_limit_s"}


def test_every_scheduler_has_one() -> None:
    kinds = {get_args(model.model_fields["kind"].annotation)[0] for model in get_args(get_args(schedulers.Scheduler)[0])}
    assert {path.name.removesuffix(".yaml.j2") for path in TEMPLATES} == kinds


def test_the_engine_is_the_same_in_all() -> None:
    heads = {path.read_text(encoding="utf-8").split("\n  provider:\n")[0].split("\n", 1)[1] for path in TEMPLATES}
    assert len(heads) == 1


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_it_uses_the_sites_facts_and_users_options_alone(path: Path) -> None:
    tree = jinja2.Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
    assert jinja2.meta.find_undeclared_variables(tree) <= OPTIONS | {"site"}
    assert not list(jinja2.meta.find_referenced_templates(tree))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_task_has_a_time_limit(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n      export GC_TASK_TIMEOUT={{ task_limit_s | default(site.task_limit_s) | int }}\n") == 1


@pytest.mark.parametrize("site", ["local", "polaris", "perlmutter", "river", "theta", "cern-lxbatch", "bluewaters"])
def test_what_serving_a_user_leaves_behind_is_below_the_endpoints_folder(site: str) -> None:
    environment = Environment.parse("image:example.org/a:b" if site == "river" else "venv:/opt/env")
    found = render(use_of(site), Options(environment, folder="/home/a/.globus_compute/a"))
    config = yaml.safe_load(render_user_config(found))
    assert config["paths"] == {"endpoint_dir": "/home/a/.globus_compute/a/users/$GLOBUS_COMPUTE_ENDPOINT_NAME"}


def test_it_stands_unchanged_below_the_facts() -> None:
    text = bundle(use()).files[TEMPLATE]
    head, template = text.split("\n} %}\n", 1)
    assert head.startswith("{%- set site = {\n")
    assert template == (FOLDER / "slurm.yaml.j2").read_text(encoding="utf-8")


@pytest.mark.parametrize("runtime", ["docker", "podman", "podman-hpc"])
def test_the_command_of_a_container_is_globus_computes_own_but_for_our_pool(runtime: str) -> None:
    image = "registry.example.org/a:1"
    found = use({"container": {"runtime": runtime, "flags": "--flag"}, "network": {"address": "loopback"}})
    text = render_user_config(bundle(found, f"image:{image}"))
    settings = yaml.safe_load(text)
    words = settings["engine"]["container_cmd_options"].removeprefix(f"{runtime} run ")
    flags = words.partition(f" {image} ")[0].removesuffix(" -v {EXECUTOR_RUNDIR}:{EXECUTOR_RUNDIR} -t")
    own = {"container_type": runtime, "container_uri": image, "container_cmd_options": flags}
    theirs = load_user_config(yaml.safe_dump(settings | {"engine": settings["engine"] | own})).engine.containerized_launch_cmd()
    start = f"{image} globus-compute-endpoint python-exec "
    assert theirs.count(start) == 1
    ours = load_user_config(text).engine.containerized_launch_cmd()
    assert ours == theirs.replace(start, f"{start}pyhf_endpoint.pool globus-compute-endpoint python-exec ")


ODD = [
    "echo '%} }} {{ 1 }} {% set a = 1 %} {# #}'",
    r'echo "\\ \n \u00e9 \" ${A:-b} $(c) `d`"',
    "echo 'é 😀' # comment: with, [signs] & *more* | > - ?",
    "  \techo indented",
    "---",
    "null",
]


@pytest.mark.parametrize("line", ODD)
def test_the_sites_lines_reach_the_shell_unchanged(line: str) -> None:
    found = use({"environment": ["true", line, "true"]})
    assert engine(found)["provider"]["worker_init"].splitlines()[:3] == ["true", line, "true"]


def test_the_sites_texts_reach_the_configuration_unchanged() -> None:
    odd = "-c '1' \\ \"2\" <3> & é %  : # |"
    found = use({"launcher": {"kind": "srun", "overrides": odd}})
    assert engine(found)["provider"]["launcher"]["overrides"] == odd
    config = yaml.safe_load(bundle(use({"facility": "Two\nlines: of\ntext"})).files[CONFIG])
    assert set(config) == {"display_name", "public", "heartbeat_period"}


def test_rendering_needs_neither_parsl_nor_globus_compute_nor_jinja() -> None:
    script = """
import sys
from pyhf_endpoint import profiles
from pyhf_endpoint.endpoint import render
render(profiles.resolve(profiles.find("polaris").profile, None, {"account": "a"}))
print(sorted({"parsl", "globus_compute_endpoint", "globus_compute_sdk", "jinja2", "numpy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
