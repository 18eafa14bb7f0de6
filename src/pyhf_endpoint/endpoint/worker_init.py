"""The shell lines that prepare a node for the workers, ahead of any import."""

import math
import re
import shlex
from collections.abc import Iterator, Mapping

from pyhf_endpoint.endpoint.options import Environment
from pyhf_endpoint.profiles import Resolved
from pyhf_endpoint.profiles.hardware import Proxy

__all__ = ["LIMIT", "THREADS", "cleans", "passed_variables", "proxy_variables", "variables", "worker_init"]

#: The variables by which numerical libraries are told how many threads to start.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
#: The variable by which Globus Compute's worker knows when a task has taken too long; the templates set it, last of all.
LIMIT = "GC_TASK_TIMEOUT"
_JOBS = {
    "slurm": ("SLURM_JOB_ID", "SLURMD_NODENAME"),
    "pbspro": ("PBS_JOBID",),
    "torque": ("PBS_JOBID",),
    "cobalt": ("COBALT_JOBID",),
}
# Options with which Apptainer passes no variable on, and by what it knows those that are meant all the same.
_CLEANS = re.compile(r"(^|\s)(--containall|--cleanenv|-[a-zA-Z]*[eC][a-zA-Z]*)(\s|$)")
_PREFIXES = {"apptainer": "APPTAINERENV_", "singularity": "SINGULARITYENV_"}
_PLATFORMS = {"cuda12": "cuda,cpu", "cuda13": "cuda,cpu", "rocm": "rocm,cpu", "cpu": "cpu"}


def worker_init(use: Resolved, environment: Environment, workers: int | None, cores: int | None) -> list[str]:
    """Return the lines.

    Args:
        use: How the site is used.
        environment: Where the workers find this package.
        workers: Workers per node; None where each core gets one.
        cores: Cores of a job on a node.
    """
    return list(_lines(use, environment, workers, cores))


def _lines(use: Resolved, environment: Environment, workers: int | None, cores: int | None) -> Iterator[str]:
    yield from use.profile.environment
    if environment.kind == "image":
        yield from use.profile.container.setup
        # Modules of the host's Python have no business in the image, and some runtimes pass everything on.
        yield "unset PYTHONHOME PYTHONPATH"
    proxies = proxy_variables(use.profile.proxies, "compute")
    if proxies:
        yield _export(proxies)
    if environment.kind == "venv":
        # A job without it ends here, instead of starting whatever the node has of the name.
        # Unquoted, so that ~ is the home of the account even where HOME is not set, as in jobs of HTCondor.
        yield f"source {environment.place}/bin/activate || exit 3"
    if _hands_on_cores(use):
        # srun no longer takes over sbatch's --cpus-per-task, and would give all workers one core.
        yield 'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}"'
    yield _export({name: value for name, value in variables(use, workers, cores).items() if name in THREADS})
    yield _export({name: value for name, value in variables(use, workers, cores).items() if name not in THREADS})
    # On the node's own disk, and under a name that nobody can have taken before: what lies there is executed.
    if environment.kind == "venv":
        yield 'export JAX_COMPILATION_CACHE_DIR="$(mktemp -u "${TMPDIR:-/tmp}/jax-cache.XXXXXXXXXX")"'
        return
    # In an image there is no other folder to be sure of; its home may be nobody's, or read-only.
    yield 'export JAX_COMPILATION_CACHE_DIR="$(mktemp -u /tmp/jax-cache.XXXXXXXXXX)"'
    yield 'export CUPY_CACHE_DIR="$(mktemp -u /tmp/cupy-cache.XXXXXXXXXX)"'
    yield 'export GLOBUS_COMPUTE_USER_DIR="$(mktemp -u /tmp/globus-compute.XXXXXXXXXX)"'
    if cleans(use):
        prefix = _PREFIXES[use.profile.container.runtime]
        # Only what has this prefix passes, so that what each node has of its own must stay out. None of the values has a blank.
        names = "|".join(_ours(use, workers, cores))
        yield f"export $(env | grep -E '^({names})=' | sed 's/^/{prefix}/')"


def cleans(use: Resolved) -> bool:
    """Whether the site's Apptainer is told to pass no variable on."""
    container = use.profile.container
    return container.runtime in _PREFIXES and _CLEANS.search(container.flags) is not None


def variables(use: Resolved, workers: int | None, cores: int | None) -> dict[str, str]:
    """Return the variables for numerical libraries: threads, precision, platforms and the share of an accelerator's memory."""
    threads = max(1, cores // workers) if workers and cores else 1
    found = dict.fromkeys(THREADS, str(threads)) | {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": _PLATFORMS[use["image"]]}
    devices = use["accelerators"] if use.accelerators else 0
    if devices and workers and use["image"] != "cpu":
        sharing = math.ceil(workers / devices)
        found["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{math.floor(900 / sharing) / 1000:.3f}"
    return found


def passed_variables(use: Resolved, workers: int | None, cores: int | None) -> tuple[str, ...]:
    """Return the names of the variables that workers in a container need of the block's: our own, its devices and its job."""
    devices = [use.accelerators.visibility] if use.accelerators else []
    job = _JOBS.get(use.profile.scheduler.kind, ())
    return (*_ours(use, workers, cores), LIMIT, *devices, *job)


def _ours(use: Resolved, workers: int | None, cores: int | None) -> tuple[str, ...]:
    return (*variables(use, workers, cores), "JAX_COMPILATION_CACHE_DIR", "CUPY_CACHE_DIR", "GLOBUS_COMPUTE_USER_DIR")


def proxy_variables(proxies: tuple[Proxy, ...], where: str) -> dict[str, str]:
    """Return the variables that name the proxy of a place, `compute` or `login`, if it has one."""
    for proxy in proxies:
        if proxy.where in (where, "both"):
            found = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy.url)
            return found | (dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(proxy.no_proxy)) if proxy.no_proxy else {})
    return {}


def _hands_on_cores(use: Resolved) -> bool:
    launcher = use.profile.launcher
    return launcher.kind == "srun" and not re.search(r"(^|\s)(-c|--cpus-per-task)\b", launcher.overrides)


def _export(values: Mapping[str, str]) -> str:
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
