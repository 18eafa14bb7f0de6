"""Theory curves: what is read and what is refused, with its line."""

from pathlib import Path

import pytest

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.plot import read_theory


@pytest.mark.parametrize(
    "text",
    [
        "100,0\n200,50.5\n",
        "x,y\n100,0\n200 , 50.5\n",
        "\ufeffm1 m2\n\n100 0\n200\t50.5",
        "# a comment\nm_C1N2, m_N1\n100, 0 # the first\n  200, 5.05e1  \n",
    ],
)
def test_two_columns(tmp_path: Path, text: str) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(text, encoding="utf-8")
    assert read_theory(path) == ((100.0, 0.0), (200.0, 50.5))


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("x,y\n1,2\n3;4\n", 3, "3;4"),
        ("1,2\n3,4,5\n", 2, "3,4,5"),
        ("1,2\n\n# fine\n3\n", 4, "3"),
        ("1,2\n3,nan\n", 2, "3,nan"),
        ("1,2\nx,y\n", 2, "x,y"),
        ("x,y\nmass,limit\n1,2\n", 2, "mass,limit"),
        ("1,abc\n3,4\n", 1, "1,abc"),
        ("1,,2\n3,4\n", 1, "1,,2"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, text: str, line: int, found: str) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_theory(path)
    assert str(caught.value) == f"{path}: line {line}: expected two finite numbers `x, y`, found `{found}`; correct or remove it"


def test_a_line_needs_two_points(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match="has 1 of the at least 2 points"):
        read_theory(path)


def test_no_such_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the theory curve .*none\.csv: No such file"):
        read_theory(tmp_path / "none.csv")
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="is not text in UTF-8"):
        read_theory(path)
