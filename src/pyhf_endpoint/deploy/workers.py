"""What the workers run in, from an administrator's words: a virtual environment that is built, an image, or this environment."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyhf_endpoint import __version__
from pyhf_endpoint.deploy import locks, wheels
from pyhf_endpoint.deploy.venv import Interpreter, Recipe, VirtualEnvironment
from pyhf_endpoint.endpoint import Environment
from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.profiles import Resolved

__all__ = ["Plan", "Request", "planned"]


@dataclass(frozen=True)
class Request:
    """What an administrator says of the workers' environment.

    Attributes:
        env: `venv:PATH`, `image:IMAGE`, `image` for the site's own, or None for the environment that runs.
        wheelhouse: A folder of wheels, in place of an index.
        wheel: Our wheel.
        python: The Python to build with.
    """

    env: str | None = None
    wheelhouse: Path | None = None
    wheel: Path | None = None
    python: str | None = None


@dataclass(frozen=True)
class Plan:
    """What workers will run in, and what is to be done about it.

    Attributes:
        environment: What they run in.
        virtual: The virtual environment to be kept up to date; None where there is nothing to build.
        recipe: What it is made from.
    """

    environment: Environment
    virtual: VirtualEnvironment | None = None
    recipe: Recipe | None = None

    @property
    def pending(self) -> bool:
        """Whether something is to be built."""
        return self.virtual is not None and self.recipe is not None and self.virtual.state(self.recipe) != "current"

    def announce(self) -> Iterator[str]:
        """Yield what would be done."""
        if self.virtual is None or self.recipe is None:
            return
        match self.virtual.state(self.recipe):
            case "current":
                yield f"{self.virtual.folder}: up to date"
            case "absent":
                yield f"{self.virtual.folder}: would be built: {self.recipe}"
            case "stale":
                apart = ", ".join(self.virtual.differences(self.recipe)) or "its Python is gone"
                yield f"{self.virtual.folder}: would be built again ({apart}): {self.recipe}"

    def carry_out(self) -> Iterator[str]:
        """Do it, and yield a line for each step.

        Raises:
            UsageError: Something is in the way, or the place cannot be written.
            ProgramError: A step fails.
        """
        if self.virtual is not None and self.recipe is not None:
            yield from self.virtual.build(self.recipe)


@contextmanager
def planned(use: Resolved, request: Request) -> Iterator[Plan]:
    """Find out what is to be done, changing nothing; what the plan needs lasts as long as it is entered.

    Raises:
        UsageError: The words do not fit the site or this machine.
        ProgramError: A program that is needed does not run.
    """
    environment = Environment.parse(f"image:{_image(use)}" if request.env == "image" else request.env or f"venv:{sys.prefix}")
    if request.env is None or environment.kind == "image" or _is_this(environment):
        extra = [name for name in ("wheelhouse", "wheel", "python") if getattr(request, name) is not None]
        if extra:
            raise UsageError(f"--{extra[0]} is for an environment that is built: name its place, --env venv:PATH")
        yield Plan(environment)
        return
    if request.wheelhouse is not None and not request.wheelhouse.is_dir():
        raise UsageError(f"--wheelhouse {request.wheelhouse} is no folder; fill one where there is a network: make wheelhouse")
    lock, python = locks.find(use), Interpreter.find(request.python)
    sources = wheels.Sources(request.wheel, wheels.checkout(), request.wheelhouse)
    with tempfile.TemporaryDirectory() as scratch:
        wheelhouse = request.wheelhouse.absolute() if request.wheelhouse else None
        recipe = Recipe(lock, wheels.own(sources, Path(scratch)), python, wheelhouse)
        plan = Plan(environment, VirtualEnvironment(Path(environment.place).expanduser()), recipe)
        _ = plan.pending  # refuses what is not ours before anything else happens
        yield plan


def _is_this(environment: Environment) -> bool:
    return Path(environment.place).expanduser().resolve() == Path(sys.prefix).resolve()


def _image(use: Resolved) -> str:
    """The image that `make` leaves for a site's runtime, where it can be known."""
    site, runtime, variant = use.profile.name, use.profile.container.runtime, use["image"]
    if runtime in {"docker", "podman", "podman-hpc"}:
        return f"localhost/pyhf-endpoint:{__version__}-{variant}"
    if runtime in {"apptainer", "singularity"}:
        machine = locks.find(use).stem.rpartition("-")[2]
        source = wheels.checkout() or Path.cwd()
        path = source / "build" / "sif" / f"pyhf-endpoint-{__version__}-{variant}-{machine}.sif"
        if path.is_file():
            return str(path)
        raise UsageError(f"site `{site}`: {path} is not there; make it with `make sif-{variant}`, or name one: --env image:PATH")
    if runtime in {"kubernetes", "shifter"}:
        raise UsageError(
            f"site `{site}`: its container runtime, `{runtime}`, takes images from a registry; push it and name it:"
            " --env image:ADDRESS"
        )
    raise UsageError(
        f"site `{site}`: its container runtime is `{runtime}`, which is not known to run workers, so that it has no image;"
        " use a virtual environment: --env venv:PATH"
    )
