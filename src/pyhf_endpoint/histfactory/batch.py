"""A batch: hypotheses of one structure as dense arrays.

Axes are H hypotheses, B bins, C channels, S background slots (the k-th sample of a channel, by name), G slots of samples
that belong to one hypothesis, P parameters, M multipliers, K factors that multiply one sample in one bin.

Bins are in pyhf's order: channels sorted by name. Columns of parameters are ordered by what they do, in blocks of sizes
`Sizes.layout()`: alphas that only move histograms, that do both, that only scale; multipliers with a constraint (lumi, staterror,
shapesys, and alphas without any effect, which multiply nothing); multipliers without (normfactor, shapefactor).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.histfactory.arrays import Array, Floats, take
from pyhf_endpoint.histfactory.parameters import parameter_order
from pyhf_endpoint.histfactory.spec import Hypothesis

__all__ = ["Batch", "Names", "Rows", "Shared", "Sizes"]

Entry = TypeVar("Entry")
Names = dict[str, tuple[str, tuple[int, ...]]]
"""Kind and columns of each parameter set, by name."""


@dataclass(frozen=True)
class Sizes:
    """Lengths of the axes that all rows share."""

    bins: int
    channels: int
    slots: int
    own_slots: int
    hist: int
    """Alphas that move histograms: the first columns."""
    both: int
    """Alphas that move and scale: the last of the former, the first of the latter."""
    norm: int
    """Alphas that scale."""
    multipliers: int
    free: int
    """Parameters without a constraint: the last columns."""

    @property
    def alphas(self) -> int:
        """Alphas with an effect."""
        return self.hist + self.norm - self.both

    @property
    def parameters(self) -> int:
        """All columns."""
        return self.alphas + self.multipliers


@dataclass(frozen=True)
class Shared:
    """Arrays that do not depend on the hypothesis."""

    nominal: Array
    """[B, S]"""
    hist: Array
    """[B, S, 2 hist]: `linear`, then `curve`, of histosys; see `interpolate`."""
    hist_flat: Array
    """[2 hist, B S]: the same, laid out for a product with alphas."""
    curve_flat: Array
    """[B S, hist]"""
    poly: Array
    """[norm, 6, C S]: polynomial of normsys."""
    log_high: Array
    """[norm, C S]"""
    log_low: Array
    """[norm, C S]"""
    factors: Array
    """[K, B, S + G] index of each factor among the multipliers; M stands for the constant 1."""
    onehot: Array
    """[B, K (S + G), M] the same as ones among zeros."""
    channel: Array
    """[B] channel of each bin."""
    pad: Array
    """[C, bins of the longest channel] bin of each place, B where there is none."""
    unpad: Array
    """[B] flat place of each bin in `pad`."""


@dataclass(frozen=True)
class Rows:
    """Arrays with one row a hypothesis, data included."""

    nominal: Array
    """[H, B, G]"""
    linear: Array
    """[H, B, G, hist]"""
    curve: Array
    """[H, B, G, hist]"""
    poly: Array
    """[H, 6, C, G, norm]"""
    log_high: Array
    """[H, C, G, norm]"""
    log_low: Array
    """[H, C, G, norm]"""
    precision: Array
    """[H, P] 1 / sigma**2 of Gaussian constraints, 0 for all else."""
    factor: Array
    """[H, P] rate of the auxiliary Poisson measurement at parameter value 1, 0 for all else."""
    lower: Array
    """[H, P]"""
    upper: Array
    """[H, P]"""
    counts: Array
    """[H, B] observed events."""
    centre: Array
    """[H, P] where each constraint is centred: auxiliary datum, or auxiliary count over `factor`."""


@dataclass(frozen=True)
class Batch:
    """Hypotheses of one structure; `rows` alone changes from one to the next."""

    names: tuple[str, ...]
    indices: tuple[int, ...]
    """Position of each hypothesis among the patches."""
    channels: tuple[str, ...]
    channel_bins: tuple[int, ...]
    poi: int | None
    """Column of the parameter of interest."""
    normsys: str
    histosys: str
    sizes: Sizes
    shared: Shared
    rows: Rows
    init: Floats
    """[H, P] initial values."""
    fixed: npt.NDArray[np.bool_]
    """[H, P] held at `init`: by the measurement, by pyhf's rules, or because absent."""
    present: npt.NDArray[np.bool_]
    """[H, P] whether the hypothesis has this parameter at all; absent ones have no effect and no constraint."""
    hypotheses: tuple[Hypothesis, ...]
    sets: tuple[Names, ...]
    background: "Batch | None"
    """One row without any hypothesis' own samples, with the same columns."""

    @property
    def lower(self) -> Floats:
        """[H, P] lower bounds."""
        return np.asarray(self.rows.lower)

    @property
    def upper(self) -> Floats:
        """[H, P] upper bounds."""
        return np.asarray(self.rows.upper)

    def parameters(self, row: int) -> list[str]:
        """Names of the parameters that hypothesis `row` has, as in (and in the order of) pyhf's `model.config.par_names`."""
        names: list[str] = []
        for name in parameter_order(self.hypotheses[row]):
            kind, columns = self.sets[row][name]
            scalar = kind in ("alpha", "lumi", "normfactor")
            names += [name] if scalar else [f"{name}[{place}]" for place in range(len(columns))]
        return names

    def columns(self, row: int) -> npt.NDArray[np.intp]:
        """Columns of the parameters that `parameters(row)` names: `theta[row, columns]` is pyhf's parameter vector."""
        order = parameter_order(self.hypotheses[row])
        return np.array([column for name in order for column in self.sets[row][name][1]], dtype=np.intp)

    def embed(self, row: int, values: Sequence[float]) -> Floats:
        """Turn pyhf's parameter vector into a row [P] of this batch; absent parameters keep their initial values."""
        theta = np.array(self.init[row])
        theta[self.columns(row)] = values
        return theta

    def take(self, rows: Sequence[int]) -> "Batch":
        """Select hypotheses."""
        index = np.asarray(rows, dtype=np.intp)

        def pick(values: tuple[Entry, ...]) -> tuple[Entry, ...]:
            return tuple(values[row] for row in rows)

        return replace(
            self,
            names=pick(self.names),
            indices=pick(self.indices),
            hypotheses=pick(self.hypotheses),
            sets=pick(self.sets),
            rows=take(self.rows, index),
            init=self.init[index],
            fixed=self.fixed[index],
            present=self.present[index],
        )
