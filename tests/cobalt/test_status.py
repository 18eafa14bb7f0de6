"""What is read from qstat and from debug logs."""

import pytest
from parsl.jobs.states import TERMINAL_STATES, JobState

from pyhf_endpoint.cobalt.status import GRACE_S, STATES, Ending, State, ending_of_missing, parse_debug_log, parse_qstat
from pyhf_endpoint.process import Completed
from tests.cobalt.conversation import NOTHING_QUEUED, SERVER_DOWN, listing

# The real log's phrases; what stands around them varies.
EXITED = "... task completed normally with an exit code of {}; initiating job cleanup and removal\n"
DELETED = "... user delete requested with signal SIGTERM by user root\n"
OVERDUE = "... maximum execution time exceeded; initiating job termination\n"


def test_every_state_is_one_of_parsls() -> None:
    assert {state.value for state in State} <= {state.name for state in JobState}


def test_no_job_that_lives_has_ended_to_parsl() -> None:
    ended = {word for word, state in STATES.items() if JobState[state] in TERMINAL_STATES}
    assert ended == {"dep_fail", "done"}


WORDS = {
    "queued": "PENDING",
    "maxrun_hold": "PENDING",
    "starting": "PENDING",
    "preempted": "PENDING",
    "running": "RUNNING",
    "preempting": "RUNNING",
    "killing": "RUNNING",
    "exiting": "RUNNING",
    "user_hold": "HELD",
    "admin_hold": "HELD",
    "dep_hold": "HELD",
    "dep_fail": "FAILED",
    "done": "COMPLETED",
}


@pytest.mark.parametrize(("word", "state"), [*WORDS.items(), ("levitating", "UNKNOWN")])
def test_each_state(word: str, state: str) -> None:
    assert parse_qstat(Completed(0, listing(job2="running", job4=word), "")) == {"2": "RUNNING", "4": state}


def test_the_table_holds_no_state_that_is_not_tested() -> None:
    assert set(STATES) == set(WORDS)


def test_an_empty_queue_is_an_answer() -> None:
    assert parse_qstat(Completed(0, NOTHING_QUEUED, "")) == {}


@pytest.mark.parametrize(
    "answer",
    [
        Completed(1, SERVER_DOWN, ""),
        Completed(1, "", SERVER_DOWN),
        Completed(1, "", ""),
        Completed(0, "", ""),
        Completed(0, "component error\n", ""),
        Completed(1, listing(job2="running"), ""),
        # other columns than those asked for
        Completed(
            0, "JobID  User  WallTime  Nodes  State    Location   \n====\n2      root  00:05:00  2      running  cn[01-02]\n", ""
        ),
    ],
)
def test_what_is_no_list_is_no_answer(answer: Completed) -> None:
    assert parse_qstat(answer) is None


@pytest.mark.parametrize(
    ("log", "ending"),
    [
        ("", None),
        ("... task started\n", None),
        (EXITED.format(0), Ending(State.COMPLETED, "ended by itself with exit code 0", 0)),
        (EXITED.format(137), Ending(State.FAILED, "ended by itself with exit code 137", 137)),
        (EXITED.format(-15), Ending(State.FAILED, "ended by itself with exit code -15", -15)),
        (DELETED, Ending(State.CANCELLED, "deleted")),
        ("... user delete requested; removing job from the queue\n", Ending(State.CANCELLED, "deleted")),
        ("... user delete with signal SIGTERM requested by user root; ...\n", Ending(State.CANCELLED, "deleted")),
        ("... forced delete requested by user 'admin'; ...\n", Ending(State.CANCELLED, "deleted")),
        ("... non-preemptable job has started; ignoring user delete request\n", None),
        (
            "... execution failure; initiating job cleanup and removal\n",
            Ending(State.FAILED, "Cobalt could not start its script"),
        ),
        (EXITED.format(None), None),
        (OVERDUE, Ending(State.TIMEOUT, "ended by Cobalt at its walltime")),
        # what came first is the cause
        (OVERDUE + EXITED.format(143), Ending(State.TIMEOUT, "ended by Cobalt at its walltime")),
        (DELETED + EXITED.format(143), Ending(State.CANCELLED, "deleted")),
        (EXITED.format(0) + DELETED, Ending(State.COMPLETED, "ended by itself with exit code 0", 0)),
    ],
)
def test_each_ending_in_a_debug_log(log: str, ending: Ending | None) -> None:
    assert parse_debug_log(log) == ending
    if ending is not None:
        assert ending_of_missing(log, 0.0) == ending


def test_a_silent_log_gets_a_grace_and_is_then_a_failure_not_a_success() -> None:
    assert ending_of_missing("", GRACE_S - 0.1) is None
    ending = ending_of_missing("", GRACE_S)
    assert ending == Ending(State.FAILED, "gone from qstat for 15 s, and its debug log does not say how it ended")
