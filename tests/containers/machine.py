"""What the tests of the images run on: an engine with storage of its own, Apptainer, a registry on loopback."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyhf_endpoint import __version__

__all__ = ["BASE_IMAGE", "CLONE", "IMAGE", "TOOLS", "VARIANT", "Machine", "limited", "registry"]

CLONE = Path(__file__).parents[2]
TOOLS = CLONE / ".venv-containers/bin"
VARIANT = "cpu"
IMAGE = f"localhost/pyhf-endpoint:{__version__}-{VARIANT}"
BASE_IMAGE = "localhost/debian:bookworm-python"
HERE = Path(__file__).parent
# cgroups of version 1 and a root without all capabilities, as inside a container, are no reason not to run.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{root}/graph"
runroot = "{root}/run"
"""


def limited() -> bool:
    """Whether this is a root without all capabilities."""
    held = re.search(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(), flags=re.MULTILINE)
    assert held
    every = (1 << (int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1)) - 1
    return os.getuid() == 0 and int(held[1], 16) != every


@dataclass(frozen=True)
class Machine:
    """Runs programs with an engine whose images and containers are kept apart from the machine's own.

    Attributes:
        folder: Holds the engine's storage and settings, Apptainer, and what is built.
    """

    folder: Path
    environment: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "tmp").mkdir()
        (self.folder / "containers.conf").write_text(CONTAINERS_CONF)
        (self.folder / "storage.conf").write_text(STORAGE_CONF.format(root=self.folder))
        ours = {
            "ENGINE": "podman",
            "BASE_IMAGE": BASE_IMAGE,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "TMPDIR": str(self.folder / "tmp"),
            "APPTAINER_CACHEDIR": str(self.folder / "tmp"),
            "APPTAINER_CONFIGDIR": str(self.folder / "apptainer-config"),
        }
        object.__setattr__(self, "environment", os.environ | ours)

    def run(self, *command: object, check: bool = True, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the clone; a failure fails the test with what it printed."""
        done = subprocess.run(
            [*map(str, command)], cwd=CLONE, env={**self.environment, **environment}, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def output(self, *command: object, **environment: str) -> str:
        """Return what a command prints."""
        return self.run(*command, check=True, **environment).stdout.strip()

    def hardened(self, *command: object, image: str = IMAGE, options: Sequence[object] = ()) -> str:
        """Return what a command prints in a container that may do next to nothing."""
        limits = ("--network", "none", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
        return self.output("podman", "run", "--rm", *limits, *options, image, *command)

    def label(self, name: str) -> str:
        """Return a label of the image."""
        labels: dict[str, str] = json.loads(self.output("podman", "image", "inspect", "--format", "{{json .Labels}}", IMAGE))
        return labels[name]

    def apptainer(self) -> Path:
        """Return an Apptainer that works here: the machine's own, or Debian's, unpacked."""
        found = shutil.which("apptainer")
        if found:
            return Path(found)
        program = self.folder / "apptainer.sh"
        if not program.exists():
            unpacked = self.output(HERE / "apptainer.sh", self.folder / "apptainer", TOOLS / "patchelf")
            # Only `build` is run in the namespace: with %test it needs what a limited root lacks.
            inside = f"exec {sys.executable} {HERE / 'userns.py'} {unpacked}" if limited() else f"exec {unpacked}"
            program.write_text(f'#!/bin/sh\n[ "$1" != build ] || {inside} "$@"\nexec {unpacked} "$@"\n')
            program.chmod(0o755)
        return program


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run Debian's registry on loopback, with its storage in a folder, and yield `host:port`."""
    program = shutil.which("docker-registry")
    assert program, "docker-registry is not installed; `make test-containers` installs it"
    address = f"127.0.0.1:{_free_port()}"
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}, "level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": address},
    }
    (folder / "registry.yml").write_text(json.dumps(settings))  # JSON is YAML
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen([program, "serve", folder / "registry.yml"], stdout=log, stderr=log)
    try:
        _wait(f"http://{address}/v2/", process, folder / "registry.log")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return
