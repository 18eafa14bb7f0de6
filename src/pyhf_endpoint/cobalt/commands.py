"""Cobalt's commands as argument lists, and what their output means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyhf_endpoint.errors import InputError

__all__ = ["QSTAT_HEADER", "Submission", "parse_job_id", "qdel_argv", "qstat_argv", "qsub_argv", "walltime_minutes"]

#: The columns that `qstat` is asked for; without them QSTAT_HEADER and CQSTAT_HEADER in the environment would choose.
QSTAT_HEADER = ("JobID", "State")

# Cobalt's units from the right: seconds, minutes, hours, days
_MINUTES_PER_UNIT = (0, 1, 60, 24 * 60)


@dataclass(frozen=True, slots=True)
class Submission:
    """One job, as `qsub` needs to know it.

    Attributes:
        script: The job script, readable and executable.
        job_name: Its name.
        nodes: Whole nodes.
        minutes: Walltime in minutes, at least 1: Cobalt takes 0 for the queue's maximum.
        account: The project that is charged; None leaves it to Cobalt.
        queue: The queue; None is Cobalt's default.
        attrs: Attributes as `filesystems=home:ssds=required`; empty for none.
        cwd: The folder that the job starts in.
        stdout: File for what the job prints.
        stderr: File for what the job complains about.
        debug_log: File in which Cobalt writes how the job fared; the only place that says how it ended.
    """

    script: Path
    job_name: str
    nodes: int
    minutes: int
    account: str | None
    queue: str | None
    attrs: str
    cwd: Path
    stdout: Path
    stderr: Path
    debug_log: Path


def qsub_argv(submission: Submission) -> list[str]:
    """Return the command that submits a job.

    All options come before the script: Cobalt hands what follows it to the script.
    """
    argv = ["qsub", "-n", str(submission.nodes), "-t", str(submission.minutes), "--mode", "script"]
    if submission.account is not None:
        argv += ["-A", submission.account]
    if submission.queue is not None:
        argv += ["-q", submission.queue]
    if submission.attrs:
        argv += ["--attrs", submission.attrs]
    argv += ["--jobname", submission.job_name, "--cwd", str(submission.cwd)]
    argv += ["-o", str(submission.stdout), "-e", str(submission.stderr), "--debuglog", str(submission.debug_log)]
    return [*argv, str(submission.script)]


def qstat_argv(user: str) -> list[str]:
    """Return the command that lists a user's live jobs; naming the jobs instead would end with code 1 once they are gone."""
    return ["qstat", "-u", user, "--header", ":".join(QSTAT_HEADER)]


def qdel_argv(job_ids: Sequence[str]) -> list[str]:
    """Return the command that ends jobs, all in one as it takes over a second; it ends with code 0 for ids that are unknown."""
    return ["qdel", *job_ids]


def parse_job_id(stdout: str) -> str | None:
    r"""Return the id in what `qsub` printed (`1\n`, maybe with messages around it), or None where there is none."""
    found = re.search(r"^\d+", stdout, re.MULTILINE)
    return found[0] if found else None


def walltime_minutes(walltime: object) -> int:
    """Return a walltime in whole minutes.

    Args:
        walltime: Text as Cobalt reads it: minutes, HH:MM, HH:MM:SS or DD:HH:MM:SS; as in Cobalt, seconds beyond the last whole
            minute are dropped.

    Raises:
        InputError: It is no such text, or shorter than a minute, which Cobalt would take for the queue's maximum.
    """
    form = "give minutes, HH:MM, HH:MM:SS or DD:HH:MM:SS"
    if not isinstance(walltime, str):
        raise InputError(
            f"walltime: {walltime!r} is not text; {form}, in quotes: YAML reads 1:00:00 without them as the number 3600"
        )
    if not re.fullmatch(r"\d+(:\d+){0,3}", walltime):
        raise InputError(f"walltime: `{walltime}` is not a time; {form}")
    fields = [int(field) for field in reversed(walltime.split(":"))]
    if len(fields) < 3:
        fields.insert(0, 0)  # fewer than three fields carry no seconds
    minutes = fields[0] // 60 + sum(field * unit for field, unit in zip(fields, _MINUTES_PER_UNIT, strict=False))
    if minutes < 1:
        raise InputError(
            f"walltime: `{walltime}` is under a minute, which Cobalt takes for the queue's maximum; give at least 00:01:00"
        )
    return minutes
