"""Takes an inference through all hypotheses: compiles them, sets aside what cannot be computed, and keeps their order."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from pyhf_endpoint.histfactory.batch import Batch
from pyhf_endpoint.histfactory.compile import Patch, compile_patches
from pyhf_endpoint.histfactory.infer import chunks, parts

__all__ = ["Setup", "each_hypothesis"]

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Setup:
    """What every inference takes.

    Attributes:
        measurement: Name of the measurement, by default the first.
        normsys: Interpolation of normalisations, `code4` or `code1`.
        histosys: Interpolation of histograms, `code4p`, `code2` or `code0`.
        seed: Of the random starts that are tried where a likelihood may have several minima.
        xp: Array namespace: `numpy`, `cupy` or `jax.numpy`.
    """

    measurement: str | None = None
    normsys: str = "code4"
    histosys: str = "code4p"
    seed: int = 0
    xp: ModuleType = np


def each_hypothesis(
    workspace: Mapping[str, Any],
    patches: Iterable[Patch],
    setup: Setup,
    *,
    compute: Callable[[Batch], list[_Found]],
    failed: Callable[[str, str], _Found],
    impossible: Callable[[Batch, int], str],
    weight: int = 1,
) -> list[_Found]:
    """Return what `compute` finds for each hypothesis, in the order of the patches.

    Args:
        workspace: A HistFactory workspace.
        patches: Name and JSON patch of each hypothesis.
        setup: How to read them.
        compute: From a batch to one result a row.
        failed: From name and message to the result of a hypothesis that cannot be computed.
        impossible: From batch and row to why it cannot be computed; empty if it can.
        weight: Fits that run side by side for each row; fewer rows are taken at a time the more there are.

    Raises:
        InputError: The workspace or an option cannot be used.
    """
    results: list[_Found] = []
    for chunk in chunks(patches):
        names = {index: patch[0] for index, patch in chunk}
        compiled = compile_patches(
            workspace, chunk, measurement=setup.measurement, normsys=setup.normsys, histosys=setup.histosys
        )
        found = {index: failed(names[index], message) for index, message in compiled.failures.items()}
        for batch in compiled.batches:
            messages = [impossible(batch, row) for row in range(len(batch.names))]
            for row, message in enumerate(messages):
                if message:
                    found[batch.indices[row]] = failed(batch.names[row], f"patch `{batch.names[row]}`: {message}")
            runnable = [row for row, message in enumerate(messages) if not message]
            if runnable:
                for part in parts(batch.take(runnable), weight):
                    found |= zip(part.indices, compute(part), strict=True)
        results += [found[index] for index, _ in chunk]
    return results
