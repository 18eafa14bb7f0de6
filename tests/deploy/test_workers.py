"""What the workers run in, from an administrator's words."""

import sys
from pathlib import Path

import pytest

from pyhf_endpoint import __version__, endpoint, profiles
from pyhf_endpoint.deploy import Request, planned, wheels
from pyhf_endpoint.deploy.locks import PYTHON
from pyhf_endpoint.deploy.venv import STAMP
from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import Resolved, resolve
from tests.cli.command import run
from tests.deploy import house

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the locks are for Python 3.11")


def use(site: str = "local", runtime: str | None = None) -> Resolved:
    profile = profiles.find(site).profile
    if runtime is not None:
        profile = profile.model_copy(update={"container": profile.container.model_copy(update={"runtime": runtime})})
    return resolve(profile)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nobody's home, in which the service is nowhere: what would contact it fails at once."""
    monkeypatch.setenv("GLOBUS_SDK_ENVIRONMENT", "local")
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    return tmp_path


@pytest.mark.parametrize("env", [None, f"venv:{sys.prefix}"])
def test_this_environment_is_used_as_it_is(env: str | None) -> None:
    with planned(use(), Request(env)) as plan:
        assert str(plan.environment) == f"venv:{sys.prefix}"
        assert not plan.pending
        assert [*plan.announce(), *plan.carry_out()] == []


@pytest.mark.parametrize(
    ("given", "option"),
    [({"wheelhouse": Path("w")}, "wheelhouse"), ({"wheel": Path("w")}, "wheel"), ({"python": "python3"}, "python")],
)
@pytest.mark.parametrize("env", [None, "image:/x.sif"])
def test_what_belongs_to_a_build_is_refused_without_one(given: dict[str, Path], option: str, env: str | None) -> None:
    request = Request(env, **given)  # type: ignore[arg-type] # one of several fields
    with pytest.raises(UsageError, match=f"--{option} is for an environment that is built"), planned(use(), request):
        pass


def test_a_wheelhouse_must_be_there(tmp_path: Path) -> None:
    request = Request(f"venv:{tmp_path}/env", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="nowhere is no folder; fill one where there is a network: make wheelhouse"):
        planned(use(), request).__enter__()


def test_the_image_is_the_one_that_make_leaves() -> None:
    with planned(use("polaris", "podman-hpc"), Request("image")) as plan:
        assert str(plan.environment) == f"image:localhost/pyhf-endpoint:{__version__}-cuda12"


@pytest.mark.parametrize(
    ("site", "runtime", "message"),
    [
        ("local", None, "its container runtime is `unknown`, which is not known to run workers, so that it has no image"),
        (
            "local",
            "shifter",
            "its container runtime, `shifter`, takes images from a registry; push it and name it: --env image:ADDRESS",
        ),
        ("local", "apptainer", r"pyhf-endpoint-[0-9.]+-cpu-\w+\.sif is not there; make it with `make sif-cpu`, or name one"),
        ("local", "kubernetes", "push it and name it: --env image:ADDRESS"),
    ],
)
def test_a_site_without_an_image_is_one_error(
    site: str, runtime: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "checkout", lambda: tmp_path)  # whose build folder holds no image, unlike a developer's
    with pytest.raises(UsageError, match=message):
        planned(use(site, runtime), Request("image")).__enter__()


def test_the_bundle_activates_exactly_this_environment(tmp_path: Path) -> None:
    with planned(use(), Request(f"venv:{tmp_path}/env", wheel=house.ours(tmp_path))) as plan:
        bundle = endpoint.render(use(), endpoint.Options(plan.environment))
    assert f'"source {tmp_path}/env/bin/activate || exit 3"' in bundle.files[endpoint.TEMPLATE]


def test_a_dry_run_says_what_would_be_built(home: Path) -> None:
    options = ("--env", f"venv:{home}/env", "--wheel", house.ours(home), "--dry-run", "--force")
    first, *rest = run("deploy", "local", *options).out.splitlines()
    assert first.startswith(f"{home}/env: would be built: ")
    assert f" packages of cpu-{_machine()}.txt, and pyhf_endpoint-{__version__}-py3-none-any.whl, for Python {PYTHON}." in first
    assert any(line.endswith(f'"source {home}/env/bin/activate || exit 3",') for line in rest)
    assert not (home / "env").exists()


def test_a_dry_run_says_what_differs(home: Path) -> None:
    (home / "env").mkdir()
    (home / "env" / STAMP).write_text('{"python": "3.11.0"}')
    options = ("--env", f"venv:{home}/env", "--wheel", house.ours(home), "--dry-run", "--force")
    assert run("deploy", "local", *options).out.startswith(f"{home}/env: would be built again (lock, wheel, python): ")
    assert [path.name for path in (home / "env").iterdir()] == [STAMP]


def test_what_others_made_is_refused_before_anything_happens(home: Path) -> None:
    (home / "env").mkdir()
    (home / "env" / "notes").write_text("")
    done = run("deploy", "local", "--env", f"venv:{home}/env", "--wheel", house.ours(home), "--dry-run", code=2)
    assert done.err.startswith(f"error: {home}/env was not made by `pyhf-endpoint deploy` and is left alone")
    assert done.out == ""


def test_a_wheel_of_another_version_is_refused_before_anything_happens(home: Path) -> None:
    done = run("deploy", "local", "--env", f"venv:{home}/env", "--wheel", house.ours(home, "0.0.1"), code=2)
    assert f"is pyhf-endpoint 0.0.1, and workers need pyhf-endpoint {__version__}" in done.err
    assert not (home / "env").exists()


def _machine() -> str:
    import platform

    return platform.machine()
