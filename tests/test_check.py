"""A results file against pyhf, with results that are right, wrong, worse and better."""

import json
from pathlib import Path
from typing import Any

import pytest

from pyhf_endpoint.check import check, compare
from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.results import HypotestResult, read
from tests import small
from tests.cli.command import run


def record(**changes: Any) -> HypotestResult:
    values: dict[str, Any] = {
        "name": "a",
        "values": (),
        "poi_test": 1.0,
        "CLs_obs": 0.05,
        "CLs_exp": (0.01, 0.02, 0.05, 0.1, 0.2),
        "status": "converged",
        "twice_nll_free": 10.0,
        "twice_nll_fixed": 12.0,
        "wall_s": 0.1,
        "worker": "host:1",
    }
    return HypotestResult(**(values | changes))


VERDICTS: dict[str, dict[str, Any]] = {
    "agree": {"CLs_obs": 0.05 + 5e-7},
    "differ": {"CLs_exp": (0.01, 0.02, 0.05, 0.1, 0.2 + 2e-6)},
    "pyhf is lower": {"twice_nll_fixed": 12.1},
    "ours is lower": {"twice_nll_free": 9.9, "CLs_obs": 0.06},
    "ours failed": {"status": "failed", "CLs_obs": None, "CLs_exp": None},
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_verdicts(verdict: str) -> None:
    found = compare(record(**VERDICTS[verdict]), record(), 1e-6)
    assert found.verdict == verdict
    assert found.is_fault == (verdict in ("differ", "pyhf is lower", "ours failed"))


def test_a_failure_of_pyhf_is_no_fault_of_ours() -> None:
    found = compare(record(), record(status="failed", CLs_obs=None, CLs_exp=None), 1e-6)
    assert (found.verdict, found.is_fault, found.observed) == ("pyhf failed", False, None)


def test_where_pyhf_rounds_nobody_is_at_fault() -> None:
    found = compare(record(CLs_obs=0.06), record(message="pyhf rounds its log-likelihood to 1e-03"), 1e-6)
    assert (found.verdict, found.is_fault) == ("pyhf rounds", False)
    assert compare(record(), record(message="pyhf rounds its log-likelihood to 1e-03"), 1e-6).verdict == "agree"


def test_differences_are_ours_minus_theirs() -> None:
    found = compare(record(CLs_obs=0.06, twice_nll_free=9.0), record(), 1e-6)
    assert found.observed == pytest.approx(0.01)
    assert found.expected == pytest.approx(0.0)
    assert list(found.minima) == [pytest.approx(-0.5), pytest.approx(0.0), None, None]


def test_the_command_checks_a_sample_and_finds_a_forged_record(tmp_path: Path) -> None:
    files, output = small.write(tmp_path, 4), tmp_path / "r.jsonl"
    run("hypotest", *files, "-o", output)
    done = run("results", "check", output, *files, "--sample", "2")
    lines = done.out.splitlines()
    assert lines[0].split() == ["hypothesis", "POI", "observed", "expected", "free", "fixed", "at", "zero", "Asimov", "verdict"]
    assert len(lines) == 4
    assert all(line.endswith("  agree") for line in lines[1:3])
    assert lines[3] == "2 checked, 0 at fault"

    records = output.read_text().splitlines()
    forged = [json.loads(records[1]) | {"CLs_obs": 0.9}, json.loads(records[2]) | {"twice_nll_fixed": 100.0}]
    output.write_text("\n".join([records[0], *map(json.dumps, forged), *records[3:]]) + "\n")
    done = run("results", "check", output, *files, "--sample", "9", code=1)
    verdicts = {line.split()[0]: line.split("  ")[-1] for line in done.out.splitlines()[1:-1]}
    expected = {result.name: "agree" for result in read(output).results}
    assert verdicts == expected | {forged[0]["name"]: "differ", forged[1]["name"]: "pyhf is lower"}
    assert done.out.splitlines()[-1] == "4 checked, 2 at fault"


def test_results_of_other_inputs_are_refused(tmp_path: Path) -> None:
    files, output = small.write(tmp_path, 2), tmp_path / "r.jsonl"
    run("hypotest", *files, "-o", output)
    with pytest.raises(ResultsError, match="was computed from something else: its patchset_digest is"):
        check(output, small.WORKSPACE, small.patchset(3))


def test_all_files_are_examined_before_anything_is_printed(tmp_path: Path) -> None:
    files, output = small.write(tmp_path, 2), tmp_path / "r.jsonl"
    run("hypotest", *files, "-o", output)
    gone = [tmp_path / name for name in ("gone.jsonl", "gone.json", "lost.json")]
    done = run("results", "check", *gone, code=4)
    assert done.out == ""
    assert done.err.count("\n") == 3
    for path, line in zip(gone, done.err.splitlines(), strict=True):
        assert str(path) in line
    done = run("results", "check", output, files[0], gone[2], code=3)
    assert (done.out, done.err.split(";")[0]) == ("", f"error: {gone[2]} does not exist")
    done = run("results", "check", output, *files, "--tolerance", "nan", code=2)
    assert (done.out, done.err.split(";")[0]) == ("", "error: tolerance nan is not a number from 0")


def test_the_records_of_another_analysis_are_refused(tmp_path: Path) -> None:
    files, output = small.write(tmp_path, 2), tmp_path / "r.jsonl"
    run("hypotest", *files, "-o", output)
    foreign = json.loads(output.read_text().splitlines()[1]) | {"name": "T100"}
    output.write_text(output.read_text() + json.dumps(foreign) + "\n")
    with pytest.raises(ResultsError, match=r"holds 1 hypotheses that are not in the patch set, such as `T100`; files of"):
        check(output, *files)
