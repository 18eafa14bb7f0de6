"""The smaller commands."""

import csv
import io
import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

import pyhf_endpoint
from pyhf_endpoint.results import read
from tests import small
from tests.cli.command import COMMAND, run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("results")
    run("hypotest", *small.write(directory), "-o", directory / "r.jsonl")
    return directory / "r.jsonl"


def test_version() -> None:
    assert run("--version").out == f"pyhf-endpoint, version {pyhf_endpoint.__version__}\n"


def test_help_lists_every_command_and_exit_code() -> None:
    said = run("--help").out
    for command in ("hypotest", "results", "plot", "sites", "probe", "example", "fetch"):
        assert f"\n  {command}" in said
    assert "Exit codes: 0 all hypotheses computed" in said


def test_sites() -> None:
    listed = run("sites", "list").out.splitlines()
    assert any(line.split()[:4] == ["local", "local", "active", "cpu"] for line in listed)
    shown = run("sites", "show", "local").out
    assert shown.splitlines()[0].endswith("local.yaml (shipped)")
    assert "kind: local" in shown


def test_the_table_is_whole_in_a_pipe(results: Path) -> None:
    lines = run("results", "show", results).out.splitlines()
    assert lines[0].strip() == "hypotest, site local"
    assert lines[1].split() == ["name", "mass", "width", "poi_test", "observed", "-2σ", "-1σ", "expected", "+1σ", "+2σ", "status"]
    assert sorted(line.split()[0] for line in lines[2:]) == ["S100", "S200", "S300"]
    assert all("…" not in line for line in lines)


def test_csv_and_json_hold_the_same(results: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("results", "show", results, "--format", "csv").out)))
    found = json.loads(run("results", "show", results, "--format", "json").out)
    assert found["header"]["labels"] == ["mass", "width"]
    for row, record in zip(rows, found["results"], strict=True):
        assert row["name"] == record["name"]
        assert float(row["mass"]) == record["values"][0]
        assert float(row["CLs_obs"]) == record["CLs_obs"]
        assert float(row["CLs_exp_-2"]) == record["CLs_exp"][0]


def test_a_closed_pipe_is_no_error(results: Path) -> None:
    command = [*COMMAND, "results", "show", str(results), "--format", "csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (said, process.returncode) == (b"", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_no_fault_of_the_program(results: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "results", "show", str(results)], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (4, b"error: cannot use the output: No space left on device; make room\n")


def test_a_place_that_cannot_be_written_is_no_fault_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (["render", "local", "-o"], ["sites", "new", "mine", "--from", "local", "-o"]):
        done = run(*command, tmp_path / "file/mine.yaml", code=4)
        assert done.err.startswith(f"error: cannot use {tmp_path}/file")
        assert done.err.endswith("; check the path, and that you may write there\n")


def test_a_terminal_of_few_characters_gets_the_table_all_the_same(results: Path) -> None:
    surroundings = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*COMMAND, "results", "show", str(results)], env=surroundings, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1].split()[-3:-1] == ["+1\\u03c3", "+2\\u03c3"]


def test_a_grid_runs_without_standard_streams(tmp_path: Path) -> None:
    files, output = small.write(tmp_path), tmp_path / "r.jsonl"
    command = shlex.join([*COMMAND, "hypotest", *map(str, files), "-o", str(output)])
    assert subprocess.run(["sh", "-c", f"{command} <&- >&- 2>&-"], check=False, timeout=120).returncode == 0
    assert len(read(output).results) == 3
