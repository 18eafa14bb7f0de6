"""The registered function: JSON in, JSON out, a record for every hypothesis whatever happens to it."""

import json
from typing import Any

import pytest

from pyhf_endpoint.errors import UsageError
from pyhf_endpoint.functions import HypotestSettings, hypotest
from pyhf_endpoint.results import HypotestResult
from tests import small

PYHF = HypotestSettings(engine="pyhf")


def payload(*patches: list[dict[str, Any]], settings: HypotestSettings = PYHF) -> dict[str, Any]:
    named = [{"name": f"p{i}", "values": [i], "patch": patch} for i, patch in enumerate(patches)]
    return {"workspace": small.WORKSPACE, "patches": named, "settings": settings.to_json()}


def add(sample: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"op": "add", "path": "/channels/0/samples/-", "value": sample}]


def test_it_speaks_json_and_its_records_are_results() -> None:
    given = payload(add(small.signal(100)), settings=HypotestSettings(engine="pyhf", poi_test=(0.5, 1.0)))
    answer = json.loads(json.dumps(hypotest(json.loads(json.dumps(given))), allow_nan=False))
    results = [HypotestResult.model_validate(record) for record in answer["records"]]
    assert [(r.name, r.values, r.poi_test, r.status) for r in results] == [
        ("p0", (0,), 0.5, "converged"),
        ("p0", (0,), 1.0, "converged"),
    ]
    assert results[0].CLs_obs is not None
    assert results[1].CLs_obs is not None
    assert results[0].CLs_obs > results[1].CLs_obs


def test_the_workspace_that_is_handed_in_is_left_alone() -> None:
    given = payload(add(small.signal(100)))
    before = json.dumps(given)
    hypotest(given)
    assert json.dumps(given) == before


FAILURES = {
    "a path that is not there": (
        [{"op": "remove", "path": "/channels/3"}],
        "the patch does not apply to the workspace: JsonPatchPathNotFound: can't remove a non-existent object '3'",
    ),
    "no operation of JSON Patch": ([{"op": "grow", "path": "/channels"}], "the patch does not apply to the workspace: "),
    "a failed test": ([{"op": "test", "path": "/version", "value": "2"}], "the patch does not apply to the workspace: "),
    "no signal": ([], "the patched workspace has 1 fault\n"),
    "another number of bins": (add(small.signal(100) | {"data": [1.0]}), "the patched workspace has 1 fault\n"),
    "a sample without its data": (add({"name": "signal", "modifiers": []}), "the patched workspace has 1 fault\n"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_hypothesis_that_cannot_be_computed_says_why_and_stops_no_other(case: str) -> None:
    patch, message = FAILURES[case]
    bad, good = hypotest(payload(patch, add(small.signal(100))))["records"]
    assert bad["status"] == "failed"
    assert not {"CLs_obs", "CLs_exp"} & bad.keys()
    assert bad["message"].startswith(message)
    assert good["status"] == "converged"


def test_a_likelihood_without_a_finite_value_gives_no_number() -> None:
    empty = [{"op": "replace", "path": "/channels/0/samples/0/data", "value": [0.0, 0.0]}]
    empty += [{"op": "remove", "path": "/channels/0/samples/0/modifiers/1"}]
    (record,) = hypotest(payload(empty + add(small.signal(100) | {"data": [0.0, 0.0]})))["records"]
    assert record["status"] in ("failed", "not_converged")
    assert record["message"]
    assert not {"CLs_obs", "CLs_exp"} & record.keys()


SETTINGS = {
    "test statistic": ({"test_stat": "qtild"}, "unknown test statistic `qtild`. Did you mean `qtilde`? Choices: qtilde, q"),
    "engine": ({"engine": "phyf"}, "unknown engine `phyf`. Did you mean `pyhf`?"),
    "no value": ({"poi_test": ()}, "no value of the parameter of interest to test"),
    "infinite": ({"poi_test": (float("inf"),)}, "cannot test the parameter of interest at inf; give a finite number"),
    "huge": (
        {"poi_test": (10**5000,)},
        "cannot test the parameter of interest at an integer beyond the range of double precision; give a finite number",
    ),
    "twice": ({"poi_test": (1.0, 2.0, 1.0)}, "a value is given twice: 1, 2, 1"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_are_checked_where_they_are_made(case: str) -> None:
    changes, message = SETTINGS[case]
    with pytest.raises(UsageError) as error:
        HypotestSettings(**changes)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


def test_settings_of_another_version_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown settings: toys; client and worker must run the same version"):
        HypotestSettings.from_json({"toys": 1, "poi_test": [1.0]})
