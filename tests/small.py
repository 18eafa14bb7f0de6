"""A small analysis, quick to fit: two bins, one background with two systematics, any number of signals."""

import hashlib
import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

WORKSPACE: Json = {
    "version": "1.0.0",
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "background",
                    "data": [50.0, 60.0],
                    "modifiers": [
                        {"name": "bkg_norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
                        {"name": "bkg_shape", "type": "histosys", "data": {"hi_data": [52.0, 59.0], "lo_data": [47.0, 61.0]}},
                    ],
                }
            ],
        }
    ],
    "observations": [{"name": "SR", "data": [53.0, 65.0]}],
    "measurements": [{"name": "measurement", "config": {"poi": "mu", "parameters": []}}],
}


def signal(mass: float) -> Json:
    """A signal sample that shrinks with the mass."""
    size = 40.0 * 100.0 / mass
    return {"name": "signal", "data": [size, size / 2], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}


def digest(workspace: Json) -> str:
    """pyhf's digest, written out."""
    return hashlib.sha256(json.dumps(workspace, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def patchset(signals: int = 3, workspace: Json = WORKSPACE) -> Json:
    """A patch set with signals S100, S200, ..."""
    return {
        "metadata": {
            "references": {"hepdata": "ins1234567"},
            "digests": {"sha256": digest(workspace)},
            "labels": ["mass", "width"],
            "description": "generated",
        },
        "patches": [
            {
                "metadata": {"name": f"S{mass}", "values": [mass, mass / 2]},
                "patch": [{"op": "add", "path": "/channels/0/samples/1", "value": signal(mass)}],
            }
            for mass in range(100, 100 * (signals + 1), 100)
        ],
        "version": "1.0.0",
    }


def write(directory: Path, signals: int = 3) -> tuple[Path, Path]:
    """Write both files."""
    paths = directory / "BkgOnly.json", directory / "patchset.json"
    for path, value in zip(paths, (WORKSPACE, patchset(signals)), strict=True):
        path.write_text(json.dumps(value))
    return paths
