"""What a run computes: the hypotheses, the header of its results file, and the chunks in which the work is sent."""

import importlib.metadata
import itertools
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pyhf_endpoint import __version__
from pyhf_endpoint.errors import UsageError, did_you_mean
from pyhf_endpoint.functions import HypotestSettings
from pyhf_endpoint.inputs import Analysis, Patch
from pyhf_endpoint.results import Header

__all__ = ["Chunk", "Plan", "make_plan"]

# pyhf takes seconds per hypothesis: single ones keep the progress smooth and lose the least to an interrupt.
_CHUNK_SIZE = {"pyhf": 1}


@dataclass(frozen=True)
class Chunk:
    """Hypotheses that go to one worker in one call, each to be tested at the same values."""

    patches: tuple[Patch, ...]
    poi_test: tuple[float, ...]

    def split(self) -> list["Chunk"]:
        """Return one chunk per hypothesis."""
        return [replace(self, patches=(patch,)) for patch in self.patches]


@dataclass(frozen=True)
class Plan:
    """Everything that a run is, before any of it is computed.

    Attributes:
        analysis: The validated inputs.
        settings: What to compute.
        patches: The hypotheses, in the patch set's order.
        header: The header of the results file.
    """

    analysis: Analysis
    settings: HypotestSettings
    patches: tuple[Patch, ...]
    header: Header

    @property
    def total(self) -> int:
        """Number of records: hypotheses times tested values."""
        return len(self.patches) * len(self.settings.poi_test)

    def chunks(self, slots: int, done: Collection[tuple[str, float]] = ()) -> list[Chunk]:
        """Return the work that is left, cut so that `slots` workers share it evenly.

        Args:
            slots: Chunks that run at the same time.
            done: Keys (name, tested value) of the records that exist.
        """
        missing: dict[tuple[float, ...], list[Patch]] = defaultdict(list)
        for patch in self.patches:
            values = tuple(value for value in self.settings.poi_test if (patch.name, value) not in done)
            if values:
                missing[values].append(patch)
        return [
            Chunk(tuple(part), values)
            for values, patches in missing.items()
            for part in _cut(patches, slots, _CHUNK_SIZE[self.settings.engine])
        ]

    def payload(self, chunk: Chunk) -> dict[str, Any]:
        """Return the JSON object that `pyhf_endpoint.functions.hypotest` takes."""
        return {
            "workspace": self.analysis.workspace,
            "patches": [{"name": p.name, "values": list(p.values), "patch": list(p.operations)} for p in chunk.patches],
            "settings": replace(self.settings, poi_test=chunk.poi_test).to_json(),
        }


def make_plan(analysis: Analysis, settings: HypotestSettings, *, site: str, names: Sequence[str] | None = None) -> Plan:
    """Return the plan of a run.

    Args:
        analysis: The validated inputs.
        settings: What to compute; the measurement is the analysis' own.
        site: Name of the site, for the header.
        names: Names of the patches to compute; None takes all.

    Raises:
        UsageError: A name is not in the patch set, or there is no patch set to take it from.
    """
    settings = replace(settings, measurement=analysis.measurement)
    patches = _select(analysis, names)
    header = Header(
        workspace_digest=analysis.workspace_digest,
        patchset_digest=analysis.patchset.digest if analysis.patchset else None,
        labels=analysis.patchset.labels if analysis.patchset else (),
        settings=settings.to_json(),
        versions={"pyhf-endpoint": __version__, **_engine_version(settings.engine)},
        site=site,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Plan(analysis, settings, patches, header)


def _select(analysis: Analysis, names: Sequence[str] | None) -> tuple[Patch, ...]:
    if analysis.patchset is None:
        if names:
            raise UsageError(f"there is no patch set to take `{names[0]}` from; give one, or leave out the patch names")
        return (Patch(name=analysis.measurement, values=(), operations=()),)
    if not names:
        return analysis.patchset.patches
    known = {patch.name for patch in analysis.patchset.patches}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(f"no patch is named `{name}` in {analysis.patchset_name} ({len(known)} patches).{hint}")
    wanted = set(names)
    return tuple(patch for patch in analysis.patchset.patches if patch.name in wanted)


def _engine_version(engine: str) -> dict[str, str]:
    try:
        return {engine: importlib.metadata.version(engine)}
    except importlib.metadata.PackageNotFoundError:
        return {}  # the worker says what is missing, with the remedy


def _cut(patches: list[Patch], slots: int, size: int) -> list[list[Patch]]:
    """Cut into parts of at most `size`, as even as can be, and no fewer than `slots` where there is enough."""
    parts = max(-(-len(patches) // size), min(slots, len(patches)))
    bounds = [len(patches) * i // parts for i in range(parts + 1)]
    return [patches[a:b] for a, b in itertools.pairwise(bounds)]
