"""The note of task groups next to a results file."""

from pathlib import Path

import pytest

from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.service import Service
from pyhf_endpoint.waiting import Journal, collect, journal_path


def journal(folder: Path, *, resume: bool) -> Journal:
    return Journal(folder / "r.jsonl", "polaris", "endpoint", Service(), resume=resume)


def test_groups_are_noted_as_tasks_are_sent(tmp_path: Path) -> None:
    first = journal(tmp_path, resume=False)
    assert not first.path.exists()
    first.sent("one", 3)
    first.sent("one", 2)
    first.sent("two", 1)
    assert first.path == journal_path(tmp_path / "r.jsonl") == tmp_path / "r.jsonl.tasks"
    assert journal(tmp_path, resume=True).groups == {"one": 5, "two": 1}
    first.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_new_run_forgets_what_an_earlier_one_left(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl.tasks").write_text("anything")
    assert journal(tmp_path, resume=False).groups == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["[", "[]", "{}", '{"format": "other", "groups": {}}', '{"format": "pyhf-endpoint tasks"}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.jsonl.tasks").write_text(text)
    with pytest.raises(ResultsError, match=r"r\.jsonl\.tasks .*remove it to compute again"):
        journal(tmp_path, resume=True)


def test_a_note_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    found = Journal(tmp_path / "none" / "r.jsonl", "polaris", "endpoint", Service(), resume=False)
    with pytest.raises(ResultsError, match=r"cannot write .*r\.jsonl\.tasks, which tells where the tasks are: No such file"):
        found.sent("one", 1)


def test_there_must_be_a_results_file(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"cannot read .*r\.jsonl"):
        collect(tmp_path / "r.jsonl")
