"""The locks: one set of versions everywhere, every file with a hash, nothing of the machine on which they were written."""

import re
import tomllib
from pathlib import Path

import pytest

from pyhf_endpoint.deploy import locks
from tests.locks import FOLDER, Lock

ROOT = FOLDER.parents[1]
IMAGES = sorted(path.stem for path in FOLDER.glob("*-*.txt"))
ALL = sorted(path.stem for path in FOLDER.glob("*.txt"))
VARIANTS = {"cpu": ["aarch64", "x86_64"], "cuda12": ["aarch64", "x86_64"], "cuda13": ["aarch64", "x86_64"], "rocm": ["x86_64"]}


def test_there_is_one_for_each_variant_and_architecture() -> None:
    assert [f"{variant}-{machine}" for variant, machines in VARIANTS.items() for machine in machines] == IMAGES


@pytest.mark.parametrize("name", ALL)
def test_every_version_has_hashes(name: str) -> None:
    hashes = Lock.of(name).hashes
    assert len(hashes) > 4
    assert [requirement for requirement, found in hashes.items() if not found or "==" not in requirement] == []
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for found in hashes.values() for each in found)


@pytest.mark.parametrize("name", ALL)
def test_nothing_tells_where_it_was_resolved(name: str) -> None:
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links", Lock.of(name).path.read_text())


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_tested_is_what_the_images_carry(name: str) -> None:
    tested, carried = Lock.of("dev").versions, Lock.of(name).versions
    shared = tested.keys() & carried.keys()
    assert {package: carried[package] for package in shared} == {package: tested[package] for package in shared}
    assert {"globus-compute-endpoint", "globus-compute-sdk", "parsl", "dill", "pyhf", "numpy", "scipy"} <= shared


@pytest.mark.parametrize("variant", ["cuda12", "cuda13"])
def test_jax_and_cupy_share_one_set_of_vendor_libraries(variant: str) -> None:
    for machine in VARIANTS[variant]:
        versions = Lock.of(f"{variant}-{machine}").versions
        assert f"cupy-{variant}x" in versions
        assert f"jax-{variant}-plugin" in versions
        other = {"cuda12": "cu13", "cuda13": "cu12"}[variant]
        assert [package for package in versions if package.endswith(other)] == []


@pytest.mark.parametrize("name", [name for name in IMAGES if name.startswith("cuda")])
def test_of_nvidias_libraries_those_for_several_gpus_at_once_are_left_out_alone(name: str) -> None:
    carried = Lock.of(name).versions
    assert [package for package in carried if re.match("nvidia-(nccl|nvshmem)", package)] == []
    demanded = ("cuda-runtime", "cudnn", "cufft", "cuda-cupti", "cublas", "cusparse")  # JAX does not start without
    loaded = ("cusolver", "nvjitlink", "cuda-nvcc", "cuda-nvrtc", "curand")  # by JAX or CuPy when they compile or compute
    lacking = [
        each for each in (*demanded, *loaded) if not {f"nvidia-{each}", f"nvidia-{each}-cu12", f"nvidia-{each}-cu13"} & {*carried}
    ]
    assert lacking == []


def test_the_images_leave_out_what_workers_do_not_need() -> None:
    assert not {"jax", "awkward", "uproot", "matplotlib", "pytest", "pip"} & Lock.of("cpu-x86_64").versions.keys()


def test_the_python_version_is_one_everywhere() -> None:
    dockerfile = (ROOT / "containers/Dockerfile").read_text()
    minor = re.findall(r"^ARG PYTHON_VERSION=(.*)$", dockerfile, flags=re.MULTILINE)
    assert minor == ["3.11"]
    assert minor == [locks.PYTHON]
    assert re.findall(r"--python-version (\S+)", (ROOT / "containers/lock.sh").read_text()) == minor
    assert re.findall(r"--python-version (\S+)", (ROOT / "containers/wheels.sh").read_text()) == minor
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert lowest == f">={minor[0]}"


@pytest.mark.parametrize("package", ["globus-compute-endpoint", "globus-compute-sdk", "parsl", "dill"])
def test_no_other_file_pins_what_the_locks_pin(package: str) -> None:
    files = [ROOT / "pyproject.toml", *(path for path in (ROOT / "containers").glob("*") if path.is_file())]
    pins = [path for path in files if re.search(rf"{package}==", Path(path).read_text())]
    assert pins == []
