"""What a start costs, held by what it loads: the client, the command in its cold state, and the workers of this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import small

# What a start must not load, whoever starts.
HEAVY = (
    "globus_compute_endpoint",
    "globus_compute_sdk",
    "globus_sdk",
    "jax",
    "matplotlib",
    "parsl",
    "pika",
    "pyhf",
    "rich",
    "scipy",
)
# What only sites other than this machine need; the scheduler's and the endpoint's transports are among them.
ELSEWHERE = (
    "yaml",
    "pyhf_endpoint.profiles",
    "pyhf_endpoint.directory",
    "pyhf_endpoint.service",
    "pyhf_endpoint.waiting",
    "pyhf_endpoint.transport.globus",
    "pyhf_endpoint.transport.scheduler",
    "pyhf_endpoint.functions.register",
    "pyhf_endpoint.functions.report",
)
ENGINE = ("numpy", "pyhf_endpoint.histfactory")
# What the client needs from its first run on, by when its workers have started.
FIRST_RUN = ("pydantic", "jsonschema_rs", "pyhf_endpoint.inputs", "pyhf_endpoint.results", "pyhf_endpoint.plan")
COMMAND_LINE = ("click", "pyhf_endpoint.cli")
TELL = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def loaded(script: str, *arguments: object) -> set[str]:
    """The modules that a script, in a process of its own, prints in its last line."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    return set(json.loads(done.stdout.splitlines()[-1]))


def among(unwanted: tuple[str, ...], modules: set[str]) -> set[str]:
    """Those of the unwanted modules and packages that are loaded."""
    return {name for name in unwanted if name in modules or any(module.startswith(f"{name}.") for module in modules)}


@pytest.fixture(autouse=True)
def no_sites_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("PYHF_ENDPOINT_SITES", "PYHF_ENDPOINT_ENDPOINTS"):
        monkeypatch.delenv(name, raising=False)


def test_the_package_loads_nothing() -> None:
    bare = loaded(TELL)
    assert loaded(f"import pyhf_endpoint; {TELL}") - bare == {"pyhf_endpoint"}


@pytest.mark.parametrize(
    "code", ["import pyhf_endpoint.client", "from pyhf_endpoint.client import Client; Client('local', workers=1)"]
)
def test_the_client(code: str) -> None:
    modules = loaded(f"{code}; {TELL}")
    assert "pyhf_endpoint.client" in modules
    assert not among((*HEAVY, *ELSEWHERE, *ENGINE, *FIRST_RUN, *COMMAND_LINE, "loky"), modules)


@pytest.mark.parametrize("options", [["--version"], ["--help"], ["hypotest", "--help"]], ids=" ".join)
def test_the_command_before_it_computes(options: list[str]) -> None:
    modules = loaded(f"import sys; from pyhf_endpoint.cli import main; main(sys.argv[1:]); {TELL}", *options)
    assert "pyhf_endpoint.cli" in modules
    assert not among((*HEAVY, *ELSEWHERE, *ENGINE, *FIRST_RUN, "loky"), modules)


def test_the_whole_command(tmp_path: Path) -> None:
    script = f"import sys; from pyhf_endpoint.cli import main; assert main(sys.argv[1:]) == 0; {TELL}"
    given = ["hypotest", *small.write(tmp_path), "--site", "local", "--workers", 2, "-o", tmp_path / "r.jsonl"]
    modules = loaded(script, *given)
    assert among((*FIRST_RUN, "loky"), modules) == {*FIRST_RUN, "loky"}
    assert not among((*HEAVY, *ELSEWHERE, *ENGINE), modules)


def test_workers_load_the_engine_and_nothing_of_the_client() -> None:
    script = (
        "import json, sys\n"
        "from pyhf_endpoint.client import Client\n"
        "with Client('local', workers=1) as client:\n"
        "    client.warm_up()\n"
        "    print(json.dumps(client.transport.executor().submit(lambda: sorted(__import__('sys').modules)).result()))\n"
    )
    modules = loaded(script)
    assert among(ENGINE, modules) == set(ENGINE)
    assert not among((*HEAVY, *ELSEWHERE, *FIRST_RUN, *COMMAND_LINE, "pyhf_endpoint.client", "pyhf_endpoint.transport"), modules)
