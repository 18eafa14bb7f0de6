"""One endpoint of root's for several local users: who runs what, who sees what, and who is turned away."""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from pyhf_endpoint import example
from pyhf_endpoint.deploy import Daemon
from pyhf_endpoint.results import read
from tests import small
from tests.cli.command import Done, run
from tests.globus import forged
from tests.globus.conftest import make_site
from tests.globus.daemon import environment
from tests.globus.people import Person, environment_for_everybody
from tests.globus.standin import Caller, StandIn

pytestmark = pytest.mark.timeout(600)
NAME = "shared"
CHANGED = "Identity mapping configuration change detected"
SUBSCRIPTION, POLICY = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-9999-aaaaaaaaaaaa"


@dataclass(frozen=True)
class Machine:
    """A machine with a second user on it.

    Attributes:
        home: The administrator's, which nobody else may enter.
        person: The user.
        other: Another one.
        venv: What everybody can run.
    """

    home: Path
    person: Person
    other: Person
    venv: Path

    @property
    def mapping(self) -> Path:
        """The administrator's file."""
        return self.home / "identities.json"

    def map(self, **users: Person) -> None:
        """Let identities be users, and nobody else be anybody."""
        found = [{"source": "{id}", "match": who, "literal": True, "output": user.name} for who, user in users.items()]
        self.mapping.write_text(json.dumps([{"DATA_TYPE": "expression_identity_mapping#1.0.0", "mappings": found}]))

    @property
    def command(self) -> tuple[object, ...]:
        """What deploys the endpoint."""
        files = ("--idmap", self.mapping, "--env", f"venv:{self.venv}")
        return ("deploy", NAME, "--multi-user", *files, "--contact-email", "nobody@localhost")

    def deploy(self, *options: object) -> str:
        """Deploy by command, and return what it says."""
        return self.run(*self.command, *options).out

    def run(self, *arguments: object, code: int = 0) -> Done:
        """Run a command of the administrator's, from an environment that everybody may read, as an endpoint's daemon must be."""
        return run(*arguments, code=code, python=self.venv / "bin" / "python")


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Person, Person, Path]]:
    """Two users, and what they can run, outside the folders of tests, which are root's alone."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pyhf-endpoint-")))
        folder.chmod(0o755)
        try:
            people = [stack.enter_context(Person(folder)) for _ in range(2)]
        except FileNotFoundError as missing:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
        yield people[0], people[1], environment_for_everybody(folder)


@pytest.fixture
def machine(
    service: StandIn, caller: Caller, place: tuple[Person, Person, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    make_site(NAME, "00000000-0000-0000-0000-000000000000", {}, tmp_path, monkeypatch)
    monkeypatch.delenv("PYHF_ENDPOINT_ENDPOINTS")
    for name, value in environment(caller, tmp_path).items():
        monkeypatch.setenv(name, value)
    found = Machine(tmp_path, *place)
    found.map(**{caller.id: found.person})
    yield found
    pid = Daemon(NAME).pid
    left = [*([psutil.Process(pid)] if pid else []), *found.person.processes(), *found.other.processes()]
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=20)


def log_of(person: Person) -> Path:
    """The log of the process that served this user last."""
    return max((person.home / ".globus_compute").glob("uep.*/endpoint.log"), key=lambda path: path.stat().st_mtime)


def test_a_grid_runs_as_the_mapped_user(machine: Machine) -> None:
    person, output = machine.person, machine.home / "results.jsonl"
    said = machine.deploy()
    daemon = Daemon(NAME)
    assert f"endpoint {daemon.id} is online" in said
    assert "closed to all but root, without an audit log" in said
    assert not person.processes()

    run("hypotest", *example.write(machine.home / "analysis"), "--site", NAME, "-o", output)
    results = read(output).results
    assert len({one.key for one in results}) == 125
    workers = {int(one.worker.rpartition(":")[2]) for one in results}
    running = {process.pid: process for process in person.processes()}
    assert workers <= running.keys()
    assert all(set(running[pid].uids()) == {person.uid} for pid in workers)
    assert daemon.pid is not None
    assert set(psutil.Process(daemon.pid).uids()) == {0}
    assert log_of(person).stat().st_uid == person.uid
    log = (daemon.folder / "endpoint.log").read_text()
    assert f"Command process successfully forked for '{person.name}'" in log

    assert f"process {daemon.pid}, online" in machine.run("status", NAME).out
    assert "stopped" in machine.run("stop", NAME).out
    assert not person.processes()
    machine.run("status", NAME, code=1)
    machine.run("start", NAME)
    assert daemon.pid is not None
    assert "stopped and removed" in machine.run("undeploy", NAME).out
    assert not daemon.folder.exists()


def test_stop_waits_for_a_process_that_does_not_end(machine: Machine) -> None:
    machine.deploy()
    run("hypotest", *small.write(machine.home), "--site", NAME, "-o", machine.home / "r")
    (serving,) = [process for process in machine.person.processes() if process.ppid() == Daemon(NAME).pid]
    serving.suspend()
    assert "stopped" in machine.run("stop", NAME).out
    assert Daemon(NAME).pid is None
    assert not serving.is_running()


def test_who_may_read_what(machine: Machine) -> None:
    machine.deploy()
    folder = Daemon(NAME).folder
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["identity_mapping_config_path"] == str(folder / "identity_mapping_config.json")
    assert config["audit_log_path"] == str(folder / "audit.log")
    assert config["public"] is True
    assert (folder / "identity_mapping_config.json").read_text() == machine.mapping.read_text()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    open_ones = {"user_config_template.yaml.j2", "user_config_schema.json"}
    closed = {"config.yaml", "identity_mapping_config.json", "user_environment.yaml", "audit.log", "endpoint.log"}
    assert {name: modes[name] for name in open_ones | closed} == dict.fromkeys(open_ones, 0o644) | dict.fromkeys(closed, 0o600)
    assert not [path for path in (folder, *folder.iterdir()) if machine.person.can_read(path)]


def test_a_changed_mapping_holds_at_once_and_users_are_apart(
    machine: Machine, caller: Caller, stranger: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = small.write(machine.home)
    machine.deploy()
    daemon = Daemon(NAME)
    before = daemon.pid

    def change(**users: Person) -> None:
        seen = (daemon.folder / "endpoint.log").read_text().count(CHANGED)
        machine.map(**users)
        said = machine.deploy()
        assert "identity_mapping_config.json" in said
        assert "stopped" not in said
        assert daemon.pid == before  # which reads a changed mapping by itself, so that nobody's work is lost
        forged.wait_for(lambda: (daemon.folder / "endpoint.log").read_text().count(CHANGED) > seen)

    change(**{stranger.id: machine.other})
    refused = run("hypotest", *files, "--site", NAME, "-o", machine.home / "refused", code=7)
    assert "Identity failed to map to a local user name" in refused.err
    assert not machine.person.processes()

    change(**{stranger.id: machine.other, caller.id: machine.person})
    run("hypotest", *files, "--site", NAME, "-o", machine.home / "one")
    assert not machine.other.processes()
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_ID", stranger.id)
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_SECRET", stranger.secret)
    run("hypotest", *files, "--site", NAME, "-o", machine.home / "other")
    for one, another in ((machine.person, machine.other), (machine.other, machine.person)):
        assert {uid for process in one.processes() for uid in process.uids()} == {one.uid}
        assert one.can_read(log_of(one))
        assert not one.can_read(log_of(another))


def test_a_forgotten_option_does_not_make_it_roots(machine: Machine) -> None:
    machine.deploy()
    refused = machine.run("deploy", NAME, "--env", f"venv:{machine.venv}", "--contact-email", "nobody@localhost", code=2)
    assert "say so again: --multi-user --idmap FILE" in refused.err


def test_only_root_may_deploy_for_others(machine: Machine) -> None:
    refused = machine.person.run(machine.venv / "bin" / "pyhf-endpoint", "deploy", "local", "--multi-user")
    assert refused.returncode == 2
    assert refused.stderr == (
        f"error: --multi-user: processes of other users can be started by root alone, and this is user {machine.person.uid};"
        " run it as root (sudo), or leave --multi-user away: the endpoint then serves you, as yourself\n"
    )


def test_a_mapping_with_a_fault_stops_a_deployment(machine: Machine) -> None:
    machine.mapping.write_text(machine.mapping.read_text().replace(machine.person.name, "nobody-there"))
    refused = machine.run(*machine.command, code=3)
    assert f"{machine.mapping} has 1 fault\n  [0].mappings[0].output: `nobody-there` is no user" in refused.err
    machine.map(nobody=machine.person)
    shown = machine.run(*machine.command, "--dry-run").out
    assert "+identity_mapping_config_path: " in shown
    assert '+[{"DATA_TYPE": "expression_identity_mapping#1.0.0"' in shown
    assert not Daemon(NAME).is_configured


def test_high_assurance_brings_an_audit_log(machine: Machine) -> None:
    said = machine.deploy("--subscription-id", SUBSCRIPTION, "--auth-policy", POLICY)
    assert "with an audit log" in said
    run("hypotest", *small.write(machine.home), "--site", NAME, "-o", machine.home / "r")
    log = Daemon(NAME).folder / "audit.log"
    forged.wait_for(lambda: "EXEC_END" in log.read_text())
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    records = [line for line in log.read_text().splitlines() if " fid=" in line]
    assert {line.split()[1] for line in records} == {f"uid={machine.person.uid}"}
    allowed = yaml.safe_load((log.parent / "config.yaml").read_text())["allowed_functions"]
    assert {line.split("fid=")[1].split()[0] for line in records} <= set(allowed)
    assert {line.split()[-1] for line in records} >= {"RECEIVED", "EXEC_START", "EXEC_END"}


def test_what_gets_past_the_serialisers_is_held_by_the_user_alone(machine: Machine) -> None:
    """The boundary that remains: code in an argument runs, as the mapped user, and cannot get at what is root's."""
    machine.deploy()
    daemon = Daemon(NAME)
    assert daemon.id is not None
    config = yaml.safe_load((daemon.folder / "config.yaml").read_text())
    mark, secret = machine.person.home / "mark", daemon.folder / "config.yaml"
    code = f"open({str(mark)!r}, 'w').write('ran')\nopen({str(secret)!r}).read()\n"
    answer = forged.answer(daemon.id, config["allowed_functions"][0], forged.source(code))
    assert mark.read_text() == "ran"
    assert mark.stat().st_uid == machine.person.uid
    assert "PermissionError" in answer.failure
