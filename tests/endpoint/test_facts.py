"""What the templates are given: devices, CPUs, threads, requests, addresses, containers, and what is refused."""

import inspect
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyhf_endpoint.endpoint import ENVIRONMENT, Environment, Options, render
from pyhf_endpoint.errors import UsageError
from tests.endpoint.sites import bundle, configuration, engine, exported, use

AMD = {
    "vendor": "amd",
    "model": "Y",
    "count": 2,
    "memory_gb": 64,
    "request": {"how": "gres", "text": "gpu:{count}"},
    "visibility": "ROCR_VISIBLE_DEVICES",
}


def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: dict[str, Any], gpus: int) -> list[str]:
    """The variable that Parsl's own worker code sets in each worker of a pool, on a node with so many NVIDIA GPUs."""
    from parsl.executors.high_throughput import process_worker_pool

    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\n" + "".join(f"echo GPU {n}\n" for n in range(gpus)) + ("exit 1\n" if not gpus else ""))
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    variable = "CUDA_VISIBLE_DEVICES" if gpus else "ROCR_VISIBLE_DEVICES"

    class ReadyError(Exception):
        """Ends a worker where it would wait for its first task."""

    class Counter:
        def get_lock(self) -> None:
            raise ReadyError

    workers = min(found["max_workers_per_node"], len(found["available_accelerators"]))
    values = []
    for rank in range(workers):
        with monkeypatch.context() as patch:
            for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "ZE_ENABLE_PCI_ID_DEVICE_ORDER"):
                patch.setenv(name, "")
            for name in ("WORKER_RANK", "WORKER_COUNT", "WORKER_POOL_ID", "WORKER_BLOCK_ID"):
                patch.setenv(f"PARSL_{name}", "")
            arguments: dict[str, Any] = dict.fromkeys(inspect.signature(process_worker_pool.worker).parameters)
            arguments |= {"worker_id": rank, "pool_id": "p", "pool_size": workers, "block_id": "0", "cpu_affinity": "none"}
            arguments |= {"accelerator": found["available_accelerators"][rank], "manager_pid": os.getpid(), "debug": False}
            arguments |= {"logdir": str(tmp_path), "ready_worker_count": Counter()}
            patch.setattr(process_worker_pool, "set_file_logger", lambda *_, **__: None)
            with pytest.raises(ReadyError):
                process_worker_pool.worker.__wrapped__(**arguments)
            values.append(os.environ[variable])
    return values


@pytest.mark.parametrize(
    ("options", "devices"),
    [
        ({}, "0 1 2 3"),
        ({"workers_per_accelerator": 2}, "0 0 1 1 2 2 3 3"),
        ({"workers_per_accelerator": 3}, "0 0 0 1 1 1 2 2 2 3 3 3"),
        ({"workers_per_node": 2}, "0 1"),
        ({"workers_per_accelerator": 2, "workers_per_node": 4}, "0 1 2 3"),
        ({"workers_per_node": 1}, "0"),
    ],
)
def test_each_worker_gets_its_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any], devices: str
) -> None:
    assert seen(monkeypatch, tmp_path, engine(use(**options)), 4) == devices.split()


def test_workers_share_an_amd_device_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = engine(use({"nodes.gpu.accelerators": AMD}, workers_per_accelerator=2))
    assert seen(monkeypatch, tmp_path, found, 0) == ["0", "0", "1", "1"]
    assert found["provider"]["gres"] == "gpu:2"


def test_mig_devices_go_by_their_uuid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = [f"MIG-{n}a6f2c0e-7b1c-5d3e-9f40-0123456789ab" for n in range(4)]
    found = engine(use({"nodes.gpu.accelerators.devices": names}))
    assert seen(monkeypatch, tmp_path, found, 5) == names  # `nvidia-smi -L` has a line for the GPU, and one for each of its parts


def test_a_share_of_a_node_keeps_the_device_that_the_scheduler_gave() -> None:
    found = engine(use({"run.exclusive": False}, queue="shared", accelerators=1, workers_per_accelerator=2, cores_per_node=8))
    assert found["available_accelerators"] == []
    assert (found["max_workers_per_node"], found["cpu_affinity"]) == (2, "none")
    assert (found["provider"]["gpus_per_node"], found["provider"]["exclusive"]) == (1, False)


def test_a_use_without_accelerators_asks_for_none() -> None:
    found = engine(use(accelerators=0))
    assert (found["available_accelerators"], found["cpu_affinity"], found["max_workers_per_node"]) == ([], "none", 32)
    assert "gpus_per_node" not in found["provider"]
    assert exported(use(accelerators=0))["JAX_PLATFORMS"] == "cpu"


@pytest.mark.parametrize(
    ("options", "affinity"),
    [
        ({}, "list:0-7:8-15:16-23:24-31"),
        ({"workers_per_accelerator": 2}, "list:0-7:0-7:8-15:8-15:16-23:16-23:24-31:24-31"),
        ({"workers_per_node": 2}, "none"),
    ],
)
def test_cpus_are_those_next_to_each_workers_device_or_left_alone(options: dict[str, Any], affinity: str) -> None:
    assert engine(use(**options))["cpu_affinity"] == affinity


@pytest.mark.parametrize(
    ("options", "threads", "fraction"),
    [
        ({}, "8", "0.900"),
        ({"workers_per_accelerator": 2}, "4", "0.450"),
        ({"workers_per_accelerator": 7}, "1", "0.128"),
        ({"workers_per_node": 1}, "32", "0.900"),
        ({"accelerators": 0}, "1", None),
        ({"accelerators": 0, "workers_per_node": 64}, "1", None),
    ],
)
def test_workers_share_cores_and_memory(options: dict[str, Any], threads: str, fraction: str | None) -> None:
    values = exported(use(**options))
    assert {values[name] for name in values if name.endswith("_THREADS")} == {threads}
    assert values.get("XLA_PYTHON_CLIENT_MEM_FRACTION") == fraction
    assert values["JAX_ENABLE_X64"] == "1"


@pytest.mark.parametrize(("cores", "workers"), [(32, 4), (32, 5), (7, 3), (1, 1), (56, 8), (3, 7), (10, 999), (128, 127)])
def test_parsl_counts_as_many_workers_as_are_meant(cores: int, workers: int) -> None:
    found = engine(use({"nodes.cpu.cores": cores}, queue="cpu", workers_per_node=workers))
    assert min(found["max_workers_per_node"], cores // found["cores_per_worker"]) == workers


def test_an_unknown_interface_means_no_address_and_others_are_found_as_the_site_says() -> None:
    assert "address" not in engine(use({"network.interface": "unknown"}))
    assert engine(use({"network.interface": "unknown"}, interface="eth1"))["address"] == {
        "type": "address_by_interface",
        "ifname": "eth1",
    }
    assert engine(use({"network": {"address": "hostname"}}))["address"] == {"type": "address_by_hostname"}


def test_what_a_site_rejects_is_not_asked_for() -> None:
    found = use({"scheduler.rejects": ["--cpus-per-task", "--no-requeue"]})
    provider = engine(found)["provider"]
    assert provider["scheduler_options"] == ""
    assert "cores_per_node" not in provider
    with pytest.raises(UsageError, match="has 1 fault\n  accelerators: the site rejects `--gpus`"):
        bundle(use({"scheduler.rejects": ["--gpus"], "run.accelerators": 0}, accelerators=4))


def test_all_faults_of_the_settings_are_shown_together() -> None:
    with pytest.raises(UsageError) as error:
        bundle(use(walltime="03:00:00", nodes_per_block=5, workers_per_node=5, account="a\n#SBATCH --wrap=id"))
    message = str(error.value)
    assert message.startswith("site `test`, variant `usual` has 4 faults\n  account: ")
    assert all(f"\n  {name}: " in message for name in ("walltime", "nodes_per_block", "workers_per_node"))


def test_memory_is_not_asked_for_where_it_cannot_be() -> None:
    assert engine(use(memory_gb=100))["provider"]["mem_per_node"] == 100
    pbs = {"scheduler.kind": "pbspro", "nodes.gpu.accelerators": None, "launcher": {"kind": "simple"}}
    assert engine(use(pbs, memory_gb=100))["provider"]["select_options"] == "mem=100gb"
    with pytest.raises(UsageError, match="memory_gb: 100, but a job of torque does not ask for memory"):
        bundle(use(pbs | {"scheduler.kind": "torque"}, memory_gb=100))


def test_unknown_cores_are_asked_for_by_the_option_that_supplies_them() -> None:
    nodes = {"nodes.gpu": {"cores": "unknown"}, "run.workers_per_node": 4}
    pbs = use({**nodes, "scheduler.kind": "pbspro", "launcher": {"kind": "simple"}})
    with pytest.raises(UsageError, match="--option cores_per_node=N"):
        bundle(pbs)
    with pytest.raises(UsageError, match="--option workers_per_node=N"):
        bundle(use({"nodes.gpu": {"cores": "unknown"}}))
    assert engine(use({"nodes.gpu": {"cores": "unknown"}}, workers_per_node=3))["max_workers_per_node"] == 3


def test_worker_init_is_the_sites_set_up_then_proxies_environment_and_numbers() -> None:
    proxies = [{"url": "http://p.example.org:1", "where": "both", "no_proxy": ["a.example.org", "b"]}]
    found = use({"environment": ["module load a", "export B='c d'"], "proxies": proxies, "container": {"runtime": "none"}})
    lines = engine(found, "venv:~/env")["provider"]["worker_init"].splitlines()
    assert lines[:2] == ["module load a", "export B='c d'"]
    assert lines[2].split()[-2:] == ["no_proxy=a.example.org,b", "NO_PROXY=a.example.org,b"]
    assert lines[3] == "source ~/env/bin/activate || exit 3"
    assert lines[4] == 'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}"'
    assert lines[-2].startswith("export JAX_COMPILATION_CACHE_DIR=")
    assert lines[-1] == "export GC_TASK_TIMEOUT=3600"
    text = bundle(found).files[ENVIRONMENT]
    assert "HTTPS_PROXY: http://p.example.org:1\n" in text
    assert "NO_PROXY: a.example.org,b\n" in text


def test_the_shell_takes_worker_init_as_it_is_meant(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/activate").write_text("export ACTIVE=1\n")
    init = engine(use(workers_per_accelerator=2), f"venv:{tmp_path}")["provider"]["worker_init"]
    names = ("ACTIVE", "OMP_NUM_THREADS", "JAX_ENABLE_X64", "XLA_PYTHON_CLIENT_MEM_FRACTION", "JAX_COMPILATION_CACHE_DIR")
    show = "echo " + " ".join(f"${name}" for name in (*names, "SRUN_CPUS_PER_TASK"))
    environment = {"PATH": "/usr/bin:/bin", "SLURM_CPUS_ON_NODE": "32", "TMPDIR": str(tmp_path)}
    done = subprocess.run(["bash", "-euc", init + show], env=environment, capture_output=True, text=True)
    active, threads, x64, fraction, cache, cores = done.stdout.split()
    assert (active, threads, x64, fraction, cores) == ("1", "4", "1", "0.450", "32")
    assert Path(cache).parent == tmp_path
    assert not Path(cache).exists()
    (tmp_path / "bin/activate").unlink()
    assert subprocess.run(["bash", "-c", init + "echo on"], env=environment, capture_output=True, text=True).stdout == ""


POOL = "globus-compute-endpoint python-exec pyhf_endpoint.pool {EXECUTOR_LAUNCH_CMD}"


def test_without_an_image_the_command_of_the_workers_is_run_by_way_of_ours() -> None:
    found = engine(use())
    assert (found["container_type"], found["container_cmd_options"]) == ("custom", POOL)


@pytest.mark.parametrize(
    "text",
    [
        *("venv:env", "venv:$HOME/env", "venv:/a b", "venv:/a;id", "venv:~root/env", "venv:", "venv:/a\n", "env", "/a"),
        *("image:", "image:a b", "image:{x}", "image:$(id)", "image:-v", "image:~/a.sif", "image:a\n", "conda:/a"),
    ],
)
def test_an_environment_is_a_plain_path_or_address(text: str) -> None:
    with pytest.raises(UsageError, match="environment"):
        Environment.parse(text)


def test_the_users_processes_find_the_batch_systems_commands_where_they_are_named() -> None:
    text = bundle(use(), path=("/opt/slurm/bin",)).files[ENVIRONMENT]
    assert text.endswith("PATH: /opt/env/bin:/opt/slurm/bin:/usr/local/bin:/usr/bin:/bin\n")
    with pytest.raises(UsageError, match="absolute path"):
        Options(path=("bin",))


def test_allowed_functions_are_listed() -> None:
    identifier = "01234567-89ab-cdef-0123-456789abcdef"
    text = bundle(use(), allowed_functions=(identifier,)).files["config.yaml"]
    assert f"allowed_functions:\n  - {identifier}\n" in text
    with pytest.raises(UsageError, match="function `x`"):
        Options(allowed_functions=("x",))


def test_rendering_is_repeatable() -> None:
    assert render(use()) == render(use())
    assert configuration(use()) == configuration(use())
