"""The files on disk: edits are kept, changes are shown."""

from pathlib import Path

import pytest

from pyhf_endpoint.endpoint import CONFIG, ENVIRONMENT, SCHEMA, TEMPLATE, diff, write
from pyhf_endpoint.errors import UsageError
from tests.endpoint.sites import bundle, use

FILES = [CONFIG, TEMPLATE, SCHEMA, ENVIRONMENT]
ONE, OTHER = bundle(use()), bundle(use(account="other"))


def contents(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text(encoding="utf-8") for name in FILES}


def test_all_files_are_written_and_the_second_time_none(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "endpoint"
    assert write(ONE, folder) == [folder / name for name in FILES]
    assert contents(folder) == ONE.files
    assert write(ONE, folder) == []
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, ".rendered.json"])


def test_what_was_rendered_before_is_replaced(tmp_path: Path) -> None:
    write(ONE, tmp_path)
    assert write(OTHER, tmp_path) == [tmp_path / TEMPLATE, tmp_path / SCHEMA]
    assert contents(tmp_path) == OTHER.files


def test_an_edit_stops_everything_until_it_is_forced(tmp_path: Path) -> None:
    write(ONE, tmp_path)
    (tmp_path / TEMPLATE).write_text("edited", encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(UsageError) as error:
        write(OTHER, tmp_path)
    assert str(error.value) == (
        f"{tmp_path} has 1 fault\n  {TEMPLATE}: edited by hand, or not from here\n"
        "see what would change with --check; to replace them, give --force"
    )
    assert contents(tmp_path) == before
    write(OTHER, tmp_path, force=True)
    assert contents(tmp_path) == OTHER.files
    assert write(ONE, tmp_path) == [tmp_path / TEMPLATE, tmp_path / SCHEMA]


def test_an_edited_file_that_is_what_it_should_be_is_no_obstacle(tmp_path: Path) -> None:
    write(ONE, tmp_path)
    (tmp_path / TEMPLATE).write_text(OTHER.files[TEMPLATE], encoding="utf-8")
    write(OTHER, tmp_path)
    assert contents(tmp_path) == OTHER.files


@pytest.mark.parametrize("manifest", [None, "", "no JSON", "[1]"])
def test_files_of_unknown_origin_are_kept(tmp_path: Path, manifest: str | None) -> None:
    (tmp_path / CONFIG).write_bytes(b"mine \xff")
    if manifest is not None:
        (tmp_path / ".rendered.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(UsageError, match=CONFIG):
        write(ONE, tmp_path)
    assert (tmp_path / CONFIG).read_bytes() == b"mine \xff"
    assert not (tmp_path / TEMPLATE).exists()


def test_the_difference_is_shown_and_nothing_written(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    shown = diff(ONE, folder)
    assert not folder.exists()
    assert "--- /dev/null\n" in shown
    assert all(f"+{line}\n" in shown for text in ONE.files.values() for line in text.splitlines())
    write(ONE, folder)
    assert diff(ONE, folder) == ""
    changes = [line for line in diff(OTHER, folder).splitlines() if line[0] in "+-" and line[:3] not in {"+++", "---"}]
    assert changes == [
        '-  "account": "project",',
        '+  "account": "other",',
        '-      "default": "project"',
        '+      "default": "other"',
    ]
