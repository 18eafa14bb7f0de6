"""A real registry: pushed to, pulled from by digest, and made into a SIF."""

import json
import re
from pathlib import Path

import pytest

from pyhf_endpoint import __version__
from tests.containers.machine import VARIANT, Machine

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]  # a fixture builds everything


@pytest.fixture(scope="module")
def pushed(machine: Machine, image: str, loopback: str) -> str:
    """What `make push` says to pull by."""
    return machine.output(
        "make", "--silent", "push", f"VARIANT={VARIANT}", f"REGISTRY={loopback}/analysis", INSECURE="1"
    ).splitlines()[-1]


def test_what_is_pulled_by_digest_is_what_was_pushed(machine: Machine, image: str, loopback: str, pushed: str) -> None:
    assert re.fullmatch(rf"{re.escape(loopback)}/analysis/pyhf-endpoint@sha256:[0-9a-f]{{64}}", pushed)
    machine.run("podman", "pull", "--tls-verify=false", pushed)
    ours, theirs = (machine.output("podman", "image", "inspect", "--format", "{{.Id}}", each) for each in (image, pushed))
    assert ours == theirs


def test_apptainer_builds_from_it(machine: Machine, apptainer: Path, pushed: str) -> None:
    options = {
        "APPTAINER": str(apptainer),
        "SQUASHFS": "-comp zstd -Xcompression-level 1",
        "APPTAINER_OPTIONS": "--no-https --disable-cache",
    }
    made = machine.output("containers/sif.sh", VARIANT, "docker", pushed, **options).splitlines()[-1]
    assert __version__ in made
    report = json.loads(machine.output(apptainer, "run", "--containall", Path(made).resolve(), "pyhf-endpoint-probe"))
    assert 0 < report["CLs"] < 1
