"""Patch sets that are read one patch at a time: the same content, digests and messages as when parsed as a whole."""

import gc
import gzip
import json
import os
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.inputs import PatchSet, load
from pyhf_endpoint.inputs.jsonfile import map_text, parse_json, parse_text, text_of
from pyhf_endpoint.inputs.patchset import Patch, make_patchset
from pyhf_endpoint.inputs.split import SplitPatchSet, split_patchset
from tests.inputs.builders import Json, make_tar, patch, patchset, workspace
from tests.inputs.test_check import PATCH_RULES, PATCHSETS

Edit = Callable[[Json], object]


def split(text: bytes) -> SplitPatchSet:
    found = split_patchset(text_of(text, "p.json"))
    assert found is not None
    return found


def lazily(text: bytes) -> PatchSet:
    return make_patchset(split(text), "p.json")


def at_once(text: bytes) -> PatchSet:
    return make_patchset(parse_json(text, "p.json"), "p.json", from_file=True)


def from_file(path: Path, text: bytes) -> PatchSet:
    path.write_bytes(text)
    loaded = load(workspace(), path).patchset
    assert loaded is not None
    return loaded


def message(read: Callable[..., object], *arguments: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(*arguments)
    return str(caught.value)


def turned(document: Json) -> Json:
    patches = [{key: item[key] for key in reversed(item)} for item in document["patches"]]
    return {key: patches if key == "patches" else document[key] for key in reversed(document)}


SPEC = patchset(patch("a", 150, 0), patch("b", 200.5, 'ü € \\ " ]},{'), patch("c", 1e-7, 2**63))
FORMS = {
    "compact": orjson.dumps(SPEC),
    "spaces": json.dumps(SPEC).encode(),
    "indented": json.dumps(SPEC, indent=4, ensure_ascii=False).encode(),
    "other order": json.dumps(turned(SPEC), indent="\t").encode(),
    "escaped keys": orjson.dumps(SPEC).replace(b'"patches"', b'"patche\\u0073"').replace(b'"metadata"', b'"m\\u0065tadata"'),
    "blank around": b"\r\n " + orjson.dumps(SPEC) + b"\n\n",
    "mark": b"\xef\xbb\xbf" + orjson.dumps(SPEC),
    "keys twice": orjson.dumps(SPEC)
    .replace(b'{"op":"add"', b'{"op":"remove","op":"add"')
    .replace(b'{"metadata":{"name"', b'{"patch":[],"metadata":{"name"'),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_same_as_parsed_at_once(text: bytes, tmp_path: Path) -> None:
    expected = at_once(text)
    for made in (lazily(text), from_file(tmp_path / "p.json", text), from_file(tmp_path / "p.json.gz", gzip.compress(text))):
        assert (made.digest, made.names, made.labels, made.digests) == (
            expected.digest,
            expected.names,
            expected.labels,
            expected.digests,
        )
        assert made.patches == expected.patches
        assert repr([item.values for item in made]) == repr([item.values for item in expected])


def test_in_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "l.tar"
    path.write_bytes(make_tar({"BkgOnly.json": orjson.dumps(workspace()), "patchset.json": FORMS["indented"]}))
    found = load(path).patchset
    assert found is not None
    assert found.patches == at_once(FORMS["indented"]).patches


def test_operations_are_the_text_of_the_file_and_parsed_each_time() -> None:
    text = FORMS["spaces"]
    first = lazily(text).patches[0]
    assert first.operations_json == json.dumps(SPEC["patches"][0]["patch"]).encode()
    assert first.operations == tuple(SPEC["patches"][0]["patch"])
    assert first.operations is not first.operations
    assert orjson.dumps({"patch": orjson.Fragment(first.operations_json)}) == b'{"patch":%b}' % first.operations_json


def test_operations_of_objects_are_written_on_demand() -> None:
    operations = SPEC["patches"][0]["patch"]
    assert Patch("a", (1,), operations).operations_json == orjson.dumps(operations)
    assert Patch(name="w", values=(), operations=()).operations_json == b"[]"


def test_equality() -> None:
    made, operations = lazily(FORMS["compact"]), SPEC["patches"][0]["patch"]
    assert made["a"] == Patch("a", (150, 0), operations)
    assert hash(made["a"]) == hash(Patch("a", (150, 0), operations))
    assert made["a"] != Patch("a", (150, 1), operations)
    assert made["a"] != Patch("a", (150, 0), ())
    assert made["a"] != "a"


def test_names_and_values_need_no_operations() -> None:
    item = lazily(FORMS["compact"])["b"]
    assert repr(item) == f"Patch(name='b', values={item.values!r})"


def test_survives_pickling(tmp_path: Path) -> None:
    made = from_file(tmp_path / "p.json", FORMS["indented"])
    again = pickle.loads(pickle.dumps(made))
    (tmp_path / "p.json").write_bytes(b"")
    assert again.patches == at_once(FORMS["indented"]).patches


@pytest.mark.parametrize(("edit", "fault"), PATCHSETS)
@pytest.mark.parametrize("count", [1, 3])
def test_schema_faults_read_as_they_do_at_once(edit: Edit, fault: str, count: int, tmp_path: Path) -> None:
    spec = patchset()
    edit(spec)
    spec["patches"] = [*patchset(patch("good", 1, 2), patch("fine", 3, 4))["patches"], *spec["patches"] * count]
    text = orjson.dumps(spec)
    path = tmp_path / "p.json"
    assert message(from_file, path, text) == message(at_once, text).replace("p.json", str(path))
    assert fault.replace("patches[0]", "patches[2]") in message(from_file, path, text)


@pytest.mark.parametrize(("spec", "fault"), PATCH_RULES)
def test_rules_read_as_they_do_at_once(spec: Json, fault: str) -> None:
    text = orjson.dumps(spec)
    assert message(lazily, text) == message(at_once, text) == f"p.json has 1 fault\n  {fault}"


def test_all_faults_come_together_in_the_order_of_the_file() -> None:
    spec = patchset(*(patch(f"s{index}", index) for index in range(30)))
    spec["version"] = "2.0.0"
    spec["metadata"]["labels"] = []
    spec["patches"][17]["patch"][0]["op"] = "ad"
    spec["patches"][20]["metadata"]["values"] = [None]
    spec["patches"][21]["metadata"] = 3
    found = message(lazily, orjson.dumps(spec))
    assert found == message(at_once, orjson.dumps(spec))
    assert found.startswith("p.json has 5 faults\n  metadata.labels: ")
    backwards = orjson.dumps({key: spec[key] for key in reversed(spec)})
    assert message(lazily, backwards) == message(at_once, backwards) != found
    assert '\n  patches[17].patch[0].op: "ad" is not among the valid ones' in found


def test_faults_are_counted_beyond_ten() -> None:
    spec = patchset(*(patch(f"s{index}", index) for index in range(30)))
    for item in spec["patches"]:
        item["patch"][0]["path"] = 1
    text = orjson.dumps(spec)
    assert message(lazily, text) == message(at_once, text)
    assert message(lazily, text).endswith("\n  and 20 more")
    for item in spec["patches"]:
        item["patch"][0]["path"] = "no pointer"
    text = orjson.dumps(spec)
    assert message(lazily, text) == message(at_once, text)
    assert message(lazily, text).endswith("\n  and 50 more")  # 30 paths, and 30 numbers of values


NO_PATCHSETS = {
    "list": b"[1]",
    "another kind": orjson.dumps(workspace()),
    "single patch": orjson.dumps(SPEC["patches"][0]["patch"]),
    "no patches": orjson.dumps({**SPEC, "patches": []}),
    "no list": orjson.dumps({**SPEC, "patches": {}}),
    "patches of another type": orjson.dumps({**SPEC, "patches": [1, {}, {"metadata": 1, "patch": 2, "x": 3}]}),
    "a key too many": orjson.dumps({**SPEC, "channels": []}),
}


@pytest.mark.parametrize("text", NO_PATCHSETS.values(), ids=NO_PATCHSETS)
def test_other_documents_are_refused_as_they_are_at_once(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    assert message(from_file, path, text) == message(at_once, text).replace("p.json", str(path))


INDENTED = FORMS["indented"]
BROKEN = {
    "empty": b"",
    "blank": b" \n",
    "cut": INDENTED[:-100],
    "cut in a patch": INDENTED[: INDENTED.index(b"5.0")],
    "no number": INDENTED.replace(b"5.0", b"NaN", 1),
    "number too large": INDENTED.replace(b"5.0", b"1e999", 1),
    "leading zero": INDENTED.replace(b"5.0", b"05.0", 1),
    "not UTF-8": INDENTED.replace("ü".encode(), b"\xff", 1),
    "not UTF-8 in operations": INDENTED.replace(b'"sig"', b'"s\xffg"', 1),
    "half of a surrogate pair": INDENTED.replace(b'"sig"', b'"\\ud800"', 1),
    "control character": INDENTED.replace(b'"sig"', b'"s\tg"', 1),
    "not UTF-8 in the head": INDENTED.replace(b"signals", b"sign\xff", 1),
    "a tail": INDENTED + b"]",
    "deep": INDENTED.replace(b"null", b"[" * 3000 + b"]" * 3000),
    "web page": b"<html>",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_broken_json_is_located_as_it_is_at_once(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    assert message(from_file, path, text) == message(at_once, text).replace("p.json", str(path))


@pytest.mark.parametrize("depth", [300, 900])
def test_what_is_nested_too_deeply_is_named(depth: int, tmp_path: Path) -> None:
    deep = b"[" * depth + b"]" * depth
    for whole, place in (
        (INDENTED.replace(b"null", deep, 1), "modifiers: nested too deeply, or inside itself"),
        (INDENTED.replace(b'"signals"', b'"signals", "more": ' + deep, 1), "nested too deeply, or inside itself"),
    ):
        assert whole != INDENTED
        assert message(from_file, tmp_path / "p.json", whole).endswith(place)
        assert message(at_once, whole).endswith(place)


def test_broken_json_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    lines = INDENTED[: INDENTED.index(b"5.0")].decode().split("\n")
    assert message(from_file, path, BROKEN["no number"]) == (
        f"{path}: line {len(lines)}, column {len(lines[-1]) + 1}: NaN is not JSON and no usable number; "
        "replace it with a finite number"
    )


def test_a_file_that_somebody_writes_into(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    made = from_file(path, FORMS["compact"])
    path.write_bytes(FORMS["compact"][:100])
    for read in (lambda: made["a"].operations, lambda: made["a"].operations_json):
        assert message(read) == f"{path} was changed while in use; leave it alone during a run, and start again"


def test_a_file_changed_between_mapping_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(FORMS["compact"])
    text = map_text(path)
    found = split_patchset(text)
    path.write_bytes(b"{}")
    assert "was changed while in use" in message(parse_text, text)
    assert "was changed while in use" in message(make_patchset, found)


def test_a_file_that_is_replaced_or_deleted(tmp_path: Path) -> None:
    path, other = tmp_path / "p.json", tmp_path / "other.json"
    made = from_file(path, FORMS["compact"])
    other.write_bytes(b"{}")
    other.replace(path)
    assert made["a"].operations == tuple(SPEC["patches"][0]["patch"])
    path.unlink()
    assert made["a"].operations == tuple(SPEC["patches"][0]["patch"])


def test_no_file_stays_open(tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    made = from_file(tmp_path / "p.json", FORMS["compact"])
    assert psutil.Process().num_fds() > before
    del made
    assert psutil.Process().num_fds() == before


def test_a_pipe_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, FORMS["mark"])
    os.close(writer)
    try:
        assert map_text(Path(f"/dev/fd/{reader}")).data == FORMS["compact"]
    finally:
        os.close(reader)


def test_size_limit_holds_for_mapped_files(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(b"[1, 2]")
    assert bytes(map_text(path, limit=6).data) == b"[1, 2]"
    assert "holds more than 5 bytes (after decompression)" in message(lambda: map_text(path, limit=5))


BINS = 1000
PER_PATCH = 1000
"""Bytes of memory that a patch may cost: name, values and where its text stands."""


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_memory_does_not_grow_with_the_operations(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    few, many = (memory_of_loading(tmp_path / "p.json", count, pack) for count in (100, 500))
    held = [0 if pack is bytes else size for size in (few.size, many.size)]
    assert many.size - few.size > 400 * 10 * PER_PATCH
    assert (many.current - held[1]) - (few.current - held[0]) < 400 * PER_PATCH
    # What is unpacked grows in steps, and is cut to size at the end.
    assert (many.peak - held[1]) - (few.peak - held[0]) < 400 * PER_PATCH + 0.2 * held[1]


@dataclass(frozen=True)
class Memory:
    """Bytes of a document, and of what Python allocated for it at most and in the end."""

    size: int
    peak: int
    current: int


def memory_of_loading(path: Path, count: int, pack: Callable[[bytes], bytes]) -> Memory:
    signal = [index + 0.123456789 for index in range(BINS)]
    text = orjson.dumps(patchset(*(patch(f"s{index}", index, index, signal=signal) for index in range(count))))
    path.write_bytes(pack(text))
    load(workspace(), path)  # fills the caches
    gc.collect()
    tracemalloc.start()
    try:
        kept = load(workspace(), path)
        current, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.patchset is not None
    assert len(kept.patchset) == count
    return Memory(len(text), peak, current)
