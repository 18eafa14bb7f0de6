"""Reads a theory curve: a text file of two columns, separated by a comma or blanks."""

import math
import re
from pathlib import Path

from pyhf_endpoint.errors import InputError

__all__ = ["read_theory"]


def read_theory(path: Path) -> tuple[tuple[float, float], ...]:
    """Return the curve's points (x, y) in the file's order.

    Empty lines and what follows a `#` are passed over; the first line may name the columns.

    Raises:
        InputError: The file cannot be read, a line is not two finite numbers, or there are fewer than two points.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the theory curve {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the theory curve {path} is not text in UTF-8; give a file with two columns of numbers") from error
    points: list[tuple[float, float]] = []
    header_allowed = True
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        try:
            points.append(_point(content))
        except ValueError as error:
            if not (header_allowed and _is_header(content)):
                raise InputError(
                    f"{path}: line {number}: expected two finite numbers `x, y`, found `{content[:60]}`; correct or remove it"
                ) from error
        header_allowed = False
    if len(points) < 2:
        raise InputError(f"the theory curve {path} has {len(points)} of the at least 2 points that a line needs")
    return tuple(points)


def _point(content: str) -> tuple[float, float]:
    x, y = (float(field) for field in re.split(r"\s*,\s*|\s+", content))
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(content)
    return x, y


def _is_header(content: str) -> bool:
    return not any(_is_number(field) for field in re.split(r"[,\s]+", content))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
