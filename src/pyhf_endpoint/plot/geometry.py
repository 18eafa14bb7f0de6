"""Interpolates exclusion between the tested points of a plane: the line at CLs = 0.05, or at an upper limit of 1, and bands.

CLs spans orders of magnitude between neighbours of a grid; the significance z = Phi^-1(1 - CLs) is close to linear in the
signal's size, so z is what is interpolated, linearly on the Delaunay triangles of the points; of upper limits it is the
logarithm. Nothing is drawn outside the triangles.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyhf_endpoint.errors import ResultsError

if TYPE_CHECKING:
    from matplotlib.tri import Triangulation

__all__ = [
    "LEVEL",
    "MAX_SIGNIFICANCE",
    "exclusion_band",
    "exclusion_lines",
    "level_band",
    "level_lines",
    "significance",
    "triangulate",
]

Array = NDArray[np.float64]

#: CLs below which a hypothesis is excluded at 95% confidence level.
LEVEL: Final = 0.05
#: Larger |z| are taken as this: a CLs of 0 is infinitely significant, and far from the line the value holds no more information.
MAX_SIGNIFICANCE: Final = 5.0
# The thinnest border triangle that is kept, as inscribed over circumscribed circle; an equilateral one has 0.5.
_MIN_CIRCLE_RATIO: Final = 0.01


def significance(cls: ArrayLike) -> Array:
    """Return z = Phi^-1(1 - CLs), within +-MAX_SIGNIFICANCE; any shape, CLs in [0, 1]."""
    from scipy.special import ndtri

    # -ndtri(CLs) rather than ndtri(1 - CLs), which is infinite from 1e-16 down.
    z = -ndtri(np.clip(np.asarray(cls, dtype=np.float64), 0.0, 1.0))
    return np.asarray(np.clip(z, -MAX_SIGNIFICANCE, MAX_SIGNIFICANCE), dtype=np.float64)


def triangulate(points: ArrayLike) -> "Triangulation":
    """Return the Delaunay triangles of the points, shape (n, 2), found with both axes scaled to the unit interval.

    Thin triangles on the border, which join points far apart, are masked.

    Raises:
        ResultsError: Fewer than three points, or all of them on a line.
    """
    from matplotlib.tri import Triangulation

    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if len(points) < 3:
        raise ResultsError(
            f"an exclusion contour needs at least 3 tested points with results, here are {len(points)};"
            " compute more of the plane, or draw `brazil` along one label"
        )
    extent = np.ptp(points, axis=0)
    # A rectangle can be cut along either diagonal; rounded, the choice does not hang on the last bit of a coordinate.
    scaled = np.round((points - points.min(axis=0)) / np.where(extent > 0, extent, 1.0), 9)
    flat = np.linalg.svd(scaled - scaled.mean(axis=0), compute_uv=False)[1] < 1e-6
    mask = None
    if not flat:
        triangles = Triangulation(scaled[:, 0], scaled[:, 1])
        mask = _thin_border(scaled, triangles.triangles, triangles.neighbors)
    if mask is None or mask.all():
        raise ResultsError(
            f"an exclusion contour needs points that span a plane, but the {len(points)} tested points lie on a line;"
            " compute more of the plane, or draw `brazil` along one label"
        )
    return Triangulation(points[:, 0], points[:, 1], triangles.triangles, mask)


def _thin_border(points: Array, triangles: NDArray[np.intp], neighbors: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Mask thin triangles from the border inwards; `neighbors` is -1 across the border."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    sides = np.stack([np.hypot(*(q - p).T) for p, q in ((a, b), (b, c), (c, a))])
    area = 0.5 * np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    # Inscribed radius A/s over circumscribed radius abc/4A, with s half the perimeter.
    thin = 4 * area**2 < _MIN_CIRCLE_RATIO * 0.5 * sides.sum(axis=0) * sides.prod(axis=0)
    mask = np.zeros(len(triangles), dtype=np.bool_)
    while True:
        border = ((neighbors < 0) | mask[neighbors]).any(axis=1)
        found = border & thin & ~mask
        if not found.any():
            return mask
        mask |= found


def exclusion_lines(points: ArrayLike, cls: ArrayLike, level: float = LEVEL) -> list[Array]:
    """Return the lines on which the interpolated CLs equals `level`.

    Args:
        points: Tested points, shape (n, 2).
        cls: CLs at the points, shape (n,).
        level: The CLs of the line.

    Returns:
        Polylines, each of shape (k, 2), closed ones with their first point repeated; none where nothing or everything is
        excluded.

    Raises:
        ResultsError: The points do not span a plane.
    """
    return level_lines(points, significance(cls), float(significance(level)))


def level_lines(points: ArrayLike, height: Array, at: float) -> list[Array]:
    """Return the lines on which the interpolated height, shape (n,), equals `at`; see `exclusion_lines`."""
    from matplotlib.figure import Figure

    triangles = triangulate(points)
    if not height.min() < at <= height.max():
        return []
    lines = Figure().add_subplot().tricontour(triangles, height, levels=[at])
    return _split(lines.get_paths()[0].vertices, lines.get_paths()[0].codes)


def exclusion_band(points: ArrayLike, inner: ArrayLike, outer: ArrayLike, level: float = LEVEL) -> list[Array]:
    """Return the rings that bound where `outer` is excluded and `inner` is not.

    Args:
        points: Tested points, shape (n, 2).
        inner: CLs of the weaker exclusion, shape (n,), nowhere below `outer`.
        outer: CLs of the stronger exclusion, shape (n,).
        level: The CLs of the lines.

    Returns:
        Closed rings, each of shape (k, 2), for filling by the non-zero winding rule; none where the band misses the points.

    Raises:
        ResultsError: The points do not span a plane.
    """
    return level_band(points, significance(inner), significance(outer), float(significance(level)))


def level_band(points: ArrayLike, inner: Array, outer: Array, at: float) -> list[Array]:
    """Return the rings that bound where the height `outer` exceeds `at` and `inner` does not; see `exclusion_band`."""
    larger = _above(points, outer, at)
    smaller = _above(points, inner, at)
    if not larger or bool((inner > at).all()):
        return []
    return larger + [ring[::-1] for ring in smaller]


def _above(points: ArrayLike, height: Array, at: float) -> list[Array]:
    """Rings around where the height exceeds `at`; counter-clockwise, holes clockwise."""
    from matplotlib.figure import Figure

    triangles = triangulate(points)
    if height.max() <= at:
        return []
    filled = Figure().add_subplot().tricontourf(triangles, height, levels=[at, float(height.max()) + 1])
    return _split(filled.get_paths()[0].vertices, filled.get_paths()[0].codes)


def _split(vertices: ArrayLike, codes: ArrayLike | None) -> list[Array]:
    """Part a compound path at its pen lifts."""
    from matplotlib.path import Path

    vertices = np.asarray(vertices, dtype=np.float64)
    codes = np.asarray(codes)
    starts = np.flatnonzero(codes == Path.MOVETO)
    parts = np.split(vertices, starts[1:])
    for part, kinds in zip(parts, np.split(codes, starts[1:]), strict=True):
        if kinds[-1] == Path.CLOSEPOLY:
            part[-1] = part[0]
    return [part for part in parts if len(part) > 1]
