"""Where each fact of a profile comes from: a source, an inference, or nowhere (`unknown`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyhf_endpoint.profiles.model import SiteProfile

__all__ = ["Evidence", "evidence"]

_FACTS = ("architecture", "scheduler", "nodes", "network", "launcher", "environment", "container", "proxies")
_COMMENTARY = {"note"}


@dataclass(frozen=True)
class Evidence:
    """The paths of a profile's facts, by what they rest on.

    Attributes:
        sourced: Path to the keys of its sources.
        inferred: Path to the reasoning.
        unknown: Paths whose value is `unknown`.
        unsupported: Paths with a value and nothing that it rests on.
        idle: Paths in `sourced` and `inferred` under which there is no fact.
    """

    sourced: Mapping[str, tuple[str, ...]]
    inferred: Mapping[str, str]
    unknown: tuple[str, ...]
    unsupported: tuple[str, ...]
    idle: tuple[str, ...]

    def counts(self) -> str:
        """Return the numbers in words."""
        return f"{len(self.sourced)} sourced, {len(self.inferred)} inferred, {len(self.unknown)} unknown"


def evidence(profile: SiteProfile) -> Evidence:
    """Return what each fact that the file states rests on; the longest matching path decides."""
    data = profile.model_dump(mode="json", include=set(_FACTS), exclude_unset=True, exclude_none=True)
    sourced: dict[str, tuple[str, ...]] = {}
    inferred: dict[str, str] = {}
    unknown, unsupported, used = [], [], set()
    for path, value in _leaves(data):
        if value == "unknown":
            unknown.append(path)
            continue
        sources = [(claim, key) for key, claims in profile.sourced.items() for claim in claims if _covers(claim, path)]
        reasons = [claim for claim in profile.inferred if _covers(claim, path)]
        used |= {claim for claim, _ in sources} | set(reasons)
        deepest = max((len(claim) for claim in [*reasons, *(claim for claim, _ in sources)]), default=-1)
        reason = next((claim for claim in reasons if len(claim) == deepest), None)
        if reason is not None:
            inferred[path] = profile.inferred[reason]
        elif sources:
            sourced[path] = tuple(key for claim, key in sources if len(claim) == deepest)
        else:
            unsupported.append(path)
    claims = {claim for claims in profile.sourced.values() for claim in claims} | set(profile.inferred)
    idle = tuple(sorted(claim for claim in claims - used if not any(_covers(claim, path) for path in unknown)))
    return Evidence(sourced, inferred, tuple(unknown), tuple(unsupported), idle)


def _covers(claim: str, path: str) -> bool:
    return path == claim or path.startswith(f"{claim}.")


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.")
        elif key not in _COMMENTARY and value not in ([], ""):
            yield path, value
