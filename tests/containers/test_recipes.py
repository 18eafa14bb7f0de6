"""The recipes themselves: what the linters say, and that resolving again changes nothing."""

import json
import shutil
from pathlib import Path

import pytest

from tests.containers.machine import CLONE, TOOLS, Machine

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]  # a fixture builds everything


def test_hadolint_is_content(machine: Machine) -> None:
    assert machine.output(TOOLS / "hadolint", "containers/Dockerfile") == ""


def test_shellcheck_is_content(machine: Machine) -> None:
    scripts = sorted([*CLONE.glob("containers/*.sh"), *CLONE.glob("tests/containers/*.sh"), CLONE / ".ci/run"])
    assert machine.output("shellcheck", "--external-sources", *scripts) == ""


def test_resolving_again_leaves_the_locks_as_they_are(machine: Machine) -> None:
    copies = machine.folder / "locks"
    shutil.copytree(CLONE / "containers/locks", copies)
    machine.run("containers/lock.sh", copies)
    for path in sorted((CLONE / "containers/locks").iterdir()):
        assert (copies / path.name).read_text().replace(str(copies), "containers/locks") == path.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build.sh", "gpu"], "`gpu` is no variant (cpu cuda12 cuda13 rocm)"),
        (["push.sh", "cpu"], "no registry is named"),
    ],
)
def test_a_wrong_word_is_answered(machine: Machine, arguments: list[str], message: str) -> None:
    done = machine.run(f"containers/{arguments[0]}", *arguments[1:], check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_variant_that_no_architecture_has_is_refused(machine: Machine) -> None:
    done = machine.run("containers/build.sh", "rocm", check=False, ARCH="aarch64")
    assert done.returncode == 2
    assert "variant `rocm` is not made for `aarch64`" in done.stderr


# What pip-audit writes, and what is made of it.
AUDITS = {
    "clean": ([{"name": "a", "version": "1", "vulns": []}], 0, "1 of 1 looked up, 0 known vulnerabilities"),
    "vulnerable": (
        [{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["1.1"]}]}],
        1,
        "a 1: X-1, fixed in 1.1\n1 of 1 looked up, 1 known vulnerabilities",
    ),
    "nothing looked up": (
        [{"name": "a", "skip_reason": "Dependency not found on PyPI"}],
        1,
        "error: 1 of 1 packages were not looked up, and may be vulnerable (a: Dependency not found on PyPI)",
    ),
    "no report": (None, 1, "error: pip-audit ended without a report"),
}


@pytest.mark.parametrize("audit", AUDITS)
def test_an_audit_ends_well_only_if_everything_was_looked_up(machine: Machine, tmp_path: Path, audit: str) -> None:
    packages, code, said = AUDITS[audit]
    report = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    (tmp_path / "report.json").write_text(report)
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\nwhile [ $1 != --output ]; do shift; done\ncat {tmp_path}/report.json >$2\n")
    program.chmod(0o755)
    done = machine.run("containers/audit.sh", check=False, PIP_AUDIT=str(program))
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_where_the_base_image_cannot_be_had_the_way_without_a_registry_is_named(machine: Machine) -> None:
    unreachable = "--build-arg BASE_IMAGE=127.0.0.1:1/python"
    done = machine.run("containers/build.sh", "cpu", check=False, BASE_IMAGE="", BUILD_OPTIONS=unreachable)
    assert done.returncode == 1
    assert "containers/base.sh, and then: make image-cpu ENGINE=podman BASE_IMAGE=localhost/debian:bookworm-python" in done.stderr
