"""Environments that are built by pip for real, from wheels of a few lines and without a network."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyhf_endpoint.deploy.venv import STAMP, Interpreter, Recipe, VirtualEnvironment
from pyhf_endpoint.errors import ProgramError, ProgramMissingError, UsageError
from tests.deploy import house

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the locks are for Python 3.11")
PACKAGES = "lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def python() -> Interpreter:
    return Interpreter.find()


def make(folder: Path, python: Interpreter) -> Recipe:
    tiny = house.wheel(folder / "house", "tiny", "1.0")
    return Recipe(house.lock(folder / "cpu-x86_64.txt", tiny), house.ours(folder), python, folder / "house")


@pytest.fixture
def recipe(tmp_path: Path, python: Interpreter) -> Recipe:
    return make(tmp_path, python)


@pytest.fixture
def virtual(tmp_path: Path) -> VirtualEnvironment:
    return VirtualEnvironment(tmp_path / "env")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, python: Interpreter) -> Path:
    """An environment that is built once, for tests that do not look at its scripts."""
    folder = tmp_path_factory.mktemp("original")
    virtual = VirtualEnvironment(folder / "env")
    list(virtual.build(make(folder, python)))
    return virtual.folder


@pytest.fixture
def built(virtual: VirtualEnvironment, original: Path) -> VirtualEnvironment:
    shutil.copytree(original, virtual.folder, symlinks=True)
    return virtual


def newer(recipe: Recipe) -> Recipe:
    """The recipe with another version of the package."""
    assert recipe.wheelhouse is not None
    tiny = house.wheel(recipe.wheelhouse, "tiny", "2.0")
    return dataclasses.replace(recipe, lock=house.lock(recipe.lock.with_name("cpu-new.txt"), tiny))


def activated(virtual: VirtualEnvironment, command: str) -> str:
    line = f"source {virtual.folder}/bin/activate || exit 3; {command}"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, env=variables).stdout.strip()


def says(virtual: VirtualEnvironment, script: str) -> str:
    command = [str(virtual.folder / "bin/python"), "-I", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def version(virtual: VirtualEnvironment) -> str:
    return says(virtual, "import importlib.metadata as m; print(m.version('tiny'))")


def beside(virtual: VirtualEnvironment) -> list[str]:
    return sorted(path.name for path in virtual.folder.parent.iterdir() if path.name.startswith("env"))


def test_it_is_built_where_it_belongs(virtual: VirtualEnvironment, recipe: Recipe) -> None:
    assert virtual.state(recipe) == "absent"
    first, last = virtual.build(recipe)
    assert first.startswith(
        f"{virtual.folder}: installing 1 packages of cpu-x86_64.txt, from {recipe.wheelhouse}, and pyhf_endpoint-"
    )
    assert last.startswith(f"{virtual.folder}: built in ")
    assert virtual.state(recipe) == "current"
    assert activated(virtual, "tiny; pyhf-endpoint; echo $VIRTUAL_ENV") == "\n".join([str(virtual.folder)] * 3)
    assert beside(virtual) == ["env"]


def test_nothing_in_it_knows_where_it_was_built(built: VirtualEnvironment) -> None:
    files = [path for path in built.folder.rglob("*") if path.is_file()]
    assert [path for path in files if b"env.new" in path.read_bytes()] == []
    assert (built.folder / PACKAGES / "tiny/__pycache__/__init__.cpython-311.pyc").is_file()
    assert (built.folder / PACKAGES / "pyhf_endpoint/__pycache__/__init__.cpython-311.pyc").is_file()


def test_an_environment_that_is_up_to_date_is_left(built: VirtualEnvironment, recipe: Recipe) -> None:
    before = built.folder.stat().st_ino
    assert list(built.build(recipe)) == [f"{built.folder}: up to date"]
    assert built.folder.stat().st_ino == before


def test_another_lock_replaces_it(built: VirtualEnvironment, recipe: Recipe) -> None:
    changed = newer(recipe)
    assert built.state(changed) == "stale"
    assert built.differences(changed) == ["lock"]
    list(built.build(changed))
    assert version(built) == "2.0"
    assert built.state(changed) == "current"
    assert built.state(recipe) == "stale"
    assert beside(built) == ["env"]


def test_another_wheel_of_the_same_version_replaces_it(built: VirtualEnvironment, recipe: Recipe, tmp_path: Path) -> None:
    changed = dataclasses.replace(recipe, wheel=house.ours(tmp_path / "other", text="word = 'new'"))
    assert built.differences(changed) == ["wheel"]
    list(built.build(changed))
    assert says(built, "import pyhf_endpoint; print(pyhf_endpoint.word)") == "new"


def test_another_python_replaces_it(built: VirtualEnvironment, recipe: Recipe) -> None:
    changed = dataclasses.replace(recipe, python=dataclasses.replace(recipe.python, version="3.11.99"))
    assert (built.state(changed), built.differences(changed)) == ("stale", ["python"])


def test_an_environment_whose_python_is_gone_is_stale(built: VirtualEnvironment, recipe: Recipe) -> None:
    for path in (built.folder / "bin").glob("python*"):
        path.unlink()
    (built.folder / "bin" / "python").symlink_to("/nowhere/python3")
    assert built.state(recipe) == "stale"
    list(built.build(recipe))
    assert version(built) == "1.0"


def test_a_wheel_that_is_not_the_locks_leaves_the_old_environment(
    built: VirtualEnvironment, recipe: Recipe, tmp_path: Path
) -> None:
    changed = newer(recipe)
    house.wheel(tmp_path / "house", "tiny", "2.0", text="word = 'not what was locked'")
    with pytest.raises(
        ProgramError,
        match=r"`install the lock and our wheel` ended with code 1; .*house has a file that is not what the lock names",
    ):
        list(built.build(changed))
    assert version(built) == "1.0"
    assert built.state(recipe) == "current"
    assert beside(built) == ["env"]


def test_a_wheelhouse_that_lacks_a_wheel_is_to_be_filled(built: VirtualEnvironment, recipe: Recipe) -> None:
    changed = newer(recipe)
    assert changed.wheelhouse is not None
    (changed.wheelhouse / "tiny-2.0-py3-none-any.whl").unlink()
    with pytest.raises(ProgramError, match="was filled for this lock: make wheelhouse VARIANT=cpu"):
        list(built.build(changed))
    assert version(built) == "1.0"


def test_a_lock_that_lacks_what_our_wheel_needs_is_refused(built: VirtualEnvironment, recipe: Recipe, tmp_path: Path) -> None:
    changed = dataclasses.replace(recipe, wheel=house.ours(tmp_path / "other", requires="tiny>=3"))
    with pytest.raises(ProgramError, match="`check that nothing lacks` ended with code 1") as caught:
        list(built.build(changed))
    assert "has requirement tiny>=3, but you have tiny 1.0" in str(caught.value)
    assert built.state(recipe) == "current"


def test_a_package_that_does_not_start_is_refused(built: VirtualEnvironment, recipe: Recipe, tmp_path: Path) -> None:
    changed = dataclasses.replace(recipe, wheel=house.ours(tmp_path / "other", text="raise SystemExit('no')"))
    with pytest.raises(ProgramError, match="`start its Python` ended with code 1"):
        list(built.build(changed))
    assert built.state(recipe) == "current"
    assert beside(built) == ["env"]


def test_an_interrupted_build_leaves_the_old_environment(built: VirtualEnvironment, recipe: Recipe) -> None:
    steps = built.build(newer(recipe))
    next(steps)
    steps.close()
    assert beside(built) == ["env"]
    assert built.state(recipe) == "current"


def test_what_a_killed_build_left_is_removed(virtual: VirtualEnvironment, recipe: Recipe) -> None:
    for word in ("new", "old"):
        folder = virtual.folder.with_name(f"env.{word}")
        (folder / "lib").mkdir(parents=True)
        (folder / STAMP).write_text("{}")
    (virtual.folder / "lib").mkdir(parents=True)
    (virtual.folder / STAMP).write_text("{}")
    assert virtual.state(recipe) == "stale"
    list(virtual.build(recipe))
    assert beside(virtual) == ["env"]
    assert version(virtual) == "1.0"


def test_a_swap_that_was_killed_halfway_is_undone(built: VirtualEnvironment, recipe: Recipe) -> None:
    built.folder.rename(built.folder.with_name("env.old"))
    assert list(built.build(recipe)) == [f"{built.folder}: up to date"]
    assert beside(built) == ["env"]


@pytest.mark.parametrize("name", ["env", "env.new", "env.old"])
def test_what_others_made_is_left_alone(virtual: VirtualEnvironment, recipe: Recipe, name: str) -> None:
    theirs = virtual.folder.with_name(name)
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("all of it")
    with pytest.raises(UsageError, match=f"{theirs} was not made by `pyhf-endpoint deploy` and is left alone; name another path"):
        list(virtual.build(recipe))
    assert (theirs / "thesis.tex").read_text() == "all of it"
    assert beside(virtual) == [name]


def test_a_file_and_a_link_are_no_place(virtual: VirtualEnvironment, recipe: Recipe) -> None:
    virtual.folder.write_text("a file")
    with pytest.raises(UsageError, match="was not made by"):
        virtual.state(recipe)
    virtual.folder.unlink()
    virtual.folder.symlink_to(virtual.folder.parent)
    with pytest.raises(UsageError, match="is a link"):
        virtual.state(recipe)


def test_an_empty_folder_is_a_place(virtual: VirtualEnvironment, recipe: Recipe) -> None:
    virtual.folder.mkdir()
    assert virtual.state(recipe) == "absent"
    list(virtual.build(recipe))
    assert json.loads((virtual.folder / STAMP).read_text()) == recipe.digests


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file.*Not a directory; name a folder that you can write to"):
        list(VirtualEnvironment(tmp_path / "file" / "env").build(recipe))


def test_a_python_of_another_minor_version_is_refused(tmp_path: Path, python: Interpreter) -> None:
    other = tmp_path / "python3.99"
    other.write_text("#!/bin/sh\necho 3.99.1\n")
    other.chmod(0o755)
    with pytest.raises(
        UsageError, match=r"is Python 3\.99\.1, and the locks are for Python 3\.11; name one: --python python3\.11"
    ):
        Interpreter.find(str(other))
    with pytest.raises(ProgramMissingError):
        Interpreter.find("/nowhere/python3.11")
    assert Interpreter.find(python.path) == python
