"""The wheel, installed alone in an empty environment outside the clone."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pyhf_endpoint.results import UNFINISHED, ResultsWriter, read
from tests.test_results import HEADER

CLONE = Path(__file__).parents[1]


def run(*command: object, cwd: Path) -> str:
    # Nothing of this process's environment may lend the installed package a module that it lacks.
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that holds the base install and nothing else, at the versions of the lock."""
    directory = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory, cwd=CLONE)
    (wheel,) = directory.glob("*.whl")
    venv.create(directory / "venv")
    lock = (CLONE / "containers/locks/dev.txt").read_text()
    constraints = directory / "constraints.txt"
    constraints.write_text("\n".join(re.findall(r"^[a-z0-9][^\n\\]*==[^\n\\]*", lock, flags=re.MULTILINE)))
    python = directory / "venv/bin/python"
    run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "-c", constraints, wheel, cwd=directory)
    return python.parent


def test_it_knows_its_sites(installed: Path, tmp_path: Path) -> None:
    assert "local" in run(installed / "pyhf-endpoint", "sites", "list", cwd=tmp_path)


def test_it_renders_endpoints(installed: Path, tmp_path: Path) -> None:
    run(installed / "pyhf-endpoint", "render", "polaris", "-o", "polaris", cwd=tmp_path)
    assert (tmp_path / "polaris/user_config_template.yaml.j2").read_text(encoding="utf-8").startswith("{%- set site = {\n")


def test_it_has_the_locks_that_workers_are_built_from(installed: Path, tmp_path: Path) -> None:
    script = "from pyhf_endpoint.deploy import locks; print(*sorted(path.name for path in locks.FOLDER.iterdir()))"
    assert run(installed / "python", "-c", script, cwd=tmp_path).split() == sorted(
        path.name for path in (CLONE / "containers/locks").glob("*-*.txt")
    )


def test_it_must_be_given_its_own_wheel_to_build_workers(installed: Path, tmp_path: Path) -> None:
    command = [str(installed / "pyhf-endpoint"), "deploy", "local", "--env", f"venv:{tmp_path}/env"]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 2
    assert "this package does not run from its source tree; give --wheel FILE, or --wheelhouse FOLDER" in done.stderr


def test_it_computes_an_example(installed: Path, tmp_path: Path) -> None:
    run(installed / "pyhf-endpoint", "example", "analysis", "--signals", "4", cwd=tmp_path)
    run(installed / "pyhf-endpoint", "hypotest", "analysis", "--site", "local", "-o", "r.jsonl", cwd=tmp_path)
    statuses = [result.status for result in read(tmp_path / "r.jsonl").results]
    assert len(statuses) == 4
    assert not UNFINISHED & set(statuses)


@pytest.mark.parametrize("module", ["pyhf", "matplotlib", "jax", "parsl"])
def test_the_base_install_is_thin(installed: Path, tmp_path: Path, module: str) -> None:
    script = f"import importlib.util as u; print(u.find_spec({module!r}))"
    assert run(installed / "python", "-c", script, cwd=tmp_path) == "None\n"


MISSING = {
    "pyhf": (["hypotest", "analysis", "-o", "new.jsonl", "--engine", "pyhf"], "the engine `pyhf`"),
    "endpoint": (["render", "polaris", "-o", "p", "--format", "parsl"], "rendering a user's configuration"),
    "plot": (["plot", "contour", "r.jsonl", "-o", "c.png"], "drawing plots"),
}


@pytest.mark.parametrize("extra", MISSING)
def test_a_missing_extra_is_one_error_with_the_pip_command(installed: Path, tmp_path: Path, extra: str) -> None:
    command, purpose = MISSING[extra]
    run(installed / "pyhf-endpoint", "example", "analysis", "--signals", "2", cwd=tmp_path)
    ResultsWriter(tmp_path / "r.jsonl", HEADER).close()
    done = subprocess.run([installed / "pyhf-endpoint", *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 5
    assert (
        done.stderr
        == f"error: {purpose} needs the extra `{extra}`; install it with: python -m pip install 'pyhf-endpoint[{extra}]'\n"
    )
