"""A RabbitMQ of our own on loopback, started by hand: no service manager, everything it writes in one folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

__all__ = ["RabbitMQ", "free_port", "install"]

# The wrapper on PATH changes to the user `rabbitmq`; this one runs as who calls it.
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_S = 60.0


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def install() -> None:
    """Install RabbitMQ with apt where it is missing and we may; FileNotFoundError where we may not."""
    if _SERVER.exists():
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise FileNotFoundError(f"{_SERVER} is missing: install Debian's package rabbitmq-server")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=subprocess.DEVNULL)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "rabbitmq-server"],
        check=True,
        env=quiet,
        stdout=subprocess.DEVNULL,
    )


class RabbitMQ:
    """The broker, running while it is entered.

    Args:
        folder: Where its state, logs and configuration go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self._distribution, self._mapper = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users.guest = true\nlog.console = false\n"
        )
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._end_port_mapper()

    def start(self) -> None:
        """Start the broker on its port, and return once it listens."""
        log = (self.folder / "output").open("ab")
        with log:
            self._server = subprocess.Popen([_SERVER], env=self._environment(), stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _START_S
        while not _listens(self.port):
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ did not start; see {self.folder}: {(self.folder / 'output').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the broker and its helpers, and return once they are gone."""
        if self._server is None:
            return
        try:
            family = [psutil.Process(self._server.pid), *psutil.Process(self._server.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for process in family:
            _signal(process, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=20)
        for process in alive:
            _signal(process, signal.SIGKILL)
        self._server.wait()
        self._server = None

    def restart(self) -> None:
        """End and start it again, as an upgrade would."""
        self.stop()
        self.start()

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_NODENAME": f"pyhf-endpoint-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "ERL_EPMD_PORT": str(self._mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _end_port_mapper(self) -> None:
        """Erlang's port mapper outlives the broker that started it."""
        for connection in psutil.net_connections("tcp4"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (self._mapper,) and connection.pid:
                _signal(psutil.Process(connection.pid), signal.SIGTERM)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
