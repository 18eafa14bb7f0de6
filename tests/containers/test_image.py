"""The OCI image: it fits without network, rights or a writable file; it holds what the lock says and nothing that it must not."""

import hashlib
import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pyhf_endpoint import __version__
from tests.containers.machine import BASE_IMAGE, CLONE, TOOLS, VARIANT, Machine
from tests.locks import MACHINE, Lock

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]  # a fixture builds everything
LOCK = Lock.of(f"{VARIANT}-{MACHINE}")
# Read in the container, of all files below the root: mode, size, content's digest; links' targets.
LIST = """
import hashlib, os, stat, sys
for folder, folders, files in os.walk("/"):
    folders[:] = sorted(name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/dev"))
    for name in sorted(files + folders):
        path = os.path.join(folder, name)
        found = os.lstat(path)
        content = ""
        if stat.S_ISLNK(found.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(found.st_mode):
            content = hashlib.sha256(open(path, "rb").read()).hexdigest()
        print(oct(found.st_mode), found.st_uid, found.st_gid, path, content)
"""


# Makes, as CuPy does when it is imported, the folder of its cache, and sees two devices.
CUPY = """
import os
from types import SimpleNamespace
os.makedirs(os.environ.get("CUPY_CACHE_DIR", os.path.expanduser("~/.cupy/kernel_cache")))
cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 2, CUDARuntimeError=OSError))
"""


@pytest.fixture(scope="module")
def probe(machine: Machine, image: str) -> dict[str, Any]:
    """What the probe reports from a container that may do next to nothing."""
    report: dict[str, Any] = json.loads(machine.hardened("pyhf-endpoint-probe"))
    return report


@pytest.fixture(scope="module")
def listing(machine: Machine, image: str) -> list[str]:
    return files(machine, image)


def files(machine: Machine, image: str) -> list[str]:
    """All files of an image but those that the engine makes for the container."""
    made = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"}
    found = machine.hardened("python", "-c", LIST, image=image, options=("--user", "0", "--cap-add", "DAC_OVERRIDE")).splitlines()
    return [line for line in found if line.split()[3] not in made]


def test_it_fits_without_network_rights_or_a_writable_file(probe: dict[str, Any]) -> None:
    assert probe["uid"] == 10001
    assert 0 < probe["CLs"] < 1


def test_with_cupy_too_the_probe_writes_nothing_to_its_home(machine: Machine, image: str, tmp_path: Path) -> None:
    for name, text in {"cupy/__init__.py": CUPY, "cupy_cuda12x-1.dist-info/METADATA": "Name: cupy-cuda12x\nVersion: 1\n"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    tmp_path.chmod(0o755)
    options = ("--volume", f"{tmp_path}:/more:ro", "--env", "PYTHONPATH=/more", "--env", "HOME=/nowhere")
    report = json.loads(machine.hardened("pyhf-endpoint-probe", options=options))
    assert report["accelerators"] == {"cupy": ["cuda:0", "cuda:1"]}


def test_versions_are_those_of_the_lock(probe: dict[str, Any]) -> None:
    ours = {name: found for name, found in probe["versions"].items() if name != "pyhf-endpoint"}
    assert ours == {name: LOCK.versions[name] for name in ours}
    assert {"parsl", "dill", "globus-compute-endpoint", "pyhf"} <= set(ours)
    assert probe["python"].rsplit(".", 1)[0] == "3.11"
    assert probe["versions"]["pyhf-endpoint"] == __version__


def test_labels_tell_what_is_inside(machine: Machine, image: str, probe: dict[str, Any]) -> None:
    assert machine.label("org.opencontainers.image.version") == __version__
    assert machine.label("org.opencontainers.image.revision") == machine.output("git", "rev-parse", "HEAD")
    assert machine.label("pyhf-endpoint.variant") == VARIANT
    assert machine.label("pyhf-endpoint.lock.sha256") == hashlib.sha256(LOCK.path.read_bytes()).hexdigest()
    for package in ("globus-compute-endpoint", "parsl", "dill", "pyhf"):
        assert machine.label(f"pyhf-endpoint.{package}") == probe["versions"][package]


def test_it_is_tagged_by_version_variant_and_revision(machine: Machine, image: str) -> None:
    tags = machine.output("podman", "images", "--noheading", "--format", "{{.Tag}}", "localhost/pyhf-endpoint").splitlines()
    revision = machine.output("git", "rev-parse", "--short=12", "HEAD")
    assert f"{__version__}-{VARIANT}" in tags
    assert any(re.fullmatch(rf"{re.escape(__version__)}-{VARIANT}-{revision}(-dirty)?", tag) for tag in tags)


def test_the_entry_point_hands_on_arguments_input_and_exit_code(machine: Machine, image: str) -> None:
    script = "import sys; print(sys.argv[1:], sys.stdin.read()); raise SystemExit(7)"
    command = ["podman", "run", "--rm", "--interactive", image, "python", "-c", script, "a b", "$c"]
    done = subprocess.run(command, env=machine.environment, input="said", capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("['a b', '$c'] said\n", 7)


def test_a_signal_ends_the_command(machine: Machine, image: str) -> None:
    """As a cancelled job sends it; a container's first process is not ended by a signal that it does not handle."""
    script = "import time; print('up', flush=True); time.sleep(600)"
    name = machine.output("podman", "run", "--detach", image, "python", "-c", script)
    while "up" not in machine.output("podman", "logs", name):
        time.sleep(0.1)
    machine.run("podman", "stop", "--time", "60", name)
    assert machine.output("podman", "inspect", "--format", "{{.State.ExitCode}}", name) == str(128 + signal.SIGTERM)


def test_without_a_command_it_says_what_it_is(machine: Machine, image: str) -> None:
    assert "Fit whole grids of pyhf signal hypotheses" in machine.hardened()


def test_an_example_goes_through_the_command(machine: Machine, image: str) -> None:
    script = (
        "cd /tmp; pyhf-endpoint example a --signals 3 >/dev/null; pyhf-endpoint hypotest a -o r; "
        "pyhf-endpoint results show r --format json"
    )
    assert machine.hardened("sh", "-ec", script).count('"status"') == 3


def test_nothing_may_be_written_by_everybody(listing: list[str]) -> None:
    sticky = {"/tmp", "/var/tmp", "/run/lock", "/dev/shm"}
    loose = [
        line
        for line in listing
        if int(line.split()[0], 8) & 0o002 and not line.startswith("0o12") and line.split()[3] not in sticky
    ]
    assert loose == []


def test_nobody_gets_other_rights_by_our_files(listing: list[str]) -> None:
    assert [line for line in listing if " /opt/" in line and int(line.split()[0], 8) & 0o6000] == []


VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())
sys.exit(str(fault) if fault else 0)
"""
# Names of files and texts in them that would be somebody's secret, or a trace of the machine on which it was built.
NAMES = re.compile(
    r"/(\.git|\.netrc|\.pypirc|pip\.conf|id_(rsa|ed25519|ecdsa)|\.aws|\.docker|credentials\.json|storage\.db|\.env)$"
)
TEXTS = (
    "^-----BEGIN [A-Z ]*PRIVATE KEY",
    "AKIA[0-9A-Z]{16}",
    "gh[pousr]_[A-Za-z0-9]{36}",
    "pypi-AgEI[A-Za-z0-9_-]{50}",
    "eyJhbGciOi[A-Za-z0-9_-]{20,}",
    re.escape(str(CLONE)),
)
# The example in its own description.
KNOWN = re.compile(r"/site-packages/pyjwt-[^/]+\.dist-info/METADATA$")


def test_no_file_is_named_like_a_secret(listing: list[str]) -> None:
    assert [line for line in listing if NAMES.search(line.split()[3])] == []


def test_no_file_holds_a_secret(machine: Machine, image: str) -> None:
    grep = ["grep", "-r", "-l", "-I", "-E", "|".join(TEXTS), "/etc", "/home", "/opt", "/root", "/tmp", "/usr", "/var"]
    command = ["podman", "run", "--rm", "--network", "none", "--user", "0", image, *grep]
    found = machine.run(*command, check=False)
    assert found.returncode in (0, 1), found.stderr
    assert [path for path in found.stdout.splitlines() if not KNOWN.search(path)] == []


def test_no_package_manager_of_pythons_is_inside(machine: Machine, image: str) -> None:
    assert machine.run("podman", "run", "--rm", image, "python", "-m", "pip", "--version", check=False).returncode == 1


def test_the_same_sources_give_the_same_files(machine: Machine, image: str, listing: list[str]) -> None:
    machine.run("containers/build.sh", VARIANT, IMAGE="localhost/again", BUILD_OPTIONS="--no-cache")
    again = files(machine, f"localhost/again:{__version__}-{VARIANT}")
    assert sorted(set(again) ^ set(listing)) == []


def test_the_build_copies_nothing_from_layer_to_layer(machine: Machine, image: str) -> None:
    """Of CUDA's libraries, a second copy is 6 GB of disk while an image is built."""
    machine.run("containers/build.sh", VARIANT, IMAGE="localhost/stage", BUILD_OPTIONS="--target build")
    layers = json.loads(machine.output("podman", "history", "--format", "json", f"localhost/stage:{__version__}-{VARIANT}"))
    sizes = {step: entry["size"] for entry in layers for step in ("require-hashes", "compileall") if step in entry["CreatedBy"]}
    assert 0 < sizes["compileall"] < sizes["require-hashes"] / 2


def test_the_bill_of_materials_is_valid_and_complete(machine: Machine, image: str, probe: dict[str, Any]) -> None:
    path = CLONE / machine.output("make", "--silent", "sbom", f"VARIANT={VARIANT}").splitlines()[-1]
    subprocess.run([TOOLS / "python", "-c", VALIDATE], input=path.read_text(), text=True, check=True)
    listed = {entry["name"].lower().replace("_", "-"): entry["version"] for entry in json.loads(path.read_text())["components"]}
    assert LOCK.versions.items() <= listed.items()
    assert "libc6" in listed


def test_a_base_with_another_python_is_refused(machine: Machine, image: str) -> None:
    done = machine.run(
        "podman", "build", "--network", "none", "--file", "containers/Dockerfile", "--target", "build",
        "--build-arg", f"BASE_IMAGE={BASE_IMAGE}", "--build-arg", "PYTHON_VERSION=3.12", ".", check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "the base image has Python 3.11, the lock is for 3.12" in done.stdout + done.stderr
