"""The table of sites for the README."""

import sys
from pathlib import Path

from pyhf_endpoint.profiles.load import find
from pyhf_endpoint.profiles.model import SiteProfile
from pyhf_endpoint.sites import names

__all__ = ["sites_table", "update"]

_BEGIN, _END = "<!-- sites -->\n", "<!-- /sites -->"

_SCHEDULERS = {
    "slurm": "Slurm",
    "pbspro": "PBS Pro",
    "cobalt": "Cobalt",
    "torque": "Torque",
    "htcondor": "HTCondor",
    "kubernetes": "Kubernetes",
    "local": "none",
}


def sites_table() -> str:
    """Return a Markdown table of the known sites, active ones first."""
    profiles = sorted((find(name).profile for name in names()), key=lambda profile: (profile.status, profile.name))
    rows = [
        "| site | machine | scheduler | accelerators per node | compute nodes | variants | configuration |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *map(_row, profiles)]) + "\n"


def _row(profile: SiteProfile) -> str:
    status = "status unknown" if profile.status == "unknown" else profile.status
    name = f"[{profile.name}](site_profiles/{profile.name}.yaml)" + (f", {status}" if status != "active" else "")
    devices = dict.fromkeys(
        f"{node.accelerators.count} x {node.accelerators.model}" for node in profile.nodes.values() if node.accelerators
    )
    architecture = profile.architecture.compute if profile.architecture else "this machine's"
    cells = (
        name,
        f"{profile.description} ({profile.facility})",
        _SCHEDULERS[profile.scheduler.kind],
        "; ".join(devices) or "none",
        architecture,
        ", ".join(profile.variants),
        f"[rendered](tests/golden/{profile.name}/)",
    )
    return "| " + " | ".join(cells) + " |"


def update(text: str) -> str:
    """Return a document with the table between its two markers made anew."""
    before, rest = text.split(_BEGIN)
    return before + _BEGIN + sites_table() + _END + rest.split(_END)[1]


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(update(document.read_text(encoding="utf-8")), encoding="utf-8")
