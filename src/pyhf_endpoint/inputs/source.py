"""Finds the workspace and the patch set of an analysis in files, folders, archives or Python objects, and loads them checked."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from pyhf_endpoint.errors import InputError, UsageError, did_you_mean
from pyhf_endpoint.inputs.archive import is_archive, read_members
from pyhf_endpoint.inputs.check import check_workspace, choose_measurement
from pyhf_endpoint.inputs.jsonfile import map_text, parse_json, parse_text, paused_gc, read_json, text_of
from pyhf_endpoint.inputs.patchset import PatchSet, make_patchset, verify_digests, workspace_digests
from pyhf_endpoint.inputs.split import split_patchset

__all__ = ["Analysis", "load"]

Json: TypeAlias = Mapping[str, Any]

_WORKSPACE = ("bkgonly.json", "bkgonly.json.gz")
_PATCHSET = ("patchset.json", "patchset.json.gz")
_MAX_ENTRIES = 20_000
_INNER_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True)
class Analysis:
    """A workspace and its signal hypotheses, checked.

    Attributes:
        workspace: the background-only workspace, or a complete one; shared with the caller's object, not copied.
        workspace_name: what messages call it, usually its path.
        workspace_digest: SHA-256, as pyhf computes it.
        measurement: name of the measurement in use.
        patchset: the signal hypotheses; None if the workspace is its own only hypothesis.
    """

    workspace: Json
    workspace_name: str
    workspace_digest: str
    measurement: str
    patchset: PatchSet | None

    @property
    def patchset_name(self) -> str | None:
        """What messages call the patch set."""
        return self.patchset.name if self.patchset else None


@dataclass(frozen=True, slots=True)
class _Document:
    """Something that holds one JSON document, not read yet."""

    name: str
    content: Path | bytes | object

    def parse(self) -> object:
        if isinstance(self.content, Path):
            return read_json(self.content)
        return parse_json(self.content, self.name) if isinstance(self.content, bytes) else self.content

    def split(self) -> object:
        """Return the document split into its patches; parsed if it is not a patch set or came as an object."""
        if not isinstance(self.content, Path | bytes):
            return self.content
        text = map_text(self.content) if isinstance(self.content, Path) else text_of(self.content, self.name)
        found = split_patchset(text)
        return parse_text(text) if found is None else found

    @property
    def from_file(self) -> bool:
        return isinstance(self.content, Path | bytes)


@dataclass(frozen=True, slots=True)
class _Bundle:
    """The documents of a folder or archive by their path inside it, and a few words on what else it holds."""

    name: str
    separator: str
    documents: Sequence[tuple[PurePosixPath, Path | bytes]]
    others: Sequence[PurePosixPath]


def load(
    workspace: Path | str | Json,
    patchset: Path | str | Json | PatchSet | None = None,
    *,
    region: str | None = None,
    measurement: str | None = None,
) -> Analysis:
    """Load a workspace with its patch set; both are checked, and the patch set's digests held against the workspace.

    Args:
        workspace: a JSON file, plain or gzipped; a folder or an archive (zip, tar, tar.gz, tar.bz2, tar.xz) that holds
            ``BkgOnly.json`` and ``patchset.json``, in sub-folders for several regions; or the workspace itself.
        patchset: a JSON file, plain or gzipped, or the patch set itself; None takes the one beside the workspace in a folder or
            archive, and for a file or an object means that the workspace is its own only hypothesis.
        region: which of the regions of a folder or archive; needed where there are several.
        measurement: which of the workspace's measurements; the first if None.

    Raises:
        InputError: something cannot be used: missing, damaged, refused, faulty, or the two do not belong together.
        UsageError: there is no such region or measurement, or several regions and none was chosen.
    """
    with paused_gc():
        return _load(*_locate(workspace, patchset, region), measurement)


def _load(source: _Document, other: _Document | PatchSet | None, measurement: str | None) -> Analysis:
    document, other_document = _parse_both(source, other)
    _not_swapped(source, document, other, other_document)
    checked = check_workspace(document, source.name, measurement=measurement, from_file=source.from_file)
    chosen = choose_measurement(checked, measurement, source.name)
    hypotheses = make_patchset(other_document, other.name, from_file=other.from_file) if isinstance(other, _Document) else other
    digests = workspace_digests(checked, {"sha256", *(hypotheses.digests if hypotheses else ())})
    if hypotheses:
        verify_digests(hypotheses, digests, source.name)
    return Analysis(checked, source.name, digests["sha256"], chosen["name"], hypotheses)


def _parse_both(source: _Document, other: _Document | PatchSet | None) -> tuple[object, object]:
    """Return the contents of both documents; where both have a fault, both are told."""
    readers = [source.parse, *([other.split] if isinstance(other, _Document) else [])]
    found, faults = [], []
    for read in readers:
        try:
            found.append(read())
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))
    return found[0], found[1] if len(found) > 1 else None


def _not_swapped(source: _Document, document: object, other: object, other_document: object) -> None:
    swapped = isinstance(document, Mapping) and "patches" in document
    if swapped and isinstance(other, _Document) and isinstance(other_document, Mapping) and "channels" in other_document:
        raise InputError(
            f"{source.name} is a patch set and {other.name} a workspace: the two are swapped; give the workspace first"
        )


def _locate(
    workspace: Path | str | Json, patchset: Path | str | Json | PatchSet | None, region: str | None
) -> tuple[_Document, _Document | PatchSet | None]:
    given = _patchset_source(patchset)
    bundle = _open_bundle(Path(workspace)) if isinstance(workspace, str | Path) else None
    if bundle:
        return _choose(bundle, region, given)
    if region is not None:
        raise UsageError(
            f"region: `{region}` given, but regions are sub-folders of a folder or archive; leave it out for a single workspace"
        )
    if isinstance(workspace, str | Path):
        return _Document(str(workspace), Path(workspace)), given
    return _Document("the workspace", workspace), given


def _patchset_source(patchset: Path | str | Json | PatchSet | None) -> _Document | PatchSet | None:
    if patchset is None or isinstance(patchset, PatchSet):
        return patchset
    if isinstance(patchset, str | Path):
        return _Document(str(patchset), Path(patchset))
    return _Document("the patch set", patchset)


def _open_bundle(path: Path) -> _Bundle | None:
    """Return what a folder or archive holds, or None for any other path."""
    try:
        if path.is_dir():
            return _folder_bundle(path)
        if not (path.is_file() and is_archive(path)):
            return None
    except OSError:
        return None  # reading it as a file will say why
    paths, contents = read_members(path, lambda member: member.name.lower() in _WORKSPACE + _PATCHSET)
    return _Bundle(str(path), ":", contents, paths)


def _folder_bundle(folder: Path) -> _Bundle:
    found, others = [], []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(parent, file)
            inner = PurePosixPath(path.relative_to(folder).as_posix())
            if file.lower() in _WORKSPACE + _PATCHSET:
                found.append((inner, path))
            others.append(inner)
        if len(others) > _MAX_ENTRIES:
            raise InputError(f"{folder} holds more than {_MAX_ENTRIES:,} files; give the folder that holds BkgOnly.json itself")
    return _Bundle(str(folder), "/", found, others)


def _choose(
    bundle: _Bundle, region: str | None, given: _Document | PatchSet | None
) -> tuple[_Document, _Document | PatchSet | None]:
    workspaces, patchsets = _by_region(bundle, _WORKSPACE), _by_region(bundle, _PATCHSET)
    usable = {key: document for key, document in workspaces.items() if given or key in patchsets}
    if not usable:
        raise InputError(_nothing_usable(bundle, workspaces, patchsets))
    key = _choose_region(bundle, _short_names(list(usable)), region)
    return usable[key], given or patchsets[key]


def _by_region(bundle: _Bundle, names: tuple[str, ...]) -> dict[PurePosixPath, _Document]:
    found: dict[PurePosixPath, _Document] = {}
    for inner, content in bundle.documents:
        if inner.name.lower() in names:
            document = _Document(f"{bundle.name}{bundle.separator}{inner}", content)
            first = found.setdefault(inner.parent, document)
            if first is not document:
                raise InputError(f"{first.name} and {document.name} compete; remove one of them")
    return found


def _nothing_usable(
    bundle: _Bundle, workspaces: Mapping[PurePosixPath, _Document], patchsets: Mapping[PurePosixPath, _Document]
) -> str:
    if workspaces:
        found = next(iter(workspaces.values()))
        return f"{found.name} has no patchset.json beside it; give the patch set as well"
    if patchsets:
        found = next(iter(patchsets.values()))
        return f"{found.name} has no BkgOnly.json beside it; give the workspace's file, then the patch set's"
    inner = next((path for path in bundle.others if path.name.lower().endswith(_INNER_ARCHIVES)), None)
    if inner:
        return f"{bundle.name} holds no BkgOnly.json, but another archive, `{inner}`; unpack it and give that one"
    shown = ", ".join(f"`{path}`" for path in bundle.others[:5]) + ", ..." * (len(bundle.others) > 5)
    return (
        f"{bundle.name} holds no BkgOnly.json with a patchset.json (found: {shown or 'nothing'}); give the two files themselves"
    )


def _short_names(keys: list[PurePosixPath]) -> dict[str, PurePosixPath]:
    """Return the regions by name: their folder, without the folders that all have in common."""
    common = os.path.commonpath(keys) if len(keys) > 1 else str(keys[0].parent)
    return {str(key.relative_to(common)): key for key in keys}


def _choose_region(bundle: _Bundle, regions: Mapping[str, PurePosixPath], region: str | None) -> PurePosixPath:
    names = ", ".join(f"`{name}`" for name in regions)
    if region is None:
        if len(regions) == 1:
            return next(iter(regions.values()))
        raise UsageError(f"{bundle.name} holds {len(regions)} regions ({names}); choose one with `region`")
    wanted = PurePosixPath(region)
    for name, key in regions.items():
        if wanted in (PurePosixPath(name), key):
            return key
    raise UsageError(f"region: `{region}` is not among those of {bundle.name} ({names}).{did_you_mean(region, regions)}")
