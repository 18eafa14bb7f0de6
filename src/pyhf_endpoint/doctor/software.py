"""Checks of the software: what the endpoint runs and what its workers run must be the same where it matters."""

import importlib.metadata
import json
import platform
from pathlib import Path

from pyhf_endpoint.doctor.finding import Finding, error, ok, skipped
from pyhf_endpoint.errors import ProgramError
from pyhf_endpoint.process import Runner, run

__all__ = ["endpoint_package", "versions"]

_SAME = ("parsl", "globus-compute-endpoint", "dill")
_TIMEOUT_S = 60.0
_ASK = """
import importlib.metadata as m, json, platform
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
names = ("parsl", "globus-compute-endpoint", "dill", "pyhf-endpoint")
print(json.dumps({"python": platform.python_version()} | {n: version(n) for n in names}))
"""


def endpoint_package() -> Finding:
    """See that this environment can run an endpoint."""
    version = _version("globus-compute-endpoint")
    if version is None:
        remedy = "python -m pip install 'pyhf-endpoint[endpoint]'"
        return error("endpoint-package", "globus-compute-endpoint is not installed here", remedy)
    return ok("endpoint-package", f"globus-compute-endpoint {version} with Parsl {_version('parsl')}")


def versions(environment: Path | None, runner: Runner = run) -> Finding:
    """Compare Python, Parsl, dill and Globus Compute of the workers' virtual environment with this one's.

    Args:
        environment: The workers' virtual environment; None where they run in an image, which `pyhf-endpoint probe` looks into.
        runner: What runs the environment's Python.
    """
    if environment is None:
        return skipped("versions", "workers run in an image; `pyhf-endpoint probe` compares what is in it")
    python = environment / "bin" / "python"
    build = f"pyhf-endpoint deploy SITE --env venv:{environment} builds one there; or install pyhf-endpoint[endpoint] by hand"
    try:
        done = runner([str(python), "-I", "-c", _ASK], timeout=_TIMEOUT_S)
    except ProgramError as fault:
        return error("versions", f"the workers' environment does not run: {fault}", build)
    if done.returncode:
        return error("versions", f"{python} does not run: {done.stderr.strip()[-300:]}", build)
    theirs = json.loads(done.stdout)
    missing = [name for name in (*_SAME, "pyhf-endpoint") if theirs[name] is None]
    if missing:
        install = f"{python} -m pip install 'pyhf-endpoint[endpoint]'"
        return error("versions", f"{environment} lacks {', '.join(missing)}", install)
    ours = {"python": platform.python_version()} | {name: _version(name) for name in _SAME}
    ours["python"], theirs["python"] = (".".join(str(v["python"]).split(".")[:2]) for v in (ours, theirs))
    apart = [f"{name} {theirs[name]} there and {ours[name]} here" for name in ours if theirs[name] != ours[name]]
    if apart:
        return error("versions", f"{environment} differs: {', '.join(apart)}", "install both from the same lock")
    return ok("versions", ", ".join(f"{name} {version}" for name, version in theirs.items()))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
