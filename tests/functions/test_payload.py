"""Payloads, and the workspaces that are kept between them."""

import copy

import orjson
import pytest

from pyhf_endpoint import functions
from pyhf_endpoint.functions.payload import read
from tests import small


def payload(workspace: small.Json, engine: str = "batched") -> bytes:
    found = [(one["metadata"], one["patch"]) for one in small.patchset()["patches"]]
    patches = [{"name": data["name"], "values": data["values"], "patch": patch} for data, patch in found]
    return orjson.dumps({"workspace": workspace, "patches": patches, "settings": {"engine": engine}})


def test_the_same_text_is_parsed_once() -> None:
    first, second = read(payload(small.WORKSPACE)), read(payload(small.WORKSPACE))
    assert first == second == orjson.loads(payload(small.WORKSPACE))
    assert first["workspace"] is second["workspace"]
    assert first["patches"] is not second["patches"]


def test_only_the_last_two_are_kept() -> None:
    others = [small.WORKSPACE | {"version": f"1.0.{i}"} for i in range(3)]
    first = read(payload(others[0]))["workspace"]
    read(payload(others[1]))
    assert read(payload(others[0]))["workspace"] is first
    read(payload(others[1]))
    read(payload(others[2]))
    assert read(payload(others[0]))["workspace"] is not first


CASES = [("hypotest", engine) for engine in functions.ENGINES] + [
    ("fit", "batched"),
    ("ranking", "batched"),
    ("upper-limit", "batched"),
]


@pytest.mark.parametrize(("kind", "engine"), CASES)
def test_no_engine_changes_the_workspace_that_is_kept(kind: str, engine: str) -> None:
    before = copy.deepcopy(small.WORKSPACE)
    first = functions.call(kind, payload(small.WORKSPACE, engine))
    assert read(payload(small.WORKSPACE))["workspace"] == before
    names = [record["name"] for record in orjson.loads(functions.call(kind, payload(small.WORKSPACE, engine)))["records"]]
    assert names == [record["name"] for record in orjson.loads(first)["records"]] == ["S100", "S200", "S300"]


def test_other_payloads_are_plain_objects() -> None:
    assert read(b'{"engine": "batched"}') == {"engine": "batched"}
    assert read(b"{}") == {}
    with pytest.raises(ValueError, match="truncated"):
        read(b"{")
