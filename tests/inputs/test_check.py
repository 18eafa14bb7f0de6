"""Faults of workspaces and patch sets: every message whole; what pyhf refuses is refused, what it takes is taken."""

import copy
import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
import pyhf
import pytest

from pyhf_endpoint.errors import InputError, UsageError
from pyhf_endpoint.inputs.check import check_patchset, check_workspace, choose_measurement
from tests.inputs.builders import MU, Json, channel, modifier, patch, patchset, sample, workspace

Edit = Callable[[Json], object]


def first_sample(spec: Json) -> Json:
    found: Json = spec["channels"][0]["samples"][0]
    return found


def refusal(check: Callable[..., object], document: object, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        check(document, "w.json", **options)
    return str(caught.value)


def one_fault(text: str) -> str:
    return f"w.json has 1 fault\n  {text}"


SCHEMA = [
    (lambda w: w.pop("observations"), "`observations` is missing"),
    (lambda w: w.update(version="2.0.0"), 'version: "2.0.0" found where "1.0.0" belongs'),
    (
        lambda w: w.update(chanels=1),
        "`chanels` is not among the keys here (channels, measurements, observations, version). Did you mean `channels`?",
    ),
    (lambda w: w.update(observations=[]), "observations: [] is empty; at least one entry belongs here"),
    (lambda w: w.update(channels={}), "channels: {} found where a list belongs"),
    (
        lambda w: first_sample(w)["data"].__setitem__(1, "60"),
        'channels[0].samples[0].data[1]: "60" found where a number belongs',
    ),
    (lambda w: w["channels"][0].update(name=3), "channels[0].name: 3 found where a string belongs"),
    (
        lambda w: w["measurements"][0]["config"]["parameters"].append({"name": "mu", "init": [1.0]}),
        (
            "measurements[0].config.parameters[0]: `init` is not among the keys here "
            "(name, inits, bounds, auxdata, factors, sigmas, fixed). Did you mean `inits`?"
        ),
    ),
    (
        lambda w: first_sample(w)["modifiers"].append(modifier("normsis", "x")),
        (
            'channels[0].samples[0].modifiers[1].type: "normsis" is not among the valid ones '
            "(histosys, lumi, normfactor, normsys, shapefactor, shapesys, staterror). Did you mean `normsys`?"
        ),
    ),
    (
        lambda w: first_sample(w)["modifiers"].append(modifier("normsys", "x", {"lo": 1})),
        "channels[0].samples[0].modifiers[1].data: `hi` is missing (normsys `x`)",
    ),
    (
        lambda w: first_sample(w)["modifiers"].append(modifier("histosys", "x", {"lo_data": [1], "hi_data": [1], "high": 0})),
        "channels[0].samples[0].modifiers[1].data: `high` is not among the keys here (lo_data, hi_data). (histosys `x`)",
    ),
    (
        lambda w: first_sample(w)["modifiers"].append(modifier("lumi", "luminosity")),
        'channels[0].samples[0].modifiers[1].name: "luminosity" found where "lumi" belongs (lumi `luminosity`)',
    ),
    (
        lambda w: first_sample(w)["modifiers"].append({"name": "x", "data": None}),
        "channels[0].samples[0].modifiers[1]: `type` is missing",
    ),
    (lambda w: first_sample(w)["modifiers"].append(5), "channels[0].samples[0].modifiers[1]: 5 found where an object belongs"),
    (
        lambda w: w["measurements"][0]["config"].update(parameters=[{"name": "mu", "bounds": [["a", 1]]}]),
        'measurements[0].config.parameters[0].bounds[0][0]: "a" found where a number belongs',
    ),
]


@pytest.mark.parametrize(("edit", "message"), SCHEMA)
def test_schema_fault_of_a_workspace(edit: Edit, message: str) -> None:
    spec = workspace()
    edit(spec)
    assert refusal(check_workspace, spec) == one_fault(message)
    with pytest.raises((pyhf.exceptions.InvalidSpecification, pyhf.exceptions.SchemaNotFound)):
        pyhf.Workspace(spec)


SHAPESYS = modifier("shapesys", "x", [1.0, 1.0])
STATERROR = modifier("staterror", "x", [1.0, 1.0])
SHAPEFACTOR = modifier("shapefactor", "x")
LUMI = modifier("lumi", "lumi")


def with_parameter(*modifiers: Json, **setting: object) -> Json:
    return workspace(channel("SR", sample("s", [1.0, 2.0], MU, *modifiers)), parameters=[setting])


# pyhf has errors of its own for about half of the faults.
PYHF_ERRORS = (
    pyhf.exceptions.InvalidModel,
    pyhf.exceptions.InvalidModifier,
    pyhf.exceptions.InvalidNameReuse,
    pyhf.exceptions.InvalidPdfData,
    AssertionError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)

RULES = [
    (
        workspace(channel("SR", sample("s", [1.0, 2.0], MU), sample("b", [1.0]))),
        "channel `SR`, sample `b`: 1 bin, but the channel's first sample `s` has 2",
    ),
    (
        workspace(
            channel("SR", sample("s", [1.0, 2.0], MU, modifier("histosys", "h", {"lo_data": [1.0], "hi_data": [1.0, 2.0]})))
        ),
        "channel `SR`, sample `s`, histosys `h`: `lo_data` has 1 bin, but the sample has 2",
    ),
    (
        workspace(channel("SR", sample("s", [1.0, 2.0], MU, modifier("staterror", "e", [1.0, 2.0, 3.0])))),
        "channel `SR`, sample `s`, staterror `e`: 3 bins, but the sample has 2",
    ),
    (
        workspace(channel("SR", sample("s", [1.0, 2.0], MU, modifier("shapesys", "e", [1.0])))),
        "channel `SR`, sample `s`, shapesys `e`: 1 bin, but the sample has 2",
    ),
    (
        workspace(channel("SR_one", sample("s", [1.0], MU)), observations=[{"name": "SR_on", "data": [1.0]}]),
        "observations: channel `SR_one` has none. Did you mean `SR_on`?",
    ),
    (
        workspace(channel("SR", sample("s", [1.0], MU)), observations=[{"name": "SR", "data": [1.0, 2.0]}]),
        "observation `SR`: 2 bins, but the channel has 1",
    ),
    (
        workspace(channel("SR", sample("s", [1.0, 2.0], MU, SHAPESYS), sample("b", [1.0, 2.0], SHAPESYS))),
        (
            "channel `SR`, sample `b`, shapesys `x`: sample `s` of channel `SR` has a shapesys of that name, "
            "and a shapesys cannot be shared; rename one"
        ),
    ),
    (
        workspace(channel("SR", sample("s", [1.0, 2.0], MU, modifier("normsys", "mu", {"lo": 0.9, "hi": 1.1})))),
        "channel `SR`, sample `s`, normsys `mu`: the name stands for a normfactor in sample `s` of channel `SR`; rename one",
    ),
    (
        workspace(
            channel("CR", sample("s", [1.0, 2.0], MU, STATERROR), sample("b", [1.0, 2.0], STATERROR)),
            channel("SR", sample("b", [1.0, 2.0], STATERROR)),
        ),
        "staterror `x`: sample `b` has it in `CR`, `SR`, but sample `s` in `CR`; use one name per channel",
    ),
    (
        with_parameter(name="mu", inits=[1.0, 2.0]),
        "measurement `m`, parameter `mu`: `inits` has 2 values, but the parameter has 1",
    ),
    (
        with_parameter(STATERROR, name="x", sigmas=[1.0]),
        "measurement `m`, parameter `x`: `sigmas` has 1 value, but the parameter has 2",
    ),
    (
        with_parameter(modifier("normsys", "k", {"lo": 0.9, "hi": 1.1}), name="k", sigmas=[1.0]),
        (
            "measurement `m`, parameter `k`: `sigmas` is not used by normsys and histosys modifiers "
            "(used are inits, bounds, auxdata); remove it"
        ),
    ),
    (
        with_parameter(name="mu", auxdata=[1.0]),
        "measurement `m`, parameter `mu`: `auxdata` is not used by normfactor modifiers (used are inits, bounds); remove it",
    ),
    (
        with_parameter(name="mu", bounds=[[1.0]]),
        "measurement `m`, parameter `mu`: bounds[0] has 1 number; a lower and an upper bound belong here",
    ),
    (
        with_parameter(name="mu", bounds=[[2.0, 0.5]]),
        "measurement `m`, parameter `mu`: bounds[0]: the lower bound 2.0 is above the upper one 0.5",
    ),
    (
        workspace(channel("SR", sample("s", [1.0], MU)), parameters=[{"name": "mu"}, {"name": "mu"}]),
        "measurement `m`: parameter `mu` is set 2 times; keep one",
    ),
    (
        with_parameter(LUMI, name="lumi", inits=[1.0]),
        "measurement `m`, parameter `lumi`: `bounds`, `auxdata` missing; lumi modifiers have no default",
    ),
    (
        with_parameter(LUMI, name="mu"),
        "measurement `m`, parameter `lumi`: `inits`, `bounds`, `auxdata` missing; lumi modifiers have no default",
    ),
]


@pytest.mark.parametrize(("spec", "message"), RULES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rule_refuses_what_pyhf_cannot_fit(spec: Json, message: str) -> None:
    assert refusal(check_workspace, spec) == one_fault(message)
    with pytest.raises(PYHF_ERRORS):
        fit_with_pyhf(spec)


def test_pyhf_fits_what_has_no_fault() -> None:
    fit_with_pyhf(with_parameter(STATERROR, name="x", sigmas=[0.1, 0.1]))


def fit_with_pyhf(spec: Json) -> None:
    model = pyhf.Workspace(spec).model()
    pyhf.infer.mle.fit(pyhf.Workspace(spec).data(model), model)


STRICTER = [
    (
        workspace(
            channel("SR", sample("s", [1.0], MU)),
            channel("SR", sample("s", [1.0], MU)),
            observations=[{"name": "SR", "data": [1]}],
        ),
        "channels: 2 have the name `SR`; keep one",
    ),
    (
        workspace(channel("SR", sample("s", [1.0], MU), sample("s", [2.0], MU))),
        "channel `SR`: 2 samples have the name `s`; keep one",
    ),
    (
        workspace(channel("SR", sample("s", [1.0], MU)), observations=[{"name": "SR", "data": [1]}, {"name": "SR", "data": [2]}]),
        "observations: 2 have the name `SR`; keep one",
    ),
    (
        workspace(channel("SR", sample("s", [1.0], MU, MU))),
        "channel `SR`, sample `s`: 2 normfactor modifiers have the name `mu`; keep one",
    ),
    (
        workspace(
            channel("A", sample("s", [1.0, 2.0], MU, SHAPEFACTOR)), channel("B", sample("s", [1.0, 2.0, 3.0], SHAPEFACTOR))
        ),
        (
            "channel `B`, sample `s`, shapefactor `x`: the channel has 3 bins, but the shapefactor takes its 2 components "
            "from `A`, the first by name; rename the channels so that the longest comes first"
        ),
    ),
]


@pytest.mark.parametrize(("spec", "message"), STRICTER)
def test_rule_refuses_what_pyhf_would_take_wrongly(spec: Json, message: str) -> None:
    assert refusal(check_workspace, spec) == one_fault(message)
    pyhf.Workspace(spec).model()


ACCEPTED = {
    "background only": workspace(),
    "without a parameter of interest": workspace(poi=""),
    "normsys and histosys share": workspace(
        channel(
            "SR",
            sample(
                "s",
                [1.0, 2.0],
                MU,
                modifier("normsys", "k", {"lo": 0.9, "hi": 1.1}),
                modifier("histosys", "k", {"lo_data": [1.0, 1.0], "hi_data": [2.0, 2.0]}),
            ),
        )
    ),
    "shared shapefactor, longest first": workspace(
        channel("A", sample("s", [1.0, 2.0, 3.0], MU, SHAPEFACTOR)), channel("B", sample("s", [1.0, 2.0], SHAPEFACTOR))
    ),
    "staterror over two channels": workspace(
        channel("A", sample("s", [1.0, 2.0], MU, STATERROR)),
        channel("B", sample("s", [1.0, 2.0], STATERROR)),
        parameters=[{"name": "x", "inits": [1.0] * 4, "bounds": [[0.1, 3.0]] * 4, "sigmas": [0.1] * 4, "fixed": True}],
    ),
    "lumi": with_parameter(LUMI, name="lumi", inits=[1.0], bounds=[[0.5, 1.5]], auxdata=[1.0], sigmas=[0.02], fixed=True),
    "shapesys with factors": with_parameter(SHAPESYS, name="x", factors=[4.0, 4.0], auxdata=[4.0, 4.0]),
    "unknown parameter in measurement": with_parameter(name="nobody", sigmas=[1.0, 2.0]),
    "superfluous observation": workspace(
        channel("SR", sample("s", [1.0], MU)), observations=[{"name": "SR", "data": [1.0]}, {"name": "VR", "data": [3.0]}]
    ),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(spec: Json) -> None:
    before = copy.deepcopy(spec)
    assert check_workspace(spec) is spec
    assert spec == before
    pyhf.Workspace(spec).model(poi_name=None)


def test_only_the_chosen_measurement_is_checked() -> None:
    spec = with_parameter(name="mu", inits=[1.0, 2.0])
    spec["measurements"].insert(0, {"name": "good", "config": {"poi": "mu", "parameters": []}})
    check_workspace(spec)
    assert refusal(check_workspace, spec, measurement="m") == one_fault(
        "measurement `m`, parameter `mu`: `inits` has 2 values, but the parameter has 1"
    )
    with pytest.raises(UsageError) as caught:
        choose_measurement(spec, "god", "w.json")
    assert str(caught.value) == "measurement: `god` is not among those of w.json (good, m). Did you mean `good`?"
    assert choose_measurement(spec, None)["name"] == "good"


COMPLETE = [
    (workspace(), "measurement `m`: the parameter of interest `mu` is no modifier's name."),
    (
        workspace(channel("SR", sample("s", [1.0])), poi=""),
        "measurement `m`: no sample has a modifier, so there is no parameter to fit",
    ),
    (
        workspace(channel("SR", sample("s", [1.0, 2.0], SHAPEFACTOR)), poi="x"),
        "measurement `m`: the parameter of interest `x` has 2 components; it must have one",
    ),
    (
        workspace(channel("SR", sample("s", [1.0, 2.0], modifier("normfactor", "mu_SIG"))), poi="mu_SIGN"),
        "measurement `m`: the parameter of interest `mu_SIGN` is no modifier's name. Did you mean `mu_SIG`?",
    ),
]


@pytest.mark.parametrize(("spec", "message"), COMPLETE)
def test_complete_models_need_their_parameter_of_interest(spec: Json, message: str) -> None:
    check_workspace(spec)
    assert refusal(check_workspace, spec, complete=True) == one_fault(message)
    with pytest.raises((pyhf.exceptions.InvalidModel, ValueError)):
        pyhf.Workspace(spec).model()


def test_all_faults_at_once_up_to_ten() -> None:
    spec = workspace(channel("SR", sample("s", [1.0], MU)))
    first_sample(spec)["data"] = ["x"] * 1500
    lines = refusal(check_workspace, spec).split("\n")
    assert lines[0] == "w.json has 1500 faults"
    assert lines[1:11] == [f'  channels[0].samples[0].data[{index}]: "x" found where a number belongs' for index in range(10)]
    assert lines[11:] == ["  and 1,490 more"]


def test_faults_of_several_rules_come_together() -> None:
    spec = workspace(channel("SR", sample("s", [1.0, 2.0], MU), sample("b", [1.0])), observations=[{"name": "VR", "data": [1]}])
    assert refusal(check_workspace, spec).split("\n") == [
        "w.json has 2 faults",
        "  channel `SR`, sample `b`: 1 bin, but the channel's first sample `s` has 2",
        "  observations: channel `SR` has none.",
    ]


OUT_OF_RANGE = "replace it with a number within the range of double precision, 1.8e308"
NOT_PLAIN: list[tuple[Edit, str]] = [
    (
        lambda w: first_sample(w).update(data=[1.0, math.nan]),
        "channels[0].samples[0].data[1]: nan found where a finite number belongs",
    ),
    (
        lambda w: first_sample(w).update(data=[-math.inf, 1]),
        "channels[0].samples[0].data[0]: -inf found where a finite number belongs",
    ),
    (
        lambda w: first_sample(w).update(data=np.ones(2)),
        "channels[0].samples[0].data: a numpy.ndarray is not a JSON value; convert it with .tolist()",
    ),
    (
        lambda w: first_sample(w).update(data=[1.0, np.float64(2)]),
        "channels[0].samples[0].data[1]: a numpy.float64 is not a JSON value; convert it with .tolist()",
    ),
    (lambda w: w.update(version={"1.0.0"}), "version: a builtins.set is not a JSON value"),
    (lambda w: w["channels"][0].update({1: 2}), "channels[0]: the key 1 is not a string"),
    (
        lambda w: first_sample(w).update(data=[10**25, 1]),
        "channels[0].samples[0].data[0]: 10000000000000000000000000 does not fit into 64 bits; write it as a float, 1e+25",
    ),
    (
        lambda w: first_sample(w).update(data=[1, -(10**400)]),
        f"channels[0].samples[0].data[1]: -1{'0' * 55}... does not fit into 64 bits; {OUT_OF_RANGE}",
    ),
    (
        lambda w: first_sample(w).update(data=[1, 10**5000]),
        f"channels[0].samples[0].data[1]: an integer of more than 4,300 digits does not fit into 64 bits; {OUT_OF_RANGE}",
    ),
    (lambda w: w.update(channels=w), "channels.channels.channels.channels: nested too deeply, or inside itself"),
]


@pytest.mark.parametrize(("edit", "message"), NOT_PLAIN)
def test_what_json_cannot_hold(edit: Edit, message: str) -> None:
    spec = workspace()
    edit(spec)
    text = refusal(check_workspace, spec)
    assert f"  {message}" in text.split("\n")


def test_a_file_nested_too_deeply_for_the_schema() -> None:
    spec = workspace()
    first_sample(spec)["data"] = orjson.loads(b"[" * 900 + b"]" * 900)
    assert refusal(check_workspace, spec, from_file=True) == one_fault(
        "channels[0].samples[0]: nested too deeply, or inside itself"
    )


def test_large_floats_tuples_and_subclasses_are_plain() -> None:
    spec = workspace()
    first_sample(spec)["data"] = (1e30, 5)
    assert check_workspace(MappingProxyType(spec)) == spec
    assert dict(check_workspace(pyhf.Workspace(workspace()))) == workspace()


@pytest.mark.parametrize(("document", "shown"), [(None, "null"), ([1], "[1]"), ("text", '"text"')])
def test_documents_that_are_no_objects(document: object, shown: str) -> None:
    for check in (check_workspace, check_patchset):
        assert refusal(check, document) == one_fault(f"{shown} found where an object belongs")


def test_wrong_kind_of_document() -> None:
    assert refusal(check_workspace, patchset()) == (
        "w.json is a patch set where a workspace is expected; give the workspace first, then the patch set"
    )
    assert refusal(check_patchset, workspace()) == (
        "w.json is a workspace where a patch set is expected; give the workspace first, then the patch set"
    )
    assert refusal(check_patchset, patch("a", 1)["patch"]) == (
        "w.json is a single JSON patch where a patch set is expected; "
        "wrap it as one of the `patches` of a patch set, with its `metadata`"
    )


PATCHSETS: list[tuple[Edit, str]] = [
    (lambda p: p.pop("metadata"), "`metadata` is missing"),
    (lambda p: p["metadata"].update(digests={}), "metadata.digests: {} is empty; at least one entry belongs here"),
    (
        lambda p: p["metadata"].update(digests={"md5": "xyz"}),
        'metadata.digests.md5: "xyz" does not match the pattern ^[a-f0-9]{32}$',
    ),
    (
        lambda p: p["metadata"]["digests"].update(sha1="0"),
        "metadata.digests: `sha1` is not among the keys here (md5, sha256). Did you mean `sha256`?",
    ),
    (
        lambda p: p["patches"][0]["metadata"].update(name="a-b"),
        'patches[0].metadata.name: "a-b" does not match the pattern ^[a-zA-Z0-9_]+$',
    ),
    (
        lambda p: p["patches"][0]["metadata"].update(values=[None, 1]),
        "patches[0].metadata.values[0]: null found where a number or a string belongs",
    ),
    (
        lambda p: p["patches"][0]["patch"][0].update(op="ad"),
        'patches[0].patch[0].op: "ad" is not among the valid ones (add, replace, test, remove, move, copy). Did you mean `add`?',
    ),
    (lambda p: p["patches"][0]["patch"][0].pop("value"), "patches[0].patch[0]: `value` is missing (add)"),
    (lambda p: p["patches"][0]["patch"][0].pop("op"), "patches[0].patch[0]: `op` is missing"),
    (lambda p: p["patches"][0]["patch"].append(3), "patches[0].patch[1]: 3 found where an object belongs"),
    (lambda p: p["patches"][0]["patch"].append({"op": "copy", "path": "/a"}), "patches[0].patch[1]: `from` is missing (copy)"),
    (lambda p: p["patches"][0]["patch"][0].update(path=1), "patches[0].patch[0].path: 1 found where a string belongs"),
]


@pytest.mark.parametrize(("edit", "message"), PATCHSETS)
def test_schema_fault_of_a_patch_set(edit: Edit, message: str) -> None:
    spec = patchset()
    edit(spec)
    assert refusal(check_patchset, spec) == one_fault(message)
    with pytest.raises(pyhf.exceptions.InvalidSpecification):
        pyhf.PatchSet(spec)


PATCH_RULES = [
    (patchset(patch("a", 1, 2), patch("b", 1)), "patch `b`: 1 value for 2 labels (m1, m2)"),
    (patchset(patch("a", 1, 2), labels=["m"]), "patch `a`: 2 values for 1 label (m)"),
    (
        patchset(patch("a", 1, 2), patch("b", 3, 4), patch("a", 5, 6)),
        "patches[2]: the name `a` is taken by patches[0]; rename or remove one",
    ),
    (
        patchset(patch("a", 1, "x"), patch("b", 1.0, "x")),
        "patches[1]: the values (1.0, x) are taken by patches[0]; change or remove one",
    ),
]


@pytest.mark.parametrize(("spec", "message"), PATCH_RULES)
def test_rule_of_patch_sets(spec: Json, message: str) -> None:
    assert refusal(check_patchset, spec) == one_fault(message)
    with pytest.raises(pyhf.exceptions.InvalidPatchSet):
        pyhf.PatchSet(spec)


@pytest.mark.parametrize("pointer", ["channels/0", "/a~2b", "#/channels"])
def test_pointers(pointer: str) -> None:
    spec = patchset(patch("a", 1, 2))
    spec["patches"][0]["patch"][0]["path"] = pointer
    assert refusal(check_patchset, spec) == one_fault(
        f"patches[0].patch[0].path: `{pointer}` is not a JSON pointer such as /channels/0/samples/5"
    )


@pytest.mark.parametrize("pointer", ["", "/", "/a~0b~1c", "/channels/0/samples/-"])
def test_good_pointers(pointer: str) -> None:
    spec = patchset(patch("a", 1, 2))
    spec["patches"][0]["patch"][0]["path"] = pointer
    assert check_patchset(spec) is spec
