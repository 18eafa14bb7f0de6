"""Patches and what becomes of them: JSON patch semantics, grouping into batches, exact messages."""

from collections.abc import Mapping
from typing import Any

import pytest

from pyhf_endpoint.errors import FitError, InputError
from pyhf_endpoint.histfactory import compile_workspace
from pyhf_endpoint.histfactory.compile import Patch, compile_patches
from pyhf_endpoint.histfactory.patch import apply_patch

Json = dict[str, Any]

MU = {"name": "mu", "type": "normfactor", "data": None}
JES = {"name": "jes", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
TILT = {"name": "tilt", "type": "histosys", "data": {"hi_data": [2.5, 3.0], "lo_data": [1.5, 3.0]}}


def sample(name: str, data: list[float], *modifiers: Json) -> Json:
    return {"name": name, "data": data, "modifiers": list(modifiers)}


def workspace(*samples: Json, poi: str = "mu", parameters: list[Json] | None = None) -> Json:
    return {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": list(samples)}],
        "observations": [{"name": "SR", "data": [9, 11]}],
        "measurements": [{"name": "m", "config": {"poi": poi, "parameters": parameters or []}}],
    }


BACKGROUND = workspace(sample("bkg", [10.0, 12.0], JES))


def adding(name: str, *modifiers: Json, data: tuple[float, ...] = (2.0, 3.0)) -> Patch:
    return name, [{"op": "add", "path": "/channels/0/samples/-", "value": sample(f"signal_{name}", list(data), *modifiers)}]


def setting(name: str, **values: object) -> Json:
    return {"op": "add", "path": "/measurements/0/config/parameters/-", "value": {"name": name, **values}}


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ({"op": "add", "path": "/a/1", "value": 9}, {"a": [1, 9, 2], "b/c": {"~": 3}}),
        ({"op": "add", "path": "/a/-", "value": 9}, {"a": [1, 2, 9], "b/c": {"~": 3}}),
        ({"op": "remove", "path": "/a/0"}, {"a": [2], "b/c": {"~": 3}}),
        ({"op": "replace", "path": "/b~1c/~0", "value": 9}, {"a": [1, 2], "b/c": {"~": 9}}),
        ({"op": "move", "from": "/a/0", "path": "/a/1"}, {"a": [2, 1], "b/c": {"~": 3}}),
        ({"op": "copy", "from": "/b~1c", "path": "/a/0"}, {"a": [{"~": 3}, 1, 2], "b/c": {"~": 3}}),
        ({"op": "test", "path": "/a", "value": [1.0, 2]}, {"a": [1, 2], "b/c": {"~": 3}}),
    ],
)
def test_patch_operations(operation: Mapping[str, Any], result: Json) -> None:
    document = {"a": [1, 2], "b/c": {"~": 3}}
    assert apply_patch(document, [operation]) == result
    assert document == {"a": [1, 2], "b/c": {"~": 3}}


def test_what_a_patch_leaves_alone_is_not_copied() -> None:
    document: Json = {"a": [[1], [2]], "b": [3]}
    patched = apply_patch(document, [{"op": "replace", "path": "/a/0", "value": 0}])
    assert patched["a"][1] is document["a"][1]
    assert patched["b"] is document["b"]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "remove", "path": "/a/2"}, "operation 0 (`remove /a/2`): index 2 is past the end of an array of 2"),
        ({"op": "add", "path": "/a/01", "value": 0}, "operation 0 (`add /a/01`): `01` is no index of an array"),
        ({"op": "replace", "path": "/x", "value": 0}, "operation 0 (`replace /x`): there is no member `x`"),
        (
            {"op": "test", "path": "/a/0", "value": True},
            "operation 0 (`test /a/0`): the document holds another value than the one tested for",
        ),
        ({"op": "move", "from": "/a", "path": "/a/0"}, "operation 0 (`move /a/0`): a value cannot be moved into itself"),
        (
            {"op": "swap", "path": "/a"},
            "operation 0 (`swap /a`): no such operation; use add, remove, replace, move, copy or test",
        ),
    ],
)
def test_patches_that_cannot_be_applied(operation: Mapping[str, Any], message: str) -> None:
    with pytest.raises(FitError) as fault:
        apply_patch({"a": [1, 2]}, [operation])
    assert str(fault.value) == message


def test_signals_of_one_structure_share_a_batch_whatever_their_parameters_are_called() -> None:
    patches = [
        adding(str(mass), MU, {"name": f"mc_{mass}", "type": "shapesys", "data": [0.2, 0.3]}, {**JES, "name": f"theory_{mass}"})
        for mass in (100, 200)
    ]
    (batch,) = compile_workspace(BACKGROUND, patches)
    assert batch.names == ("100", "200")
    assert batch.parameters(0) == ["mu", "jes", "theory_100", "mc_100[0]", "mc_100[1]"]
    assert batch.parameters(1) == ["mu", "jes", "theory_200", "mc_200[0]", "mc_200[1]"]
    assert batch.columns(0).tolist() == batch.columns(1).tolist()


def test_other_structures_and_backgrounds_get_batches_of_their_own() -> None:
    patches = [
        adding("plain", MU),
        adding("scaled twice", MU, {**MU, "name": "k"}),
        ("less background", [{"op": "replace", "path": "/channels/0/samples/0/data/0", "value": 5.0}, *adding("x", MU)[1]]),
        adding("plain too", MU, JES),
    ]
    batches = compile_workspace(BACKGROUND, patches)
    assert sorted(batch.names for batch in batches) == [("less background",), ("plain", "plain too"), ("scaled twice",)]
    assert sorted(index for batch in batches for index in batch.indices) == [0, 1, 2, 3]


HUGE = "an integer of about 401 digits"
BEYOND = "so large or so small that their ratios or differences are beyond double precision; check their units"
TYPES = "histosys, lumi, normfactor, normsys, shapefactor, shapesys, staterror"
FAULTY: list[tuple[Patch, str]] = [
    (adding("a", MU, data=(2.0,)), "channel `SR`, sample `signal_a`: 1 bins, but the channel has 2"),
    (adding("a", MU, data=(2.0, float("nan"))), "channel `SR`, sample `signal_a`: `data`: bin 1 holds nan, not a finite number"),
    (adding("a"), "parameter of interest `mu` is carried by no sample."),
    (
        ("a", []),
        (
            "parameter of interest `mu` is carried by no sample."
            " A background-only workspace needs a patch set, whose patches bring the signal"
        ),
    ),
    (
        adding("a", MU, {**JES, "data": {"hi": 1.1, "lo": 0.0}}),
        "channel `SR`, sample `signal_a`: normsys `jes`: `lo`: a factor of 0 has no logarithm; factors are positive",
    ),
    (
        adding("a", MU, {"name": "mu", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}),
        "channel `SR`, sample `signal_a`: `mu` is a alpha parameter here and a normfactor parameter elsewhere; use two names",
    ),
    (
        adding("a", MU, MU),
        "channel `SR`, sample `signal_a`: two modifiers of the same type and name, of which pyhf would drop one; remove it",
    ),
    (
        adding("a", MU, MU, {**JES, "data": None}),
        "channel `SR`, sample `signal_a`: two modifiers of the same type and name, of which pyhf would drop one; remove it",
    ),
    (
        adding("a", MU, TILT, {**TILT, "data": {"hi_data": [2.0, 3.0], "lo_data": [2.0, 3.0]}}),
        "channel `SR`, sample `signal_a`: two modifiers of the same type and name, of which pyhf would drop one; remove it",
    ),
    (
        adding("a", MU, {"name": "jes", "type": "normsys"}, {"name": "x", "type": "unheard of"}),
        "not what a workspace holds here (TypeError: 'NoneType' object is not subscriptable)",
    ),
    (
        adding("a", MU, {"name": "x", "type": "unheard of"}, {"name": "jes", "type": "normsys"}),
        f"channel `SR`, sample `signal_a`: modifier `x` has the type `unheard of`, which is not among {TYPES}",
    ),
    (
        adding("a", MU, {**TILT, "data": {"hi_data": [2.0], "lo_data": [2.0, 3.0, 4.0]}}),
        "channel `SR`, sample `signal_a`: histosys `tilt`: `hi_data`: 1 values for 2 bins",
    ),
    (
        adding("a", MU, {**TILT, "data": {"hi_data": 2.0, "lo_data": [2.0, 3.0]}}),
        "channel `SR`, sample `signal_a`: histosys `tilt`: `hi_data`: no values for 2 bins",
    ),
    (
        adding("a", MU, {**TILT, "data": {"hi_data": [None, 2.0], "lo_data": [2.0, 3.0]}}),
        "channel `SR`, sample `signal_a`: histosys `tilt`: `hi_data`: bin 0 holds None, not a finite number",
    ),
    (
        adding("a", MU, {"name": "mc", "type": "shapesys", "data": [0.1, 0.2, 0.3]}),
        "channel `SR`, sample `signal_a`: shapesys `mc`: 3 values for 2 bins",
    ),
    (
        adding("a", MU, {**JES, "data": {"hi": 1.1, "lo": "0.9 or so"}}),
        "channel `SR`, sample `signal_a`: normsys `jes`: `lo`: bin 0 holds '0.9 or so', not a finite number",
    ),
    (
        adding("a", MU, {"name": "lumi", "type": "lumi", "data": None}),
        "measurement: parameter `lumi`: a lumi modifier needs `auxdata`, `sigmas`, `bounds` and `inits` in the measurement",
    ),
    (("a", [{"op": "remove", "path": "/observations/0"}]), "`observations` is missing, empty or not a list"),
    (
        adding("a", MU, data=(10**400, 3.0)),
        "channel `SR`, sample `signal_a`: `data`: bin 0 holds an integer of about 401 digits, not a finite number",
    ),
    (
        adding("a", MU, {**JES, "data": {"hi": -(10**5000), "lo": 0.9}}),
        "channel `SR`, sample `signal_a`: normsys `jes`: `hi`: bin 0 holds an integer of about 5001 digits, not a finite number",
    ),
    (
        adding("a", MU, {**TILT, "data": {"hi_data": [2.0, 10**400], "lo_data": [2.0, 3.0]}}),
        f"channel `SR`, sample `signal_a`: histosys `tilt`: `hi_data`: bin 1 holds {HUGE}, not a finite number",
    ),
    (
        ("a", [*adding("a", MU)[1], {"op": "replace", "path": "/observations/0/data/1", "value": 10**400}]),
        "channel `SR`: observation: bin 1 holds an integer of about 401 digits, not a finite number",
    ),
    (
        adding("a", MU, {"name": "mc", "type": "staterror", "data": [1e-100, 0.1]}, data=(2e100, 3.0)),
        f"parameter `mc`: uncertainties {BEYOND}",
    ),
    (adding("a", MU, {"name": "mc", "type": "shapesys", "data": [1e-200, 0.1]}), f"parameter `mc`: uncertainties {BEYOND}"),
    (adding("a", MU, {**JES, "data": {"hi": 1.7e308, "lo": 0.9}}), f"yields and variations {BEYOND}"),
    (
        ("a", [*adding("a", MU)[1], setting("mu", bounds=[[0, 10**400]])]),
        "measurement: parameter `mu`: `bounds` holds a number that is not finite",
    ),
]


@pytest.mark.parametrize(("patch", "message"), FAULTY, ids=[message for _, message in FAULTY])
def test_a_patch_that_cannot_be_used_is_named_with_its_fault(patch: Patch, message: str) -> None:
    with pytest.raises(FitError) as fault:
        compile_workspace(BACKGROUND, [adding("good", MU), patch])
    assert str(fault.value) == f"patch `a`: {message}"


def test_a_setting_of_one_patch_is_not_blamed_on_the_workspace() -> None:
    faulty = ("faulty", [*adding("faulty", MU)[1], setting("jes", bounds="x")])
    patches = list(enumerate([adding("good", MU), faulty]))
    compiled = compile_patches(BACKGROUND, patches, measurement=None, normsys="code4", histosys="code4p")
    assert [batch.names for batch in compiled.batches] == [("good",)]
    assert compiled.failures == {1: "patch `faulty`: measurement: parameter `jes`: `bounds` is not a list of numbers"}


def test_integers_of_more_than_64_bits_are_numbers() -> None:
    spec = workspace(sample("bkg", [10**25, 12.0], JES))
    spec["observations"][0]["data"] = [10**25, 11]
    (batch,) = compile_workspace(spec, [adding("a", MU)])
    assert batch.rows.counts.tolist() == [[1e25, 11.0]]
    assert batch.shared.nominal.tolist() == [[1e25], [12.0]]


def test_faults_of_the_workspace_are_not_blamed_on_patches() -> None:
    broken = workspace(sample("bkg", [10.0, float("inf")], JES))
    with pytest.raises(InputError) as fault:
        compile_workspace(broken, [adding("a", MU)])
    assert str(fault.value) == "workspace: channel `SR`, sample `bkg`: `data`: bin 1 holds inf, not a finite number"


def test_settings_that_contradict_their_parameter() -> None:
    spec = workspace(sample("bkg", [10.0, 12.0], MU), parameters=[{"name": "mu", "inits": [11.0]}])
    with pytest.raises(InputError) as fault:
        compile_workspace(spec, [("a", [])])
    assert str(fault.value) == "workspace: measurement: parameter `mu`: initial value 11 lies outside its bounds [0.0, 10.0]"


def test_samples_of_a_patch_that_carry_a_staterror_in_different_channels() -> None:
    spec = workspace(sample("bkg", [10.0, 12.0], {"name": "mc", "type": "staterror", "data": [0.5, 0.5]}))
    spec["channels"] += [{**spec["channels"][0], "name": "CR"}]
    spec["observations"] += [{"name": "CR", "data": [8, 8]}]
    partly = adding("partly", MU, {"name": "mc", "type": "staterror", "data": [0.1, 0.1]})
    with pytest.raises(FitError) as fault:
        compile_workspace(spec, [adding("without", MU), partly])
    assert str(fault.value) == "patch `partly`: staterror `mc` is not carried in the same channels by all of its samples"
