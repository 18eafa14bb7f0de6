"""Archives are read in memory; what could harm is refused, with the member named."""

import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from pyhf_endpoint.errors import InputError
from pyhf_endpoint.inputs.archive import Limits, is_archive, read_members
from tests.inputs.builders import make_tar, make_zip

FILES = {"a/BkgOnly.json": b"{}", "a/b/readme.md": b"text", "top.json": b"[1]"}


def store(folder: Path, content: bytes) -> Path:
    path = folder / "archive"
    path.write_bytes(content)
    return path


def refusal(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_members(path, lambda _: True, limits or Limits())
    return str(caught.value)


def tar_member(name: str, type_: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = type_
    info.linkname = link
    return info


def zip_member(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_reads_the_wanted_files_and_lists_all(mode: str, tmp_path: Path) -> None:
    path = store(tmp_path, make_zip(FILES) if mode == "zip" else make_tar(FILES, mode, [tar_member("a/", tarfile.DIRTYPE)]))
    assert is_archive(path)
    paths, contents = read_members(path, lambda inner: inner.suffix == ".json")
    assert paths == [PurePosixPath(name) for name in FILES]
    assert contents == [(PurePosixPath("a/BkgOnly.json"), b"{}"), (PurePosixPath("top.json"), b"[1]")]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{}", b"\x1f\x8bjunk", b"\0" * 1024, b"x" * 600])
def test_other_files_are_no_archives(content: bytes, tmp_path: Path) -> None:
    assert not is_archive(store(tmp_path, content))


MALICIOUS = {
    "tar: up": (make_tar({"../evil": b"x"}), "../evil", "leads out of the archive"),
    "tar: up inside": (make_tar({"a/../../evil": b"x"}), "a/../../evil", "leads out of the archive"),
    "tar: absolute": (make_tar({"/etc/evil": b"x"}), "/etc/evil", "has an absolute path"),
    "tar: folder up": (make_tar({}, extra=[tar_member("../evil", tarfile.DIRTYPE)]), "../evil", "leads out of the archive"),
    "tar: soft link": (make_tar({}, extra=[tar_member("l", tarfile.SYMTYPE, "/etc/passwd")]), "l", "is a link"),
    "tar: hard link": (make_tar({}, extra=[tar_member("l", tarfile.LNKTYPE, "a")]), "l", "is a link"),
    "tar: device": (make_tar({}, extra=[tar_member("d", tarfile.CHRTYPE)]), "d", "is a device or another special file"),
    "tar: fifo": (make_tar({}, extra=[tar_member("f", tarfile.FIFOTYPE)]), "f", "is a device or another special file"),
    "zip: up": (make_zip({"../evil": b"x"}), "../evil", "leads out of the archive"),
    "zip: up, backslashes": (make_zip({"a\\..\\..\\evil": b"x"}), "a\\..\\..\\evil", "leads out of the archive"),
    "zip: absolute": (make_zip({"/etc/evil": b"x"}), "/etc/evil", "has an absolute path"),
    "zip: drive": (make_zip({"C:\\evil": b"x"}), "C:\\evil", "has an absolute path"),
    "zip: link": (make_zip({zip_member("l", stat.S_IFLNK | 0o777): b"/etc/passwd"}), "l", "is a link"),
    "zip: device": (make_zip({zip_member("d", stat.S_IFCHR | 0o666): b""}), "d", "is a device or another special file"),
}


@pytest.mark.parametrize(("content", "member", "fault"), MALICIOUS.values(), ids=MALICIOUS)
def test_malicious_member(content: bytes, member: str, fault: str, tmp_path: Path) -> None:
    path = store(tmp_path, content)
    assert refusal(path) == f"{path} is refused: its member `{member}` {fault}; get the archive from its publisher"


def test_a_bad_member_spoils_those_before_it(tmp_path: Path) -> None:
    path = store(tmp_path, make_tar({**FILES, "../evil": b"x"}, "w:gz"))
    with pytest.raises(InputError, match=r"`\.\./evil` leads out of the archive"):
        read_members(path, lambda inner: inner.name == "top.json")


BIG = {"zeros": b"\0" * 300_000}


@pytest.mark.parametrize(
    "content", [make_tar(BIG, "w:gz"), make_tar(BIG, "w:xz"), make_zip(BIG)], ids=["tar.gz", "tar.xz", "zip"]
)
@pytest.mark.parametrize(
    ("limits", "allowed"),
    [
        (Limits(member_bytes=299_999), "67,108,864 bytes, or one file larger than 299,999"),
        (Limits(total_bytes=200_000), "200,000 bytes, or one file larger than 1,073,741,824"),
        (Limits(ratio=1, free_bytes=100_000), "100,000 bytes, or one file larger than 1,073,741,824"),
    ],
    ids=["member", "total", "ratio"],
)
def test_bomb(content: bytes, limits: Limits, allowed: str, tmp_path: Path) -> None:
    path = store(tmp_path, content)
    assert refusal(path, limits) == (
        f"{path} is refused: unpacked it is larger than {allowed}, "
        "as a decompression bomb would be; unpack it yourself if you trust it"
    )


def test_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    content = bytearray(make_zip(BIG))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # uncompressed size in both headers
        at = content.index(signature) + offset
        content[at : at + 4] = (10).to_bytes(4, "little")
    path = store(tmp_path, bytes(content))
    assert refusal(path) == f"{path} is a damaged or unusable archive: Bad CRC-32 for file 'zeros'; download it again"


def test_bomb_in_tar_headers(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.pax_headers = {"comment": "a" * 3_000_000}
    path = store(tmp_path, make_tar({}, "w:gz", [header]))
    assert "is refused: unpacked it is larger than 1,000 bytes" in refusal(
        path, Limits(members=10, free_bytes=1000, ratio=1, total_bytes=1000)
    )


@pytest.mark.parametrize("content", [make_tar(FILES), make_zip(FILES)], ids=["tar", "zip"])
def test_too_many_members(content: bytes, tmp_path: Path) -> None:
    path = store(tmp_path, content)
    assert (
        refusal(path, Limits(members=2)) == f"{path} is refused: it holds more than 2 members; unpack it yourself if you trust it"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (make_tar(FILES | BIG)[:-200_000], "unexpected end of data"),
        (make_tar(FILES)[:1100], "it ends early"),
        (make_tar(FILES)[:1024], "it ends early"),
        (make_tar(BIG, "w:gz")[:-30], "Compressed file ended before the end-of-stream marker was reached"),
        (make_zip(FILES)[:-30], "File is not a zip file"),
        (b"BZh9junk", "Invalid data stream"),
    ],
    ids=["tar: data", "tar: header", "tar: between members", "tar.gz", "zip", "bzip2"],
)
def test_damaged(content: bytes, reason: str, tmp_path: Path) -> None:
    path = store(tmp_path, content)
    assert refusal(path) == f"{path} is a damaged or unusable archive: {reason}; download it again"


def test_encrypted_zip(tmp_path: Path) -> None:
    content = bytearray(make_zip({"a": b"x"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption in the central directory
    path = store(tmp_path, bytes(content))
    assert refusal(path) == f"{path} is encrypted; unpack it yourself and give the folder"
