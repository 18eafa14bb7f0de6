"""Cobalt's command lines and what is read from their output."""

from pathlib import Path

import pytest

from pyhf_endpoint.cobalt.commands import Submission, parse_job_id, qdel_argv, qstat_argv, qsub_argv, walltime_minutes
from pyhf_endpoint.errors import InputError


def submission(*, account: str | None = None, queue: str | None = None, attrs: str = "") -> Submission:
    run = Path("/run")
    return Submission(
        run / "job", "job", 2, 20, account, queue, attrs, run, run / "job.stdout", run / "job.stderr", run / "job.cobaltlog"
    )


def test_a_submission_names_every_file_and_ends_with_the_script() -> None:
    assert " ".join(qsub_argv(submission())) == (
        "qsub -n 2 -t 20 --mode script --jobname job --cwd /run -o /run/job.stdout -e /run/job.stderr "
        "--debuglog /run/job.cobaltlog /run/job"
    )


def test_account_queue_and_attributes_are_given_where_known() -> None:
    assert qsub_argv(submission(account="atlas", queue="default", attrs="filesystems=home:ssds=required"))[:13] == [
        *("qsub", "-n", "2", "-t", "20", "--mode", "script"),
        *("-A", "atlas", "-q", "default", "--attrs", "filesystems=home:ssds=required"),
    ]


def test_status_and_deletion() -> None:
    assert qstat_argv("root") == ["qstat", "-u", "root", "--header", "JobID:State"]
    assert qdel_argv(["1", "2"]) == ["qdel", "1", "2"]


@pytest.mark.parametrize(
    ("stdout", "job_id"),
    [
        ("1\n", "1"),
        ("302203\nJob routed to queue 'debug'.\n", "302203"),
        ("Job routed to queue 'debug'.\n302203\n", "302203"),
        ("", None),
        ("No 17 today\n", None),
    ],
)
def test_the_id_is_the_number_that_starts_a_line(stdout: str, job_id: str | None) -> None:
    assert parse_job_id(stdout) == job_id


@pytest.mark.parametrize(
    ("walltime", "minutes"),
    [
        ("1", 1),
        ("90", 90),
        ("01:30", 90),
        ("00:05:00", 5),
        ("00:05:59", 5),
        ("36:00:00", 2160),
        ("01:12:00:00", 2160),
        ("0:0:60", 1),
    ],
)
def test_a_walltime_becomes_whole_minutes(walltime: str, minutes: int) -> None:
    assert walltime_minutes(walltime) == minutes


@pytest.mark.parametrize("walltime", ["0", "00:00", "00:00:30", "0:0:0:59"])
def test_a_walltime_that_cobalt_would_take_for_the_queues_maximum_is_refused(walltime: str) -> None:
    with pytest.raises(InputError, match=rf"walltime: `{walltime}` is under a minute.*give at least 00:01:00"):
        walltime_minutes(walltime)


@pytest.mark.parametrize("walltime", ["", "-5", "1h", "1:2:3:4:5", "00:20:00\n", "1:", "1.5"])
def test_what_is_no_walltime_is_refused(walltime: str) -> None:
    with pytest.raises(InputError, match="is not a time; give minutes"):
        walltime_minutes(walltime)


@pytest.mark.parametrize("walltime", [3600, 20, None])
def test_a_walltime_that_yaml_has_read_as_a_number_is_refused_with_the_reason(walltime: object) -> None:
    with pytest.raises(InputError, match="in quotes: YAML reads 1:00:00 without them as the number 3600"):
        walltime_minutes(walltime)
