"""What differs between array libraries: everything else in this package uses only functions that they share."""

from collections.abc import Sequence
from dataclasses import fields
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "Array",
    "Floats",
    "extrapolate",
    "immutable",
    "join",
    "matmul_second",
    "move",
    "put",
    "require_float64",
    "take",
    "to_numpy",
]

Array: TypeAlias = Any
"""An array of the namespace in use: `numpy.ndarray`, `cupy.ndarray` or `jax.Array`."""
Floats: TypeAlias = npt.NDArray[np.float64]

Record = TypeVar("Record")


def require_float64(xp: ModuleType) -> None:
    """Refuse a namespace that would silently compute in single precision.

    Raises:
        ValueError: JAX without its 64-bit mode.
    """
    if xp.asarray(np.ones(1)).dtype != np.float64:
        raise ValueError(f"{xp.__name__} works in single precision; call jax.config.update('jax_enable_x64', True) first")


def to_numpy(array: Array) -> npt.NDArray[Any]:
    """Bring an array into the memory of the host."""
    return np.asarray(array.get() if hasattr(array, "get") else array)


def immutable(array: Array) -> bool:
    """Whether this is an array of JAX, which cannot be changed in place and compiles each operation anew for each shape."""
    return hasattr(array, "at")


def put(array: Array, rows: Array, values: Array) -> Array:
    """Return `array` with some of its rows replaced, in place where the library allows it."""
    if immutable(array):
        return array.at[rows].set(values)
    array[rows] = values
    return array


def take(record: Record, rows: Array) -> Record:
    """Select rows of a dataclass whose fields are all arrays with the hypotheses along their first axis."""
    return type(record)(*(getattr(record, field.name)[rows] for field in fields(record)))  # type: ignore[arg-type]


def join(records: Sequence[Record], xp: ModuleType) -> Record:
    """Concatenate dataclasses of arrays along the axis of hypotheses."""
    first = records[0]
    if len(records) == 1:
        return first
    columns = (field.name for field in fields(first))  # type: ignore[arg-type]
    return type(first)(*(xp.concatenate([getattr(record, name) for record in records]) for name in columns))


def move(record: Record, xp: ModuleType) -> Record:
    """Convert every field of a dataclass of arrays to the namespace `xp`."""
    return type(record)(*(xp.asarray(getattr(record, field.name)) for field in fields(record)))  # type: ignore[arg-type]


def matmul_second(xp: ModuleType, left: Array, right: Array) -> Array:
    """Multiply matrix by matrix along the second axis: [H, N, K] and [N, K, M] give [H, N, M]."""
    stacked = xp.swapaxes(left, 0, 1)
    if xp is not np:
        return xp.swapaxes(xp.matmul(stacked, right), 0, 1)
    result = np.empty((left.shape[0], left.shape[1], right.shape[2]))
    np.matmul(stacked, right, out=result.swapaxes(0, 1))  # written in place, so that rows stay together in memory
    return result


def extrapolate(value: Floats, slope: Floats, alpha: Floats, where: tuple[Any, ...], logs: tuple[Floats, Floats]) -> None:
    """Overwrite, in place, the few factors whose parameter lies outside the polynomial's range by exponentials.

    Args:
        value: Factors, indexed by `where` and then by sample.
        slope: Their derivatives, of the same shape.
        alpha: [N] the parameters outside.
        where: Index arrays that select N sub-arrays of `value`.
        logs: log(hi) and log(lo) [N, ...] of what is selected.
    """
    column = alpha.reshape((-1,) + (1,) * (logs[0].ndim - 1))
    rate = np.where(column >= 0, logs[0], -logs[1])
    outside = np.exp(rate * column)
    value[where] = outside
    slope[where] = rate * outside
