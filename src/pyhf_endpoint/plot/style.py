"""What every picture shares: fonts and sizes, colours, text that never breaks the drawing, and files without a time stamp."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.transforms import ScaledTranslation

from pyhf_endpoint.errors import InputError, ResultsError, UsageError
from pyhf_endpoint.plot.select import Points
from pyhf_endpoint.results import ResultsFile

__all__ = [
    "EXPECTED",
    "FAILED_MARK",
    "FORMATS",
    "OBSERVED",
    "ONE_SIGMA",
    "POINT",
    "THEORY",
    "TWO_SIGMA",
    "Entry",
    "Unit",
    "axis_label",
    "check_suffix",
    "confidence",
    "draw_theory",
    "legend_above",
    "new_figure",
    "paper",
    "safe_text",
    "save",
    "setting_notes",
    "unit_of",
]

#: The formats by suffix, with the metadata that would otherwise carry the time of drawing.
FORMATS: Final[dict[str, dict[str, Any]]] = {".pdf": {"CreationDate": None}, ".png": {}, ".svg": {"Date": None}}

OBSERVED: Final = "#8b1a1a"  # dark red
EXPECTED: Final = "#1a2a6c"  # dark blue
ONE_SIGMA: Final = "#5cc45c"  # green
TWO_SIGMA: Final = "#ffe14d"  # yellow
THEORY: Final = "#7b3294"  # violet
POINT: Final = "#4d4d4d"  # dark grey
#: How a point without a usable fit is marked, in every picture.
FAILED_MARK: Final[dict[str, Any]] = {"marker": "x", "markersize": 6, "markeredgewidth": 1.4, "color": POINT}

#: One unit for every label, or each label's own.
Unit = str | Mapping[str, str] | None
#: A legend entry: what stands for it (several drawn over each other) and its text.
Entry = tuple[Artist | tuple[Artist, ...], str]

_SETTINGS: Final[dict[Any, Any]] = {
    "font.size": 10,
    "axes.labelsize": 12,
    "axes.titlesize": 12,
    "axes.linewidth": 0.9,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "legend.frameon": False,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 6,
    "ytick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.minor.size": 3,
    "savefig.dpi": 200,
    # Text stays text: searchable and editable in a journal's hands.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "pyhf",
}
_GREEK: Final = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
)
_SYMBOL: Final = re.compile(rf"([A-Za-z]|{_GREEK})(?:_([A-Za-z0-9]+)|([0-9]+))")

_WORD: Final = re.compile(r"(?:\$[^$]*\$|\S)+")
# What takes no room once mathematics is set; the name of a symbol counts as one character.
_MARKUP: Final = re.compile(r"[${}^_]|\\[,;!]|(?<=\\[A-Za-z])[A-Za-z]+|\\(?=[A-Za-z])")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")  # XML, and so SVG, has no place for them


@contextmanager
def paper() -> Iterator[None]:
    """Draw and save inside this: the same look whatever the user's matplotlibrc says, and nothing changed afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        with mpl.rc_context(_SETTINGS):
            yield


def new_figure(title: str | None, *, width: float = 6.4, height: float = 5.4) -> tuple[Figure, Axes]:
    """Return an empty figure of one pair of axes; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    if title:
        figure.suptitle(_wrap(title, int(9 * width)), fontsize=12)
    return figure, axes


def check_suffix(output: Path) -> None:
    """Raise before any work is done.

    Raises:
        UsageError: No format has this suffix.
    """
    if output.suffix.lower() not in FORMATS:
        found = f"`{output.suffix}`" if output.suffix else "no suffix"
        raise UsageError(f"cannot draw to {output}: {found}; end the file name in one of {', '.join(sorted(FORMATS))}")


def save(figure: Figure, output: Path) -> None:
    """Write the figure in the format of the file's suffix; the same figure gives the same bytes.

    Raises:
        UsageError: No format has this suffix.
        ResultsError: The file cannot be written.
    """
    check_suffix(output)
    suffix = output.suffix.lower()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A label in a script that the font lacks shows boxes; that is no reason to end a batch job that turns warnings to errors.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format=suffix[1:], metadata=FORMATS[suffix])
    try:
        output.write_bytes(buffer.getvalue())
    except OSError as error:
        raise ResultsError(f"cannot write {output}: {error.strerror}; choose another file") from error


def safe_text(text: str) -> str:
    """Return text that matplotlib can set: mathematics between dollar signs where it is sound, else every character as it is."""
    return "\n".join(_safe_line(line) for line in text.split("\n"))


def _wrap(text: str, width: int) -> str:
    """Break lines at blanks outside mathematics, so that about `width` characters stand on each, and make them safe."""
    lines: list[str] = []
    for line in text.splitlines():
        words: list[str] = []
        for word in _words(line, width):
            if words and len(_MARKUP.sub("", " ".join([*words, word]))) > width:
                lines.append(" ".join(words))
                words = []
            words.append(word)
        lines.append(" ".join(words))
    return safe_text("\n".join(lines))


def _words(line: str, width: int) -> Iterator[str]:
    """Part a line at blanks outside mathematics; words without mathematics that fill more than a line are cut."""
    for word in _WORD.findall(line):
        yield from (word[i : i + width] for i in range(0, len(word), width)) if "$" not in word else (word,)


def _safe_line(line: str) -> str:
    line = _CONTROL.sub("\ufffd", line)
    if len(re.findall(r"(?<!\\)\$", line)) % 2 == 0:
        try:
            MathTextParser("path").parse(line)
        except ValueError:
            pass
        else:
            return line
    return line.replace("$", r"\$")


def axis_label(label: str, unit: Unit = None) -> str:
    r"""Return a patch set's label as an axis label: `m_C1N2` in GeV as $m_{\mathrm{C1N2}}$ [GeV], others as they are."""
    found = unit_of(label, unit)
    match = _SYMBOL.fullmatch(label)
    if match:
        base, word, digits = match.groups()
        subscript = digits or (word if word.isdigit() else rf"\mathrm{{{word}}}")
        label = rf"${base if len(base) == 1 else chr(92) + base}_{{{subscript}}}$"
    if found and "[" not in label:
        label = f"{label} [{found}]"
    return _wrap(label, 48)


def confidence(results: ResultsFile) -> str:
    """Return the confidence level of the file's limits in percent; tests of hypotheses are read at 95."""
    return f"{100 * (1 - float(results.header.settings.get('level', 0.05))):.4g}"


def unit_of(label: str, unit: Unit) -> str | None:
    """Return a label's unit: one name stands for all labels, a mapping names each one's."""
    return unit.get(label) if isinstance(unit, Mapping) else unit


def legend_above(axes: Axes, entries: Sequence[Entry], notes: Sequence[str], *, lift: float = 0.0) -> None:
    """Put the legend and the notes above the axes, `lift` inches higher, where no data can lie under them."""
    texts = [_wrap(text, 50) for _, text in entries]
    widths = sorted(max(map(len, _MARKUP.sub("", text).split("\n"))) for text in texts)
    legend = axes.legend(
        [handle for handle, _ in entries],
        texts,
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        bbox_transform=axes.transAxes + ScaledTranslation(0, lift, axes.figure.dpi_scale_trans),
        borderaxespad=0,
        ncols=2 if sum(widths[-2:]) < 72 else 1,
        title="\n".join(_wrap(note, 62) for note in notes),
        alignment="left",
    )
    legend.set_gid("legend")


def draw_theory(axes: Axes, curve: Sequence[tuple[float, float]], label: str) -> list[Entry]:
    """Draw a theory curve without moving the axes' limits; return its legend entry, none for an empty curve.

    Raises:
        InputError: The curve lies outside the axes, as one in other units does.
    """
    if not curve:
        return []
    limits = axes.get_xlim(), axes.get_ylim()
    for values, (low, high), name in zip(zip(*curve, strict=True), limits, "xy", strict=True):
        if max(values) < low or min(values) > high:
            raise InputError(
                f"the theory curve lies outside the plot: its {name} runs from {min(values):g} to {max(values):g},"
                f" the plot's from {low:g} to {high:g}; give it in the plot's units"
            )
    (line,) = axes.plot(*zip(*curve, strict=True), color=THEORY, linestyle="-.", linewidth=1.6, gid="theory")
    axes.set(xlim=limits[0], ylim=limits[1])
    return [(line, label)]


def setting_notes(points: Points, unit: Unit = None, start: str = "") -> list[str]:
    """Return what every picture states: `start`, the tested value and fixed labels on one line, blindness, points left out."""
    setting = [start] if start else []
    if points.poi_test is not None:
        setting.append(rf"$\mu$ = {points.poi_test:g}")
    for label, value in points.fixed:
        found = unit_of(label, unit)
        number = value if isinstance(value, str) else f"{value:g} {found}" if found else f"{value:g}"
        setting.append(f"{axis_label(label)} = {number}")
    notes = [", ".join(setting)] if setting else []
    if points.blind and len(points.coordinates):
        notes.append("Blind: expected results only")
    total = len(points.coordinates) + len(points.failed)
    unseen = int((~points.seen).sum())
    if unseen and not points.blind:
        notes.append(f"{unseen} of {total} tested points without an observed result")
    if len(points.failed):
        notes.append(f"{len(points.failed)} of {total} tested points without a usable fit, left out")
    return notes
