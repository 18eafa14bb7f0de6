"""Workers in containers: the example's grid through the transport `scheduler`, by the configuration of a deployed endpoint."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyhf_endpoint import example
from pyhf_endpoint.client import Client
from pyhf_endpoint.results import HypotestResult
from pyhf_endpoint.transport import Choice
from tests.containers.inside import SETTINGS, Inside, profile
from tests.containers.machine import VARIANT, Machine
from tests.locks import MACHINE, Lock
from tests.slurm.cluster import Cluster

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]  # a fixture builds everything
VERSIONS = Lock.of(f"{VARIANT}-{MACHINE}").versions
# A root's own podman gives no user away; others keep theirs, which the configuration says by itself.
PODMAN = {"runtime": "podman", "where": "login-and-compute", "flags": "--user 0" if os.getuid() == 0 else ""}
# On the cluster's two nodes, which this machine stands for.
LAB = SETTINGS | {
    "account": "tests",
    "queue": "cpu",
    "nodes_per_block": 2,
    "memory_gb": 1,
    "interface": "lo",
    "walltime": "00:10:00",
}
Programs = Callable[..., None]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return example.write(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def expected(files: tuple[Path, Path]) -> list[HypotestResult]:
    with Client("local") as client:
        return client.hypotest(*files).to_list()


@pytest.fixture
def slurm(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster, for the programs that this process starts; nothing is left in its queue."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    cluster.wait_until_empty()


@pytest.fixture
def programs(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Puts programs on PATH by the names that a site has them under, with the engine's storage of these tests."""
    # Neither in the home nor in the folder in which the command runs, which Apptainer would show anyway.
    monkeypatch.setenv("XDG_STATE_HOME", str(machine.folder / "state"))
    monkeypatch.chdir(tmp_path)
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "APPTAINER_CACHEDIR", "APPTAINER_CONFIGDIR"):
        monkeypatch.setenv(name, machine.environment[name])

    def put(**places: Path | str | None) -> None:
        (tmp_path / "bin").mkdir()
        for name, place in places.items():
            assert place
            (tmp_path / "bin" / name).symlink_to(place)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    return put


def test_in_podman(
    programs: Programs, image: str, tmp_path: Path, files: tuple[Path, Path], expected: list[HypotestResult]
) -> None:
    programs(podman=shutil.which("podman"))
    own = profile(tmp_path, "local", container=PODMAN)
    found = Inside.of("local", Choice(None, SETTINGS, f"image:{image}"), files, own)
    found.assert_same(expected)
    found.assert_contained("podman", VERSIONS)
    assert not found.told.host


def test_in_docker_as_podman_stands_in_for_it(
    programs: Programs, image: str, tmp_path: Path, files: tuple[Path, Path], expected: list[HypotestResult]
) -> None:
    programs(docker=shutil.which("podman"))
    own = profile(tmp_path, "local", container={"runtime": "docker"})
    found = Inside.of("local", Choice(None, SETTINGS, f"image:{image}"), files, own)
    found.assert_same(expected)
    found.assert_contained("podman", VERSIONS)
    assert found.told.uid == os.getuid()
    assert not found.told.host


def test_in_the_sif_which_sees_nothing_of_the_host_but_the_engines_folder(
    programs: Programs, apptainer: Path, sif: Path, tmp_path: Path, files: tuple[Path, Path], expected: list[HypotestResult]
) -> None:
    programs(apptainer=apptainer)
    own = profile(tmp_path, "local", container={"runtime": "apptainer", "flags": "--containall"})
    found = Inside.of("local", Choice(None, SETTINGS, f"image:{sif}"), files, own)
    found.assert_same(expected)
    found.assert_contained(f"apptainer {sif}", VERSIONS)
    assert not found.told.host


# Parsl leaves a socket to the garbage collector after it has looked an interface's address up.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("slurm")
def test_in_the_sif_through_slurm_by_a_shipped_profile(
    programs: Programs,
    apptainer: Path,
    sif: Path,
    files: tuple[Path, Path],
    expected: list[HypotestResult],
) -> None:
    programs(apptainer=apptainer)
    found = Inside.of("delta", Choice("cpu", LAB, f"image:{sif}"), files)
    found.assert_same(expected)
    found.assert_contained(f"apptainer {sif}", VERSIONS)
    assert {report.job.scheduler for report in found.reports} == {"slurm"}
    assert {report.node for report in found.reports} == {"node1", "node2"}


# Parsl leaves a socket to the garbage collector after it has looked an interface's address up.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("slurm")
def test_in_podman_through_slurm(
    programs: Programs,
    image: str,
    tmp_path: Path,
    files: tuple[Path, Path],
    expected: list[HypotestResult],
) -> None:
    programs(podman=shutil.which("podman"))
    own = profile(tmp_path, "delta", container=PODMAN)
    found = Inside.of("delta", Choice("cpu", LAB, f"image:{image}"), files, own)
    found.assert_same(expected)
    found.assert_contained("podman", VERSIONS)
    assert {report.job.scheduler for report in found.reports} == {"slurm"}
    assert {report.node for report in found.reports} == {"node1", "node2"}
    assert not found.told.host
