"""Which records a picture shows, and what is said where that is open or impossible."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyhf_endpoint.errors import ResultsError, UsageError
from pyhf_endpoint.plot.select import along, choose_poi, plane, scan
from pyhf_endpoint.results import ResultsFile
from tests.plot.grids import MASSES, grid, poi_scan, result, results_file

THREE = ("m1", "m2", "model")


def three_labels() -> ResultsFile:
    return results_file(
        [
            result((m1, m2, model), 2.0, name=f"{model}_{m1}_{m2}")
            for model in ("wino", "bino")
            for m1 in (100.0, 200.0, 300.0)
            for m2 in (0.0, 50.0)
        ],
        THREE,
    )


def test_plane_holds_every_usable_record_and_the_failed_ones_apart() -> None:
    points = plane(grid(failed=[3, 77]))
    assert points.axes == ("m_C1N2", "m_N1")
    assert points.coordinates.shape == (123, 2)
    assert points.observed.shape == (123,)
    assert points.expected.shape == (123, 5)
    assert sorted(map(tuple, points.failed.tolist())) == sorted([MASSES[3], MASSES[77]])
    assert points.poi_test == 1.0
    assert not points.blind


def test_axes_can_be_swapped() -> None:
    assert plane(grid(), "m_N1").axes == ("m_N1", "m_C1N2")
    swapped = plane(grid(), y="m_C1N2")
    assert swapped.axes == ("m_N1", "m_C1N2")
    assert sorted(map(tuple, swapped.coordinates[:, ::-1].tolist())) == sorted(MASSES)


def test_blind() -> None:
    points = plane(grid(blind=True))
    assert points.blind
    assert np.isnan(points.observed).all()


def test_a_status_that_gives_no_usable_number_is_left_out_even_with_numbers() -> None:
    records = [result((float(i), 0.0), 2.0) for i in range(3)]
    bad = records[1].model_copy(update={"status": "not_converged"})
    points = along(results_file([records[0], bad, records[2]]), "m_C1N2")
    assert points.coordinates.tolist() == [[0.0], [2.0]]
    assert points.failed.tolist() == [[1.0]]


def test_unfinished_numbers_are_left_out() -> None:
    records = [result((float(i), 0.0), 2.0) for i in range(3)]
    bad = records[1].model_copy(update={"CLs_exp": (0.1, 0.2, math.nan, 0.4, 0.5)})
    assert along(results_file([records[0], bad, records[2]]), "m_C1N2").failed.tolist() == [[1.0]]


def test_a_label_that_is_no_axis_must_be_fixed() -> None:
    with pytest.raises(UsageError) as caught:
        plane(three_labels())
    assert str(caught.value) == "`model` takes several values; choose one with `fix`: bino, wino"
    points = plane(three_labels(), fix={"model": "wino"})
    assert points.axes == ("m1", "m2")
    assert points.fixed == (("model", "wino"),)
    assert len(points.coordinates) == 6


def test_a_label_of_words_is_no_axis() -> None:
    with pytest.raises(UsageError, match="`model` cannot be an axis: its values bino, wino are not numbers"):
        plane(three_labels(), "m1", "model", fix={"m2": 0})


def test_values_written_as_text_are_numbers() -> None:
    file = results_file([result((str(m1), "0"), 2.0) for m1 in (300, 100)])
    assert along(file).coordinates.tolist() == [[100.0], [300.0]]
    assert along(file, fix={"m_N1": 0.0}).fixed == (("m_N1", 0.0),)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"x": "m_C1N1"}, "no label `m_C1N1`. Did you mean `m_C1N2`? The results have `m_C1N2`, `m_N1`"),
        ({"fix": {"mass": 3}}, "no label `mass`. The results have `m_C1N2`, `m_N1`"),
        ({"x": "m_N1", "y": "m_N1"}, "both axes are `m_N1`; give two different labels of `m_C1N2`, `m_N1`"),
        ({"x": "m_N1", "fix": {"m_N1": 0}}, "`m_N1` is fixed at 0.0, so it cannot be an axis; leave it out of `fix`"),
        ({"fix": {"m_C1N2": 201}}, None),
        ({"poi_test": 2.0}, "the parameter of interest was not tested at 2; choose `poi_test` from 1"),
    ],
)
def test_what_does_not_exist(call: dict[str, Any], message: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        plane(grid(), **call)
    if message is None:
        assert str(caught.value).startswith("no results with m_C1N2 = 201; choose from 200, 240, 280")
        assert str(caught.value).endswith("..., 1160 (25 in all)")
    else:
        assert str(caught.value) == message


def test_a_plane_needs_two_labels_that_vary() -> None:
    with pytest.raises(ResultsError, match=r"of `m_C1N2`, `m_N1` here `m_C1N2` does: draw `brazil` instead"):
        plane(grid(masses=[(100.0 * i, 0.0) for i in range(5)]))
    with pytest.raises(ResultsError, match=r"of none here none do: draw `brazil` instead"):
        plane(results_file([result((), 2.0)], ()))


def test_two_hypotheses_at_one_point() -> None:
    twins = [result((100.0, 0.0), 2.0, name="a"), result((100.0, 0.0), 2.0, name="b"), result((200.0, 0.0), 2.0)]
    with pytest.raises(ResultsError, match=r"a and b lie at the same point \(m_C1N2 = 100\)"):
        along(results_file(twins))


def test_values_and_labels_must_agree() -> None:
    with pytest.raises(ResultsError, match="the result of odd has 1 values for the 2 labels"):
        plane(results_file([result((1.0,), 2.0, name="odd")]))


def test_along_sorts_and_needs_a_choice() -> None:
    with pytest.raises(UsageError, match="`m_C1N2`, `m_N1` vary; choose one with `along`"):
        along(grid())
    with pytest.raises(UsageError, match=r"`m_N1` takes several values; choose one with `fix`: 0, 25, 30"):
        along(grid(), "m_C1N2")
    points = along(grid(masses=MASSES[::-1]), fix={"m_N1": 0})
    assert points.axes == ("m_C1N2",)
    assert points.coordinates[:, 0].tolist() == [200.0 + 40 * i for i in range(25)]
    assert points.fixed == (("m_N1", 0.0),)


def test_tested_value() -> None:
    assert choose_poi(grid(), None) == 1.0
    assert choose_poi(poi_scan(), None) == 1.0
    assert choose_poi(poi_scan(), 0.4) == pytest.approx(0.4)
    several = results_file([result((1.0, 2.0), 2.0, poi_test=mu) for mu in (0.5, 2.0)])
    with pytest.raises(UsageError) as caught:
        choose_poi(several, None)
    assert str(caught.value) == "several values of the parameter of interest were tested; choose `poi_test` from 0.5, 2"
    assert choose_poi(results_file([result((1.0, 2.0), 2.0, poi_test=0.5)]), None) == 0.5


def test_scan_of_one_hypothesis() -> None:
    points = scan(poi_scan(("a", "b")), "b")
    np.testing.assert_allclose(points.coordinates[:, 0], np.linspace(0, 2, 11))
    assert points.poi_test is None
    assert len(scan(poi_scan()).coordinates) == 11
    with pytest.raises(UsageError, match="choose one `hypothesis` of a, b"):
        scan(poi_scan(("a", "b")))
    with pytest.raises(UsageError, match=r"no results for the hypothesis `signal_500_10`\. Did you mean `signal_500_100`\?"):
        scan(poi_scan(), "signal_500_10")


@pytest.mark.parametrize("select", [plane, along, scan])
def test_no_results_yet(select: Callable[[ResultsFile], object]) -> None:
    with pytest.raises(ResultsError, match="holds no results yet"):
        select(results_file([]))
