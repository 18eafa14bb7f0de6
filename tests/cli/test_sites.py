"""`pyhf-endpoint sites`, as a user types it."""

from pathlib import Path

import pytest

from pyhf_endpoint import profiles
from pyhf_endpoint.profiles.overview import sites_table
from tests.cli.command import run

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(profiles.FOLDERS_VARIABLE, raising=False)


def test_list_names_every_site() -> None:
    lines = run("sites", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == profiles.names()
    assert next(line for line in lines if line.startswith("polaris")).split()[1:3] == ["pbspro", "active"]


def test_all_shipped_profiles_are_clean() -> None:
    out = run("sites", "check", "--all").out
    assert out.endswith(f"{len(profiles.names())} checked, 0 with faults\n")
    assert "polaris" in out
    assert " sourced, " in out


def test_a_new_site_is_begun_edited_checked_and_found_with_its_origin(tmp_path: Path) -> None:
    path = tmp_path / "config/pyhf-endpoint/sites/mine.yaml"
    assert run("sites", "new", "mine", "--from", "polaris").out == (
        f"{path}\nedit it, then run: pyhf-endpoint sites check mine\n"
    )
    text = path.read_text()
    assert "verified" not in text
    assert "# The devices are numbered against the order" in text
    lines = run("sites", "check", "mine").out.splitlines()
    assert lines[0].split()[:3] == ["mine", "active", "pbspro"]
    assert lines[0].endswith("  user")
    assert lines[1] == "1 checked, 0 with faults"
    assert run("sites", "show", "mine").out.startswith(f"# {path} (user)\nname: mine\n")
    path.write_text(text.replace('walltime: "00:10:00"', "walltime: 1:10:00"))
    assert run("sites", "check", "mine", "polaris", code=3).err == (
        f"error: {path} has 1 fault\n"
        '  variants.debug.walltime: found the number 4200; put quotes around it ("01:00:00"), or YAML reads it as seconds\n'
        "fix these, then run: pyhf-endpoint sites check mine\n"
    )


def test_an_earlier_folder_hides_a_later_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "team"
    run("sites", "new", "local-copy", "--from", "local", "-o", folder / "local-copy.yaml")
    (folder / "local.yaml").write_text((folder / "local-copy.yaml").read_text().replace("name: local-copy", "name: local"))
    monkeypatch.setenv(profiles.FOLDERS_VARIABLE, str(folder))
    assert run("sites", "show", "local").out.startswith(f"# {folder}/local.yaml ({profiles.FOLDERS_VARIABLE})\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new", "polaris", "--from", "local"), "there is a site `polaris` already"),
        (("new", "Bad Name", "--from", "local"), "`Bad Name` cannot name a site"),
        (("new", "mine", "--from", "polris"), "unknown site `polris`. Did you mean `polaris`?"),
        (("new", "mine", "--from", "local", "-o", "other.yaml"), "other.yaml: the file of site `mine` must be called mine.yaml"),
        (("check",), "name the sites to check, or give --all or --profile FILE"),
        (("check", "polris"), "unknown site `polris`. Did you mean `polaris`?"),
    ],
)
def test_wrong_use_is_answered_with_the_remedy(arguments: tuple[str, ...], message: str) -> None:
    assert run("sites", *arguments, code=2).err.startswith(f"error: {message}")


def test_a_file_that_cannot_be_read_is_a_fault_among_the_others(tmp_path: Path) -> None:
    done = run("sites", "check", "local", "--profile", tmp_path / "gone.yaml", code=3)
    assert done.err == f"error: cannot read {tmp_path}/gone.yaml: No such file or directory\n"
    assert done.out.splitlines()[0].startswith("local  active  local")
    assert done.out.endswith("2 checked, 1 with faults\n")


def test_the_table_in_the_readme_is_current() -> None:
    table = README.read_text().split("<!-- sites -->\n")[1].split("<!-- /sites -->")[0]
    assert table == sites_table(), "run `make readme`"
