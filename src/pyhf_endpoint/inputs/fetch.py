"""Downloads published likelihoods through pyhf's own helper and unpacks them, checked, into a folder."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pyhf_endpoint.errors import DownloadError, InputError, MissingExtraError, UsageError
from pyhf_endpoint.inputs.archive import is_archive, read_members

__all__ = ["fetch", "source_url"]

_DOI = re.compile(r"(?:doi:\s*)?(10\.\d{4,9}/\S+)", re.IGNORECASE)


def fetch(source: str, directory: Path, *, force: bool = False) -> list[Path]:
    """Download an archive and unpack it.

    pyhf's helper downloads, from HEPData's hosts unless forced; it is told to keep the archive as it is, because it would unpack
    without looking where members lead. Nothing appears in `directory` unless all went well.

    Args:
        source: a DOI such as ``10.17182/hepdata.90607.v3/r3``, or an http(s) URL.
        directory: new or empty folder for the files.
        force: accept any host.

    Returns:
        The files written, sorted.

    Raises:
        UsageError: `source` is neither a DOI nor a URL, or `directory` is in use.
        MissingExtraError: pyhf, or what its helper needs, is not installed.
        DownloadError: the host is not accepted or not reached, or what it sent is no usable archive.
    """
    url = source_url(source)
    _check_target(directory)
    download = _downloader()
    try:
        with _new_folder(directory), tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-") as scratch:
            archive, unpacked = Path(scratch, "archive"), Path(scratch, "unpacked")
            _download(download, url, archive, force)
            _unpack(archive, unpacked, url)
            for path in unpacked.iterdir():
                path.replace(directory / path.name)
    except OSError as error:
        raise DownloadError(f"{directory} cannot be written: {error.strerror or error}; choose another folder") from None
    return sorted(path for path in directory.rglob("*") if path.is_file())


@contextmanager
def _new_folder(directory: Path) -> Iterator[None]:
    """Make the folder, and remove it again if it was new and nothing came of it."""
    new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if new:
            directory.rmdir()
        raise


def source_url(source: str) -> str:
    """Return the URL of a DOI, or the URL itself.

    Raises:
        UsageError: `source` is neither.
    """
    text = source.strip()
    if doi := _DOI.fullmatch(text):
        return f"https://doi.org/{doi[1]}"
    parts = urlsplit(text)
    if parts.scheme in ("http", "https") and parts.netloc:
        return text
    raise UsageError(f"source: `{source}` is neither a DOI (such as 10.17182/hepdata.90607.v3/r3) nor an http(s) URL")


def _check_target(directory: Path) -> None:
    if directory.is_dir():
        if any(directory.iterdir()):
            raise UsageError(f"directory: {directory} is not empty; choose a new folder, or empty this one")
    elif directory.exists():
        raise UsageError(f"directory: {directory} is a file; choose a new folder")


def _downloader() -> Callable[..., None]:
    try:
        from pyhf.contrib.utils import download
    except ImportError:
        raise MissingExtraError("pyhf", "downloading likelihoods") from None
    found: Callable[..., None] = download
    return found


def _download(download: Callable[..., None], url: str, archive: Path, force: bool) -> None:
    from pyhf.exceptions import InvalidArchive, InvalidArchiveHost

    try:
        download(url, archive, force=force, compress=True)
    except InvalidArchiveHost as error:
        reason = str(error).splitlines()[0]
        raise DownloadError(f"{url} was not downloaded: {reason}; if you trust that host, repeat with --force") from None
    except InvalidArchive as error:
        reason = str(error).splitlines()[0].removeprefix(url).strip(" .")
        raise DownloadError(f"{url} was not downloaded: it {reason}; check the address, or try again later") from None
    except OSError as error:  # the root of what requests raises
        raise DownloadError(f"{url} was not downloaded: {_cause(error)}; check the address and the network") from None


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a chain of network errors, on one line."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return " ".join(str(reason or error).split())


def _unpack(archive: Path, folder: Path, url: str) -> None:
    if not is_archive(archive):
        with archive.open("rb") as file:
            page = file.read(512).lstrip().startswith(b"<")
        what = "a web page" if page else "something that is neither a tar nor a zip archive"
        raise DownloadError(f"{url} sent {what}; give the address of the archive itself, such as 10.17182/hepdata.90607.v3/r3")
    try:
        _, contents = read_members(archive, lambda _: True, name=f"the archive from {url}")
    except InputError as error:
        raise DownloadError(str(error)) from None
    folder.mkdir()
    for inner, content in contents:
        target = folder / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
