"""`pyhf-endpoint sites`, as a user types it."""

from pathlib import Path

import pytest
import yaml

from pyhf_endpoint import __version__, profiles
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
    shown = run("sites", "show", "mine").out
    assert shown.startswith(f"# {path} (user)\n")
    assert "\nname: mine\n" in shown
    path.write_text(text.replace('walltime: "00:10:00"', "walltime: 1:10:00"))
    assert run("sites", "check", "mine", "polaris", code=3).err == (
        f"error: {path} has 1 fault\n"
        '  variants.debug.walltime: found the number 4200; put quotes around it ("01:00:00"), or YAML reads it as seconds\n'
        "fix these, then run: pyhf-endpoint sites check mine\n"
    )


def test_show_says_how_the_image_is_had_and_run_and_stays_a_profile() -> None:
    shown = run("sites", "show", "polaris").out
    file = f"/FOLDER/pyhf-endpoint-{__version__}-cuda12-x86_64.sif"
    setup = "ml use /soft/modulefiles && ml spack-pe-base && ml apptainer"
    assert shown.splitlines()[1:5] == [
        "# container runtime: apptainer; image for variant `gpu`: cuda12",
        f"#   pull: {setup} && apptainer pull {file} docker://REGISTRY/pyhf-endpoint:{__version__}-cuda12",
        f"#   run:  apptainer run --nv --bind RUN_DIR {file} COMMAND",
        f"#   use:  pyhf-endpoint render polaris --env image:{file}",
    ]
    assert yaml.safe_load(shown)["name"] == "polaris"
    assert run("sites", "show", "polaris", "--variant", "cpu").out.splitlines()[1].endswith("image for variant `cpu`: cpu")
    assert run("sites", "show", "crux").out.splitlines()[1] == "# container runtime: none; workers use a virtual environment"


def test_show_says_that_a_site_is_retired_and_offers_no_image() -> None:
    retired = [name for name in profiles.names() if profiles.find(name).profile.status == "retired"]
    assert len(retired) == 4
    for name in retired:
        for options in ([], ["--explain"]):
            shown = run("sites", "show", name, *options).out
            assert "# this site is retired: its machine is gone, and the profile stays as a record\n" in shown
            assert "pull" not in "".join(line for line in shown.splitlines() if line.startswith("# "))


def test_what_show_names_is_what_render_takes(tmp_path: Path) -> None:
    for site in ("perlmutter", "delta", "river"):
        command = next(line for line in run("sites", "show", site).out.splitlines() if line.startswith("#   use:  "))
        words = command.split()[3:]
        run(*words, "--account", "project", "-o", tmp_path / site)
        assert words[-1].removeprefix("image:") in (tmp_path / site / "user_config_template.yaml.j2").read_text()


def test_an_earlier_folder_hides_a_later_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "team"
    run("sites", "new", "local-copy", "--from", "local", "-o", folder / "local-copy.yaml")
    (folder / "local.yaml").write_text((folder / "local-copy.yaml").read_text().replace("name: local-copy", "name: local"))
    monkeypatch.setenv(profiles.FOLDERS_VARIABLE, str(folder))
    assert run("sites", "show", "local").out.startswith(f"# {folder}/local.yaml ({profiles.FOLDERS_VARIABLE})\n")


def test_a_profile_with_faults_hides_no_other_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(profiles.FOLDERS_VARIABLE, str(tmp_path))
    text = profiles.find("local").path.read_text()
    for name in ("aaa", "zzz"):
        (tmp_path / f"{name}.yaml").write_text(
            text.replace("name: local", f"name: {name}").replace("status: active", "status: on")
        )
    done = run("sites", "list", code=3)
    assert [line.split()[0] for line in done.out.splitlines()] == [n for n in profiles.names() if n not in ("aaa", "zzz")]
    assert done.err.count("  status: Input should be 'active', 'retired' or 'unknown'") == 2
    done = run("render", "--all", "-o", tmp_path / "all", code=3)
    assert done.err.count(".yaml has 1 fault") == 2
    assert (tmp_path / "all/vista/config.yaml").exists()


def test_a_profile_given_by_file_is_to_be_checked_by_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(profiles.find("local").path.read_text())
    assert run("sites", "check", "--profile", path, code=3).err.endswith(
        f"fix these, then run: pyhf-endpoint sites check --profile {path}\n"
    )


def test_an_unknown_variant_is_all_that_show_speaks_of() -> None:
    assert run("sites", "show", "polaris", "--variant", "gpus", code=2).out == ""


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
    assert done.err == f"error: cannot read {tmp_path}/gone.yaml: No such file or directory; give a site's profile\n"
    assert done.out.splitlines()[0].startswith("local  active  local")
    assert done.out.endswith("2 checked, 1 with faults\n")


def test_the_table_in_the_readme_is_current() -> None:
    table = README.read_text().split("<!-- sites -->\n")[1].split("<!-- /sites -->")[0]
    assert table == sites_table(), "run `make readme`"
