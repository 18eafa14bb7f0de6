"""Patch sets as objects, and digests equal to pyhf's."""

import dataclasses
import hashlib
import json
import pickle

import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhf_endpoint.errors import InputError, UsageError
from pyhf_endpoint.inputs.patchset import Patch, PatchSet, make_patchset, verify_digests, workspace_digest, workspace_digests
from tests.inputs.builders import patch, patchset, workspace

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def test_content() -> None:
    spec = patchset(patch("a", 150, 0), patch("b", 200.5, "x"))
    made = make_patchset(spec, "p.json")
    assert (made.name, made.description, made.labels) == ("p.json", "signals", ("m1", "m2"))
    assert made.references == {"hepdata": "ins1234567"}
    assert made.digests == {"sha256": workspace_digest(workspace())}
    assert made.names == ("a", "b")
    assert made["b"] == Patch("b", (200.5, "x"), tuple(spec["patches"][1]["patch"]))
    assert [item.values for item in made] == [(150, 0), (200.5, "x")]
    assert ("a" in made, "c" in made, len(made)) == (True, False, 2)


def test_operations_are_not_copied() -> None:
    spec = patchset()
    assert make_patchset(spec).patches[0].operations[0] is spec["patches"][0]["patch"][0]


def test_frozen() -> None:
    made = make_patchset(patchset())
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.digest = "x"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.patches[0].name = "x"  # type: ignore[misc]


def test_survives_pickling() -> None:
    made = make_patchset(patchset())
    again = pickle.loads(pickle.dumps(made))
    assert again.digest == made.digest
    assert again.patches == made.patches
    assert again["sig_200_50"] == made["sig_200_50"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (patchset(), "`sig_20_50` is not among the 2 patches of p.json. Did you mean `sig_200_50`?"),
        (patchset(patch("only", 1, 2)), "`sig_20_50` is not among the 1 patch of p.json."),
    ],
)
def test_unknown_name(spec: dict[str, object], message: str) -> None:
    made = make_patchset(spec, "p.json")
    with pytest.raises(UsageError) as caught:
        made["sig_20_50"]
    assert str(caught.value) == message


def test_digest_of_the_patch_set_does_not_depend_on_its_form() -> None:
    spec = patchset()
    expected = hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    turned = {key: spec[key] for key in reversed(spec)}
    assert make_patchset(spec).digest == make_patchset(turned, "other").digest == expected
    assert make_patchset(patchset(patch("a", 1, 2))).digest != expected


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@settings(max_examples=60, deadline=None)
@given(document=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_digest_is_pyhfs(algorithm: str, document: dict[str, object]) -> None:
    expected = pyhf.utils.digest(document, algorithm)
    assert workspace_digest(document, algorithm) == expected
    assert workspace_digests(document, [algorithm]) == {algorithm: expected}


NUMBERS = [0.1, 100.00001, 1e-4, 9.999e-5, 1e-5, -0.0, 1e15, 1e16, 123456789012345680.0, 1.5e-7, 1e22, 5e-324, 1.7e308]


@pytest.mark.parametrize("number", [*NUMBERS, "1e5", "a_2elec", "0.00001", "a, b: c", "\x00\x1f\x7f\u2028é", {}, [], [[], {}]])
def test_digest_of_what_is_written_in_several_ways(number: object) -> None:
    document = {"b": [number, 1.5], "a": number, "é": None, "Z": True}
    assert workspace_digests(document, ["sha256"]) == {"sha256": pyhf.utils.digest(document)}


@given(numbers=st.lists(st.floats(1e-4, 1e16, exclude_max=True) | st.floats(-1000, 1000), min_size=20, max_size=200))
def test_digest_of_everyday_numbers(numbers: list[float]) -> None:
    assert workspace_digests({"data": numbers}, ["sha256"]) == {"sha256": pyhf.utils.digest({"data": numbers})}


def test_digest_of_a_known_document() -> None:
    document = {"a": 2.0, "b": 3.0, "c": 1.0}
    assert workspace_digests(document, ["sha256", "md5"]) == {
        "sha256": "a38f6093800189b79bc22ef677baf90c75705af2cfc7ff594159eca54eaa7928",
        "md5": "2c0633f242928eb55c3672fed5ba8612",
    }


def made_for(**digests: str) -> PatchSet:
    spec = patchset()
    spec["metadata"]["digests"] = digests
    return make_patchset(spec, "p.json")


def test_digests_that_agree() -> None:
    found = workspace_digests(workspace(), ["sha256", "md5"])
    verify_digests(made_for(**found), found)
    verify_digests(made_for(sha256=found["sha256"].upper()), found)


def test_every_digest_must_agree() -> None:
    found = workspace_digests(workspace(), ["sha256", "md5"])
    with pytest.raises(InputError) as caught:
        verify_digests(made_for(sha256=found["sha256"], md5="0" * 32), found, "w.json")
    assert str(caught.value) == (
        "p.json was not made for w.json: the workspace's digest differs\n"
        f"  md5: {'0' * 32} stated by the patch set, {found['md5']} found\n"
        "use the background-only workspace published with this patch set (same record, same version), unedited"
    )
