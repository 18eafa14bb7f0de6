"""Our own wheel: where it comes from, and that it is never another version."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pyhf_endpoint import __version__, profiles
from pyhf_endpoint.deploy import locks, wheels
from pyhf_endpoint.deploy.wheels import Sources
from pyhf_endpoint.errors import ProgramError, UsageError
from pyhf_endpoint.profiles import resolve
from tests.deploy import house
from tests.locks import FOLDER

ROOT = Path(__file__).parents[2]


def test_it_is_built_from_the_source_tree(tmp_path: Path) -> None:
    assert wheels.checkout() == ROOT
    path = wheels.own(Sources(checkout=ROOT), tmp_path)
    assert path.name == f"pyhf_endpoint-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        carried = {name for name in archive.namelist() if name.startswith("pyhf_endpoint/locks/")}
    assert carried == {f"pyhf_endpoint/locks/{lock.name}" for lock in FOLDER.glob("*-*.txt")}


def test_the_same_sources_give_the_same_wheel(tmp_path: Path) -> None:
    built = []
    for word in ("a", "b"):
        (tmp_path / word).mkdir()
        built.append(wheels.own(Sources(checkout=ROOT), tmp_path / word).read_bytes())
    assert built[0] == built[1]


def test_a_source_tree_that_cannot_be_built_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "pyhf-endpoint"\n')
    with pytest.raises(ProgramError, match=r"cannot be built, mend it or give --wheel FILE; hatchling says:\n(.|\n)*version"):
        wheels.own(Sources(checkout=tmp_path), tmp_path)


def test_an_installed_package_has_no_source_tree(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src/pyhf_endpoint", tmp_path / "lib/python3.11/site-packages/pyhf_endpoint")
    script = "import sys; sys.path.insert(0, sys.argv[1]); from pyhf_endpoint.deploy.wheels import checkout; print(checkout())"
    command = [sys.executable, "-I", "-c", script, str(tmp_path / "lib/python3.11/site-packages")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "None\n"


def test_without_a_source_tree_it_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --wheel FILE, or --wheelhouse FOLDER with that wheel in it"):
        wheels.own(Sources(), tmp_path)


def test_a_wheelhouse_gives_the_version_that_runs(tmp_path: Path) -> None:
    house.ours(tmp_path, "0.0.1")
    with pytest.raises(
        UsageError, match=rf"no wheel of pyhf-endpoint {__version__}, which runs here; it has pyhf_endpoint-0\.0\.1-"
    ):
        wheels.own(Sources(wheelhouse=tmp_path), tmp_path)
    fitting = house.ours(tmp_path)
    assert wheels.own(Sources(wheelhouse=tmp_path), tmp_path) == fitting


def test_another_version_is_refused_whatever_its_file_is_called(tmp_path: Path) -> None:
    other = house.ours(tmp_path, "0.0.1").rename(tmp_path / f"pyhf_endpoint-{__version__}-py3-none-any.whl")
    for sources in (Sources(given=other, checkout=ROOT), Sources(wheelhouse=tmp_path)):
        with pytest.raises(
            UsageError, match=rf"is pyhf-endpoint 0\.0\.1, and workers need pyhf-endpoint {__version__}, which runs"
        ):
            wheels.own(sources, tmp_path)


def test_another_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is tiny 1\.0, and workers need pyhf-endpoint"):
        wheels.own(Sources(given=house.wheel(tmp_path, "tiny", "1.0")), tmp_path)


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_text("no archive")
    for path in (tmp_path / "x.whl", tmp_path / "nowhere.whl"):
        with pytest.raises(UsageError, match=f"{path} is no wheel that can be read"):
            wheels.own(Sources(given=path), tmp_path)


def test_the_lock_is_the_variants_and_the_machines() -> None:
    polaris = profiles.find("polaris").profile
    assert locks.find(resolve(polaris), "x86_64") == locks.FOLDER / "cuda12-x86_64.txt"
    assert locks.find(resolve(polaris, "cpu"), "x86_64") == locks.FOLDER / "cpu-x86_64.txt"
    assert locks.find(resolve(profiles.find("local").profile), "aarch64") == locks.FOLDER / "cpu-aarch64.txt"


def test_nodes_of_another_architecture_are_told() -> None:
    with pytest.raises(UsageError, match="compute nodes are x86_64 and this machine is aarch64"):
        locks.find(resolve(profiles.find("polaris").profile), "aarch64")


def test_a_lock_that_is_not_made_is_told() -> None:
    with pytest.raises(UsageError, match=r"no lock for `rocm` on aarch64 \(there are: cpu-aarch64, .*rocm-x86_64\)"):
        locks.find(resolve(profiles.find("local").profile, None, {"image": "rocm"}), "aarch64")
