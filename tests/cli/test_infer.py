"""The other inference commands, end to end; their numbers are held against pyhf in tests/histfactory."""

import csv
import io
import json
from pathlib import Path

import pytest

from pyhf_endpoint.client import Client
from pyhf_endpoint.results import (
    FitResult,
    RankingResult,
    ScanResult,
    SignificanceResult,
    UpperLimitResult,
    read,
)
from tests import small
from tests.cli.command import run

KINDS = ["upper-limit", "significance", "fit", "scan", "ranking"]


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return small.write(tmp_path_factory.mktemp("analysis"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_writes_its_records_and_resumes_and_refuses_another(
    analysis: tuple[Path, Path], tmp_path: Path, kind: str
) -> None:
    output = tmp_path / "r.jsonl"
    run(kind, *analysis, "-o", output, "--patch", "S200")
    done = run(kind, *analysis, "-o", output, "--resume")
    assert "2 converged (1 were there before)" in done.err
    found = read(output)
    assert found.header.kind == kind
    assert sorted(result.name for result in found.results) == ["S100", "S200", "S300"]
    assert all(result.status == "converged" for result in found.results)
    rows = list(csv.DictReader(io.StringIO(run("results", "show", output, "--format", "csv").out)))
    assert {row["name"] for row in rows} == {"S100", "S200", "S300"}
    assert json.loads(run("results", "show", output, "--format", "json").out)["header"]["kind"] == kind
    assert run("results", "show", output).out.startswith(f"{kind}, site local")
    other = KINDS[KINDS.index(kind) - 1]
    assert f"kind: '{kind}' in the file, '{other}' in this run" in run(other, *analysis, "-o", output, "--resume", code=4).err


def test_python_offers_the_same(analysis: tuple[Path, Path]) -> None:
    with Client("local", workers=1) as site:
        limit = site.upper_limit(*analysis, patches=["S100"], blind=True).to_list()[0]
        discovery = site.significance(*analysis, patches=["S100"]).to_list()[0]
        fit = site.fit(*analysis, patches=["S100"], correlations=True).to_list()[0]
        scans = site.scan(*analysis, patches=["S100"], parameters=["mu", "bkg_norm"], steps=5).to_list()
        ranking = site.ranking(*analysis, patches=["S100"]).to_list()[0]
    assert isinstance(limit, UpperLimitResult)
    assert limit.limit_obs is None
    assert limit.limit_exp is not None
    assert isinstance(discovery, SignificanceResult)
    assert discovery.z_exp is not None
    assert isinstance(fit, FitResult)
    assert fit.correlations is not None
    assert [row[i] for i, row in enumerate(fit.correlations)] == pytest.approx([1.0, 1.0, 1.0])
    assert all(isinstance(scan, ScanResult) for scan in scans)
    assert [(scan.parameter, len(scan.grid)) for scan in scans] == [("mu", 5), ("bkg_norm", 5)]
    assert isinstance(ranking, RankingResult)
    assert {impact.parameter for impact in ranking.impacts} == {"bkg_norm", "bkg_shape"}


def test_a_scan_takes_the_parameter_of_interest_unless_told_otherwise(analysis: tuple[Path, Path], tmp_path: Path) -> None:
    run("scan", *analysis, "-o", tmp_path / "r.jsonl", "--at", "0", "--at", "0.5")
    for scan in read(tmp_path / "r.jsonl").of("scan", ScanResult):
        assert (scan.parameter, scan.grid) == ("mu", (0.0, 0.5))


def test_an_unknown_parameter_fails_with_the_closest(analysis: tuple[Path, Path], tmp_path: Path) -> None:
    done = run("scan", *analysis, "-o", tmp_path / "r.jsonl", "--parameter", "bkg_nor", code=1)
    assert "there is no parameter `bkg_nor`. Did you mean `bkg_norm`?" in done.err


BAD = {
    "level": (["upper-limit", "--level", "1.5"], "level 1.5 is not between 0 and 1; 0.05 is a confidence level of 95 %"),
    "tolerance": (["upper-limit", "--tolerance", "1"], "tolerance 1 is not between 1e-8 and 0.5"),
    "steps": (["scan", "--steps", "1"], "1 steps; give 2 to 10000"),
    "width": (["scan", "--width", "-1"], "width -1 is not positive"),
    "twice": (["scan", "--parameter", "mu", "--parameter", "mu"], "a parameter is given twice: mu, mu"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_setting_that_cannot_be_is_refused(analysis: tuple[Path, Path], tmp_path: Path, case: str) -> None:
    (command, *options), message = BAD[case]
    assert run(command, *analysis, "-o", tmp_path / "r.jsonl", *options, code=2).err == f"error: {message}\n"
    assert not (tmp_path / "r.jsonl").exists()
