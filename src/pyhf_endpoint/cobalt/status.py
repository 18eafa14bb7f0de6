"""What Cobalt says of a job: the state in `qstat` while it lives, a line of its debug log once it is gone."""

import re
from dataclasses import dataclass
from enum import StrEnum

from pyhf_endpoint.cobalt.commands import QSTAT_HEADER
from pyhf_endpoint.process import Completed

__all__ = ["GRACE_S", "STATES", "Ending", "State", "ending_of_missing", "parse_debug_log", "parse_qstat"]

#: Seconds for which a job that is gone stays undecided while its debug log, which is some seconds late, is silent on its end.
GRACE_S = 15.0


class State(StrEnum):
    """What a job is up to, by the names of Parsl's `JobState`."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    HELD = "HELD"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"


#: The word in the column State -> what it means to Parsl.
STATES = {
    "queued": State.PENDING,
    "maxrun_hold": State.PENDING,  # over the user's limit of running jobs; ends by itself
    "starting": State.PENDING,
    "preempted": State.PENDING,
    "running": State.RUNNING,
    # The nodes are still taken, and may be for half a minute where a job ignores SIGTERM.
    "preempting": State.RUNNING,
    "killing": State.RUNNING,
    "exiting": State.RUNNING,
    "user_hold": State.HELD,
    "admin_hold": State.HELD,
    "dep_hold": State.HELD,
    "dep_fail": State.FAILED,
    "done": State.COMPLETED,
}

_ENDINGS = re.compile(
    r"task completed normally with an exit code of (?P<code>-?\d+)"
    r"|(?P<deleted>user delete (?:with signal \S+ )?requested|forced delete requested)"
    r"|(?P<overdue>maximum execution time exceeded)"
    r"|(?P<unstarted>execution failure; initiating job cleanup|process group creation failed)"
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended.

    Attributes:
        state: COMPLETED, FAILED, CANCELLED or TIMEOUT.
        message: The same for people.
        exit_code: The script's exit code where it came to its own end.
    """

    state: State
    message: str
    exit_code: int | None = None


def parse_qstat(answer: Completed) -> dict[str, State] | None:
    """Return the state of each live job by its id, or None where the answer says nothing about any job.

    A real answer with two jobs; with none, the first two lines remain::

        JobID  State
        ==================
        2      running
        4      user_hold

    A server that cannot be reached gives `component error: ...` and code 1: nothing is known, so nothing has ended. A word
    that is not among `STATES` is UNKNOWN, which is not an end either.
    """
    lines = [line.split() for line in answer.stdout.splitlines() if line.strip()]
    if answer.returncode != 0 or not lines or tuple(lines[0]) != QSTAT_HEADER:
        return None
    return {fields[0]: STATES.get(fields[1], State.UNKNOWN) for fields in lines[1:] if len(fields) == 2}


def parse_debug_log(text: str) -> Ending | None:
    """Return how a job ended by its debug log, or None while that does not say.

    The first of these phrases counts: deletion and time-out come before the exit code that they cause, and a deletion that
    comes after the script's own end changes nothing::

        task completed normally with an exit code of N; initiating job cleanup and removal
        user delete requested with signal SIGTERM by user NAME
        maximum execution time exceeded; initiating job termination

    Further ones are known from Cobalt's source alone: a deletion while Cobalt tries to start the job again, a forced one by an
    administrator, and a script that could not be started. Where Cobalt lost the exit code, N is None, and the log says nothing.
    """
    found = _ENDINGS.search(text)
    if found is None:
        return None
    if found["deleted"]:
        return Ending(State.CANCELLED, "deleted")
    if found["overdue"]:
        return Ending(State.TIMEOUT, "ended by Cobalt at its walltime")
    if found["unstarted"]:
        return Ending(State.FAILED, "Cobalt could not start its script")
    code = int(found["code"])
    return Ending(State.FAILED if code else State.COMPLETED, f"ended by itself with exit code {code}", code)


def ending_of_missing(log: str, missing_s: float) -> Ending | None:
    """Return how a job that `qstat` lists no more has ended, or None while that is open.

    Args:
        log: What its debug log says so far; empty where there is none.
        missing_s: Seconds since `qstat` first did not list it.
    """
    ending = parse_debug_log(log)
    if ending is None and missing_s >= GRACE_S:
        return Ending(State.FAILED, f"gone from qstat for {missing_s:.0f} s, and its debug log does not say how it ended")
    return ending
