"""The locks, read."""

import platform
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["FOLDER", "MACHINE", "Lock"]

FOLDER = Path(__file__).parents[1] / "containers/locks"
MACHINE = platform.machine()
_IMAGE = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux", "platform_system": "Linux"}


@dataclass(frozen=True)
class Lock:
    """A file of pinned versions with hashes."""

    path: Path

    @classmethod
    def of(cls, name: str) -> "Lock":
        return cls(FOLDER / f"{name}.txt")

    @cached_property
    def hashes(self) -> dict[str, list[str]]:
        """The hashes that each requirement, `name==version` and perhaps a marker, may have."""
        text = re.sub(r"\\\n", " ", self.path.read_text())
        lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        return {line.split(" --hash")[0].strip(): re.findall(r"--hash=(\S+)", line) for line in lines}

    @cached_property
    def versions(self) -> dict[str, str]:
        """Version by package on Linux with the Python of the images; other Pythons' lines are left out."""
        requirements = [Requirement(line) for line in self.hashes]
        return {
            each.name: str(each.specifier).removeprefix("==")
            for each in requirements
            if each.marker is None or each.marker.evaluate(_IMAGE)
        }
