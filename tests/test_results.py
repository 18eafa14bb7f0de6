"""The results file under good and bad weather."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.results import Header, HypotestResult, ResultsWriter, read

HEADER = Header(
    workspace_digest="aa",
    patchset_digest="bb",
    labels=("mass",),
    settings={"engine": "pyhf", "poi_test": [1.0]},
    versions={"pyhf": "0.7.6"},
    site="local",
    created="2026-01-01T00:00:00+00:00",
)


def result(name: str, **changes: Any) -> HypotestResult:
    values: dict[str, Any] = {
        "name": name,
        "values": (100.0,),
        "poi_test": 1.0,
        "CLs_obs": 0.05,
        "CLs_exp": (0.001, 0.01, 0.1, 0.3, 0.6),
        "status": "converged",
        "wall_s": 0.5,
        "worker": "host:1",
    }
    return HypotestResult(**(values | changes))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    failed = result("b", CLs_obs=None, CLs_exp=None, status="failed", message="does not apply")
    with ResultsWriter(path, HEADER) as writer:
        writer.write(result("a"))
        writer.write(failed)
    found = read(path)
    assert found.header == HEADER
    assert found.results == (result("a"), failed)


def test_every_record_is_on_disk_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsWriter(path, HEADER) as writer:
        for count, name in enumerate("abc", start=1):
            writer.write(result(name))
            assert len(read(path).results) == count


def test_lines_are_strict_json_with_the_keys_of_the_format(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsWriter(path, HEADER) as writer:
        writer.write(result("a", CLs_obs=float("nan")))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    lines = [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]
    assert lines[1] == {
        "name": "a",
        "values": [100.0],
        "poi_test": 1.0,
        "CLs_obs": None,
        "CLs_exp": [0.001, 0.01, 0.1, 0.3, 0.6],
        "status": "converged",
        "message": "",
        "mu_hat": None,
        "twice_nll_free": None,
        "twice_nll_fixed": None,
        "twice_nll_background": None,
        "q_asimov": None,
        "edm": None,
        "iterations": None,
        "wall_s": 0.5,
        "worker": "host:1",
    }


def test_an_existing_file_is_neither_overwritten_nor_continued_unasked(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsWriter(path, HEADER) as writer:
        writer.write(result("a"))
    with pytest.raises(ResultsError, match=r"r\.jsonl exists; continue it with --resume, replace it with --overwrite"):
        ResultsWriter(path, HEADER)
    with ResultsWriter(path, HEADER, overwrite=True) as writer:
        writer.write(result("z"))
    assert [r.name for r in read(path).results] == ["z"]


@pytest.mark.parametrize("torn", [b"", b'{"name":"b","val', b"{"])
def test_resume_cuts_off_a_torn_line_and_goes_on(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsWriter(path, HEADER) as writer:
        writer.write(result("a"))
    with path.open("ab") as file:
        file.write(torn)
    with ResultsWriter(path, HEADER, resume=True) as writer:
        assert writer.done == {("a", 1.0)}
        writer.write(result("b"))
        with pytest.raises(ResultsError, match=r"a second record for a at 1\.0"):
            writer.write(result("a"))
    assert [r.name for r in read(path).results] == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b'{"format":"pyhf-end'])
def test_resume_of_a_file_without_a_whole_header_begins_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    with ResultsWriter(path, HEADER, resume=True) as writer:
        writer.write(result("a"))
    assert read(path).header == HEADER


def test_resume_names_every_field_that_differs(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    ResultsWriter(path, HEADER).close()
    other = HEADER.model_copy(
        update={
            "workspace_digest": "cc",
            "settings": {"engine": "pyhf", "poi_test": [2.0]},
            "site": "elsewhere",
            "created": "later",
        }
    )
    with pytest.raises(ResultsError) as error:
        ResultsWriter(path, other, resume=True)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{path} cannot be continued: it has 2 faults"
    assert sorted(lines[1:3]) == [
        "  settings.poi_test: [1.0] in the file, [2.0] in this run",
        "  workspace_digest: 'aa' in the file, 'cc' in this run",
    ]
    assert lines[3] == "run with what the file was computed from, or choose another file with -o"


BROKEN = {
    "json on one line, as workspaces are published": (b'{"channels":[{"name":"SR"}]}', "is not a results file"),
    "text": (b"hello\n", "line 1 is not JSON"),
    "binary": (b"\x00\x01\x02", "is not a results file"),
    "another json": (b'{"a": 1}\n', "its first line has no `format`"),
    "a broken line": (None, "line 2 is not JSON"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_none_is_left_alone(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    path = tmp_path / "r.jsonl"
    path.write_bytes(content or HEADER.model_dump_json().encode() + b"\nnonsense\n")
    before = path.read_bytes()
    for resume in (False, True):
        with pytest.raises(ResultsError, match=message if resume else r"exists|line"):
            ResultsWriter(path, HEADER, resume=resume)
    with pytest.raises(ResultsError, match=message):
        read(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b'{"channels":[]}', b'{"channels":\n[]}\n', b"notes\n", b"\x89PNG\r\n"])
def test_what_holds_no_results_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "BkgOnly.json"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"BkgOnly\.json is not a results file and is not replaced; remove it, or choose"):
        ResultsWriter(path, HEADER, overwrite=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize("broken", ["torn header", "torn record", "spaced header"])
def test_broken_results_are_replaced_when_asked(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "r.jsonl"
    header = HEADER.model_dump_json()
    contents = {
        "torn header": header[:9],
        "torn record": f'{header}\n{{"name":',
        "spaced header": json.dumps(json.loads(header)) + "\nnonsense\n",
    }
    path.write_text(contents[broken])
    with ResultsWriter(path, HEADER, overwrite=True) as writer:
        writer.write(result("a"))
    assert [r.name for r in read(path).results] == ["a"]


def test_a_record_of_another_version_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    record = json.loads(result("a").model_dump_json()) | {"status": "perhaps", "extra": 1}
    path.write_text(HEADER.model_dump_json() + "\n" + json.dumps(record) + "\n")
    with pytest.raises(ResultsError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: line 2 has 2 faults\n  status: Input should be 'converged'")
    assert "status: Input should be 'converged'" in str(error.value)
    assert ", found 'perhaps'\n  extra: Extra inputs are not permitted, found 1\n" in str(error.value)
    assert str(error.value).endswith("\nremove that line, then run again with --resume")


def test_files_written_one_after_the_other_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsWriter(path, HEADER) as writer:
        writer.write(result("a"))
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(ResultsError, match="line 3 begins another results file; two of them do not make one: cut the file there"):
        read(path)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsWriter(path, HEADER), pytest.raises(ResultsError, match="is being written by another run"):
        ResultsWriter(path, HEADER, resume=True)


@pytest.mark.parametrize("place", ["missing/r.jsonl", "."])
def test_an_unwritable_place_is_named(tmp_path: Path, place: str) -> None:
    with pytest.raises(ResultsError, match=r"cannot write .*: (No such file or directory|Is a directory); choose another file"):
        ResultsWriter(tmp_path / place, HEADER)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"cannot read .*gone\.jsonl: No such file or directory"):
        read(tmp_path / "gone.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named() -> None:
    with pytest.raises(ResultsError, match=rf"/dev/full: {os.strerror(errno.ENOSPC)}"):
        ResultsWriter("/dev/full", HEADER)


_WRITE_UNTIL_THE_LIMIT = """
import json, resource, signal, sys
from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.results import Header, HypotestResult, ResultsWriter

path, header, result = sys.argv[1], Header.model_validate_json(sys.argv[2]), HypotestResult.model_validate_json(sys.argv[3])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
try:
    with ResultsWriter(path, header) as writer:
        for number in range(100):
            writer.write(result.model_copy(update={"name": f"s{number}"}))
except ResultsError as error:
    print(error)
"""


def test_what_was_written_before_the_disk_filled_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    command = [sys.executable, "-c", _WRITE_UNTIL_THE_LIMIT, str(path), HEADER.model_dump_json(), result("s").model_dump_json()]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"cannot write {path}: {os.strerror(errno.EFBIG)}; ")
    assert said.endswith(" records in it are safe: make room, then run the same command with --resume\n")
    kept = len(read(path).results)
    assert 0 < kept < 100
    with ResultsWriter(path, HEADER, resume=True) as writer:
        assert len(writer.done) == kept
        writer.write(result(f"s{kept}"))
    assert [r.name for r in read(path).results] == [f"s{number}" for number in range(kept + 1)]
