"""One build of everything for all tests of the images, a count of those that must run, and the time they took."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.machine import IMAGE, VARIANT, Machine, registry
from tests.slurm.cluster import Cluster, running
from tests.suite import Suite

HERE = Path(__file__).parent
# All of them, so that one that is lost or skipped shows.
SUITE = Suite(HERE, must_run=41)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    SUITE.summarise(terminalreporter)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    SUITE.finish(session)


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    # Not pytest's own folder: the storage of a root's engine is gigabytes, and is to go whatever happens.
    folder = Path(tempfile.mkdtemp(prefix="pyhf-endpoint-containers-", dir=os.environ.get("CONTAINERS_TMPDIR")))
    there = Machine(folder)
    try:
        yield there
    finally:
        there.run("podman", "rm", "--all", "--force", check=False)
        for mounted in sorted(_mounts(folder), reverse=True):
            subprocess.run(["umount", mounted], check=False)
        shutil.rmtree(folder)


def _mounts(folder: Path) -> list[str]:
    points = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
    return [point for point in points if point.startswith(str(folder))]


@pytest.fixture(scope="session")
def image(machine: Machine) -> str:
    """The `cpu` image, built by the command that a site's administrator types."""
    machine.run(HERE.parents[1] / "containers/base.sh", machine.environment["BASE_IMAGE"])
    machine.run("make", f"image-{VARIANT}")
    return IMAGE


@pytest.fixture(scope="session")
def apptainer(machine: Machine) -> Path:
    return machine.apptainer()


@pytest.fixture(scope="session")
def sif(machine: Machine, image: str, apptainer: Path) -> Path:
    """The same as a SIF, quick to make rather than small."""
    fast = {"APPTAINER": str(apptainer), "SQUASHFS": "-comp zstd -Xcompression-level 3", "APPTAINER_OPTIONS": "--disable-cache"}
    made = machine.output("make", "--silent", f"sif-{VARIANT}", **fast).splitlines()[-1]
    return Path(made).resolve()


@pytest.fixture(scope="session")
def loopback(machine: Machine) -> Iterator[str]:
    with registry(machine.folder) as address:
        yield address


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running Slurm, as the tests of batch jobs have it."""
    with running() as there:
        yield there
