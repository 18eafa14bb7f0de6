"""Downloads over loopback, through pyhf's own helper."""

import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pyhf_endpoint.errors import DownloadError, MissingExtraError, UsageError
from pyhf_endpoint.inputs import load
from pyhf_endpoint.inputs.fetch import fetch, source_url
from tests.inputs.builders import make_tar, make_zip, pair

PAGES = {
    "/good.tar.gz": (200, make_tar({**pair("RegionA/"), "README.md": b"text"}, "w:gz")),
    "/good.zip": (200, make_zip({**pair("likelihoods/"), "__MACOSX/junk": b"x"})),
    "/evil.tar": (200, make_tar({**pair(), "../../evil": b"x"})),
    "/evil.zip": (200, make_zip({**pair(), "../../evil": b"x"})),
    "/page": (200, b"<!DOCTYPE html><html></html>"),
    "/json": (200, b'{"a": 1}'),
    "/gone": (410, b""),
    "/broken": (200, make_tar(pair(), "w:gz")[:-40]),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, content = PAGES[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def failure(source: str, directory: Path, *, force: bool = True) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(source, directory, force=force)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("10.17182/hepdata.90607.v3/r3", "https://doi.org/10.17182/hepdata.90607.v3/r3"),
        (" doi:10.17182/hepdata.90607.v3/r3\n", "https://doi.org/10.17182/hepdata.90607.v3/r3"),
        ("https://doi.org/10.17182/hepdata.90607.v3/r3", "https://doi.org/10.17182/hepdata.90607.v3/r3"),
        ("http://localhost:80/a.zip", "http://localhost:80/a.zip"),
    ],
)
def test_source_url(source: str, url: str) -> None:
    assert source_url(source) == url


@pytest.mark.parametrize("source", ["likelihoods.tar.gz", "file:///etc/passwd", "https://", "", "10.1/x", "ftp://host/file"])
def test_no_source(source: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        fetch(source, tmp_path / "new")
    assert str(caught.value) == f"source: `{source}` is neither a DOI (such as 10.17182/hepdata.90607.v3/r3) nor an http(s) URL"


@pytest.mark.parametrize(
    ("page", "files"),
    [
        ("/good.tar.gz", ["README.md", "RegionA/BkgOnly.json", "RegionA/patchset.json"]),
        ("/good.zip", ["__MACOSX/junk", "likelihoods/BkgOnly.json", "likelihoods/patchset.json"]),
    ],
)
@pytest.mark.parametrize("existing", [True, False], ids=["empty folder", "new folder"])
def test_files_arrive_and_load(page: str, files: list[str], existing: bool, site: str, tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "new"
    if existing:
        directory.mkdir(parents=True)
    assert fetch(site + page, directory, force=True) == [directory / name for name in files]
    assert [str(path.relative_to(directory)) for path in sorted(directory.rglob("*")) if path.is_file()] == files
    assert load(directory).measurement == "m"


def test_other_hosts_need_force(site: str, tmp_path: Path) -> None:
    host = site.removeprefix("http://")
    assert failure(f"{site}/good.zip", tmp_path / "new", force=False) == (
        f"{site}/good.zip was not downloaded: {host} is not an approved archive host: www.hepdata.net, doi.org; "
        "if you trust that host, repeat with --force"
    )


FAILURES = [
    ("/gone", "{url} was not downloaded: it gives a response code of 410; check the address, or try again later"),
    ("/page", "{url} sent a web page; give the address of the archive itself, such as 10.17182/hepdata.90607.v3/r3"),
    (
        "/json",
        (
            "{url} sent something that is neither a tar nor a zip archive; "
            "give the address of the archive itself, such as 10.17182/hepdata.90607.v3/r3"
        ),
    ),
    (
        "/evil.tar",
        "the archive from {url} is refused: its member `../../evil` leads out of the archive; get the archive from its publisher",
    ),
    (
        "/evil.zip",
        "the archive from {url} is refused: its member `../../evil` leads out of the archive; get the archive from its publisher",
    ),
    (
        "/broken",
        (
            "the archive from {url} is a damaged or unusable archive: "
            "Compressed file ended before the end-of-stream marker was reached; download it again"
        ),
    ),
]


@pytest.mark.parametrize(("page", "message"), FAILURES)
@pytest.mark.parametrize("existing", [True, False], ids=["empty folder", "new folder"])
def test_failure_leaves_nothing_behind(page: str, message: str, existing: bool, site: str, tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b" / "new"
    directory.parent.mkdir(parents=True)
    if existing:
        directory.mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert failure(site + page, directory) == message.format(url=site + page)
    assert sorted(tmp_path.rglob("*")) == before


def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/a.zip"
        text = failure(url, tmp_path / "new")
    assert text.startswith(f"{url} was not downloaded: ")
    assert text.endswith("Connection refused; check the address and the network")


def test_target_in_use(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for name, message in (
        ("full", f"directory: {tmp_path}/full is not empty; choose a new folder, or empty this one"),
        ("full/file", f"directory: {tmp_path}/full/file is a file; choose a new folder"),
    ):
        with pytest.raises(UsageError) as caught:
            fetch("10.17182/hepdata.90607.v3/r3", tmp_path / name)
        assert str(caught.value) == message


def test_target_that_cannot_be_made(site: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "new"
    assert failure(f"{site}/good.zip", directory) == f"{directory} cannot be written: Not a directory; choose another folder"


@pytest.mark.parametrize("missing", ["pyhf", "requests"])
def test_missing_extra(missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "pyhf.contrib.utils", raising=False)
    with pytest.raises(MissingExtraError) as caught:
        fetch("10.17182/hepdata.90607.v3/r3", tmp_path / "new")
    assert str(caught.value) == (
        "downloading likelihoods needs the extra `pyhf`; install it with: python -m pip install 'pyhf-endpoint[pyhf]'"
    )
    assert not (tmp_path / "new").exists()
