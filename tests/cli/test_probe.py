"""`pyhf-endpoint probe` with real workers."""

import json
import os
import subprocess
import sys

import pytest

from pyhf_endpoint.cli.probe import _described, _some, _warnings
from pyhf_endpoint.functions.report import WorkerReport, expand
from pyhf_endpoint.verdicts import Reason, Verdict
from tests.cli.command import COMMAND, run


def test_a_table_of_workers_and_two_verdicts() -> None:
    done = run("probe", "local", "--workers", "1")
    head, columns, row, *verdicts = done.out.splitlines()
    assert head.strip() == "workers of local"
    assert columns.split() == ["worker", "cores", "threads", "devices", "memory", "driver", "computes", "on", "container"]
    assert row.split()[0].split(":")[1].isdigit()
    assert [line.split(" (")[0] for line in verdicts] == ["pinning: passed", "compute device: not applicable"]
    assert done.err == ""


def test_json_tells_everything() -> None:
    told = json.loads(run("probe", "local", "--workers", "1", "--json").out)
    assert sorted(told) == ["differing_versions", "expected", "site", "verdicts", "workers"]
    assert told["expected"] == {"accelerators_per_node": 0, "vendor": None, "workers_per_accelerator": 1}
    (worker,) = told["workers"]
    assert expand(worker["cpus"]) <= os.sched_getaffinity(0)
    assert worker["settings"]["OMP_NUM_THREADS"] == "1"
    assert [verdict["outcome"] for verdict in told["verdicts"]] == ["passed", "not applicable"]


def test_no_worker_in_time_is_a_site_out_of_reach() -> None:
    done = run("probe", "local", "--workers", "1", "--wait", "0.000001", code=7)
    assert "the site cannot be probed: no worker answered within 1e-06 s" in done.err


def test_more_workers_than_cores_fail() -> None:
    """One core for two workers, as a batch job may get it."""
    core = min(os.sched_getaffinity(0))
    script = f"import os, sys; os.sched_setaffinity(0, {{{core}}}); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", script, *COMMAND, "probe", "local", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1, done.stderr
    assert f"  2 threads of 2 workers on {os.uname().nodename} share 1 core: {core} [" in done.stdout
    assert "    remedy: start at most 1 worker there, with OMP_NUM_THREADS" in done.stdout


def test_a_visibility_variable_is_shown_where_no_device_is_seen() -> None:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "7"}
    command = [*COMMAND, "probe", "local", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=True)
    assert "CUDA_VISIBLE_DEVICES=7" in done.stdout.splitlines()[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "unknown site `nowhere`"),
        (["local", "--seconds", "5"], "5.0 is not in the range 0<=x<=2"),
        (["local", "--wait", "0"], "0.0 is not in the range x>0"),
        (["local", "--workers", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    assert message in run("probe", *arguments, code=2).err


def test_differences_and_faults_are_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    _warnings(
        [
            WorkerReport(host="a", pid=1, versions={"numpy": "2.0"}, faults={"cpus": "OSError: no"}),
            WorkerReport(host="b", pid=2, versions={"numpy": "2.1"}),
        ]
    )
    assert capsys.readouterr().err.splitlines() == [
        "warning: numpy is not the same everywhere: 2.0 on a:1; 2.1 on b:2",
        "warning: a:1 could not tell its cpus: OSError: no",
    ]


def test_a_failed_verdict_is_told_with_its_remedies() -> None:
    workers = tuple(f"n:{pid}" for pid in range(6))
    verdict = Verdict("pinning", "failed", "6 workers on 1 node", (Reason("it is wrong", "make it right", workers),))
    assert _described(verdict).splitlines() == [
        "pinning: failed (6 workers on 1 node)",
        "  it is wrong [n:0, n:1, n:2, n:3 and 2 more]",
        "    remedy: make it right",
    ]
    assert _some(workers[:4]) == "n:0, n:1, n:2, n:3"
