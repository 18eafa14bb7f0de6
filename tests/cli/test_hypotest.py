"""`pyhf-endpoint hypotest` from files to a results file, with everything that can go wrong on the way."""

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonpatch
import pyhf
import pytest

from pyhf_endpoint.results import read
from tests import small
from tests.cli.command import COMMAND, run


def names(path: Path) -> list[str]:
    return [result.name for result in read(path).results]


def pyhf_says(workspace: dict[str, Any], poi_test: float = 1.0, test_stat: str = "qtilde") -> tuple[float, list[float]]:
    pyhf.set_backend("numpy")
    spec = pyhf.Workspace(workspace)
    model = spec.model(modifier_settings={"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}})
    observed, expected = pyhf.infer.hypotest(poi_test, spec.data(model), model, test_stat=test_stat, return_expected_set=True)
    return float(observed), [float(value) for value in expected]


def test_a_grid_gives_what_pyhf_gives(tmp_path: Path) -> None:
    files = small.write(tmp_path)
    done = run("hypotest", *files, "--engine", "pyhf", "-o", tmp_path / "r.jsonl", "--workers", "2")
    assert done.out == ""
    # on a busy machine a line of progress comes before
    assert done.err.splitlines()[-1].startswith(f"{tmp_path / 'r.jsonl'}: 3 converged in ")
    found = read(tmp_path / "r.jsonl")
    assert found.header.labels == ("mass", "width")
    assert found.header.workspace_digest == small.digest(small.WORKSPACE)
    assert sorted(result.name for result in found.results) == ["S100", "S200", "S300"]
    for result in found.hypotests():
        patch = next(p for p in small.patchset()["patches"] if p["metadata"]["name"] == result.name)
        observed, expected = pyhf_says(jsonpatch.apply_patch(small.WORKSPACE, patch["patch"]))
        assert result.values == tuple(patch["metadata"]["values"])
        assert result.CLs_obs == pytest.approx(observed, rel=1e-9)
        assert result.CLs_exp == pytest.approx(expected, rel=1e-9)
        assert (result.status, result.message) == ("converged", "")
        assert result.worker.split(":")[1].isdigit()


def test_a_single_workspace_with_its_signal_gives_one_result(tmp_path: Path) -> None:
    workspace = jsonpatch.apply_patch(small.WORKSPACE, small.patchset(1)["patches"][0]["patch"])
    (tmp_path / "whole.json").write_text(json.dumps(workspace))
    run("hypotest", tmp_path / "whole.json", "-o", tmp_path / "r.jsonl")
    (result,) = read(tmp_path / "r.jsonl").hypotests()
    assert (result.name, result.values) == ("measurement", ())
    assert result.CLs_obs == pytest.approx(pyhf_says(workspace)[0], rel=1e-5)


def test_values_of_the_poi_the_test_statistic_and_the_choice_of_patches(tmp_path: Path) -> None:
    files = small.write(tmp_path)
    options = ["--patch", "S300", "--poi-test", "0.5", "--poi-test", "2", "--test-stat", "q", "--engine", "pyhf"]
    run("hypotest", *files, "-o", tmp_path / "r.jsonl", *options)
    workspace = jsonpatch.apply_patch(small.WORKSPACE, small.patchset(3)["patches"][2]["patch"])
    for result, poi_test in zip(read(tmp_path / "r.jsonl").hypotests(), (0.5, 2.0), strict=True):
        assert (result.name, result.poi_test) == ("S300", poi_test)
        assert result.CLs_obs == pytest.approx(pyhf_says(workspace, poi_test, "q")[0], rel=1e-9)


@pytest.mark.parametrize("test_stat", ["qtilde", "q"])
def test_blind_gives_the_expected_values_alone(tmp_path: Path, test_stat: str) -> None:
    files = small.write(tmp_path)
    common = ["hypotest", *files, "--engine", "pyhf", "--test-stat", test_stat, "--patch", "S200"]
    run(*common, "-o", tmp_path / "open.jsonl")
    run(*common, "-o", tmp_path / "blind.jsonl", "--blind")
    (unblinded,), (blind,) = read(tmp_path / "open.jsonl").hypotests(), read(tmp_path / "blind.jsonl").hypotests()
    assert blind.CLs_obs is None
    assert blind.CLs_exp == pytest.approx(unblinded.CLs_exp, rel=1e-9)
    assert read(tmp_path / "blind.jsonl").header.settings["blind"] is True


def test_one_bad_patch_fails_alone(tmp_path: Path) -> None:
    files = small.write(tmp_path)
    patchset = small.patchset(3)
    patchset["patches"][1]["patch"][0]["path"] = "/channels/7/samples/0"
    files[1].write_text(json.dumps(patchset))
    done = run("hypotest", *files, "--engine", "pyhf", "-o", tmp_path / "r.jsonl", code=1)
    by_name = {result.name: result for result in read(tmp_path / "r.jsonl").hypotests()}
    assert {name: result.status for name, result in by_name.items()} == {
        "S100": "converged",
        "S200": "failed",
        "S300": "converged",
    }
    assert by_name["S200"].message.startswith("the patch does not apply to the workspace: ")
    assert by_name["S200"].CLs_obs is None
    assert f"  S200: failed: {by_name['S200'].message}" in done.err.splitlines()


def test_dry_run_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    files = small.write(tmp_path, 5)
    done = run("hypotest", *files, "--engine", "pyhf", "-o", tmp_path / "r.jsonl", "--dry-run", "--workers", "2")
    assert done.out.splitlines() == [
        "site          local",
        f"workspace     {files[0]}, sha256 {small.digest(small.WORKSPACE)[:12]}, measurement measurement",
        f"patch set     {files[1]}",
        "inference     hypotest: engine pyhf, normsys code4, histosys code4p, seed 0, poi_test 1, test_stat qtilde, blind False",
        "hypotheses    5",
        "already done  0 of 5 records",
        "chunks        5 for 2 workers",
        f"output        {tmp_path / 'r.jsonl'}",
        "nothing was computed (--dry-run)",
    ]
    assert not (tmp_path / "r.jsonl").exists()


def test_dry_run_tells_what_would_keep_the_run_from_its_file(tmp_path: Path) -> None:
    files, output = small.write(tmp_path, 1), tmp_path / "r.jsonl"
    run("hypotest", *files, "-o", output)
    for options, told in (([], "  (exists: it will take --resume, --overwrite or another file)"), (["--resume"], "")):
        lines = run("hypotest", *files, "-o", output, "--dry-run", *options).out.splitlines()
        assert f"output        {output}{told}" in lines
    there = tmp_path / "no/r.jsonl"
    lines = run("hypotest", *files, "-o", there, "--dry-run").out.splitlines()
    assert f"output        {there}  (its folder does not exist: make it first)" in lines


def test_quiet_says_nothing(tmp_path: Path) -> None:
    done = run("hypotest", *small.write(tmp_path, 1), "-o", tmp_path / "r.jsonl", "--quiet")
    assert (done.out, done.err) == ("", "")


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    files = small.write(tmp_path)
    ours, theirs = pty.openpty()
    command = [*COMMAND, "hypotest", *map(str, files), "-o", str(tmp_path / "r.jsonl")]
    with subprocess.Popen(command, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:
            pass  # how Linux tells that the other end of a pseudo-terminal is gone
    os.close(ours)
    assert process.returncode == 0
    assert b"3/3" in shown
    assert b"0 failed" in shown
    assert b"ETA" in shown


def start_and_wait_for_records(files: tuple[Path, Path], output: Path, records: int) -> "subprocess.Popen[str]":
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell script has it for what it starts in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*COMMAND, "hypotest", *map(str, files), "--engine", "pyhf", "-o", str(output), "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not output.exists() or output.read_bytes().count(b"\n") < 1 + records:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


SIGNALS = 60


def test_a_killed_run_is_resumed_with_every_hypothesis_once(tmp_path: Path) -> None:
    files, output = small.write(tmp_path, SIGNALS), tmp_path / "r.jsonl"
    process = start_and_wait_for_records(files, output, 5)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = names(output)
    assert 5 <= len(before) < SIGNALS
    done = run("hypotest", *files, "--engine", "pyhf", "-o", output, "--resume")
    assert f"({len(before)} were there before)" in done.err
    after = names(output)
    assert after[: len(before)] == before
    assert sorted(after) == sorted(f"S{mass}" for mass in range(100, 100 * (SIGNALS + 1), 100))
    again = run("hypotest", *files, "--engine", "pyhf", "-o", output, "--resume")
    assert "nothing left to compute" in again.err
    assert names(output) == after


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_done(tmp_path: Path, number: signal.Signals) -> None:
    signals = 10 * SIGNALS  # so many that on a machine that stands still for seconds the run does not end before the signal
    files, output = small.write(tmp_path, signals), tmp_path / "r.jsonl"
    process = start_and_wait_for_records(files, output, 3)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, said = process.communicate(timeout=60)
    kept = len(names(output))
    assert process.returncode == 130, said
    assert 3 <= kept < signals
    last = said.splitlines()[-1]
    assert last == f"interrupted: {kept} of {signals} records are in {output}; the same command with --resume computes the rest"
    assert "Traceback" not in said


def test_resume_refuses_the_results_of_another_run(tmp_path: Path) -> None:
    files, output = small.write(tmp_path, 1), tmp_path / "r.jsonl"
    run("hypotest", *files, "-o", output)
    before = output.read_bytes()
    done = run("hypotest", *files, "-o", output, "--resume", "--test-stat", "q", code=4)
    assert done.err.splitlines()[:2] == [
        f"error: {output} cannot be continued: it has 1 fault",
        "  settings.test_stat: 'qtilde' in the file, 'q' in this run",
    ]
    assert run("hypotest", *files, "-o", output, code=4).err.startswith(f"error: {output} exists; continue it with --resume")
    assert output.read_bytes() == before
    run("hypotest", *files, "-o", output, "--overwrite")
    assert len(names(output)) == 1


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# case -> what happens to the workspace's file, further options
BREAK: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "missing file": (Path.unlink, []),
    "broken JSON": (lambda path: path.write_text('{"channels": [\n  {"name" "SR"}]}'), []),
    "schema": (lambda path: edit(path, lambda w: w["channels"][0]["samples"][0].update(data=["many"])), []),
    "digest": (lambda path: edit(path, lambda w: w["observations"][0].update(data=[54.0, 65.0])), []),
    "patch name": (Path.exists, ["--patch", "S10", "--patch", "S200", "--patch", "other"]),
    "site": (Path.exists, ["--site", "loca"]),
    "measurement": (Path.exists, ["--measurement", "measuremen"]),
    "output": (Path.exists, ["-o", "no/r.jsonl"]),
    "full disk": (Path.exists, ["-o", "/dev/full"]),
    "contradiction": (Path.exists, ["--resume", "--overwrite"]),
    "option": (Path.exists, ["--blnd"]),
}
ERRORS = {
    "missing file": (3, ["BkgOnly.json", "exist"]),
    "broken JSON": (3, ["BkgOnly.json", "line 2", "column 11"]),
    "schema": (3, ["BkgOnly.json", "channels[0].samples[0].data[0]", "many"]),
    "digest": (3, ["patchset.json", "sha256", small.digest(small.WORKSPACE)]),
    "patch name": (
        2,
        ["no patch is named `S10` in", "patchset.json (3 patches). Did you mean `S100`?", "no patch is named `other` in"],
    ),
    "site": (2, ["unknown site `loca`. Did you mean `local`?"]),
    "measurement": (2, ["`measuremen`", "Did you mean `measurement`?"]),
    "output": (4, ["r.jsonl: No such file or directory; choose another file with -o"]),
    "full disk": (4, ["/dev/full: No space left on device", "--resume"]),
    "contradiction": (2, ["--resume continues the results file and --overwrite replaces it"]),
    "option": (2, ["No such option", "--blind"]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_is_one_message_with_its_exit_code(tmp_path: Path, case: str) -> None:
    code, fragments = ERRORS[case]
    workspace, patchset = small.write(tmp_path)
    change, options = BREAK[case]
    change(workspace)
    done = run("hypotest", workspace, patchset, "-o", "r.jsonl", *options, cwd=tmp_path, code=code)
    assert done.out == ""
    assert "Traceback" not in done.err
    for fragment in fragments:
        assert fragment in done.err
    assert not (tmp_path / "r.jsonl").exists()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run("hypotest", *small.write(tmp_path), "-o", tmp_path / "r.jsonl", "--site", "loca", "--debug", code=2)
    assert done.err.startswith("Traceback")
    assert done.err.splitlines()[-1].startswith("error: unknown site `loca`.")


def test_python_gives_the_same_results_as_they_arrive(tmp_path: Path) -> None:
    from pyhf_endpoint.client import Client

    run("hypotest", *small.write(tmp_path), "-o", tmp_path / "r.jsonl")
    by_name = {result.name: result for result in read(tmp_path / "r.jsonl").hypotests()}
    with Client("local", workers=1) as site:
        arrived = list(site.hypotest(small.WORKSPACE, small.patchset()))
        assert [r.CLs_obs for r in arrived] == pytest.approx([by_name[r.name].CLs_obs for r in arrived], rel=1e-9)
        assert site.hypotest(small.WORKSPACE, small.patchset(), patches=["S200"]).to_list()[0].name == "S200"
