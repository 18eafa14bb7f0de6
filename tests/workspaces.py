"""Hand-made small workspaces with their patches: every modifier alone and together, and every corner that has its own rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonpatch

__all__ = ["CASES", "FITTED", "REJECTED", "Case", "Rejected", "case", "patched"]

Json = Mapping[str, Any]
Patch = tuple[str, Sequence[Json]]


@dataclass(frozen=True)
class Case:
    """A workspace, the patches that make its hypotheses, and the measurement to take (None: the first)."""

    name: str
    workspace: Json
    patches: tuple[Patch, ...] = (("as_it_is", ()),)
    measurement: str | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Rejected:
    """A workspace without one meaning; `pyhf` says whether pyhf 0.7.6 refuses it too, or goes on and computes something."""

    name: str
    workspace: Json
    pyhf: bool = True

    def __str__(self) -> str:
        return self.name


def patched(workspace: Json, operations: Sequence[Json]) -> Json:
    """Return a copy of the workspace with an RFC 6902 patch applied."""
    result: Json = jsonpatch.apply_patch(dict(workspace), [dict(o) for o in operations])
    return result


# --- shorthand ---


def _sample(name: str, data: Sequence[float], *modifiers: Json) -> Json:
    return {"name": name, "data": list(data), "modifiers": list(modifiers)}


def _channel(name: str, *samples: Json) -> Json:
    return {"name": name, "samples": list(samples)}


def _measurement(name: str, poi: str, *parameters: Json) -> Json:
    return {"name": name, "config": {"poi": poi, "parameters": list(parameters)}}


def _workspace(observed: Mapping[str, Sequence[float]], channels: Sequence[Json], *measurements: Json) -> Json:
    return {
        "version": "1.0.0",
        "channels": list(channels),
        "observations": [{"name": name, "data": list(data)} for name, data in observed.items()],
        "measurements": list(measurements) or [_measurement("only", "mu")],
    }


def _simple(observed: Sequence[float], *samples: Json, measurements: Sequence[Json] = ()) -> Json:
    return _workspace({"SR": observed}, [_channel("SR", *samples)], *measurements)


def _plain(kind: str, name: str) -> Json:
    return {"name": name, "type": kind, "data": None}


def _norm(name: str, low: float, high: float) -> Json:
    return {"name": name, "type": "normsys", "data": {"lo": low, "hi": high}}


def _histo(name: str, low: Sequence[float], high: Sequence[float]) -> Json:
    return {"name": name, "type": "histosys", "data": {"lo_data": list(low), "hi_data": list(high)}}


def _stat(name: str, uncertainty: Sequence[float]) -> Json:
    return {"name": name, "type": "staterror", "data": list(uncertainty)}


def _shape(name: str, uncertainty: Sequence[float]) -> Json:
    return {"name": name, "type": "shapesys", "data": list(uncertainty)}


MU = _plain("normfactor", "mu")
LUMI = _plain("lumi", "lumi")
LUMI_CONFIG: Json = {"name": "lumi", "inits": [1.0], "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]]}


def _add(channel: int, sample: Json, at: str = "-") -> Json:
    return {"op": "add", "path": f"/channels/{channel}/samples/{at}", "value": sample}


# --- one modifier at a time ---

_SIGNAL = _sample("signal", [4.0, 9.0], MU)
_ONE_BY_ONE = [
    Case("normfactor", _simple([8], _sample("background", [7.0]), _sample("signal", [3.0], MU))),
    Case(
        "two_normfactors",
        _workspace(
            {"CR": [210], "SR": [58, 61]},
            [
                _channel("SR", _sample("background", [50.0, 52.0], _plain("normfactor", "k")), _SIGNAL),
                _channel("CR", _sample("background", [190.0], _plain("normfactor", "k"))),
            ],
        ),
    ),
    Case("normsys", _simple([55, 48], _sample("background", [50.0, 52.0], _norm("scale", 0.8, 1.3)), _SIGNAL)),
    Case("histosys", _simple([55, 48], _sample("background", [50.0, 52.0], _histo("tilt", [45, 57], [58, 49])), _SIGNAL)),
    Case(
        "lumi",
        _simple(
            [55, 48], _sample("background", [50.0, 52.0], LUMI), _SIGNAL, measurements=[_measurement("only", "mu", LUMI_CONFIG)]
        ),
    ),
    Case(
        "lumi_without_sigmas",
        _simple(
            [55, 48],
            _sample("background", [50.0, 52.0], LUMI),
            _SIGNAL,
            measurements=[_measurement("only", "mu", {k: v for k, v in LUMI_CONFIG.items() if k != "sigmas"})],
        ),
    ),
    Case("staterror", _simple([55, 48], _sample("background", [50.0, 52.0], _stat("stat_SR", [3.0, 7.0])), _SIGNAL)),
    Case("shapesys", _simple([55, 48], _sample("background", [50.0, 52.0], _shape("uncorrelated", [3.0, 7.0])), _SIGNAL)),
    Case(
        "shapefactor",
        _workspace(
            {"SR": [7, 11, 4], "CR": [80, 92, 41]},
            [
                _channel(
                    "SR",
                    _sample("background", [6.0, 8.0, 3.0], _plain("shapefactor", "shape")),
                    _sample("signal", [1.0, 3.0, 2.0], MU),
                ),
                _channel(
                    "CR",
                    _sample("background", [70.0, 100.0, 40.0], _plain("shapefactor", "shape")),
                    _sample("other", [5.0, 4.0, 3.0], _norm("other_scale", 0.7, 1.2)),
                ),
            ],
        ),
    ),
]

# --- all of them together ---

_TOGETHER = Case(
    "all_modifiers",
    _workspace(
        {"CR": [310, 160], "SR": [24, 13, 6], "VR": [44]},
        [
            _channel(
                "SR",
                _sample(
                    "top",
                    [12.0, 7.0, 2.5],
                    LUMI,
                    _plain("normfactor", "k_top"),
                    _norm("jes", 0.93, 1.05),
                    _stat("stat_SR", [0.9, 0.6, 0.4]),
                ),
                _sample(
                    "fakes",
                    [5.0, 4.0, 1.5],
                    _shape("fakes_SR", [1.5, 1.1, 0.8]),
                    _histo("fakes_model", [4.2, 4.1, 1.1], [6.0, 3.7, 1.9]),
                ),
                _sample(
                    "signal",
                    [3.0, 2.5, 2.0],
                    LUMI,
                    MU,
                    _histo("jes", [2.8, 2.4, 1.8], [3.1, 2.8, 2.3]),
                    _stat("stat_SR", [0.3, 0.3, 0.2]),
                ),
            ),
            _channel(
                "CR",
                _sample(
                    "top",
                    [280.0, 130.0],
                    LUMI,
                    _plain("normfactor", "k_top"),
                    _norm("jes", 0.96, 1.03),
                    _stat("stat_CR", [6.0, 4.0]),
                ),
                _sample("fakes", [20.0, 12.0], _plain("shapefactor", "fakes_CR")),
            ),
            _channel(
                "VR",
                _sample(
                    "top", [38.0], LUMI, _plain("normfactor", "k_top"), _histo("jes", [36.0], [41.0]), _shape("top_VR", [2.0])
                ),
            ),
        ],
        _measurement("only", "mu", LUMI_CONFIG),
    ),
)

# --- sharing ---

_SHARING = [
    Case(
        "shared_across_channels_and_samples",
        _workspace(
            {"b": [31, 19], "a": [105], "c": [12]},
            [
                _channel(
                    "b",
                    _sample("z", [20.0, 11.0], _norm("both", 0.9, 1.15), _histo("both", [18.0, 11.5], [23.0, 10.0])),
                    _sample("signal", [5.0, 6.0], MU, _norm("theory", 0.8, 1.2)),
                    _sample("w", [4.0, 3.0], _histo("both", [3.5, 3.3], [4.4, 2.2]), _norm("theory", 0.85, 1.1)),
                ),
                _channel(
                    "a", _sample("w", [40.0], _norm("both", 1.1, 0.95)), _sample("z", [60.0], _histo("theory", [55.0], [64.0]))
                ),
                _channel("c", _sample("z", [9.0], _norm("alone", 0.7, 1.4)), _sample("signal", [2.0], MU)),
            ],
        ),
    ),
    Case(
        "staterror_over_two_channels",
        _workspace(
            {"left": [12, 9], "right": [30], "other": [7]},
            [
                _channel("right", _sample("background", [28.0], _stat("stat", [2.0])), _sample("signal", [4.0], MU)),
                _channel("other", _sample("background", [6.0])),
                _channel(
                    "left", _sample("background", [10.0, 8.0], _stat("stat", [1.0, 1.5])), _sample("signal", [2.0, 3.0], MU)
                ),
            ],
        ),
    ),
    Case(
        "staterrors_not_in_order_of_channels",
        _workspace(
            {"A": [12, 9], "B": [30]},
            [
                _channel("A", _sample("background", [10.0, 8.0], _stat("stat_2", [1.0, 1.5])), _sample("signal", [2.0, 3.0], MU)),
                _channel(
                    "B", _sample("background", [28.0], _stat("stat_1", [2.0])), _sample("small", [1.0], _stat("stat_1", [0.7]))
                ),
            ],
        ),
    ),
    Case(
        "shapefactor_of_fewer_bins_elsewhere",
        _workspace(
            {"A": [7, 11, 4], "B": [80, 92]},
            [
                _channel("B", _sample("background", [70.0, 100.0], _plain("shapefactor", "shape"))),
                _channel(
                    "A",
                    _sample("background", [6.0, 8.0, 3.0], _plain("shapefactor", "shape")),
                    _sample("signal", [1.0, 3.0, 2.0], MU),
                ),
            ],
        ),
    ),
    Case(
        "several_signal_samples",
        _workspace(
            {"SR2": [9], "SR1": [14, 5]},
            [
                _channel(
                    "SR2",
                    _sample("background", [7.5], _stat("stat_SR2", [0.8])),
                    _sample("ggF", [2.0], MU, _stat("stat_SR2", [0.2])),
                ),
                _channel(
                    "SR1",
                    _sample("ggF", [3.0, 1.0], MU, _norm("scale", 0.8, 1.25), _stat("stat_SR1", [0.2, 0.1])),
                    _sample("VBF", [1.0, 1.5], MU, _norm("scale", 0.9, 1.05)),
                    _sample("background", [11.0, 4.0], _norm("scale", 0.97, 1.02), _stat("stat_SR1", [0.9, 0.6])),
                ),
            ],
        ),
    ),
    Case(
        "parameter_named_like_a_bin",
        _simple([55, 48], _sample("background", [50.0, 52.0], _stat("a", [3.0, 7.0]), _norm("a[x]", 0.9, 1.2)), _SIGNAL),
    ),
]

# --- zeros and one-sided systematics ---

_EDGES = [
    Case(
        "zero_observed",
        _simple(
            [0, 3, 0],
            _sample("background", [0.4, 2.0, 1.5], _stat("stat", [0.2, 0.4, 0.3])),
            _sample("signal", [1.0, 2.0, 0.5], MU),
        ),
    ),
    Case(
        "zero_nominal",
        _simple(
            [2, 0, 4],
            _sample(
                "background",
                [1.5, 0.0, 3.0],
                _stat("stat", [0.3, 0.0, 0.5]),
                _norm("scale", 0.8, 1.3),
                _histo("h", [1.2, 0, 3.3], [2.0, 0, 2.5]),
            ),
            _sample("fakes", [0.0, 0.0, 1.0], _shape("fakes", [0.5, 0.0, 0.3]), _histo("f", [0.0, 0.0, 0.8], [0.6, 0.0, 1.3])),
            _sample("signal", [1.0, 0.0, 0.0], MU, _stat("stat", [0.1, 0.0, 0.0])),
        ),
    ),
    Case(
        "nominal_zero_but_shifted",
        _simple(
            [2, 1],
            _sample("background", [3.0, 0.5], _norm("scale", 0.8, 1.3)),
            _sample("rare", [0.0, 0.2], _histo("h", [0.4, 0.1], [0.7, 0.5])),
            _sample("signal", [1.0, 2.0], MU),
        ),
    ),
    Case(
        "zero_uncertainties",
        _simple(
            [12, 7, 3],
            _sample("background", [10.0, 5.0, 2.0], _stat("stat", [1.0, 0.0, 0.4])),
            _sample("fakes", [2.0, 1.0, 0.5], _shape("fakes", [0.0, 0.3, 0.2])),
            _sample("signal", [1.0, 2.0, 3.0], MU),
        ),
    ),
    Case(
        "zero_uncertainties_set_free",
        _simple(
            [12, 7],
            _sample("background", [10.0, 5.0], _stat("stat", [1.0, 0.0])),
            _sample("fakes", [2.0, 1.0], _shape("fakes", [0.0, 0.3])),
            _sample("signal", [1.0, 2.0], MU),
            measurements=[_measurement("only", "mu", {"name": "stat", "fixed": False}, {"name": "fakes", "fixed": False})],
        ),
    ),
    Case(
        "one_sided",
        _simple(
            [55, 48],
            _sample("background", [50.0, 52.0], _norm("up_up", 1.1, 1.2), _norm("up_only", 1.0, 1.2), _norm("nothing", 1.0, 1.0)),
            _sample(
                "fakes",
                [20.0, 10.0],
                _histo("h_up_up", [22.0, 11.0], [24.0, 13.0]),
                _histo("h_nothing", [20.0, 10.0], [20.0, 10.0]),
            ),
            _sample("rare", [3.0, 2.0], _histo("h_same", [2.5, 2.2], [2.5, 2.2]), _norm("down_down", 0.7, 0.9)),
            _SIGNAL,
        ),
    ),
    Case(
        "huge_and_tiny_taus",
        _simple(
            [55, 4],
            _sample("background", [50.0, 2.0], _shape("exact", [1e-4, 1e-5])),
            _sample("loose", [1.0, 3.0], _shape("loose", [2.0, 5.0])),
            _SIGNAL,
        ),
    ),
    Case(
        "negative_contribution",
        _simple(
            [20, 21],
            _sample("background", [22.0, 25.0], _norm("scale", 0.9, 1.1)),
            _sample("interference", [-2.0, -3.0], MU),
            _sample("signal", [4.0, 9.0], MU),
        ),
    ),
    Case("fractional_observations", _simple([5.5, 0.25], _sample("background", [5.0, 0.5], _norm("scale", 0.9, 1.2)), _SIGNAL)),
    Case(
        "many_observed",
        _simple(
            [2.5e6, 3.1e5],
            _sample("background", [2.4e6, 3e5], _norm("scale", 0.97, 1.03), _stat("stat", [900.0, 400.0])),
            _sample("signal", [4e4, 9e3], MU),
        ),
    ),
    Case(
        "sample_and_channel_spellings",
        _workspace(
            {"Z ü/~": [9], "a.b": [4]},
            [
                _channel("Z ü/~", _sample("sig nal", [2.0], MU), _sample("B", [6.0], _norm("é/x", 0.8, 1.2))),
                _channel("a.b", _sample("B", [3.0], _norm("é/x", 0.9, 1.1))),
            ],
        ),
    ),
]

# --- measurements ---

_MEASURED = _workspace(
    {"SR": [24, 13], "CR": [310], "CR2": [31, 18]},
    [
        _channel(
            "SR",
            _sample("top", [12.0, 7.0], LUMI, _plain("normfactor", "k_top"), _norm("jes", 0.93, 1.05), _stat("stat", [0.9, 0.6])),
            _sample("fakes", [5.0, 4.0], _shape("fakes", [1.5, 1.1])),
            _sample("signal", [3.0, 2.5], LUMI, MU, _histo("jer", [2.8, 2.4], [3.1, 2.8])),
        ),
        _channel("CR", _sample("top", [280.0], LUMI, _plain("normfactor", "k_top"), _norm("jes", 0.96, 1.03))),
        _channel("CR2", _sample("conversions", [20.0, 12.0], _plain("shapefactor", "free")), _sample("top", [8.0, 5.0])),
    ],
    _measurement("plain", "mu", LUMI_CONFIG),
    _measurement(
        "another_poi", "k_top", LUMI_CONFIG, {"name": "mu", "inits": [0.0], "fixed": True}, {"name": "not_there", "inits": [3.0]}
    ),
    _measurement(
        "all_settings",
        "mu",
        {"name": "lumi", "inits": [1.02], "auxdata": [1.01], "sigmas": [0.05], "bounds": [[0.7, 1.3]], "fixed": False},
        {"name": "mu", "inits": [0.5], "bounds": [[-1.0, 4.0]]},
        {"name": "k_top", "inits": [0.9], "bounds": [[0.2, 3.0]]},
        {"name": "jes", "inits": [0.3], "bounds": [[-3.0, 2.0]], "auxdata": [0.4]},
        {"name": "jer", "inits": [-0.5], "fixed": True},
        {"name": "stat", "inits": [1.1, 0.9], "bounds": [[0.5, 2.0], [0.4, 1.8]], "auxdata": [1.05, 0.95], "sigmas": [0.1, 0.2]},
        {
            "name": "fakes",
            "inits": [1.0, 1.2],
            "auxdata": [10.0, 14.0],
            "factors": [11.0, 13.0],
            "bounds": [[0.1, 5.0], [0.2, 4.0]],
        },
        {"name": "free", "inits": [1.5, 0.5], "bounds": [[0.1, 3.0], [0.1, 3.0]]},
    ),
    _measurement("constrained_poi", "jes", LUMI_CONFIG, {"name": "mu", "fixed": True}, {"name": "free", "fixed": True}),
    _measurement(
        "all_but_poi_fixed",
        "mu",
        {**LUMI_CONFIG, "fixed": True},
        *({"name": n, "fixed": True} for n in ("k_top", "jes", "jer", "stat", "fakes", "free")),
    ),
)
_MEASUREMENTS = [Case(f"measurement_{m['name']}", _MEASURED, measurement=m["name"]) for m in _MEASURED["measurements"]]

# --- patches ---

_BACKGROUND = _workspace(
    {"SR": [24, 13], "CR": [310]},
    [
        _channel(
            "SR",
            _sample("top", [12.0, 7.0], _norm("jes", 0.93, 1.05), _stat("stat_SR", [0.9, 0.6])),
            _sample("fakes", [5.0, 4.0], _shape("fakes", [1.5, 1.1])),
        ),
        _channel("CR", _sample("top", [280.0], _plain("normfactor", "k_top"), _norm("jes", 0.96, 1.03), _stat("stat_CR", [6.0]))),
    ],
)


def _signal_at(strength: float) -> list[Json]:
    shape = [3.0 * strength, 2.5 * strength]
    return [
        _add(
            0,
            _sample(
                "signal",
                shape,
                MU,
                _norm("theory", 0.9, 1.2),
                _histo("jer", [0.9 * x for x in shape], [1.1 * x for x in shape]),
                _stat("stat_SR", [0.1 * x for x in shape]),
            ),
        ),
        _add(1, _sample("signal", [1.0 * strength], MU, _norm("theory", 0.9, 1.2)), at="0"),
    ]


_PATCHES: tuple[Patch, ...] = (
    ("add_weak", _signal_at(0.5)),
    ("add_strong", _signal_at(4.0)),
    ("add_elsewhere", [_add(1, _sample("signal", [40.0], MU))]),
    ("add_two_samples", [*_signal_at(1.0), _add(0, _sample("signal_2", [1.0, 0.5], MU, _shape("signal_2_mc", [0.2, 0.1])))]),
    ("add_at_front", [_add(0, _sample("signal", [1.0, 5.0], MU), at="0")]),
    ("add_a_sample_named_first", [_add(0, _sample("aaa", [1.0, 5.0], MU, _norm("aaa", 0.8, 1.1)))]),
    (
        "add_a_channel",
        [
            *_signal_at(1.0),
            {
                "op": "add",
                "path": "/channels/-",
                "value": _channel(
                    "AR", _sample("top", [9.0, 8.0, 2.0], _norm("jes", 0.9, 1.1)), _sample("signal", [1.0, 1.0, 2.0], MU)
                ),
            },
            {"op": "add", "path": "/observations/0", "value": {"name": "AR", "data": [10, 7, 3]}},
        ],
    ),
    ("test_then_add", [{"op": "test", "path": "/channels/0/name", "value": "SR"}, *_signal_at(2.0)]),
    ("replace_a_yield", [{"op": "replace", "path": "/channels/0/samples/0/data/1", "value": 6.0}, *_signal_at(1.0)]),
    (
        "replace_a_sample",
        [
            {
                "op": "replace",
                "path": "/channels/0/samples/1",
                "value": _sample("multijet", [4.0, 1.0], _norm("multijet", 0.5, 1.5)),
            },
            *_signal_at(1.0),
        ],
    ),
    (
        "replace_a_systematic",
        [{"op": "replace", "path": "/channels/0/samples/0/modifiers/0/data/hi", "value": 1.3}, *_signal_at(1.0)],
    ),
    ("replace_observations", [{"op": "replace", "path": "/observations/0/data", "value": [30, 0]}, *_signal_at(1.0)]),
    ("remove_a_sample", [{"op": "remove", "path": "/channels/0/samples/1"}, *_signal_at(1.0)]),
    ("remove_a_channel", [{"op": "remove", "path": "/channels/1"}, _signal_at(1.0)[0]]),
    (
        "remove_a_modifier",
        [
            {"op": "remove", "path": "/channels/0/samples/0/modifiers/1"},
            {"op": "remove", "path": "/channels/1/samples/0/modifiers/0"},
            *_signal_at(1.0),
        ],
    ),
    (
        "move_and_copy",
        [
            {"op": "move", "from": "/channels/1", "path": "/channels/0"},
            _add(1, _sample("signal", [3.0, 2.0], MU)),
            {"op": "copy", "from": "/channels/1/samples/2/data", "path": "/channels/1/samples/0/data"},
        ],
    ),
    (
        "configure_parameters",
        [
            {
                "op": "add",
                "path": "/measurements/0/config/parameters/-",
                "value": {"name": "mu", "bounds": [[0.0, 20.0]], "inits": [2.0]},
            },
            *_signal_at(0.2),
        ],
    ),
    (
        "rename_the_poi",
        [
            {"op": "replace", "path": "/measurements/0/config/poi", "value": "s"},
            _add(0, _sample("signal", [3.0, 2.0], _plain("normfactor", "s"))),
        ],
    ),
)

_ZERO_SIGNAL: tuple[Patch, ...] = (
    (
        "zero_signal",
        [_add(0, _sample("signal", [0.0, 0.0], MU, _stat("stat_SR", [0.0, 0.0]), _histo("jer", [0.0, 0.0], [0.0, 0.0])))],
    ),
    (
        "signal_in_one_bin",
        [_add(0, _sample("signal", [0.0, 2.0], MU, _stat("stat_SR", [0.0, 0.4]), _histo("jer", [0.0, 1.8], [0.0, 2.1])))],
    ),
)

# What a patch brings may reuse names of other patches for other things, in any order, or reach into the background's parameters.
_OWN: tuple[Patch, ...] = (
    (
        "one_order",
        [_add(0, _sample("signal", [3.0, 2.0], MU, _norm("a", 0.9, 1.2), _norm("b", 0.7, 1.1), _stat("c", [0.3, 0.2])))],
    ),
    (
        "other_order",
        [_add(0, _sample("signal", [2.0, 4.0], MU, _norm("b", 0.9, 1.2), _norm("a", 0.7, 1.1), _shape("c", [0.3, 0.2])))],
    ),
    (
        "names_swapped",
        [
            _add(
                0,
                _sample(
                    "signal", [1.0, 4.0], MU, _histo("b", [0.8, 3.5], [1.1, 4.2]), _plain("normfactor", "a"), _norm("c", 0.7, 1.1)
                ),
            )
        ],
    ),
    (
        "free_shape",
        [
            _add(0, _sample("signal", [1.0, 4.0], MU)),
            _add(0, _sample("loose", [1.0, 0.5], _plain("shapefactor", "a"), _norm("jes", 0.8, 1.2))),
        ],
    ),
    (
        "number_of_signals",
        [
            _add(0, _sample(f"signal_{n}", [0.5, 0.25 * n], MU, _norm(f"theory_{n}", 0.9, 1.1), _shape(f"mc_{n}", [0.1, 0.05])))
            for n in (3, 1, 2)
        ],
    ),
    (
        "name_of_a_removed_parameter",
        [{"op": "remove", "path": "/channels/0/samples/1"}, _add(0, _sample("signal", [1.0, 4.0], MU, _norm("fakes", 0.7, 1.1)))],
    ),
    (
        "other_kind_for_a_replaced_parameter",
        [
            {"op": "replace", "path": "/channels/0/samples/1", "value": _sample("fakes", [5.0, 4.0], _stat("fakes", [1.5, 1.1]))},
            _add(0, _sample("signal", [1.0, 4.0], MU, _stat("fakes", [0.1, 0.4]), _norm("jes", 0.9, 1.1))),
        ],
    ),
    (
        "background_alpha_as_shape",
        [_add(0, _sample("signal", [3.0, 2.0], MU, _histo("jes", [2.8, 1.9], [3.3, 2.4]), _norm("jes", 0.95, 1.02)))],
    ),
    (
        "background_factor",
        [_add(0, _sample("signal", [3.0, 2.0], MU, _plain("normfactor", "k_top"))), _add(1, _sample("signal", [3.0], MU))],
    ),
    (
        "staterror_of_two_channels",
        [
            _add(0, _sample("signal", [3.0, 2.0], MU, _stat("own", [0.4, 0.3]))),
            _add(1, _sample("signal", [3.0], MU, _stat("own", [0.4]))),
        ],
    ),
)
_REACHED = _workspace(
    {"M": [12, 9], "N": [30]},
    [
        _channel("N", _sample("background", [28.0], _plain("shapefactor", "shape")), _sample("other", [4.0])),
        _channel("M", _sample("background", [10.0, 8.0], _stat("stat", [1.0, 1.5])), _sample("other", [2.0, 3.0])),
    ],
)
_REACHING: tuple[Patch, ...] = (
    ("only_adds", [_add(0, _sample("signal", [3.0], MU)), _add(1, _sample("signal", [1.0, 2.0], MU, _stat("stat", [0.2, 0.3])))]),
    (
        "staterror_in_earlier_channel",
        [
            {
                "op": "add",
                "path": "/channels/0",
                "value": _channel("A", _sample("background", [4.0], _stat("stat", [0.5])), _sample("signal", [1.0], MU)),
            },
            {"op": "add", "path": "/observations/-", "value": {"name": "A", "data": [6]}},
        ],
    ),
    (
        "staterror_in_later_channel",
        [
            {
                "op": "add",
                "path": "/channels/-",
                "value": _channel("Z", _sample("background", [4.0], _stat("stat", [0.5])), _sample("signal", [1.0], MU)),
            },
            {"op": "add", "path": "/observations/-", "value": {"name": "Z", "data": [6]}},
        ],
    ),
    ("shapefactor_in_earlier_channel", [_add(1, _sample("signal", [1.0, 2.0], MU, _plain("shapefactor", "shape")))]),
    ("shapefactor_in_same_channel", [_add(0, _sample("signal", [3.0], MU, _plain("shapefactor", "shape")))]),
)

_PATCHED = [
    Case("patches", _BACKGROUND, _PATCHES),
    Case("patches_with_own_parameters", _BACKGROUND, _OWN),
    Case("patches_that_reach_into_the_background", _REACHED, _REACHING),
    Case("patches_with_zeros", _BACKGROUND, _ZERO_SIGNAL),
    Case("patches_of_one_structure", _BACKGROUND, tuple((f"signal_{x}", _signal_at(x)) for x in (0.25, 1.0, 2.0, 3.0, 6.0))),
]

CASES: tuple[Case, ...] = (*_ONE_BY_ONE, _TOGETHER, *_SHARING, *_EDGES, *_MEASUREMENTS, *_PATCHED)


def case(name: str) -> Case:
    """Return the case of that name."""
    return next(c for c in CASES if c.name == name)


# Small workspaces in which a fit finds one well-behaved minimum.
FITTED: tuple[Case, ...] = tuple(
    case(name)
    for name in (
        "normfactor", "histosys", "lumi", "shapesys", "shapefactor", "all_modifiers", "shared_across_channels_and_samples",
        "several_signal_samples", "zero_uncertainties", "one_sided", "measurement_all_settings", "patches_of_one_structure",
    )
)  # fmt: skip

# --- without one meaning ---

_TWO = [50.0, 52.0]


def _rejected_background(
    name: str, *modifiers: Json, pyhf: bool = True, parameters: Sequence[Json] = (), poi: str = "mu"
) -> Rejected:
    workspace = _simple(
        [55, 48], _sample("background", _TWO, *modifiers), _SIGNAL, measurements=[_measurement("only", poi, *parameters)]
    )
    return Rejected(name, workspace, pyhf)


REJECTED: tuple[Rejected, ...] = (
    Rejected(
        "shapesys_on_two_samples",
        _simple([55, 48], _sample("a", _TWO, _shape("x", [3.0, 7.0])), _sample("b", _TWO, _shape("x", [3.0, 7.0])), _SIGNAL),
    ),
    Rejected(
        "shapesys_in_two_channels",
        _workspace(
            {"A": [8], "B": [9]},
            [
                _channel("A", _sample("b", [7.0], _shape("x", [1.0])), _sample("signal", [3.0], MU)),
                _channel("B", _sample("b", [7.0], _shape("x", [1.0]))),
            ],
        ),
    ),
    Rejected(
        "name_of_normfactor_and_normsys",
        _simple([55, 48], _sample("a", _TWO, _plain("normfactor", "x")), _sample("b", _TWO, _norm("x", 0.9, 1.1)), _SIGNAL),
    ),
    Rejected(
        "name_of_staterror_and_shapesys",
        _simple([55, 48], _sample("a", _TWO, _stat("x", [3.0, 7.0])), _sample("b", _TWO, _shape("x", [3.0, 7.0])), _SIGNAL),
    ),
    Rejected(
        "staterror_over_other_channels_by_sample",
        _workspace(
            {"A": [8], "B": [9]},
            [
                _channel("A", _sample("b", [7.0], _stat("x", [1.0])), _sample("signal", [3.0], MU, _stat("x", [1.0]))),
                _channel("B", _sample("b", [7.0], _stat("x", [1.0]))),
            ],
        ),
    ),
    _rejected_background("lumi_without_settings", LUMI),
    _rejected_background("too_few_inits", _stat("x", [3.0, 7.0]), parameters=[{"name": "x", "inits": [1.0]}]),
    _rejected_background("sigmas_of_a_normsys", _norm("x", 0.9, 1.1), parameters=[{"name": "x", "sigmas": [0.5]}]),
    _rejected_background("auxdata_of_a_normfactor", parameters=[{"name": "mu", "auxdata": [0.5]}]),
    _rejected_background(
        "parameter_configured_twice", parameters=[{"name": "mu", "inits": [0.5]}, {"name": "mu", "inits": [0.6]}]
    ),
    _rejected_background("poi_that_modifies_nothing", poi="nu"),
    Rejected(
        "shapefactor_of_more_bins_elsewhere",
        _workspace(
            {"A": [80, 92], "B": [7, 11, 4]},
            [
                _channel("A", _sample("background", [70.0, 100.0], _plain("shapefactor", "shape"))),
                _channel(
                    "B",
                    _sample("background", [6.0, 8.0, 3.0], _plain("shapefactor", "shape")),
                    _sample("signal", [1.0, 3.0, 2.0], MU),
                ),
            ],
        ),
        pyhf=False,
    ),
    Rejected("sample_twice_in_a_channel", _simple([55, 48], _sample("a", _TWO), _sample("a", [1.0, 2.0]), _SIGNAL), pyhf=False),
    _rejected_background("modifier_twice_on_a_sample", _norm("x", 0.9, 1.1), _norm("x", 0.8, 1.2), pyhf=False),
)
