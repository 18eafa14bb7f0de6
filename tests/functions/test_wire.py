"""The form in which functions, payloads and answers travel."""

import orjson
import pytest
from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect
from hypothesis import given
from hypothesis import strategies as st

from pyhf_endpoint.errors import MissingExtraError, UsageError
from pyhf_endpoint.functions import SETTINGS, Function, HypotestSettings, RemoteError, hypotest, wire
from tests import small

PAYLOAD = {
    "workspace": small.WORKSPACE,
    "patches": [{"name": "S", "values": [1], "patch": small.patchset(1)["patches"][0]["patch"]}],
    "settings": HypotestSettings().to_json(),
}


@given(st.lists(st.none() | st.floats(allow_nan=False) | st.text() | st.dictionaries(st.text(), st.booleans())))
def test_what_is_encoded_comes_back(value: object) -> None:
    text = orjson.dumps(value)
    assert wire.decode(wire.encode(text)) == text


def test_what_is_large_is_packed() -> None:
    text = orjson.dumps({"data": [1.0] * 100_000})
    assert len(wire.encode(text)) < len(text) / 50
    assert wire.decode(wire.encode(text)) == text


def test_what_was_never_encoded_is_refused() -> None:
    with pytest.raises(ValueError, match="neither plain nor packed JSON: 'pickle:"):
        wire.decode("pickle:gASV")


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_function_sent_as_source_text_in_globus_computes_form_does_what_the_function_does(kind: str) -> None:
    """Deserialised by the SDK with nothing but the two restricted strategies admitted."""
    function = Function(kind)
    code = f"{PureSourceTextInspect.identifier}{function.name}:{function.source}"
    there = ComputeSerializer(allowed_deserializer_types=[PureSourceTextInspect, JSONData])
    sent = there.deserialize(code)
    settings = SETTINGS[kind][1]().to_json() | ({"parameters": ["mu"]} if kind == "scan" else {})
    payload = orjson.dumps(PAYLOAD | {"settings": settings})
    found = orjson.loads(wire.result(sent(wire.encode(payload))))
    here = orjson.loads(function(payload))
    for record in (*found["records"], *here["records"]):
        del record["wall_s"]
    assert found == here
    assert found["records"][0]["status"] == "converged"


def test_a_users_error_comes_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as here:
        hypotest(PAYLOAD | {"settings": {"engine": "abacus"}})
    with pytest.raises(UsageError) as there:
        wire.result(wire.answer("hypotest", wire.encode(orjson.dumps(PAYLOAD | {"settings": {"engine": "abacus"}}))))
    assert str(there.value) == str(here.value)

    def missing(kind: str, payload: bytes) -> bytes:
        raise MissingExtraError("pyhf", "the engine `pyhf`")

    monkeypatch.setattr(wire, "call", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'pyhf-endpoint\[pyhf\]'"):
        wire.result(wire.answer("hypotest", "json:{}"))


def test_any_other_error_comes_back_as_text() -> None:
    with pytest.raises(RemoteError, match="KeyError: 'settings'"):
        wire.result(wire.answer("hypotest", "json:{}"))
