"""Finding and loading an analysis, wherever its two files are."""

import dataclasses
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyhf_endpoint.errors import InputError, PyhfEndpointError, UsageError
from pyhf_endpoint.inputs import load, workspace_digest
from pyhf_endpoint.inputs.patchset import make_patchset
from tests.inputs.builders import MU, channel, make_tar, make_zip, pair, patch, patchset, sample, workspace, write

REGIONS = {**pair("likelihoods/RegionA/"), **pair("likelihoods/RegionC/"), "likelihoods/README.md": b"text"}


def failure(kind: type[PyhfEndpointError], *arguments: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        load(*arguments, **options)
    return str(caught.value)


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / "likelihood" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root / "likelihood"


def tar(root: Path, files: dict[str, bytes]) -> Path:
    path = root / "likelihood.tar"
    path.write_bytes(make_tar(files))
    return path


def tar_gz(root: Path, files: dict[str, bytes]) -> Path:
    path = root / "likelihood.tar.gz"
    path.write_bytes(make_tar(files, "w:gz"))
    return path


def zipped(root: Path, files: dict[str, bytes]) -> Path:
    path = root / "likelihood.zip"
    path.write_bytes(make_zip(files))
    return path


Store = Callable[[Path, dict[str, bytes]], Path]
BUNDLES = pytest.mark.parametrize(
    ("store", "separator"), [(folder, "/"), (tar, ":"), (tar_gz, ":"), (zipped, ":")], ids=["folder", "tar", "tar.gz", "zip"]
)


def test_two_files(tmp_path: Path) -> None:
    first, second = write(tmp_path / "w.json", workspace()), write(tmp_path / "p.json", patchset())
    analysis = load(first, str(second))
    assert analysis.workspace == workspace()
    assert (analysis.workspace_name, analysis.patchset_name) == (str(first), str(second))
    assert analysis.workspace_digest == workspace_digest(workspace())
    assert analysis.measurement == "m"
    assert analysis.patchset is not None
    assert analysis.patchset.names == ("sig_100_50", "sig_200_50")
    with pytest.raises(dataclasses.FrozenInstanceError):
        analysis.measurement = "x"  # type: ignore[misc]


def test_gzipped_files(tmp_path: Path) -> None:
    for name, document in (("w.json.gz", workspace()), ("p.json.gz", patchset())):
        (tmp_path / name).write_bytes(gzip.compress(json.dumps(document).encode()))
    analysis = load(tmp_path / "w.json.gz", tmp_path / "p.json.gz")
    assert analysis.workspace == workspace()


def test_objects_are_used_as_they_are() -> None:
    spec = workspace()
    hypotheses = make_patchset(patchset(), "mine")
    analysis = load(spec, hypotheses)
    assert analysis.workspace is spec
    assert analysis.patchset is hypotheses
    assert (analysis.workspace_name, analysis.patchset_name) == ("the workspace", "mine")
    assert load(spec, patchset()).patchset_name == "the patch set"


def test_a_workspace_alone(tmp_path: Path) -> None:
    analysis = load(write(tmp_path / "w.json", workspace(channel("SR", sample("s", [1.0], MU)))))
    assert (analysis.patchset, analysis.patchset_name) == (None, None)


@BUNDLES
@pytest.mark.parametrize("prefix", ["", "deep/down/"])
def test_bundle(store: Store, separator: str, prefix: str, tmp_path: Path) -> None:
    path = store(tmp_path, {"README.md": b"text", "._BkgOnly.json": b"\0", **pair(prefix)})
    analysis = load(path)
    assert analysis.workspace == workspace()
    assert analysis.workspace_name == f"{path}{separator}{prefix}BkgOnly.json"
    assert analysis.patchset_name == f"{path}{separator}{prefix}patchset.json"


@BUNDLES
def test_bundle_with_other_spelling(store: Store, separator: str, tmp_path: Path) -> None:
    path = store(
        tmp_path,
        {"bkgonly.JSON": json.dumps(workspace()).encode(), "PatchSet.json.gz": gzip.compress(json.dumps(patchset()).encode())},
    )
    assert load(path).patchset_name == f"{path}{separator}PatchSet.json.gz"


@BUNDLES
@pytest.mark.parametrize("region", ["RegionC", "likelihoods/RegionC", "RegionC/"])
def test_region(store: Store, separator: str, region: str, tmp_path: Path) -> None:
    path = store(tmp_path, REGIONS)
    assert load(path, region=region).workspace_name == f"{path}{separator}likelihoods/RegionC/BkgOnly.json"


@BUNDLES
def test_region_must_be_chosen_and_exist(store: Store, separator: str, tmp_path: Path) -> None:
    path = store(tmp_path, REGIONS)
    assert failure(UsageError, path) == f"{path} holds 2 regions (`RegionA`, `RegionC`); choose one with `region`"
    assert failure(UsageError, path, region="RegoinC") == (
        f"region: `RegoinC` is not among those of {path} (`RegionA`, `RegionC`). Did you mean `RegionC`?"
    )


def test_region_of_a_single_one_must_exist_too(tmp_path: Path) -> None:
    path = folder(tmp_path, pair("RegionA/"))
    assert load(path, region="RegionA").measurement == "m"
    assert failure(UsageError, path, region="RegionB") == (
        f"region: `RegionB` is not among those of {path} (`RegionA`). Did you mean `RegionA`?"
    )


def test_region_without_a_bundle(tmp_path: Path) -> None:
    message = "region: `A` given, but regions are sub-folders of a folder or archive; leave it out for a single workspace"
    assert failure(UsageError, workspace(), region="A") == message
    assert failure(UsageError, write(tmp_path / "w.json", workspace()), region="A") == message


def test_bundle_with_top_level_and_sub_folder(tmp_path: Path) -> None:
    path = folder(tmp_path, {**pair(), **pair("RegionA/")})
    assert failure(UsageError, path) == f"{path} holds 2 regions (`.`, `RegionA`); choose one with `region`"
    assert load(path, region=".").workspace_name == f"{path}/BkgOnly.json"


def test_a_patch_set_given_beside_a_bundle_wins(tmp_path: Path) -> None:
    path = folder(tmp_path, pair())
    other = write(tmp_path / "mine.json", patchset(patch("mine", 1, 2)))
    assert load(path, other).patchset_name == str(other)
    (path / "patchset.json").unlink()
    assert load(path, other).patchset_name == str(other)


def test_incomplete_bundles(tmp_path: Path) -> None:
    path = folder(tmp_path, pair())
    (path / "patchset.json").rename(path / "patches.json")
    assert failure(InputError, path) == f"{path}/BkgOnly.json has no patchset.json beside it; give the patch set as well"
    (path / "BkgOnly.json").rename(path / "workspace.json")
    assert failure(InputError, path) == (
        f"{path} holds no BkgOnly.json with a patchset.json (found: `patches.json`, `workspace.json`); "
        "give the two files themselves"
    )
    (path / "patches.json").rename(path / "patchset.json")
    assert failure(InputError, path) == (
        f"{path}/patchset.json has no BkgOnly.json beside it; give the workspace's file, then the patch set's"
    )


def test_empty_folder(tmp_path: Path) -> None:
    assert failure(InputError, tmp_path) == (
        f"{tmp_path} holds no BkgOnly.json with a patchset.json (found: nothing); give the two files themselves"
    )


def test_archive_in_an_archive(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"HEPData/likelihoods.tar.gz": make_tar(pair(), "w:gz")})
    assert failure(InputError, path) == (
        f"{path} holds no BkgOnly.json, but another archive, `HEPData/likelihoods.tar.gz`; unpack it and give that one"
    )


def test_competing_files(tmp_path: Path) -> None:
    path = folder(tmp_path, {**pair(), "BkgOnly.json.gz": gzip.compress(b"{}")})
    assert failure(InputError, path) == f"{path}/BkgOnly.json and {path}/BkgOnly.json.gz compete; remove one of them"


def test_malicious_archive(tmp_path: Path) -> None:
    path = tar_gz(tmp_path, {**pair(), "../../evil": b"x"})
    assert failure(InputError, path) == (
        f"{path} is refused: its member `../../evil` leads out of the archive; get the archive from its publisher"
    )


def test_nothing_is_unpacked(tmp_path: Path) -> None:
    path = tar_gz(tmp_path, REGIONS)
    load(path, region="RegionA")
    assert list(tmp_path.iterdir()) == [path]


def test_faults_inside_an_archive_name_the_member(tmp_path: Path) -> None:
    path = tar_gz(tmp_path, {**pair(), "BkgOnly.json": b'{"channels": NaN}'})
    assert failure(InputError, path) == (
        f"{path}:BkgOnly.json: line 1, column 14: NaN is not JSON and no usable number; replace it with a finite number"
    )


def test_swapped_files(tmp_path: Path) -> None:
    first, second = write(tmp_path / "w.json", workspace()), write(tmp_path / "p.json", patchset())
    assert failure(InputError, second, first) == (
        f"{second} is a patch set and {first} a workspace: the two are swapped; give the workspace first"
    )
    assert failure(InputError, second) == (
        f"{second} is a patch set where a workspace is expected; give the workspace first, then the patch set"
    )
    assert failure(InputError, first, first) == (
        f"{first} is a workspace where a patch set is expected; give the workspace first, then the patch set"
    )


def test_patch_set_of_another_workspace(tmp_path: Path) -> None:
    second = write(tmp_path / "p.json", patchset(sha256="0" * 64))
    assert failure(InputError, workspace(), second) == (
        f"{second} was not made for the workspace: the workspace's digest differs\n"
        f"  sha256: {'0' * 64} stated by the patch set, {workspace_digest(workspace())} found\n"
        "use the background-only workspace published with this patch set (same record, same version), unedited"
    )
    assert failure(InputError, workspace(), make_patchset(patchset(md5="0" * 32))).startswith(
        "the patch set was not made for the workspace"
    )


def test_measurement(tmp_path: Path) -> None:
    spec = workspace()
    spec["measurements"].append({"name": "second", "config": {"poi": "mu", "parameters": []}})
    first = write(tmp_path / "w.json", spec)
    assert load(first).measurement == "m"
    assert load(first, measurement="second").measurement == "second"
    assert failure(UsageError, first, measurement="secnd") == (
        f"measurement: `secnd` is not among those of {first} (m, second). Did you mean `second`?"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.json", "{path} does not exist; check the path."),
        ("x" * 300, "{path} cannot be read: File name too long; check the path and its permissions"),
    ],
)
def test_path_that_cannot_be_read(name: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    assert failure(InputError, path) == message.format(path=path)


def test_patch_set_in_a_folder_or_archive(tmp_path: Path) -> None:
    path = folder(tmp_path, pair())
    assert failure(InputError, workspace(), path) == f"{path} is a folder where a JSON file is expected; give a file inside it"
    archive = tar_gz(tmp_path, pair())
    assert failure(InputError, workspace(), archive) == (
        f"{archive} is not a JSON file: it is a tar archive; give the archive as the workspace, or unpack it"
    )


PUBLISHED = [
    ("1Lbb", 125, "BasicMeasurement", "2563672e1a165384faf49f1431e921d88c9c07ec10f150d5045576564f98f820"),
    ("3L-RJ", 66, "NormalMeasurement", "a20207ad6da9dc3e3e53dc159155a8371d7b44487e03fb4af4c6be20be4ad695"),
]


@pytest.mark.skipif("PYHF_ENDPOINT_DATA" not in os.environ, reason="PYHF_ENDPOINT_DATA names no folder with published analyses")
@pytest.mark.parametrize(("name", "count", "measurement", "digest"), PUBLISHED)
def test_published_analysis(name: str, count: int, measurement: str, digest: str) -> None:
    analysis = load(Path(os.environ["PYHF_ENDPOINT_DATA"], name))
    assert analysis.patchset is not None
    assert (len(analysis.patchset), analysis.measurement, analysis.workspace_digest) == (count, measurement, digest)
