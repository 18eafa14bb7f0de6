"""HEPData tables: whole, and read back."""

from pathlib import Path

import pytest
import yaml

from pyhf_endpoint.errors import ResultsError
from pyhf_endpoint.hepdata import to_hepdata
from pyhf_endpoint.results import FitResult, ResultsFile
from tests import small
from tests.cli.command import run
from tests.test_results import HEADER, result

EXPECTED = """\
independent_variables:
- header:
    name: mass
    units: GeV
  values:
  - value: 100.0
  - value: 100.0
- header:
    name: Signal strength
  values:
  - value: 1.0
  - value: 1.0
dependent_variables:
- header:
    name: CLs, observed
  qualifiers:
  - name: Test statistic
    value: qtilde
  values:
  - value: 0.05
  - value: '-'
- header:
    name: CLs, expected
  qualifiers:
  - name: Test statistic
    value: qtilde
  values:
  - value: 0.5
    errors:
    - label: 1 sigma
      asymerror:
        plus: 0.25
        minus: -0.25
    - label: 2 sigma
      asymerror:
        plus: 0.375
        minus: -0.375
  - value: '-'
"""


def file() -> ResultsFile:
    good = result("a", CLs_exp=(0.125, 0.25, 0.5, 0.75, 0.875))
    bad = result("b", CLs_obs=None, CLs_exp=None, status="failed", message="no")
    header = HEADER.model_copy(update={"settings": {"test_stat": "qtilde"}})
    return ResultsFile(header, (good, bad))


def test_the_whole_table() -> None:
    assert to_hepdata(file()) == EXPECTED


def test_a_unit_may_be_left_out() -> None:
    table = yaml.safe_load(to_hepdata(file(), unit=""))
    assert table["independent_variables"][0]["header"] == {"name": "mass"}


def test_limits(tmp_path: Path) -> None:
    run("upper-limit", *small.write(tmp_path), "-o", tmp_path / "r.jsonl")
    table = yaml.safe_load(run("results", "show", tmp_path / "r.jsonl", "--format", "hepdata").out)
    observed, expected = table["dependent_variables"]
    assert observed["header"]["name"] == "Upper limit on the signal strength, observed"
    assert {"name": "Confidence level", "value": 0.95} in observed["qualifiers"]
    assert len(observed["values"]) == len(expected["values"]) == 3
    for value in expected["values"]:
        assert value["errors"][0]["asymerror"]["minus"] < 0 < value["errors"][0]["asymerror"]["plus"]


def test_other_kinds_have_no_table() -> None:
    fit = FitResult(name="a", values=(1.0,), status="converged", wall_s=0.0, worker="")
    with pytest.raises(ResultsError, match="no HEPData table of the kind `fit`; only of hypotest, upper-limit"):
        to_hepdata(ResultsFile(HEADER.model_copy(update={"kind": "fit"}), (fit,)))
