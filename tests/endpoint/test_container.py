"""Each kind of container runtime: what the engine is told, what it makes of it, and what people are told."""

import re
import subprocess
from pathlib import Path

import pytest

from pyhf_endpoint import profiles
from pyhf_endpoint.endpoint import Environment, Options, guide, load_user_config, render, render_user_config
from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import Resolved
from tests.endpoint.sites import bundle, engine, exported, use

NODES = {"CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURMD_NODENAME"}
OTHERS = {"JAX_COMPILATION_CACHE_DIR", "CUPY_CACHE_DIR", "GLOBUS_COMPUTE_USER_DIR", "GC_TASK_TIMEOUT"}
ADDRESS = "registry.example.org/a:1"
POOL = "globus-compute-endpoint python-exec pyhf_endpoint.pool {EXECUTOR_LAUNCH_CMD}"


def inside(runtime: str, flags: str = "") -> Resolved:
    return use({"container": {"runtime": runtime, "flags": flags}})


def told(found: Resolved, image: str) -> str:
    part = engine(found, f"image:{image}")
    assert part["container_type"] == "custom"
    return str(part["container_cmd_options"])


@pytest.mark.parametrize("runtime", ["apptainer", "singularity"])
def test_apptainer_mounts_the_engines_folder_wherever_it_is(runtime: str) -> None:
    flags = "--nv --containall --env GC_TASK_TIMEOUT=$GC_TASK_TIMEOUT --bind {EXECUTOR_RUNDIR}"
    assert told(inside(runtime, "--nv --containall"), "/images/a.sif") == f"{runtime} run {flags} /images/a.sif {POOL}"
    assert f"{{EXECUTOR_RUNDIR}} docker://{ADDRESS} " in told(inside(runtime), ADDRESS)
    assert f"{{EXECUTOR_RUNDIR}} oras://{ADDRESS} " in told(inside(runtime), f"oras://{ADDRESS}")


def test_shifter_is_told_the_whole_command() -> None:
    assert told(inside("shifter"), ADDRESS) == f"shifter --image=docker:{ADDRESS} {POOL}"


@pytest.mark.parametrize(
    ("runtime", "flags", "expected"),
    [
        ("docker", "", "--rm --network host --user $(id -u):$(id -g)"),
        ("docker", "--gpus all", "--gpus all --rm --network host --user $(id -u):$(id -g)"),
        ("podman", "", "--rm --network host --userns keep-id --user $(id -u):$(id -g)"),
        ("podman", "--network host --user 0", "--network host --user 0 --rm"),
        ("podman-hpc", "--gpu --net host", "--gpu --net host --rm --userns keep-id --user $(id -u):$(id -g)"),
        ("podman", "--net=host -u 0 --rm", "--net=host -u 0 --rm"),
        (
            "podman",
            "-v /data/--user:/data",
            "-v /data/--user:/data --rm --network host --userns keep-id --user $(id -u):$(id -g)",
        ),
    ],
)
def test_a_worker_is_on_the_hosts_network_and_reads_its_owners_files_unless_the_site_says_otherwise(
    runtime: str, flags: str, expected: str
) -> None:
    mount = "{EXECUTOR_RUNDIR}:{EXECUTOR_RUNDIR}"
    before, _, after = told(inside(runtime, flags), ADDRESS).partition(" -v {EXECUTOR_RUNDIR}")
    assert f"-v {{EXECUTOR_RUNDIR}}{after}" == f"-v {mount} -t {ADDRESS} {POOL}"
    options, *named = before.split(" -e ")
    assert options == f"{runtime} run {expected}"
    assert set(named) == set(exported(use())) | OTHERS | NODES


def test_the_variables_that_are_named_are_those_that_the_block_sets() -> None:
    init = engine(inside("podman"), f"image:{ADDRESS}")["provider"]["worker_init"]
    assert set(re.findall(r"(\w+)=", init)) - {"SRUN_CPUS_PER_TASK"} == set(exported(use())) | OTHERS
    assert "activate" not in init


def test_the_runtime_is_made_available_first() -> None:
    container = {"runtime": "apptainer", "setup": ["module load apptainer"]}
    init = engine(use({"container": container}), "image:/images/a.sif")["provider"]["worker_init"]
    assert init.splitlines()[:2] == ["module load apptainer", "unset PYTHONHOME PYTHONPATH"]


@pytest.mark.parametrize(("runtime", "prefix"), [("apptainer", "APPTAINERENV_"), ("singularity", "SINGULARITYENV_")])
@pytest.mark.parametrize("flags", ["--containall", "--nv --cleanenv", "-C", "-ec --nv"])
def test_apptainer_passes_our_variables_also_where_it_cleans(runtime: str, prefix: str, flags: str) -> None:
    init = engine(inside(runtime, flags), "image:/images/a.sif")["provider"]["worker_init"]
    surroundings = {"PATH": "/usr/bin:/bin", "SLURM_CPUS_ON_NODE": "32", "CUDA_VISIBLE_DEVICES": "0", "OTHER": "a b"}
    done = subprocess.run(["bash", "-euc", init + "env"], env=surroundings, capture_output=True, text=True, check=True)
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    passed = {name.removeprefix(prefix): value for name, value in seen.items() if name.startswith(prefix)}
    ours = {name: value for name, value in exported(use()).items() if name != "GC_TASK_TIMEOUT"}
    assert passed.items() >= ours.items()
    assert set(passed) - set(ours) == OTHERS - {"GC_TASK_TIMEOUT"}


@pytest.mark.parametrize("flags", ["", "--nv", "--bind /scratch-e:/e -B /c", "--env A=1"])
def test_apptainer_passes_everything_where_it_does_not_clean(flags: str) -> None:
    assert "ENV_" not in engine(inside("apptainer", flags), "image:/images/a.sif")["provider"]["worker_init"]


@pytest.mark.parametrize("runtime", ["none", "unknown"])
def test_a_site_without_a_runtime_runs_no_image(runtime: str) -> None:
    with pytest.raises(UsageError, match="--env venv:PATH"):
        bundle(inside(runtime), "image:/images/a.sif")
    assert guide(inside(runtime), "1") is None


@pytest.mark.parametrize("runtime", ["docker", "podman", "podman-hpc", "shifter"])
def test_a_file_is_no_image_for_a_runtime_of_layers(runtime: str) -> None:
    with pytest.raises(UsageError, match=r"runs no file, as `/images/a\.sif` would be; give an image's address"):
        bundle(inside(runtime), "image:/images/a.sif")


# One site of each kind that a shipped profile has, and what people type there.
PULLS = {
    "delta": "apptainer pull /FOLDER/pyhf-endpoint-1-cuda12-x86_64.sif docker://REGISTRY/pyhf-endpoint:1-cuda12",
    "swing": "singularity pull /FOLDER/pyhf-endpoint-1-cuda12-x86_64.sif docker://REGISTRY/pyhf-endpoint:1-cuda12",
    "perlmutter": "podman-hpc pull REGISTRY/pyhf-endpoint:1-cuda12 && podman-hpc migrate REGISTRY/pyhf-endpoint:1-cuda12",
    "bluewaters": "shifterimg pull docker:REGISTRY/pyhf-endpoint:1-cpu",
}
RUNS = {
    "delta": "apptainer run --nv --bind RUN_DIR /FOLDER/pyhf-endpoint-1-cuda12-x86_64.sif COMMAND",
    "deltaai": "apptainer run --nv --bind RUN_DIR /FOLDER/pyhf-endpoint-1-cuda12-aarch64.sif COMMAND",
    "frontier": "apptainer run --rocm --bind RUN_DIR /FOLDER/pyhf-endpoint-1-rocm-x86_64.sif COMMAND",
    "bridges2": "singularity run --bind /ocean --nv --bind RUN_DIR /FOLDER/pyhf-endpoint-1-cuda12-x86_64.sif COMMAND",
    "bluewaters": "shifter --image=docker:REGISTRY/pyhf-endpoint:1-cpu COMMAND",
}


def shipped(site: str) -> Resolved:
    return profiles.resolve(profiles.find(site).profile, None, {"account": "project"})


@pytest.mark.parametrize("site", PULLS)
def test_people_are_told_what_gets_the_image(site: str) -> None:
    told = guide(shipped(site), "1")
    assert told is not None
    assert told.pull == PULLS[site]


@pytest.mark.parametrize("site", RUNS)
def test_people_are_told_what_runs_it(site: str) -> None:
    told = guide(shipped(site), "1")
    assert told is not None
    assert told.run == RUNS[site]


def test_pods_get_and_run_it_by_themselves() -> None:
    told = guide(shipped("river"), "1")
    assert told is not None
    assert (told.pull, told.run, told.env) == ("", "", "image:REGISTRY/pyhf-endpoint:1-cpu")


ENGINES = ["apptainer", "singularity", "shifter", "docker", "podman", "podman-hpc"]


@pytest.mark.parametrize("runtime", ENGINES)
def test_the_engine_runs_what_people_are_told(runtime: str, tmp_path: Path) -> None:
    """But for the names of the folder and of the command."""
    found = use({"container": {"runtime": runtime, "flags": "--nv"}, "network": {"address": "loopback"}})
    told = guide(found, "1")
    assert told is not None
    text = render_user_config(render(found, Options(Environment.parse(told.env))))
    running = load_user_config(text).engine
    running.run_dir = str(tmp_path)
    worker = "globus-compute-endpoint python-exec pyhf_endpoint.pool " + " ".join(running.executor.launch_cmd.split())
    assert " ".join(running.containerized_launch_cmd().split()) == told.run.replace("RUN_DIR", str(tmp_path)).replace(
        "COMMAND", worker
    )
