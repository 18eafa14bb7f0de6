"""The files of the generated analysis: written whole, and not over others."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pyhf_endpoint.errors import ResultsError

__all__ = ["write_files"]


def write_files(directory: Path, workspace: dict[str, Any], patchset: dict[str, Any], *, overwrite: bool) -> tuple[Path, Path]:
    """Write `BkgOnly.json` and `patchset.json` to `directory` and return their paths.

    Raises:
        ResultsError: If a file with other content is there and `overwrite` is false, or the directory cannot be written to.
    """
    # The workspace is there to be read (1 MB); the patch set, eight times as long, has no blanks, which halves it.
    texts = {directory / "BkgOnly.json": _text(workspace, indent=1), directory / "patchset.json": _text(patchset, indent=None)}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        stale = [path for path, text in texts.items() if not path.is_file() or path.read_bytes() != text]
        other = [path.name for path in stale if path.exists()]
        if other and not overwrite:
            raise ResultsError(
                f"{directory}: {' and '.join(other)} there already, with other content; "
                "choose another directory, or pass overwrite to replace what is there"
            )
        for path in stale:
            _replace(path, texts[path])
    except OSError as error:
        where, why = error.filename or directory, error.strerror or error
        raise ResultsError(f"{where}: the example cannot be written there ({why}); choose another directory") from error
    workspace_path, patchset_path = texts
    return workspace_path, patchset_path


def _text(document: dict[str, Any], indent: int | None) -> bytes:
    separators = (",", ": " if indent else ":")
    return (json.dumps(document, indent=indent, separators=separators, allow_nan=False) + "\n").encode("utf-8")


def _replace(path: Path, text: bytes) -> None:
    # A reader never sees half a file, and an interrupted write leaves what was there.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
