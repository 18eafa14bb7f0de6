"""The provider in conversation with the commands: what it says to them, and what it makes of their answers."""

import logging
import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from parsl.jobs.states import JobState
from parsl.launchers import AprunLauncher, SimpleLauncher
from parsl.launchers.errors import BadLauncher
from parsl.providers.errors import ScriptPathError, SubmitException

from pyhf_endpoint import process
from pyhf_endpoint.cobalt.provider import CobaltProvider
from pyhf_endpoint.cobalt.status import STATES
from pyhf_endpoint.errors import InputError
from tests.cobalt.conversation import DELETED, NOTHING_QUEUED, SERVER_DOWN, Conversation, listing
from tests.cobalt.test_status import DELETED as LOG_DELETED
from tests.cobalt.test_status import EXITED, OVERDUE

USER = pwd.getpwuid(os.getuid()).pw_name
QSTAT = ["qstat", "-u", USER, "--header", "JobID:State"]


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(cobalt: Conversation, clock: Clock, tmp_path: Path) -> CobaltProvider:
    provider = CobaltProvider(nodes_per_block=2, walltime="01:30:00", launcher=SimpleLauncher())
    provider.script_dir = str(tmp_path / "scripts")
    Path(provider.script_dir).mkdir()
    provider.clock = clock
    return provider


def script_of(provider: CobaltProvider) -> Path:
    (script,) = [path for path in Path(provider.script_dir).iterdir() if path.suffix.lstrip(".").isdigit()]
    return script


def write_log(provider: CobaltProvider, text: str) -> None:
    script = script_of(provider)
    script.with_name(f"{script.name}.cobaltlog").write_text(text)


def state(provider: CobaltProvider, job_id: str = "1") -> JobState:
    return provider.status([job_id])[0].state


# --- submit ---


def test_a_block_is_one_script_and_one_qsub(provider: CobaltProvider, cobalt: Conversation) -> None:
    assert provider.submit("work", 1, "parsl.fits.block-0") == "1"
    script = script_of(provider)
    assert script.name.startswith("parsl.fits.block-0.")
    assert script.read_text() == (
        f"#!/bin/bash\n\nexport JOBNAME={script.name}\n"
        'if [ -n "${COBALT_NODEFILE:-}" ]; then export PBS_NODEFILE="$COBALT_NODEFILE"; fi\n\nwork\n'
    )
    assert script.stat().st_mode & 0o777 == 0o700
    assert cobalt.heard() == [
        [
            *("qsub", "-n", "2", "-t", "90", "--mode", "script", "--jobname", script.name, "--cwd", str(script.parent)),
            *("-o", f"{script}.stdout", "-e", f"{script}.stderr", "--debuglog", f"{script}.cobaltlog", str(script)),
        ]
    ]


def test_everything_that_can_be_given_arrives(cobalt: Conversation, tmp_path: Path) -> None:
    provider = CobaltProvider(
        nodes_per_block=3,
        cores_per_node=64,
        walltime="30",
        account="atlas",
        queue="debug",
        attrs="filesystems=home",
        scheduler_options="#COBALT --env A=1",
        worker_init="module load conda",
        launcher=AprunLauncher(overrides="-d 64"),
    )
    provider.script_dir = str(tmp_path)
    provider.submit("work", 1)
    (heard,) = cobalt.heard()
    assert " ".join(heard[:13]) == "qsub -n 3 -t 30 --mode script -A atlas -q debug --attrs filesystems=home"
    lines = Path(heard[-1]).read_text().splitlines()
    assert lines[:3] == ["#!/bin/bash", "#COBALT --env A=1", ""]
    assert "export PARSL_CORES=64" in lines
    assert "module load conda" in lines
    assert any(line.startswith("aprun -n 3 -N 1 -d 64 /bin/bash ") for line in lines)


def test_two_blocks_have_two_scripts_and_two_ids(provider: CobaltProvider, cobalt: Conversation) -> None:
    cobalt.now("qsub", "1\n")
    cobalt.say("qsub", "2\nJob routed to queue debug.\n")
    assert [provider.submit("work", 1), provider.submit("work", 1)] == ["1", "2"]
    assert len({heard[-1] for heard in cobalt.heard()}) == 2


def test_a_name_that_no_shell_would_take_is_made_one(provider: CobaltProvider) -> None:
    provider.submit("work", 1, "my job/$(date)")
    assert script_of(provider).name.startswith("my_job___date_.")


@pytest.mark.parametrize(
    ("complaint", "returncode"),
    [("Walltime less than minimum\n", 1), ("command /run/job is not executable\n", 1), ("Usage: qsub ...\n", 2)],
)
def test_a_refused_job_is_an_error_with_what_qsub_said(
    complaint: str, returncode: int, provider: CobaltProvider, cobalt: Conversation
) -> None:
    cobalt.now("qsub", stderr=complaint, returncode=returncode)
    with pytest.raises(SubmitException) as error:
        provider.submit("work", 1)
    assert (error.value.retcode, error.value.stderr, error.value.stdout) == (returncode, complaint, "")
    assert error.value.message.startswith("qsub refused the job (qsub -n 2 -t 90 ")
    assert provider.resources == {}


def test_a_qsub_without_an_id_is_an_error(provider: CobaltProvider, cobalt: Conversation) -> None:
    cobalt.now("qsub", "thank you\n")
    with pytest.raises(SubmitException, match="qsub printed no job id; look with qstat"):
        provider.submit("work", 1)


def test_a_machine_without_cobalt_is_an_error_with_a_remedy(
    provider: CobaltProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SubmitException, match=r"`qsub` is not on PATH .*login nodes"):
        provider.submit("work", 1)


def test_a_folder_that_cannot_be_written_is_an_error(provider: CobaltProvider, cobalt: Conversation) -> None:
    Path(provider.script_dir).rmdir()
    with pytest.raises(ScriptPathError, match="No such file or directory"):
        provider.submit("work", 1)
    assert cobalt.heard() == []


def test_a_folder_that_qsub_would_misread_is_an_error(provider: CobaltProvider, cobalt: Conversation) -> None:
    provider.script_dir += "/of mine"
    with pytest.raises(SubmitException, match=r"/of mine`, as it drops the blanks"):
        provider.submit("work", 1)
    assert cobalt.heard() == []


def test_no_folder_is_an_error(provider: CobaltProvider) -> None:
    provider.script_dir = None
    with pytest.raises(SubmitException, match="script_dir is not set"):
        provider.submit("work", 1)


# --- status ---


def test_a_new_job_is_pending_and_no_job_is_no_question(provider: CobaltProvider, cobalt: Conversation) -> None:
    assert provider.status([]) == []
    provider.submit("work", 1)
    assert provider.resources["1"]["status"].state is JobState.PENDING
    assert [heard[0] for heard in cobalt.heard()] == ["qsub"]


@pytest.mark.parametrize("word", [*STATES, "levitating"])
def test_a_listed_job_has_the_state_that_qstat_says(word: str, provider: CobaltProvider, cobalt: Conversation) -> None:
    provider.submit("work", 1)
    cobalt.say("qstat", listing(job1=word, job99="running"))
    (status,) = provider.status(["1"])
    assert status.state is JobState[STATES.get(word, "UNKNOWN")]
    assert cobalt.heard()[1:] == [QSTAT]
    assert status.stdout_path == f"{script_of(provider)}.stdout"
    assert status.stderr_path == f"{script_of(provider)}.stderr"


def test_two_jobs_are_one_question(provider: CobaltProvider, cobalt: Conversation) -> None:
    cobalt.now("qsub", "1\n")
    cobalt.say("qsub", "2\n")
    provider.submit("work", 1)
    provider.submit("work", 1)
    cobalt.say("qstat", listing(job1="running", job2="user_hold"))
    assert [status.state for status in provider.status(["2", "1"])] == [JobState.HELD, JobState.RUNNING]
    assert cobalt.heard()[2:] == [QSTAT]


def test_columns_that_the_environment_asks_for_do_not_matter(
    provider: CobaltProvider, cobalt: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QSTAT_HEADER", "CQSTAT_HEADER"):
        monkeypatch.setenv(name, "JobID:Nodes:WallTime")
    provider.submit("work", 1)
    cobalt.say("qstat", listing(job1="running"))
    assert state(provider) is JobState.RUNNING
    assert cobalt.heard()[-1] == QSTAT


@pytest.mark.parametrize(
    ("stdout", "stderr", "returncode"), [(SERVER_DOWN, "", 1), ("", SERVER_DOWN, 1), ("", "", 0), ("", "", 1), (listing(), "", 1)]
)
def test_a_server_that_is_down_ends_no_job(
    stdout: str,
    stderr: str,
    returncode: int,
    provider: CobaltProvider,
    cobalt: Conversation,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.submit("work", 1)
    cobalt.say("qstat", listing(job1="running"))
    assert state(provider) is JobState.RUNNING
    cobalt.now("qstat", stdout, stderr=stderr, returncode=returncode)
    for _ in range(3):
        clock.now += 3600
        assert state(provider) is JobState.RUNNING
    with caplog.at_level(logging.WARNING):
        provider.status(["1"])
    assert "The jobs' states stay as they were: `qstat -u" in caplog.text


def test_a_qstat_that_is_gone_or_hangs_ends_no_job(
    provider: CobaltProvider,
    cobalt: Conversation,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.submit("work", 1)
    hanging = cobalt.folder / "bin" / "qstat"
    hanging.write_text("#!/bin/sh\nsleep 600\n")
    provider.cmd_timeout = 0.1
    assert state(provider) is JobState.PENDING
    assert "did not end within 0.1 s" in caplog.text
    monkeypatch.setenv("PATH", str(tmp_path))
    assert state(provider) is JobState.PENDING
    assert "`qstat` is not on PATH" in caplog.text


@pytest.mark.parametrize(
    ("log", "ended", "exit_code"),
    [
        (EXITED.format(0), JobState.COMPLETED, 0),
        (EXITED.format(3), JobState.FAILED, 3),
        (LOG_DELETED + EXITED.format(143), JobState.CANCELLED, None),
        (OVERDUE + EXITED.format(143), JobState.TIMEOUT, None),
    ],
)
def test_a_job_that_vanished_has_ended_as_its_log_says(
    log: str, ended: JobState, exit_code: int | None, provider: CobaltProvider, cobalt: Conversation
) -> None:
    provider.submit("work", 1)
    write_log(provider, log)
    cobalt.say("qstat", NOTHING_QUEUED)
    (status,) = provider.status(["1"])
    assert (status.state, status.exit_code) == (ended, exit_code)
    # and that is final: Cobalt is not asked again
    provider.status(["1"])
    assert cobalt.heard()[1:] == [QSTAT]


def test_a_log_may_say_so_late(provider: CobaltProvider, cobalt: Conversation, clock: Clock) -> None:
    provider.submit("work", 1)
    cobalt.say("qstat", listing(job1="running"))
    assert state(provider) is JobState.RUNNING
    clock.now += 600
    cobalt.now("qstat", NOTHING_QUEUED)
    assert state(provider) is JobState.RUNNING
    clock.now += 14.9
    assert state(provider) is JobState.RUNNING
    write_log(provider, EXITED.format(0))
    assert state(provider) is JobState.COMPLETED


def test_a_log_that_stays_silent_is_a_failure_after_the_grace(
    provider: CobaltProvider, cobalt: Conversation, clock: Clock
) -> None:
    provider.submit("work", 1)
    write_log(provider, "Info: task started\n")
    cobalt.say("qstat", NOTHING_QUEUED)
    assert state(provider) is JobState.PENDING
    clock.now += 15
    (status,) = provider.status(["1"])
    assert status.state is JobState.FAILED
    assert status.message == "gone from qstat for 15 s, and its debug log does not say how it ended"


def test_a_job_that_comes_back_starts_its_grace_afresh(provider: CobaltProvider, cobalt: Conversation, clock: Clock) -> None:
    provider.submit("work", 1)
    cobalt.say("qstat", NOTHING_QUEUED)
    state(provider)
    clock.now += 10
    cobalt.now("qstat", listing(job1="running"))
    assert state(provider) is JobState.RUNNING
    clock.now += 10
    cobalt.now("qstat", NOTHING_QUEUED)
    assert state(provider) is JobState.RUNNING
    clock.now += 10
    assert state(provider) is JobState.RUNNING
    clock.now += 5
    assert state(provider) is JobState.FAILED


def test_a_job_listed_as_done_has_the_exit_code_of_its_log(provider: CobaltProvider, cobalt: Conversation) -> None:
    provider.submit("work", 1)
    write_log(provider, EXITED.format(3))
    cobalt.say("qstat", listing(job1="done"))
    assert state(provider) is JobState.FAILED


def meanwhile(provider: CobaltProvider, action: Callable[[], object]) -> None:
    """Let something happen between qstat's look and the provider's, as a second thread may."""

    def runner(argv: Sequence[str], *, timeout: float) -> process.Completed:
        answer = process.run(argv, timeout=timeout)
        if argv[0] == "qstat":
            provider.runner = process.run
            action()
        return answer

    provider.runner = runner


def test_a_job_that_is_submitted_while_qstat_runs_is_not_missing(
    provider: CobaltProvider, cobalt: Conversation, clock: Clock
) -> None:
    cobalt.now("qsub", "1\n")
    cobalt.say("qsub", "2\n")
    cobalt.say("qstat", NOTHING_QUEUED)
    provider.submit("work", 1)
    meanwhile(provider, lambda: provider.submit("work", 1))
    provider.status(["1"])
    clock.now += 15
    assert [status.state for status in provider.status(["1", "2"])] == [JobState.FAILED, JobState.PENDING]


def test_a_job_that_is_cancelled_while_qstat_runs_stays_so(provider: CobaltProvider, cobalt: Conversation) -> None:
    provider.submit("work", 1)
    cobalt.say("qstat", listing(job1="running"))
    cobalt.say("qdel", DELETED)
    meanwhile(provider, lambda: provider.cancel(["1"]))
    assert state(provider) is JobState.CANCELLED


# --- cancel ---


def test_cancelled_jobs_are_one_qdel_and_stay_cancelled_while_their_nodes_are_cleared(
    provider: CobaltProvider, cobalt: Conversation
) -> None:
    cobalt.now("qsub", "1\n")
    cobalt.say("qsub", "2\n")
    provider.submit("work", 1)
    provider.submit("work", 1)
    cobalt.say("qdel", DELETED)
    cobalt.say("qstat", listing(job1="killing", job2="killing"))
    assert provider.cancel(["1", "2"]) == [True, True]
    assert [status.state for status in provider.status(["1", "2"])] == [JobState.CANCELLED, JobState.CANCELLED]
    assert cobalt.heard()[2:] == [["qdel", "1", "2"]]


def test_no_job_to_cancel_is_no_command(provider: CobaltProvider, cobalt: Conversation) -> None:
    assert provider.cancel([]) == []
    assert cobalt.heard() == []


def test_a_job_that_had_ended_keeps_its_ending(provider: CobaltProvider, cobalt: Conversation) -> None:
    provider.submit("work", 1)
    write_log(provider, EXITED.format(3))
    cobalt.say("qstat", NOTHING_QUEUED)
    assert state(provider) is JobState.FAILED
    cobalt.say("qdel")  # what it answers to an id that it does not know: nothing, code 0
    assert provider.cancel(["1", "77"]) == [True, True]
    assert state(provider) is JobState.FAILED


def test_a_qdel_that_fails_cancels_nothing(
    provider: CobaltProvider, cobalt: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.submit("work", 1)
    cobalt.say("qdel", SERVER_DOWN, returncode=1)
    cobalt.say("qstat", listing(job1="running"))
    assert provider.cancel(["1"]) == [False]
    assert state(provider) is JobState.RUNNING
    monkeypatch.setenv("PATH", provider.script_dir)
    assert provider.cancel(["1"]) == [False]


# --- the object ---


def test_what_cobalt_would_refuse_or_misread_is_refused_at_once_and_together() -> None:
    with pytest.raises(InputError) as error:
        CobaltProvider(walltime="00:00:30", attrs="a=1", scheduler_options="#PBS -q debug\n#COBALT --attrs b=2")
    assert str(error.value) == (
        "CobaltProvider has 3 faults\n"
        "  walltime: `00:00:30` is under a minute, which Cobalt takes for the queue's maximum; "
        "give at least 00:01:00\n"
        "  scheduler_options: `#PBS -q debug` does not start with `#COBALT `, where Cobalt stops reading; correct or drop it\n"
        "  --attrs is given 2 times, which qsub refuses; join them into one `attrs`, as in a=1:b=x,y"
    )


def test_a_launcher_that_is_none_is_refused() -> None:
    with pytest.raises(BadLauncher):
        CobaltProvider(launcher="aprun")


def test_it_shows_every_argument_that_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CobaltProvider, "_validate_repr", True)  # Parsl's own check that each argument is an attribute
    provider = CobaltProvider(account="atlas", walltime="00:10:00", cores_per_node=64)
    text = repr(provider)
    assert "account='atlas'" in text
    assert "cores_per_node=64" in text
    assert "walltime='00:10:00'" in text
    assert "launcher=AprunLauncher(" in text
    assert provider.label == "cobalt"
    assert provider.mem_per_node is None
    assert provider.status_polling_interval == 60
