"""The generated analysis: repeatable, valid for pyhf, of the promised shape, and with a contour that crosses its grid."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pyhf
import pytest

from pyhf_endpoint import example
from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.example.plane import points

Documents = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def documents() -> Documents:
    return example.generate()


@pytest.fixture(scope="module")
def coarse() -> Documents:
    return example.generate(signals=16)


def patched(documents: Documents, name: str) -> pyhf.Workspace:
    workspace, patchset = documents
    return pyhf.Workspace(pyhf.PatchSet(patchset)[name].apply(workspace))


def operations(patchset: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return (path, added sample) of all operations of all patches."""
    return [(operation["path"], operation["value"]) for patch in patchset["patches"] for operation in patch["patch"]]


def test_equal_arguments_give_equal_text_and_another_seed_does_not(coarse: Documents) -> None:
    assert json.dumps(example.generate(signals=16)) == json.dumps(coarse)
    workspace, patchset = example.generate(signals=16, seed=1)
    assert workspace["observations"] != coarse[0]["observations"]
    assert workspace["channels"] != coarse[0]["channels"]
    assert patchset["patches"] != coarse[1]["patches"]


def test_a_patch_depends_on_its_masses_and_not_on_the_grid(documents: Documents, coarse: Documents) -> None:
    assert coarse[0] == documents[0]
    by_name = [{patch["metadata"]["name"]: patch for patch in patchset["patches"]} for _, patchset in (documents, coarse)]
    shared = by_name[0].keys() & by_name[1].keys()
    assert {"C1N2_150_0", "C1N2_1000_0", "C1N2_1000_400"} <= shared
    assert all(by_name[0][name] == by_name[1][name] for name in shared)


def test_shape_of_the_workspace(documents: Documents) -> None:
    workspace = pyhf.Workspace(documents[0])
    assert sorted(workspace.channel_nbins.values()) == [1, 1, 1, 1, 1, 3, 3, 3]
    assert sum(name.startswith("CR_") for name in workspace.channels) == 5
    assert len(workspace.samples) == 9
    assert {kind for _, kind in workspace.modifiers} == {"histosys", "normsys", "normfactor", "lumi", "staterror"}
    assert workspace.measurement_names == ["NormalMeasurement"]
    assert workspace.get_measurement()["config"]["poi"] == "mu_SIG"
    background = workspace.model(poi_name=None)
    assert background.config.npars == 121
    fitted = [parameter["name"] for parameter in workspace.get_measurement()["config"]["parameters"]]
    assert fitted == ["lumi", "norm_ttbar", "norm_singletop", "norm_wjets", "mu_SIG"]


def test_observation_is_a_plausible_draw_from_the_background_without_empty_bins() -> None:
    for seed in range(8):
        workspace, _ = example.generate(signals=1, seed=seed)
        pulls = []
        for channel, observation in zip(workspace["channels"], workspace["observations"], strict=True):
            assert channel["name"] == observation["name"]
            for position, count in enumerate(observation["data"]):
                expected = sum(sample["data"][position] for sample in channel["samples"])
                assert count >= 1
                assert count == int(count)
                pulls.append((count - expected) / math.sqrt(expected))
        assert max(map(abs, pulls)) < 5
        assert 0.2 < sum(pull**2 for pull in pulls) / len(pulls) < 3


def test_some_shapes_are_one_sided_and_all_templates_are_positive(documents: Documents) -> None:
    samples = [sample for channel in documents[0]["channels"] for sample in channel["samples"]]
    samples += [sample for _, sample in operations(documents[1])]
    one_sided = two_sided = 0
    for sample in samples:
        assert min(sample["data"]) >= 0
        assert sum(sample["data"]) > 0
        for modifier in sample["modifiers"]:
            if modifier["type"] == "histosys":
                low, high = modifier["data"]["lo_data"], modifier["data"]["hi_data"]
                assert all((value > 0) == (nominal > 0) for nominal, value in zip(sample["data"] * 2, low + high, strict=True))
                moved = (low != sample["data"]) + (high != sample["data"])
                one_sided += moved == 1
                two_sided += moved == 2
            elif modifier["type"] == "normsys":
                assert 0.4 < modifier["data"]["lo"] < 1.6
                assert 0.4 < modifier["data"]["hi"] < 1.6
    assert one_sided > 1000
    assert two_sided > 1000


def test_patchset_verifies_and_every_patch_adds_one_signal_per_channel(documents: Documents) -> None:
    workspace, spec = documents
    patchset = pyhf.PatchSet(spec)
    patchset.verify(workspace)
    assert len(patchset) == 125
    assert patchset.labels == ["m_C1N2", "m_N1"]
    # Copies of the names alone: patching copies the whole workspace, which 125 times over takes seconds.
    names = {channel["name"]: [sample["name"] for sample in channel["samples"]] for channel in workspace["channels"]}
    bare = {"channels": [{"name": channel, "samples": [{"name": name} for name in names[channel]]} for channel in names]}
    for patch in patchset:
        assert patch.name == "C1N2_{}_{}".format(*patch.values)
        added = []
        for channel in patch.apply(bare)["channels"]:
            after = [sample["name"] for sample in channel["samples"]]
            added.append(after != names[channel["name"]])
            assert after == names[channel["name"]] + [patch.name] * added[-1]
        assert sum(added) == len(patch.patch) >= 1
    kinds = {modifier["type"] for _, sample in operations(spec) for modifier in sample["modifiers"]}
    assert kinds == {"histosys", "normsys", "normfactor", "lumi", "staterror"}
    assert {True, False} == {len(patch.patch) == 8 for patch in patchset}, "some signals miss some channels"


def test_metadata_says_that_all_is_made_up(documents: Documents) -> None:
    metadata = documents[1]["metadata"]
    assert metadata["description"].startswith("Generated example, not a measurement")
    assert metadata["references"]["hepdata"] == "ins0000000"
    assert "there is no such record" in metadata["description"]
    assert metadata["generator"] == {"name": "pyhf-endpoint", "signals": 125, "seed": 0}


@pytest.mark.parametrize("name", ["C1N2_150_0", "C1N2_500_370"])
def test_models_build_with_125_parameters_and_positive_rates(documents: Documents, name: str) -> None:
    workspace = patched(documents, name)
    model = workspace.model()
    assert model.config.npars == 125
    assert model.config.poi_name == "mu_SIG"
    inits = model.config.suggested_init()
    for shift in (-1.0, 0.0, 1.0):
        pulled = [value + shift if value == 0 else value for value in inits]
        assert model.expected_data(pulled, include_auxdata=False).min() > 0
    assert math.isfinite(float(model.logpdf(inits, workspace.data(model))[0]))


def cls(workspace: pyhf.Workspace) -> tuple[float, list[float]]:
    model = workspace.model()
    observed, band = pyhf.infer.hypotest(1.0, workspace.data(model), model, test_stat="qtilde", return_expected_set=True)
    return float(observed), [float(value) for value in band]


def test_a_light_signal_near_the_contour_is_excluded_with_its_larger_systematics(coarse: Documents) -> None:
    workspace = patched(coarse, "C1N2_490_180")
    experimental = [name for name, _ in workspace.modifiers if name.startswith(("jet_", "met_", "tag_", "electron_", "muon_"))]
    observed, band = cls(workspace.prune(modifiers=experimental))
    assert 1e-4 < observed < 0.05
    assert band[1] < 0.05 < band[4], "the expected band has the threshold inside"


@pytest.mark.parametrize("name", ["C1N2_1000_0", "C1N2_660_400"], ids=["heavy", "compressed"])
def test_heavy_and_compressed_signals_are_not_excluded_even_without_systematics(coarse: Documents, name: str) -> None:
    observed, band = cls(patched(coarse, name).prune(modifier_types=["histosys", "normsys"]))
    assert 0.05 < observed < 1
    assert band[1] > 0.05


@pytest.mark.parametrize("count", [1, 2, 3, 9, 12, 16, 125, 500, 501, 2000, 5000])
def test_grids_have_as_many_points_as_asked_for(count: int) -> None:
    grid = points(count)
    assert len(grid) == len(set(grid)) == count
    assert list(grid) == sorted(grid)
    assert all(150 <= point.m_c1n2 <= 1000 and 0 <= point.m_n1 <= min(400, point.m_c1n2 - 130) for point in grid)


@pytest.mark.parametrize("count", [9, 16, 125, 500])
def test_grids_cover_the_plane_evenly(count: int) -> None:
    grid = points(count)
    rows = [[point.m_n1 for point in grid if point.m_c1n2 == mass] for mass in sorted({point.m_c1n2 for point in grid})]
    assert grid[0].name == "C1N2_150_0"
    assert grid[-1].name == "C1N2_1000_400"
    assert all(row[0] == 0 for row in rows)
    # No hole is larger than about two cells of equal size.
    cell = math.sqrt(270_000 / count)
    gaps = [after - before for row in rows for before, after in itertools.pairwise(row)]
    assert max(gaps) < 2.4 * cell
    masses = sorted({point.m_c1n2 for point in grid})
    assert max(after - before for before, after in itertools.pairwise(masses)) < 2.4 * cell


@pytest.mark.parametrize("count", [1, 2, 9, 16, 200])
def test_patch_sets_have_as_many_patches_as_asked_for(count: int) -> None:
    _, patchset = example.generate(signals=count)
    assert [patch["metadata"]["name"] for patch in patchset["patches"]] == [point.name for point in points(count)]


@pytest.mark.parametrize(
    ("signals", "seed", "message"),
    [
        (0, 0, "signals: 0 asked for; the example has 1 to 5000 (125 where nothing is said)"),
        (5001, 0, "signals: 5001 asked for; the example has 1 to 5000 (125 where nothing is said)"),
        (125, -1, "seed: -1 is negative; give a whole number from 0"),
    ],
)
def test_arguments_out_of_range_are_usage_errors(signals: int, seed: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        example.generate(signals, seed)
    assert str(error.value) == message
    with pytest.raises(UsageError):
        example.write(tmp_path / "out", signals, seed)
    assert not (tmp_path / "out").exists()


def test_write_makes_the_directory_and_files_hold_what_generate_returns(tmp_path: Path, coarse: Documents) -> None:
    workspace, patchset = example.write(tmp_path / "deep" / "example", signals=16)
    assert (workspace, patchset) == (
        tmp_path / "deep" / "example" / "BkgOnly.json",
        tmp_path / "deep" / "example" / "patchset.json",
    )
    assert sorted(path.name for path in workspace.parent.iterdir()) == ["BkgOnly.json", "patchset.json"]
    read = tuple(json.loads(path.read_text(encoding="utf-8")) for path in (workspace, patchset))
    assert read == coarse
    pyhf.PatchSet(read[1]).verify(read[0])


def test_files_of_the_default_stay_small(tmp_path: Path) -> None:
    assert sum(path.stat().st_size for path in example.write(tmp_path)) < 15e6


def test_write_again_leaves_equal_files_alone_and_refuses_to_replace_others(tmp_path: Path) -> None:
    paths = example.write(tmp_path, signals=2)
    before = [path.stat().st_ino for path in paths]
    assert example.write(tmp_path, signals=2) == paths
    assert [path.stat().st_ino for path in paths] == before
    texts = [path.read_bytes() for path in paths]
    with pytest.raises(ResultsError) as error:
        example.write(tmp_path, signals=3)
    assert str(error.value) == (
        f"{tmp_path}: patchset.json there already, with other content; "
        "choose another directory, or pass overwrite to replace what is there"
    )
    with pytest.raises(ResultsError, match=r"BkgOnly\.json and patchset\.json there already"):
        example.write(tmp_path, signals=2, seed=1)
    assert [path.read_bytes() for path in paths] == texts
    example.write(tmp_path, signals=3, overwrite=True)
    assert paths[0].read_bytes() == texts[0]
    assert len(json.loads(paths[1].read_bytes())["patches"]) == 3


def test_a_directory_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way", encoding="utf-8")
    for directory in (file, file / "below"):
        with pytest.raises(ResultsError, match=r"the example cannot be written there \(.+\); choose another directory") as error:
            example.write(directory, signals=1)
        assert str(file) in str(error.value)
    (tmp_path / "out" / "patchset.json").mkdir(parents=True)
    with pytest.raises(ResultsError, match=r"patchset\.json there already"):
        example.write(tmp_path / "out", signals=1)
    with pytest.raises(ResultsError, match="cannot be written there"):
        example.write(tmp_path / "out", signals=1, overwrite=True)
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
