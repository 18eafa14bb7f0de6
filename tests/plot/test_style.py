"""Text that never breaks a drawing, and settings that leave no trace."""

import io
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.plot import style


@pytest.mark.parametrize(
    ("label", "unit", "text"),
    [
        ("m_C1N2", "GeV", r"$m_{\mathrm{C1N2}}$ [GeV]"),
        ("m1", "GeV", "$m_{1}$ [GeV]"),
        ("m_1", None, "$m_{1}$"),
        ("tau_2", "", r"$\tau_{2}$"),
        ("lambda_UV", "TeV", r"$\lambda_{\mathrm{UV}}$ [TeV]"),
        ("stop mass", "GeV", "stop mass [GeV]"),
        ("m_stop [TeV]", "GeV", "m_stop [TeV]"),
        ("tan_beta", None, "tan_beta"),
        (r"$m_{\tilde{\chi}}$", "GeV", r"$m_{\tilde{\chi}}$ [GeV]"),
        ("cost in $", "k$", r"cost in $ [k$]"),
        ("m_C1N2", {"m_C1N2": "TeV"}, r"$m_{\mathrm{C1N2}}$ [TeV]"),
        ("beta", {"m_C1N2": "TeV"}, "beta"),
    ],
)
def test_axis_label(label: str, unit: str | dict[str, str] | None, text: str) -> None:
    assert style.axis_label(label, unit) == text


HOSTILE = [
    "a$b",
    "$",
    "$$",
    "$\\bad$",
    "100% _x_^",
    "\\$5 and $6",
    "$\\frac{1}{$",
    "{}}{\\",
    "m_質量",
    "χ̃₁⁰ → W±",
    "a\nb$c\n$d",
    "nul\x00 tab\t",
    "<b>&amp;",
    "x" * 150,
    "$x$ " * 10,
    "",
]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_any_text_can_be_drawn(suffix: str, tmp_path: Path) -> None:
    output = tmp_path / f"a.{suffix}"
    with style.paper():
        figure = Figure()
        for i, text in enumerate(HOSTILE):
            figure.text(0, i / len(HOSTILE), style.axis_label(text, "GeV"))
            figure.text(0.5, i / len(HOSTILE), style.safe_text(f"before {text} $\\mu$"))
        style.save(figure, output)
    if suffix == "svg":
        ET.parse(output)
    assert output.stat().st_size > 5000


@pytest.mark.parametrize("text", ["$\\bad$ 100% _ \\$", "x" * 150])
def test_any_text_finds_its_place(text: str, tmp_path: Path) -> None:
    with style.paper():
        figure, axes = style.new_figure(text)
        axes.set_xlabel(style.axis_label(text, "GeV"))
        style.legend_above(axes, [(axes.plot([0, 1])[0], text)], [text, f"before {text} $\\mu$"])
        style.save(figure, tmp_path / "a.png")
        assert axes.get_window_extent().height > 0.3 * figure.bbox.height


@pytest.mark.parametrize("text", ["a$b", "$\\bad$", "\\$5 and $6"])
def test_unsound_mathematics_is_set_as_it_is(text: str) -> None:
    safe = style.safe_text(text)
    assert style.safe_text(safe) == safe
    with style.paper():
        figure = Figure()
        figure.text(0, 0, safe)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg")
    assert f">{text}</text>" in buffer.getvalue()


def test_lines_break_outside_mathematics() -> None:
    figure, _ = style.new_figure(r"$a b c d e f g$ and $\tilde{\chi}^0_1 + \tilde{\chi}^0_2$ and words and words and words and")
    lines = figure.get_suptitle().split("\n")
    assert len(lines) == 2
    assert all(line.count("$") % 2 == 0 for line in lines)


def test_the_users_settings_are_neither_used_nor_changed() -> None:
    with mpl.rc_context({"text.usetex": True, "font.size": 33, "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        with style.paper():
            assert not mpl.rcParams["text.usetex"]
            assert mpl.rcParams["font.size"] == 10
            assert mpl.rcParams["axes.facecolor"] == "white"
        assert dict(mpl.rcParams) == before


def test_formats() -> None:
    for name in ("a.pdf", "a.png", "a.SVG"):
        style.check_suffix(Path(name))


@pytest.mark.parametrize(("name", "found"), [("a.jpg", "`.jpg`"), ("plot", "no suffix"), (".pdf", "no suffix")])
def test_unknown_format(name: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        style.save(Figure(), tmp_path / name)
    assert str(caught.value) == f"cannot draw to {tmp_path / name}: {found}; end the file name in one of .pdf, .png, .svg"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"cannot write .*a\.png: No such file or directory; choose another file"):
        style.save(Figure(), tmp_path / "none" / "a.png")
    (tmp_path / "b.pdf").mkdir()
    with pytest.raises(ResultsError, match=r"cannot write .*b\.pdf: Is a directory"):
        style.save(Figure(), tmp_path / "b.pdf")
