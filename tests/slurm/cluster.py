"""A Slurm of our own on loopback: munged, slurmctld and a slurmd per node, without systemd, in a folder of its own.

Two nodes with two GPUs each form the partition `gpu`, the same nodes without their GPUs the partition `cpu`. The nodes share one
machine; what makes them nodes is a daemon, a name and a port each.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
PACKAGES = ("munge", "slurm-wlm")
NODES = ("node1", "node2")
GPUS = 2
CPUS = 4
MEMORY_MB = 2000
# Below the range that the kernel gives to outgoing connections, away from PBS's.
PORTS = range(26120, 29000, 1 + len(NODES))
#: Slurm's own: seconds until a node whose daemon is silent is down, and its jobs are dead.
NODE_TIMEOUT_S = 10


class UnavailableError(Exception):
    """Slurm is not on this machine and cannot be installed."""


def install() -> None:
    """Install Slurm from Debian's packages where it is missing.

    Raises:
        UnavailableError: It is missing, and we are not root or apt-get fails.
    """
    missing = [program for program in PROGRAMS if find(program) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise UnavailableError(f"{', '.join(missing)} not found; install them as root: apt-get install {' '.join(PACKAGES)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise UnavailableError(f"apt-get {' '.join(command)} failed: {done.stderr.strip()[-500:]}")


def find(program: str) -> str | None:
    """Daemons are not on an ordinary user's PATH."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


@contextmanager
def running() -> Iterator["Cluster"]:
    """A running cluster for a suite's fixture; skips where there is no Slurm, which is a failure in continuous integration."""
    try:
        install()
    except UnavailableError as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
    # Not pytest's own folder, into which nobody else may look: munged insists on that.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder)
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))  # or the daemons would outlive us
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
    shutil.rmtree(folder)


class Cluster:
    """The daemons, from `start` to `stop`.

    Args:
        folder: An empty folder; munged insists that all may look into it and its parents, and only we may write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: dict[str, psutil.Process] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's programs need to find this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        """Start all daemons and wait until the nodes are idle."""
        self.folder.chmod(0o755)
        for name in ("ctld", "spool", "dev"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._configure()
        self._daemon(
            "munged",
            *("--foreground", "--num-threads=2", f"--key-file={key}", f"--socket={self.folder / 'munge.socket'}"),
            *(f"--pid-file={self.folder / 'munge.pid'}", f"--log-file={self.folder / 'munge.log'}"),
            f"--seed-file={self.folder / 'munge.seed'}",
        )
        wait_for((self.folder / "munge.socket").exists, 10, "munged did not start")
        self._daemon("slurmctld", "-D", "-i")
        for node in NODES:
            self.start_node(node)
        wait_for(lambda: self.node_states() == dict.fromkeys(NODES, "idle"), 30, "the nodes did not become idle")

    def start_node(self, node: str) -> None:
        """Start one node's daemon."""
        self._daemon("slurmd", "-D", "-N", node, label=node)

    def node_daemon(self, node: str) -> psutil.Process:
        """The daemon of one node."""
        return self._daemons[node]

    def is_up(self, node: str) -> bool:
        """Whether one node's daemon runs; one that was killed and that nobody has waited for does not."""
        daemon = self._daemons[node]
        return daemon.is_running() and daemon.status() != psutil.STATUS_ZOMBIE

    def stop(self) -> None:
        """Cancel all jobs and end every process that this cluster has started, jobs' processes included."""
        if "slurmctld" in self._daemons and self._daemons["slurmctld"].is_running():
            subprocess.run(["scancel", "--user", user()], env=os.environ | self.environment, capture_output=True, timeout=20)
            deadline = time.monotonic() + 10
            while self.jobs() and time.monotonic() < deadline:
                time.sleep(0.1)
        left = [*reversed(self._daemons.values()), *self.processes(), *self._step_daemons()]
        for process in left:
            _signal(process, kill=False)
        _, alive = psutil.wait_procs(left, timeout=10)
        for process in alive:
            _signal(process, kill=True)
        psutil.wait_procs(alive, timeout=10)
        self._daemons.clear()

    def jobs(self) -> list[str]:
        """What the queue holds: id, state, partition."""
        done = self.run("squeue", "--noheader", "--format=%i %T %P")
        return done.splitlines()

    def wait_until_empty(self) -> None:
        """Wait until no job is left."""
        wait_for(lambda: not self.jobs(), 30, f"jobs are left: {self.jobs()}")

    def node_states(self) -> dict[str, str]:
        """The state of each node."""
        lines = self.run("sinfo", "--noheader", "--Node", "--partition=gpu", "--format=%N %T").splitlines()
        return dict(line.split() for line in lines if len(line.split()) == 2)

    def run(self, *command: str) -> str:
        """Run one of Slurm's programs and return its output, empty where the controller does not answer."""
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True, timeout=30)
        return done.stdout.strip() if done.returncode == 0 else ""

    def _daemon(self, program: str, *arguments: str, label: str = "") -> None:
        path = find(program)
        assert path is not None
        log = (self.folder / f"{label or program}.out").open("ab")
        with log:
            # Kept as a psutil.Process, which knows its process from a later one with the same number.
            self._daemons[label or program] = psutil.Popen(
                [path, *arguments],
                env=os.environ | self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self, node: str | None = None) -> list[psutil.Process]:
        """The processes of this cluster's jobs, on one node or all; each knows them from its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                variables = process.environ()
            except (psutil.Error, OSError):
                continue
            ours = variables.get("SLURM_CONF") == self.environment["SLURM_CONF"] and "SLURM_JOB_ID" in variables
            if ours and node in (None, variables.get("SLURMD_NODENAME")):
                found.append(process)
        return found

    def _step_daemons(self) -> list[psutil.Process]:
        """What holds the steps of jobs, and survives the node's daemon; it works in our folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.name() == "slurmstepd" and Path(process.cwd()).is_relative_to(self.folder):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        devices = self._devices()
        port = next(port for port in PORTS if all(map(_free, range(port, port + PORTS.step))))
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port + 1 + i} CPUs={CPUS} RealMemory={MEMORY_MB}"
            f" Gres=gpu:{GPUS} State=UNKNOWN"
            for i, node in enumerate(NODES)
        )
        (self.folder / "slurm.conf").write_text(
            f"""ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user()}
SlurmdUser={user()}
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge.socket,cred_expire=20
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
StateSaveLocation={self.folder}/ctld
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/%n.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/%n.log
PlugStackConfig={self.folder}/plugstack.conf
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU={MEMORY_MB // CPUS}
GresTypes=gpu
ReturnToService=2
SlurmdTimeout={NODE_TIMEOUT_S}
KillWait=1
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
{nodes}
PartitionName=gpu Nodes={",".join(NODES)} MaxTime=60 DefaultTime=10 State=UP
PartitionName=cpu Nodes={",".join(NODES)} MaxTime=60 DefaultTime=10 State=UP Default=YES
"""
        )
        # Slurm sets CUDA_VISIBLE_DEVICES only for distinct device files; the flag keeps other vendors' variables away.
        lines = [f"NodeName={','.join(NODES)} Name=gpu Flags=nvidia_gpu_env File={device}" for device in devices]
        (self.folder / "gres.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # version 2 insists on systemd
        (self.folder / "plugstack.conf").touch()

    def _devices(self) -> list[str]:
        devices = []
        for i, spare in zip(range(GPUS), ("/dev/null", "/dev/zero"), strict=True):
            device = self.folder / "dev" / f"gpu{i}"
            try:
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
                devices.append(str(device))
            except OSError:
                devices.append(spare)
        return devices


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def user() -> str:
    """The name of the user who runs this."""
    return pwd.getpwuid(os.geteuid()).pw_name


def wait_for(condition: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Wait until a function returns something true.

    Raises:
        AssertionError: It did not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill() if kill else process.terminate()
