"""Every way in which reading JSON fails has its own message."""

import gc
import gzip
import json
import os
from pathlib import Path

import orjson
import pytest

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.inputs.jsonfile import parse_json, paused_gc, read_json
from pyhf_endpoint.inputs.places import shorten

BEYOND = "is beyond the range of double precision, 1.8e308; replace it with a finite number"
BROKEN = [
    pytest.param(b"", "f is empty; a JSON document is expected", id="empty"),
    pytest.param(b" \n\t", "f is empty; a JSON document is expected", id="blank"),
    pytest.param(b'{"a":\n  1,\n  "b" 2}', """f: line 3, column 7: not JSON: {reason}, at "2}\"""", id="no-colon"),
    pytest.param(
        b'["\xc3\xa9\xc3\xa9", 1 2]',
        """f: line 1, column 10: not JSON: {reason}, at "2]\"""",
        id="columns-are-characters",
    ),
    pytest.param(
        b'{"a": 1', "f: line 1, column 8: the file ends in the middle of the document; copy or download it again", id="cut"
    ),
    pytest.param(b'{"a": 1,}', 'f: line 1, column 8: not JSON: {reason}, at ",}"', id="trailing-comma"),
    pytest.param(
        b"[1,\n NaN]", "f: line 2, column 2: NaN is not JSON and no usable number; replace it with a finite number", id="nan"
    ),
    pytest.param(
        b"[1, Infinity]",
        "f: line 1, column 5: Infinity is not JSON and no usable number; replace it with a finite number",
        id="inf",
    ),
    pytest.param(
        b"[1,\n\n   -Infinity]",
        "f: line 3, column 4: -Infinity is not JSON and no usable number; replace it with a finite number",
        id="minus-inf",
    ),
    pytest.param(b"[1e999]", f"f has 1 fault\n  [0]: 1e999 {BEYOND}", id="overflow"),
    pytest.param(
        b'{"a": [{"b": -%b}, 1e-999, 2, {"c": {}}]}' % str(10**400).encode(),
        f"f has 1 fault\n  a[0].b: -1000000000000000000... (401 digits) {BEYOND}",
        id="huge-integer",
    ),
    pytest.param(
        b"[%b]" % b",".join([b"9" * 5000] * 12),
        "f has 12 faults\n"
        + "".join(f"  [{place}]: 99999999999999999999... (5,000 digits) {BEYOND}\n" for place in range(10))
        + "  and 2 more",
        id="many-huge-integers",
    ),
    pytest.param(b"[1e999", 'f: line 1, column 2: not JSON: {reason}, at "1e999"', id="overflow-and-cut"),
    pytest.param(b'["a",\n"\xff"]', "f: line 2, column 2: byte 0xff is not UTF-8; save the file as UTF-8", id="latin-1"),
    *(
        pytest.param(
            '{"a": 1}'.encode(code),
            "f is not a JSON file: its text is UTF-16 or UTF-32, or it is no text at all; save the file as UTF-8",
            id=code,
        )
        for code in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
    ),
    pytest.param(
        gzip.compress(gzip.compress(b"{}")),
        "f is not a JSON file: it was compressed with gzip twice; unpack it once",
        id="gzip-twice",
    ),
    pytest.param('{"a": 1}'.encode("utf-16"), "f: line 1, column 1: byte 0xff is not UTF-8; save the file as UTF-8", id="utf-16"),
    pytest.param(
        b"<!DOCTYPE html><html>",
        "f is not a JSON file: it is a web page or another XML document; download the JSON file itself",
        id="html",
    ),
    pytest.param(
        b"PK\x03\x04rest", "f is not a JSON file: it is a zip archive; give the archive as the workspace, or unpack it", id="zip"
    ),
    pytest.param(
        b"version https://git-lfs.github.com/spec/v1\noid",
        "f is not a JSON file: it is a Git LFS pointer; fetch the content with: git lfs pull",
        id="lfs",
    ),
    pytest.param(b"[" * 5000, 'f: line 1, column 1026: not JSON: {reason}, at "[[[[[[[[[[[[[[[[[[[["', id="deep"),
]


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_broken(data: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_json(data, "f")
    with pytest.raises(orjson.JSONDecodeError) as reason:
        orjson.loads(data)
    assert str(caught.value) == message.replace("{reason}", reason.value.msg)


@pytest.mark.parametrize(
    "data", [b'{"a": [1, 2.5, null]}', b'\xef\xbb\xbf{"a": [1, 2.5, null]}', gzip.compress(b'{"a": [1, 2.5, null]}', mtime=0)]
)
def test_plain_gzipped_or_with_byte_order_mark(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(data)
    assert read_json(path) == {"a": [1, 2.5, None]}


def test_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "BkgOnly.json").write_text("{}")
    with pytest.raises(InputError) as caught:
        read_json(tmp_path / "BkgOnyl.json")
    assert str(caught.value) == f"{tmp_path}/BkgOnyl.json does not exist; check the path. Did you mean `BkgOnly.json`?"
    with pytest.raises(InputError) as caught:
        read_json(tmp_path / "nowhere" / "a.json")
    assert str(caught.value) == f"{tmp_path}/nowhere/a.json does not exist; check the path."


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_json(tmp_path)
    assert str(caught.value) == f"{tmp_path} is a folder where a JSON file is expected; give a file inside it"


def test_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError) as caught:
        read_json(tmp_path / "a.json" / "b.json")
    assert str(caught.value) == f"{tmp_path}/a.json/b.json cannot be read: Not a directory; check the path and its permissions"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(InputError) as caught:
        read_json(path)
    assert str(caught.value) == f"{path} cannot be read: Permission denied; check the path and its permissions"


@pytest.mark.parametrize(
    "data", [b'"%s"' % (b"a" * 5000), gzip.compress(b'"%s"' % (b"a" * 3_000_000), mtime=0)], ids=["plain", "bomb"]
)
def test_too_large(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_json(path, limit=4000)
    assert (
        str(caught.value) == f"{path} holds more than 4,000 bytes (after decompression), the largest JSON document that is read"
    )


def test_size_limit_is_inclusive(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1, 2]")
    assert read_json(path, limit=6) == [1, 2]
    with pytest.raises(InputError):
        read_json(path, limit=5)


def test_pipes_are_read_and_limited() -> None:
    for limit, fine in ((100, True), (5, False)):
        reader, writer = os.pipe()
        os.write(writer, b'{"a": 1}')
        os.close(writer)
        try:
            if fine:
                assert read_json(Path(f"/dev/fd/{reader}"), limit=limit) == {"a": 1}
            else:
                with pytest.raises(InputError, match="holds more than 5 bytes"):
                    read_json(Path(f"/dev/fd/{reader}"), limit=limit)
        finally:
            os.close(reader)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"[1]", mtime=0)[:-6], "Compressed file ended before the end-of-stream marker was reached"),
        (gzip.compress(b"[1]", mtime=0) + b"tail", "Not a gzipped file (b'ta')"),
        (b"\x1f\x8b\x08\x00" + b"\x00" * 6 + b"\xff\xff\xff", "Error -3 while decompressing data: invalid block type"),
    ],
)
def test_damaged_gzip(data: bytes, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_json(data, "f")
    assert str(caught.value) == f"f is a damaged gzip file: {reason}; copy or download it again"


def test_numbers_survive() -> None:
    values = [1, 1.0, 0.1, 1e-300, 123456789.123456789, -0.0, 2**53 + 1]
    assert json.dumps(parse_json(json.dumps(values).encode(), "f")) == json.dumps(values)


def fail_with_paused_gc() -> None:
    with paused_gc():
        raise RuntimeError(f"enabled: {gc.isenabled()}")


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_as_before(enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(RuntimeError, match="enabled: False"):
            fail_with_paused_gc()
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(
    ("value", "text"), [("a", '"a"'), ([1.5, None], "[1.5,null]"), ("x" * 100, '"' + "x" * 56 + "..."), ({1, 2}, "{1, 2}")]
)
def test_shorten(value: object, text: str) -> None:
    assert shorten(value) == text
