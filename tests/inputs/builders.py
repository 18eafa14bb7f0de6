"""Small workspaces and patch sets for the tests of inputs."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

MU: Json = {"name": "mu", "type": "normfactor", "data": None}


def modifier(type_: str, name: str, data: object = None) -> Json:
    return {"name": name, "type": type_, "data": data}


def sample(name: str, data: Sequence[float], *modifiers: Json) -> Json:
    return {"name": name, "data": list(data), "modifiers": list(modifiers)}


def channel(name: str, *samples: Json) -> Json:
    return {"name": name, "samples": list(samples)}


def workspace(
    *channels: Json, parameters: Sequence[Json] = (), poi: str = "mu", observations: Sequence[Json] | None = None
) -> Json:
    """Return a workspace with one measurement; by default with one channel, `SR`, of two bins, background only."""
    channels = channels or (channel("SR", sample("bkg", [50.0, 60.0], modifier("normsys", "k", {"lo": 0.9, "hi": 1.1}))),)
    if observations is None:
        observations = [{"name": item["name"], "data": [50.0] * len(item["samples"][0]["data"])} for item in channels]
    return {
        "channels": list(channels),
        "measurements": [{"name": "m", "config": {"poi": poi, "parameters": list(parameters)}}],
        "observations": list(observations),
        "version": "1.0.0",
    }


def sha256(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def patch(name: str, *values: float | str, signal: Sequence[float] = (5.0, 6.0)) -> Json:
    operation = {"op": "add", "path": "/channels/0/samples/1", "value": sample("sig", signal, MU)}
    return {"metadata": {"name": name, "values": list(values)}, "patch": [operation]}


def patchset(*patches: Json, of: Mapping[str, Any] | None = None, labels: Sequence[str] = ("m1", "m2"), **digests: str) -> Json:
    """Return a patch set made for the workspace `of` (the default one if None), with two patches by default."""
    return {
        "metadata": {
            "digests": digests or {"sha256": sha256(of or workspace())},
            "labels": list(labels),
            "description": "signals",
            "references": {"hepdata": "ins1234567"},
        },
        "patches": list(patches or (patch("sig_100_50", 100, 50), patch("sig_200_50", 200, 50))),
        "version": "1.0.0",
    }


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def pair(prefix: str = "") -> dict[str, bytes]:
    """Return the two files of an analysis by their path."""
    return {
        f"{prefix}BkgOnly.json": json.dumps(workspace()).encode(),
        f"{prefix}patchset.json": json.dumps(patchset()).encode(),
    }


def make_tar(files: Mapping[str, bytes], mode: str = "w", extra: Sequence[tarfile.TarInfo] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in extra:
            archive.addfile(info)
    return buffer.getvalue()


def make_zip(files: Mapping[str, bytes] | Mapping[zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
