"""`pyhf-endpoint plot` for the kinds of results beyond tests of hypotheses."""

from pathlib import Path

import pytest

from pyhf_endpoint.results import ResultsFile, ResultsWriter
from tests.cli.command import run
from tests.plot.others import file_of, impact, limits, parabola, ranked


def write(path: Path, file: ResultsFile) -> Path:
    with ResultsWriter(path, file.header) as writer:
        for result in file.results:
            writer.write(result)
    return path


@pytest.mark.parametrize(
    ("command", "file", "options", "text"),
    [
        (
            "ranking",
            file_of("ranking", [ranked([impact(0), impact(1)], name=n) for n in "ab"]),
            "--hypothesis b --top 1",
            "theta_0",
        ),
        ("scan", file_of("scan", [parabola(parameter=p) for p in ("mu", "lumi")]), "--parameter lumi --title Scan", "Scan"),
        ("brazil", limits(), "--along m_C1N2 --fix m_N1=0", "Expected median"),
        ("contour", limits(), "--unit TeV", "Observed limit"),
    ],
)
def test_each_kind_has_its_picture(tmp_path: Path, command: str, file: ResultsFile, options: str, text: str) -> None:
    output = tmp_path / "a.svg"
    assert run("plot", command, write(tmp_path / "r.jsonl", file), "-o", output, *options.split()).code == 0
    assert f">{text}<" in output.read_text(encoding="utf-8")


def test_an_open_choice_and_a_wrong_kind_have_their_exit_codes(tmp_path: Path) -> None:
    file = write(tmp_path / "r.jsonl", file_of("scan", [parabola(name=name) for name in "ab"]))
    output = tmp_path / "a.svg"
    assert "choose one `hypothesis` of a, b" in run("plot", "scan", file, "-o", output, code=2).err
    assert "of the kind `scan`: draw `scan` instead" in run("plot", "ranking", file, "-o", output, code=4).err
    assert not output.exists()
