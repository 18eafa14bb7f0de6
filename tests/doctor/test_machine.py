"""Checks of the machine, the software and the batch system: what is well, and each way in which it is not."""

import json
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pyhf_endpoint import doctor, profiles
from pyhf_endpoint.doctor import batch, machine, software
from pyhf_endpoint.doctor.finding import Finding
from pyhf_endpoint.errors import ProgramMissingError
from pyhf_endpoint.process import Completed, run
from pyhf_endpoint.profiles import Resolved, resolve

POLARIS = profiles.find("polaris").profile


def use(variant: str = "gpu", **options: object) -> Resolved:
    return resolve(POLARIS, variant, options)


def brief(found: Finding) -> tuple[str, str]:
    return found.severity, found.message


class Answer:
    """A runner that gives one answer and keeps the question."""

    def __init__(self, code: int = 0, out: str = "", err: str = "") -> None:
        self.answer = Completed(code, out, err)
        self.argv: list[str] = []

    def __call__(self, argv: Sequence[str], *, timeout: float) -> Completed:
        self.argv = list(argv)
        return self.answer


def missing(argv: Sequence[str], *, timeout: float) -> Completed:
    raise ProgramMissingError(f"`{argv[0]}` is not on PATH")


def program(folder: Path, name: str) -> None:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


MOUNTS = """\
rootfs / ext4 rw 0 0
home:/export /home nfs4 rw 0 0
scratch /home/big\\040disk lustre rw 0 0
tmp /home/x/tmp tmpfs rw 0 0
"""


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    expected = {
        "/": "ext4",
        "/home": "nfs4",
        "/home/x": "nfs4",
        "/home/big disk/y": "lustre",
        "/homely": "ext4",
        "/home/x/tmp/z": "tmpfs",
    }
    assert {path: machine.file_system(Path(path), mounts) for path in expected} == expected


def test_the_run_directory_is_written_to(tmp_path: Path) -> None:
    folder = tmp_path / "not/yet/there"
    assert machine.run_directory(folder, one_machine=True).severity == "ok"
    found = machine.run_directory(folder, one_machine=False)
    kind = machine.file_system(tmp_path)
    assert brief(found) == ("warning", f"{folder} is on {kind}, which compute nodes may not see")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="needs a folder that even root cannot write to")
def test_a_run_directory_that_cannot_be_written() -> None:
    found = machine.run_directory(Path("/proc/sys"), one_machine=True)
    assert found.severity == "error"
    assert found.message.startswith("/proc/sys cannot be written: ")


def test_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, severity in ((9e9, "ok"), (1e9, "warning"), (1e7, "error")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        assert machine.space(tmp_path).severity == severity


def test_the_runtime_is_looked_for_where_it_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.container(use()).severity == "skipped"
    here = POLARIS.container.model_copy(update={"where": "login-and-compute"})
    site = resolve(POLARIS.model_copy(update={"container": here}))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert brief(machine.container(site)) == ("error", "apptainer is not on PATH")
    assert "ml apptainer" in machine.container(site).remedy
    program(tmp_path, "apptainer")
    assert brief(machine.container(site)) == ("ok", f"apptainer is {tmp_path}/apptainer")


def test_the_image(tmp_path: Path) -> None:
    assert machine.image(None).severity == "skipped"
    assert machine.image("docker://example.org/pyhf-endpoint:1").severity == "skipped"
    path = tmp_path / "image.sif"
    assert brief(machine.image(str(path))) == ("error", f"{path} does not exist")
    path.write_bytes(b"x")
    assert machine.image(str(path)).severity == "ok"


@pytest.mark.parametrize(
    ("image", "version", "severity", "remedy"),
    [
        ("cuda12", "535.104.05", "ok", ""),
        ("cuda13", "535.104.05", "error", "render with --option image=cuda12"),
        ("cuda13", "580.65.06", "ok", ""),
        ("cuda12", "470.82.01", "error", "render with --option image=cpu"),
    ],
)
def test_the_driver(image: str, version: str, severity: str, remedy: str) -> None:
    found = machine.driver(use(image=image), Answer(out=f"{version}\n{version}\n"))
    assert (found.severity, found.remedy) == (severity, remedy)


def test_a_driver_that_is_not_here() -> None:
    assert machine.driver(use(), missing).severity == "skipped"
    assert machine.driver(use(), Answer(9, "NVIDIA-SMI has failed")).severity == "skipped"
    assert machine.driver(use("cpu"), missing).message == "the image `cpu` needs no NVIDIA driver"


def test_this_environment_agrees_with_itself() -> None:
    pytest.importorskip("globus_compute_endpoint", reason="the extra `endpoint` is not installed")
    found = software.versions(Path(sys.prefix), run)
    assert found.severity == "ok", found
    assert software.endpoint_package().severity == "ok"


def test_an_environment_that_is_not_there(tmp_path: Path) -> None:
    found = software.versions(tmp_path, run)
    assert found.severity == "error"
    assert f"pyhf-endpoint deploy SITE --env venv:{tmp_path} builds one there" in found.remedy
    assert software.versions(None, run).severity == "skipped"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parsl": "2020.1.1"}, "parsl 2020.1.1 there and "),
        ({"python": "3.99.1"}, "python 3.99 there and "),
        ({"pyhf-endpoint": None}, "lacks pyhf-endpoint"),
    ],
)
def test_an_environment_that_differs(change: dict[str, str | None], message: str, tmp_path: Path) -> None:
    pytest.importorskip("globus_compute_endpoint", reason="the extra `endpoint` is not installed")
    same = json.loads(run([sys.executable, "-c", software._ASK], timeout=60).stdout)
    found = software.versions(tmp_path, Answer(out=json.dumps(same | change)))
    assert found.severity == "error"
    assert message in found.message


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "qsub")
    assert brief(batch.commands(use())) == ("error", "qstat, qdel not on PATH")
    assert batch.commands(use()).remedy == "run this on a login node of polaris"
    program(tmp_path, "qstat")
    program(tmp_path, "qdel")
    assert batch.commands(use()).severity == "ok"


def test_the_account() -> None:
    assert batch.account(use()).severity == "error"
    assert batch.account(use(account="MyProject")).severity == "ok"
    assert batch.account(resolve(profiles.find("local").profile)).severity == "skipped"


QUEUE = {"Queue": {"debug": {"enabled": "True", "started": "True", "resources_max": {"walltime": "01:00:00"}}}}


def pbs(**change: object) -> Answer:
    return Answer(out=json.dumps({"Queue": {"debug": QUEUE["Queue"]["debug"] | change}}))


def test_the_queue_of_pbs() -> None:
    runner = pbs()
    assert brief(batch.queue(use(), runner)) == ("ok", "`debug` is enabled and started")
    assert runner.argv == ["qstat", "-Q", "-f", "-F", "json", "debug"]
    assert batch.queue(use(), pbs(enabled="False")).severity == "warning"
    short = batch.queue(use(), pbs(resources_max={"walltime": "00:30:00"}))
    assert brief(short) == ("error", "`debug` allows 00:30:00, less than 01:00:00")
    unknown = batch.queue(use(), Answer(170, err="qstat: Unknown queue debug"))
    assert brief(unknown) == ("error", "PBS does not know it: qstat: Unknown queue debug")
    assert batch.queue(use(), missing).severity == "error"


SLURM = """
name: lab
facility: a test
description: two nodes
status: active
sources: {lab: {title: this test, date: 2026-11-24}}
sourced: {lab: [scheduler, nodes]}
scheduler:
  kind: slurm
  account: {required: false}
  directives: [--no-requeue, "--constraint gpu"]
  queues: {debug: {node: cpu, max_nodes: 2, max_walltime: "01:00:00"}}
nodes: {cpu: {cores: 2}}
launcher: {kind: srun}
run: {queue: debug, exclusive: false}
variants: {cpu: {description: all}}
"""


def test_the_queue_of_slurm() -> None:
    profile = profiles.parse(
        SLURM.replace("sourced: {lab: [scheduler, nodes]}", "sourced: {lab: [scheduler, nodes, launcher]}"), Path("lab.yaml")
    )
    runner = Answer(err="sbatch: Job 7 to start at 2026-11-24T10:00:00 using 1 processors on nodes n1 in partition debug")
    found = batch.queue(resolve(profile, None, {"account": "proj"}), runner)
    assert brief(found) == (
        "ok",
        "Slurm would accept: Job 7 to start at 2026-11-24T10:00:00 using 1 processors on nodes n1 in partition debug",
    )
    assert runner.argv == [
        "sbatch", "--test-only", "--nodes=1", "--time=00:30:00", "--partition=debug", "--account=proj",
        "--no-requeue", "--constraint", "gpu", "--wrap=true",
    ]  # fmt: skip
    refused = batch.queue(
        resolve(profile), Answer(1, err="sbatch: error: invalid partition specified: debug\nallocation failure: Invalid")
    )
    assert brief(refused) == (
        "error",
        "Slurm would refuse a job: invalid partition specified: debug\nallocation failure: Invalid",
    )


def test_the_whole_examination_of_this_machine(tmp_path: Path) -> None:
    patient = doctor.Patient(resolve(profiles.find("local").profile), tmp_path, environment=Path(sys.prefix))
    findings = list(doctor.examine(patient))
    assert len({finding.check for finding in findings}) == len(findings) == 13
    assert doctor.worst(findings) in ("ok", "skipped", "warning"), findings
    assert all(finding.remedy for finding in findings if finding.severity in ("warning", "error"))
    assert list(tmp_path.iterdir()) == []
