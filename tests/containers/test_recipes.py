"""The recipes themselves: what the linters say, and that resolving again changes nothing."""

import shutil

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
