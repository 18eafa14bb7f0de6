"""A bundle on disk: written without losing an administrator's edits, and compared with what is there."""

import difflib
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from pyhf_endpoint.endpoint.render import Bundle
from pyhf_endpoint.errors import UsageError, list_faults

__all__ = ["MANIFEST", "diff", "write"]

#: Beside the files: the digest of each as it was written, by which an edit is noticed.
MANIFEST = ".rendered.json"


def write(bundle: Bundle, folder: Path, *, force: bool = False) -> list[Path]:
    """Write a bundle's files and return the paths of those that changed.

    Args:
        bundle: The files.
        folder: Where they go; made if need be.
        force: Also replace files that were edited, or that were there before.

    Raises:
        UsageError: A file would be replaced that is not as it was written; nothing is written then.
    """
    known = _read_manifest(folder)
    stale = {name: text for name, text in bundle.files.items() if _read(folder / name) != text}
    edited = [name for name in stale if _edited(folder / name, known.get(name))]
    if edited and not force:
        faults = [f"{name}: edited by hand, or not from here" for name in edited]
        hint = "see what would change with --check; to replace them, give --force"
        raise UsageError(f"{list_faults(str(folder), faults)}\n{hint}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in stale.items():
        _replace(folder / name, text)
    digests = {name: _digest(text) for name, text in bundle.files.items()}
    if digests != known:
        _replace(folder / MANIFEST, json.dumps(digests, indent=2) + "\n")
    return [folder / name for name in stale]


def diff(bundle: Bundle, folder: Path) -> str:
    """Return how the files in a folder differ from a bundle, as `diff -u` shows it; empty where they do not."""
    return "".join(_differences(bundle, folder))


def _differences(bundle: Bundle, folder: Path) -> Iterator[str]:
    for name, text in bundle.files.items():
        old = _read(folder / name)
        before = [] if old is None else old.splitlines(keepends=True)
        shown = "/dev/null" if old is None else str(folder / name)
        yield from difflib.unified_diff(before, text.splitlines(keepends=True), shown, f"{folder / name} (rendered)")


def _edited(path: Path, digest: str | None) -> bool:
    text = _read(path)
    return text is not None and _digest(text) != digest


def _read(path: Path) -> str | None:
    """The text of a file, if there is one; one that is no text is as good as edited."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _read_manifest(folder: Path) -> dict[str, str]:
    try:
        found = json.loads(_read(folder / MANIFEST) or "{}")
    except json.JSONDecodeError:
        return {}
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all: an endpoint may be reading it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
