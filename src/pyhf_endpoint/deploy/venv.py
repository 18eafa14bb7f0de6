"""A virtual environment from a lock and a wheel: built beside the one that is there, and put in its place when it is whole."""

import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pyhf_endpoint import process
from pyhf_endpoint.deploy.locks import PYTHON
from pyhf_endpoint.errors import ProgramError, UsageError

__all__ = ["STAMP", "Interpreter", "Recipe", "State", "VirtualEnvironment"]

#: In the environment: what it was made from, by which it is known as ours and as up to date.
STAMP = ".pyhf-endpoint.json"
State = Literal["absent", "current", "stale"]
_VERSION_S, _STEP_S, _INSTALL_S = 30.0, 300.0, 3600.0
_TAIL = 1500  # characters of a failed command that are shown
_JOBS = 4  # processes that compile: a login node is not ours alone
# What would lead the new environment's Python, or pip, elsewhere.
_MISLEADING = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIREMENT"}
_INSTALL = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile")


@dataclass(frozen=True)
class Interpreter:
    """A Python.

    Attributes:
        path: The program.
        version: Its version, of three numbers.
    """

    path: str
    version: str

    @classmethod
    def find(cls, given: str | None = None) -> "Interpreter":
        """Return the Python that environments are made with: the one given, else the one that runs.

        Raises:
            UsageError: It is of another minor version than the locks.
            ProgramError: It does not start.
        """
        path = given or sys.executable
        ask = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
        done = process.run([path, "-I", "-c", ask], timeout=_VERSION_S)
        version = done.stdout.strip()
        if done.returncode or version.rpartition(".")[0] != PYTHON:
            said = f"Python {version}" if version else "no Python that answers"
            raise UsageError(f"{path} is {said}, and the locks are for Python {PYTHON}; name one: --python python{PYTHON}")
        return cls(path, version)


@dataclass(frozen=True)
class Recipe:
    """What an environment is made from.

    Attributes:
        lock: Every package but ours, with hashes.
        wheel: Ours.
        python: The Python.
        wheelhouse: A folder that all packages come from; None for the index that pip is set up for.
    """

    lock: Path
    wheel: Path
    python: Interpreter
    wheelhouse: Path | None = None

    @cached_property
    def digests(self) -> dict[str, str]:
        """What tells two environments apart."""
        return {
            "lock": sha256(self.lock.read_bytes()).hexdigest(),
            "wheel": sha256(self.wheel.read_bytes()).hexdigest(),
            "python": self.python.version,
        }

    def __str__(self) -> str:
        packages = sum("==" in line and line[:1].isalnum() for line in self.lock.read_text(encoding="utf-8").splitlines())
        origin = f", from {self.wheelhouse}" if self.wheelhouse else ""
        return f"{packages} packages of {self.lock.name}{origin}, and {self.wheel.name}, for Python {self.python.version}"


class VirtualEnvironment:
    """One that is ours to build and to replace.

    Args:
        folder: Where it is, or will be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._new, self._old = (self.folder.with_name(f"{self.folder.name}.{word}") for word in ("new", "old"))

    def state(self, recipe: Recipe) -> State:
        """Return how the environment stands to a recipe.

        Raises:
            UsageError: Something is there that was not made by `build`.
        """
        _refuse_foreign(self.folder)
        made = _stamp(self.folder)
        if made is None:
            return "absent"
        # A link to an interpreter that the machine no longer has leads nowhere.
        return "current" if made == recipe.digests and (self.folder / "bin" / "python").exists() else "stale"

    def differences(self, recipe: Recipe) -> list[str]:
        """Return the names of what the environment was made from otherwise."""
        made = _stamp(self.folder) or {}
        return [name for name, digest in recipe.digests.items() if made.get(name) != digest]

    def build(self, recipe: Recipe) -> Generator[str, None, None]:
        """Build the environment if need be, and yield a line for each step; a failure leaves the old one as it was.

        Raises:
            UsageError: Something is in the way that was not made here, or the place cannot be written.
            ProgramError: A step fails.
        """
        self._recover()
        if self.state(recipe) == "current":
            yield f"{self.folder}: up to date"
            return
        began = time.monotonic()
        for leftover in (self._new, self._old):
            _refuse_foreign(leftover)
        try:
            for leftover in (self._new, self._old):
                if leftover.exists():
                    shutil.rmtree(leftover)
            yield f"{self.folder}: installing {recipe}"
            yield from self._make(recipe)
            self._swap()
        except OSError as fault:
            shutil.rmtree(self._new, ignore_errors=True)
            raise UsageError(
                f"{fault.filename or self.folder}: {fault.strerror}; name a folder that you can write to, with a few GB free"
            ) from fault
        except BaseException:
            shutil.rmtree(self._new, ignore_errors=True)
            raise
        yield f"{self.folder}: built in {time.monotonic() - began:.0f} s"

    def _make(self, recipe: Recipe) -> Iterator[str]:
        self._new.mkdir(parents=True)
        _write_stamp(self._new, {})  # so that what an interruption leaves is known as ours
        make = [recipe.python.path, "-m", "venv", "--without-pip", "--prompt", self.folder.name, str(self._new)]
        _step("make the environment", make, _STEP_S)
        pip = self._pip(recipe)
        origin = ["--no-index", "--find-links", str(recipe.wheelhouse)] if recipe.wheelhouse else []
        ours = self._new / "ours.txt"
        ours.write_text(f"{recipe.wheel} --hash=sha256:{recipe.digests['wheel']}\n", encoding="utf-8")
        install = [*pip, "install", "--quiet", *_INSTALL, *origin, "-r", str(recipe.lock), "-r", str(ours)]
        _step("install the lock and our wheel", install, _INSTALL_S, recipe)
        ours.unlink()
        _step("check that nothing lacks", [*pip, "check"], _STEP_S)
        self._point_to_final_place()
        moved = ["-s", str(self._new), "-p", str(self.folder)]
        compiled = _run([self._python, "-m", "compileall", "-q", "-j", str(_JOBS), *moved, str(self._new / "lib")], _STEP_S)
        if compiled.returncode:  # a package may carry files for other Pythons
            yield f"{self.folder}: some files cannot be byte-compiled, and will be read as they are"
        _step("start its Python", [self._python, "-I", "-c", "import pyhf_endpoint"], _STEP_S)
        _write_stamp(self._new, recipe.digests)

    @property
    def _python(self) -> str:
        return str(self._new / "bin" / "python")

    def _pip(self, recipe: Recipe) -> list[str]:
        """Use the pip of this environment, which works on the environment from outside and stays out of it."""
        if importlib.util.find_spec("pip") is None:
            raise UsageError(f"pip is missing in {sys.prefix}, and builds the workers' environment; add it: python -m ensurepip")
        options = ["--disable-pip-version-check", "--no-input", *(["--isolated"] if recipe.wheelhouse else [])]
        return [sys.executable, "-m", "pip", "--python", self._python, *options]

    def _point_to_final_place(self) -> None:
        """Scripts name their interpreter by its path, and `activate` its folder: they will be elsewhere."""
        before, after = (os.fsencode(path) for path in (self._new, self.folder))
        for path in [self._new / "pyvenv.cfg", *(self._new / "bin").iterdir()]:
            if path.is_file() and not path.is_symlink() and before in (text := path.read_bytes()):
                path.write_bytes(text.replace(before, after))

    def _swap(self) -> None:
        there = self.folder.exists()
        if there:
            self.folder.rename(self._old)
        try:
            self._new.rename(self.folder)
        except OSError:
            if there:
                self._old.rename(self.folder)
            raise
        shutil.rmtree(self._old, ignore_errors=True)  # what a process still uses on NFS goes the next time

    def _recover(self) -> None:
        """An interruption between the two renames of a swap leaves the old environment beside its place."""
        if not self.folder.exists() and _stamp(self._old) is not None:
            self._old.rename(self.folder)


def _refuse_foreign(folder: Path) -> None:
    if folder.is_symlink():
        raise UsageError(f"{folder} is a link, which a new environment cannot replace; name the folder that it leads to")
    if folder.exists() and _stamp(folder) is None and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(
            f"{folder} was not made by `pyhf-endpoint deploy` and is left alone; name another path, or move it away. To use an"
            f" environment that you made yourself, run its own command without --env: {folder}/bin/pyhf-endpoint deploy SITE"
        )


def _stamp(folder: Path) -> dict[str, str] | None:
    """What an environment was made from, empty where it is not whole; None where it is not ours."""
    try:
        found = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else None


def _write_stamp(folder: Path, digests: dict[str, str]) -> None:
    (folder / STAMP).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


def _run(argv: list[str], timeout: float) -> process.Completed:
    kept = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    return process.run(argv, timeout=timeout, env=kept)


def _step(name: str, argv: list[str], timeout: float, recipe: Recipe | None = None) -> None:
    done = _run(argv, timeout)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-_TAIL:]
        raise ProgramError(
            f"the workers' environment cannot be built: `{name}` ended with code {done.returncode}; {_remedy(said, recipe)}."
            f" What was there before is as it was.\n{said}"
        )


def _remedy(said: str, recipe: Recipe | None) -> str:
    if "No space left" in said:
        return "free some space, there and where TMPDIR points to"
    if "DO NOT MATCH THE HASHES" in said:
        where = recipe.wheelhouse if recipe and recipe.wheelhouse else "the index that pip is set up for"
        return f"{where} has a file that is not what the lock names: fetch it again, or use another source"
    if recipe is None:
        return "see what it says"
    if recipe.wheelhouse:
        variant = recipe.lock.stem.partition("-")[0]
        return f"see that {recipe.wheelhouse} was filled for this lock: make wheelhouse VARIANT={variant}"
    return "see that pip reaches its index (`python -m pip config list`), or bring the packages along: --wheelhouse FOLDER"
