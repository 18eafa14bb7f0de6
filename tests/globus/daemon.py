"""The unmodified endpoint daemon, configured and started by its own command line."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import yaml

from tests.globus.standin import Caller, StandIn

__all__ = ["SCHEMA", "Daemon", "environment"]

_BIN = Path(sys.executable).parent
_ROOT = Path(__file__).parents[2]
_ONLINE_S = 60.0

# Two workers on this machine; what a site's rendered configuration says with a batch system in the place of `LocalProvider`.
_TEMPLATE = """\
heartbeat_period: 5
idle_heartbeats_soft: 0
idle_heartbeats_hard: 5760
engine:
  type: GlobusComputeEngine
  container_type: custom
  container_cmd_options: globus-compute-endpoint python-exec pyhf_endpoint.pool {EXECUTOR_LAUNCH_CMD}
  max_workers_per_node: {{ workers_per_node | default(2) }}
  address: 127.0.0.1
  allowed_serializers:
    - globus_compute_sdk.serialize.PureSourceTextInspect
    - globus_compute_sdk.serialize.JSONData
  job_status_kwargs:
    strategy_period: 0.5
    max_idletime: 120
  provider:
    type: LocalProvider
    init_blocks: 1
    min_blocks: 1
    max_blocks: 1
"""
SCHEMA = """\
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {"workers_per_node": {"type": "integer", "minimum": 1, "maximum": 4}},
  "additionalProperties": false
}
"""


def environment(caller: Caller, folder: Path) -> dict[str, str]:
    """Return what sends the SDK and the daemon to the stand-in, and gives them a home of their own.

    An unknown name of an environment would send them to the hosted service: the name is `local`, whose address is loopback.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYHF_ENDPOINT_DATA") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {
        **kept,
        **threads,
        "PATH": f"{_BIN}:{kept['PATH']}",
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONPATH": str(_ROOT / "src"),
        "GLOBUS_SDK_ENVIRONMENT": "local",
        "GLOBUS_SDK_SERVICE_URL_AUTH": "http://localhost:5000/",
        "GLOBUS_COMPUTE_CLIENT_ID": caller.id,
        "GLOBUS_COMPUTE_CLIENT_SECRET": caller.secret,
        "GLOBUS_COMPUTE_USER_DIR": str(folder / "globus_compute"),
    }


@dataclass(frozen=True)
class Bundle:
    """The texts of an endpoint's configuration."""

    template: str = _TEMPLATE
    schema: str = SCHEMA


class Daemon:
    """An endpoint, online while it is entered.

    Args:
        service: Where it registers.
        caller: Whose it is.
        folder: Where everything goes.
        name: Its name.
        allowed: Ids of the functions that it allows; None for all.
        bundle: Its configuration.
    """

    def __init__(
        self,
        service: StandIn,
        caller: Caller,
        folder: Path,
        name: str,
        allowed: Sequence[str] | None = None,
        bundle: Bundle = Bundle(),
    ) -> None:
        self._service, self._name, self._allowed, self._bundle = service, name, allowed, bundle
        self._folder = folder
        self.environment = environment(caller, folder)
        self.home = folder / "globus_compute" / name
        self._core: subprocess.Popen[bytes] | None = None
        self._seen: dict[psutil.Process, None] = {}

    def __enter__(self) -> Self:
        self.configure()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def id(self) -> str:
        """The endpoint's id."""
        found: str = yaml.safe_load((self.home / "endpoint.json").read_text())["endpoint_id"]
        return found

    def configure(self) -> None:
        """Let the daemon make its folder, with our configuration in it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("template", self._bundle.template), ("schema", self._bundle.schema)):
            (self._folder / name).write_text(text)
        options = ["--template-config", self._folder / "template", "--schema-config", self._folder / "schema"]
        self._run("configure", *options, "--multi-user", "false", self._name)
        path = self.home / "config.yaml"
        config: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
        config |= {"heartbeat_period": 5, "email": "nobody@localhost"}
        if self._allowed is not None:
            config["allowed_functions"] = list(self._allowed)
        path.write_text(yaml.safe_dump(config))
        keys = ("PATH", "PYTHONPATH", "HOME", "GLOBUS_COMPUTE_USER_DIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        (self.home / "user_environment.yaml").write_text(yaml.safe_dump({key: self.environment[key] for key in keys}))

    def start(self) -> None:
        """Start it, and return once the service has heard from it."""
        command = [str(_BIN / "globus-compute-endpoint"), "start", self._name]
        with (self._folder / "output").open("ab") as log:
            # its own session: at its end the daemon signals its whole process group
            self._core = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        self.await_online()

    def await_online(self) -> None:
        """Return once the service hears from it."""
        deadline = time.monotonic() + _ONLINE_S
        while not self._online():
            if not self.is_running() or time.monotonic() > deadline:
                raise RuntimeError(f"the endpoint is not online: {(self._folder / 'output').read_text()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it in order, then end what is left of its processes."""
        family = self.family()
        if self._core is not None and self._core.poll() is None:
            # `stop` waits until the daemon is gone, for which its parent must have reaped it
            reaper = threading.Thread(target=self._core.wait)
            reaper.start()
            self._run("stop", self._name)
            reaper.join()
        psutil.wait_procs(family, timeout=5)
        for process in family:
            if process.is_running():
                process.kill()
        psutil.wait_procs(family, timeout=20)
        if self._core is not None:
            self._core.wait()
            self._core = None

    def kill_core(self) -> None:
        """End the core endpoint as a crash would."""
        assert self._core is not None
        self._core.kill()
        self._core.wait()

    def is_running(self) -> bool:
        """Whether the core endpoint runs."""
        return self._core is not None and self._core.poll() is None

    def forget_pid(self) -> None:
        """Remove what a core endpoint that was killed leaves behind, without which it would not start again."""
        (self.home / "daemon.pid").unlink(missing_ok=True)

    def core_pid(self) -> int:
        """The core endpoint's process id."""
        assert self._core is not None
        return self._core.pid

    def family(self) -> list[psutil.Process]:
        """Every process of this endpoint that was seen and still runs.

        The daemon's processes overwrite their environment with their title, which has the endpoint's id; those below them have
        our HOME or a parent among them, or had one when they were last seen.
        """
        for process in psutil.process_iter():
            if process.pid != os.getpid() and self._is_ours(process):
                self._seen.update(dict.fromkeys([process, *_children(process)]))
        return [process for process in self._seen if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]

    def user_processes(self) -> list[psutil.Process]:
        """The user endpoint processes that run."""
        return [process for process in self.family() if f"uep.{self.id}." in _title(process) and "start" in _title(process)]

    def workers(self) -> list[psutil.Process]:
        """The worker processes that run."""
        found = self.family()
        pools = {process.pid for process in found if "process_worker_pool" in _title(process) and "python" in _title(process)}
        return [process for process in found if "spawn_main" in _title(process) and process.ppid() in pools][-2:]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.environ().get("HOME") == str(self._folder):
                return True
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return self.home.joinpath("endpoint.json").exists() and self.id in _title(process)

    def kill(self, processes: Sequence[psutil.Process]) -> None:
        """End processes as a crash would."""
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=20)

    def _online(self) -> bool:
        if not (self.home / "endpoint.json").exists():
            return False
        found = self._service.state.endpoints.get(self.id)
        return found is not None and found.online

    def _run(self, *arguments: object) -> str:
        command = [str(_BIN / "globus-compute-endpoint"), *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []
