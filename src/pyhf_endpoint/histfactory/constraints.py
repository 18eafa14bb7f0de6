"""Initial values, bounds and constraint terms of every parameter of every hypothesis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyhf_endpoint.errors import FitError
from pyhf_endpoint.histfactory.arrays import Floats
from pyhf_endpoint.histfactory.batch import Names
from pyhf_endpoint.histfactory.parameters import ParameterSet, configure
from pyhf_endpoint.histfactory.records import BACKGROUND
from pyhf_endpoint.histfactory.tables import Flat

__all__ = ["Constraints", "Widths", "poisson_widths", "stat_widths"]


class Constraints:
    """Arrays [H, P] that are filled set by set; a parameter that is never set stays absent and fixed."""

    def __init__(self, rows: int, alphas: int, parameters: int, settings: Mapping[str, Mapping[str, Any]]) -> None:
        shape = (rows, parameters)
        self.init: Floats = np.ones(shape)
        self.init[:, :alphas] = 0.0
        self.lower, self.upper = self.init - 1.0, self.init + 1.0
        self.centre: Floats = self.init.copy()
        self.precision: Floats = np.zeros(shape)
        self.factor: Floats = np.zeros(shape)
        self.fixed: npt.NDArray[np.bool_] = np.ones(shape, dtype=bool)
        self.present: npt.NDArray[np.bool_] = np.zeros(shape, dtype=bool)
        self._settings = settings
        self._known: dict[tuple[str | None, str, int], ParameterSet] = {}

    def fill(self, names: Names, widths: "Widths") -> None:
        """Set the parameters `names` in all rows, with the widths that the model gives to staterror and shapesys.

        Raises:
            FitError: A setting in the measurement that does not fit its parameter.
        """
        for name, (kind, columns) in names.items():
            self._set((slice(None), list(columns)), kind, self._configured(name, kind, len(columns)), widths)

    def fill_rows(self, names: Sequence[Names], widths: "Widths") -> dict[int, str]:
        """Set the parameters that each row has to itself; return what does not fit, by row."""
        faulty: dict[int, str] = {}
        alike: dict[tuple[str, tuple[int, ...], int], tuple[ParameterSet, list[int]]] = {}
        for row, own in enumerate(names):
            try:
                for name, (kind, columns) in own.items():
                    found = self._configured(name, kind, len(columns))
                    alike.setdefault((kind, columns, id(found)), (found, []))[1].append(row)
            except FitError as fault:
                faulty[row] = str(fault)
        for (kind, columns, _), (found, rows) in alike.items():
            self._set((np.array(rows)[:, None], list(columns)), kind, found, widths)
        return faulty

    def _configured(self, name: str, kind: str, size: int) -> ParameterSet:
        """Settings of a parameter set; those that the measurement does not mention have no name of their own."""
        key = (name if name in self._settings else None, kind, size)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = configure(name, kind, size, self._settings.get(name, {}))
        return found

    def _set(self, at: tuple[Any, list[int]], kind: str, found: ParameterSet, widths: "Widths") -> None:
        self.present[at] = True
        self.init[at], self.lower[at], self.upper[at] = found.init, found.lower, found.upper
        self.fixed[at] = False
        if kind == "alpha":
            self.precision[at], self.centre[at] = 1.0, found.auxdata
        elif kind == "lumi":
            assert found.sigmas is not None  # noqa: S101  (configure gives lumi its sigmas)
            self.precision[at], self.centre[at] = found.sigmas**-2.0, found.auxdata
        elif kind == "staterror":
            sigma = found.sigmas if found.sigmas is not None else widths.sigma[at]
            self.precision[at], self.centre[at] = sigma**-2.0, found.auxdata
            self.fixed[at] = widths.no_sigma[at]
        elif kind == "shapesys":
            rate = found.factors if found.factors is not None else widths.rate[at]
            count = found.auxdata if found.auxdata is not None else widths.rate[at]
            self.factor[at], self.centre[at] = rate, count / rate
            self.fixed[at] = widths.no_rate[at]
        if found.fixed is not None:
            self.fixed[at] = found.fixed


@dataclass(frozen=True)
class Widths:
    """What the model's own numbers say about staterror and shapesys, all [H, P]."""

    sigma: Floats
    no_sigma: npt.NDArray[np.bool_]
    rate: Floats
    no_rate: npt.NDArray[np.bool_]


def stat_widths(flat: Flat, column: npt.NDArray[np.intp], shape: Sequence[int]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Relative uncertainties of the staterror parameters [H, P] and which of them have none and are fixed.

    As pyhf has it, the uncertainties of all samples that carry the parameter, the hypothesis' own included, are added in
    quadrature and divided by their summed nominal yield; where either is zero, the width is 1 and the parameter fixed.
    """
    nominal, uncertainty = flat.values
    target = column[flat.target + flat.place]
    total, squares = np.zeros(shape), np.zeros(shape)
    common = flat.row == BACKGROUND
    for array, values in ((total, nominal), (squares, uncertainty**2)):
        np.add.at(array.T, target[common], values[common, None])
        np.add.at(array, (flat.row[~common], target[~common]), values[~common])
    none = (total <= 0) | (squares <= 0)
    return np.where(none, 1.0, np.sqrt(squares) / np.where(none, 1.0, total)), none


def poisson_widths(flat: Flat, column: npt.NDArray[np.intp], shape: Sequence[int]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Rates of the auxiliary measurements of shapesys parameters [H, P], and which have no uncertainty and are fixed."""
    nominal, uncertainty = flat.values
    valid = (nominal > 0) & (uncertainty > 0)
    values = np.where(valid, (nominal / np.where(valid, uncertainty, 1.0)) ** 2, 1.0)
    target = column[flat.target + flat.place]
    rate, fixed = np.ones(shape), np.zeros(shape, dtype=bool)
    common = flat.row == BACKGROUND
    rate[:, target[common]], fixed[:, target[common]] = values[common], ~valid[common]
    rate[flat.row[~common], target[~common]] = values[~common]
    fixed[flat.row[~common], target[~common]] = ~valid[~common]
    return rate, fixed
