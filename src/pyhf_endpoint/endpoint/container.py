"""How a site's container runtime gets an image and runs workers in it: one table, for the configuration and for people.

Globus Compute is told the whole command (`container_type: custom`): its own ones leave no room for what starts the workers, and
that for Apptainer does not mount the engine's folder, in which workers read their certificates.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pyhf_endpoint.endpoint.worker_init import LIMIT, cleans, passed_variables
from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import Resolved

__all__ = ["COMMAND", "RUN_FOLDER", "Guide", "container_command", "guide"]

#: What stands in a custom command for the engine's folder and for the worker's command; the names are Globus Compute's.
RUN_FOLDER = "{EXECUTOR_RUNDIR}"
COMMAND = "{EXECUTOR_LAUNCH_CMD}"
_SHOWN = {RUN_FOLDER: "RUN_DIR", COMMAND: "COMMAND"}


@dataclass(frozen=True)
class _Runtime:
    """What is peculiar to a runtime.

    Attributes:
        pull: What gets an image from a registry.
        run: What runs a command in it, with `FLAGS` for the site's own options and ours.
        needs: What every worker needs: our option, and the options of the site's that settle the same otherwise.
        file: Whether the image is a file.
        hides: Whether a command sees no variable that is not named.
    """

    pull: str
    run: str
    needs: tuple[tuple[str, str], ...] = ()
    file: bool = False
    hides: bool = False


# The engine's folder can be read by its owner alone, whom the image, which has a user of its own, does not know.
_REMOVED = ("--rm", r"--rm\b")
_NETWORK = ("--network host", r"--net(work)?\b")
_USER = ("--user $(id -u):$(id -g)", r"--userns\b|--user\b|-u\b")
# Without root's rights the account is mapped to itself; still the image's own user must not be taken.
_KEEP_ID = (f"--userns keep-id {_USER[0]}", _USER[1])
_APPTAINER = f" run FLAGS --bind {RUN_FOLDER} IMAGE {COMMAND}"
_DOCKER = f" run FLAGS -v {RUN_FOLDER}:{RUN_FOLDER} -t IMAGE {COMMAND}"
_RUNTIMES: Mapping[str, _Runtime] = {
    "apptainer": _Runtime("apptainer pull FILE docker://ADDRESS", f"apptainer{_APPTAINER}", file=True),
    "singularity": _Runtime("singularity pull FILE docker://ADDRESS", f"singularity{_APPTAINER}", file=True),
    "shifter": _Runtime("shifterimg pull docker:ADDRESS", f"shifter FLAGS --image=docker:IMAGE {COMMAND}"),
    "docker": _Runtime("docker pull ADDRESS", f"docker{_DOCKER}", needs=(_REMOVED, _NETWORK, _USER), hides=True),
    "podman": _Runtime("podman pull ADDRESS", f"podman{_DOCKER}", needs=(_REMOVED, _NETWORK, _KEEP_ID), hides=True),
    "podman-hpc": _Runtime(
        "podman-hpc pull ADDRESS && podman-hpc migrate ADDRESS",
        f"podman-hpc{_DOCKER}",
        needs=(_REMOVED, _NETWORK, _KEEP_ID),
        hides=True,
    ),
}


def container_command(use: Resolved, image: str, command: str) -> str:
    """Return what runs a command in an image.

    Args:
        use: The site, and how it is used.
        image: The image's file or address.
        command: The command.

    Raises:
        UsageError: The site's runtime cannot run workers, or takes no such image.
    """
    name = use.profile.container.runtime
    runtime = _RUNTIMES.get(name)
    if runtime is None:
        raise UsageError(
            f"site `{use.profile.name}`: its container runtime is `{name}`, which is not known to run workers;"
            " use a virtual environment: --env venv:PATH"
        )
    if not runtime.file and image.startswith("/"):
        raise UsageError(
            f"site `{use.profile.name}`: its container runtime, `{name}`, runs no file, as `{image}` would be;"
            " give an image's address: --env image:ADDRESS"
        )
    return _command(runtime, _flags(use, runtime), image).replace(COMMAND, command)


def _flags(use: Resolved, runtime: _Runtime) -> str:
    """The site's options; what every worker needs besides; and the variables, where they must be named."""
    own = use.profile.container.flags
    needed = [option for option, settled in runtime.needs if not re.search(rf"(^|\s)({settled})", own)]
    variables = passed_variables(use, use["workers_per_node"], use["cores_per_node"])
    named = [f"-e {variable}" for variable in variables] if runtime.hides else []
    if cleans(use):  # all else is handed over by the lines that set it
        named = [f"--env {LIMIT}=${LIMIT}"]
    return " ".join(word for word in (own, *needed, *named) if word)


def _command(runtime: _Runtime, flags: str, image: str) -> str:
    # Apptainer takes a bare name for a file, and fetches an image only from an address that says how.
    fetched = f"docker://{image}" if runtime.file and not image.startswith("/") and "://" not in image else image
    return " ".join(runtime.run.replace("FLAGS", flags).replace("IMAGE", fetched).split())


@dataclass(frozen=True)
class Guide:
    """What people type at a site.

    Attributes:
        runtime: The container runtime.
        image: The variant of the image.
        setup: Lines of shell that make the runtime available.
        pull: The command that gets the image; empty where pods get it by themselves.
        run: What runs a worker; empty where a pod does.
        env: What `--env` is given.
    """

    runtime: str
    image: str
    setup: tuple[str, ...]
    pull: str
    run: str
    env: str


def guide(use: Resolved, version: str) -> Guide | None:
    """Return how the image of a use of a site is had and run there; None where the site has no container runtime.

    `REGISTRY` stands for where the image was pushed to, `FOLDER` for where a file lies that all nodes see, `RUN_DIR` for the
    engine's folder, `COMMAND` for the worker's.

    Args:
        use: The site, and how it is used.
        version: Of this package, and so of the image.
    """
    container, image = use.profile.container, str(use["image"])
    address = f"REGISTRY/pyhf-endpoint:{version}-{image}"
    if container.runtime == "kubernetes":
        return Guide(container.runtime, image, (), "", "", f"image:{address}")
    runtime = _RUNTIMES.get(container.runtime)
    if runtime is None:
        return None
    architecture = use.profile.architecture.compute if use.profile.architecture else "unknown"
    file = f"/FOLDER/pyhf-endpoint-{version}-{image}-{'ARCH' if architecture == 'unknown' else architecture}.sif"
    place = file if runtime.file else address
    run = _command(runtime, _flags(use, runtime), place)
    for mark, shown in _SHOWN.items():
        run = run.replace(mark, shown)
    pull = runtime.pull.replace("ADDRESS", address).replace("FILE", file)
    return Guide(container.runtime, image, container.setup, pull, run, f"image:{place}")
