"""What a run computes: the hypotheses, the header of its results file, and the chunks in which the work is sent."""

import functools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson

from pyhf_endpoint import __version__
from pyhf_endpoint.errors import UsageError, did_you_mean
from pyhf_endpoint.functions import ScanSettings, Settings
from pyhf_endpoint.inputs import Analysis, Patch
from pyhf_endpoint.results import Header, Key, Kind

__all__ = ["Chunk", "Plan", "make_plan"]

# Hypotheses per chunk. The batched fit is fastest with 64 to 125 at once; where one takes longer, fewer keep the progress smooth
# and lose less to an interrupt. pyhf takes seconds for a single one.
_CHUNK_SIZE: Mapping[Kind, int] = {"hypotest": 64, "significance": 64, "fit": 32, "upper-limit": 16, "scan": 16, "ranking": 4}


# Unknown names of patches that a message lists.
_MOST_TOLD = 10


@dataclass(frozen=True)
class Chunk:
    """Hypotheses that go to one worker in one call, with the same points on each.

    Attributes:
        patches: The hypotheses.
        points: Where on each a record is taken: tested values, scanned parameters; one None where there is only one place.
    """

    patches: tuple[Patch, ...]
    points: tuple[float | str | None, ...]

    def split(self) -> list["Chunk"]:
        """Return one chunk per hypothesis."""
        return [replace(self, patches=(patch,)) for patch in self.patches]

    def halves(self) -> list["Chunk"]:
        """Return two chunks with half of the hypotheses each."""
        middle = len(self.patches) // 2
        return [replace(self, patches=part) for part in (self.patches[:middle], self.patches[middle:])]


@dataclass(frozen=True)
class Plan:
    """Everything that a run is, before any of it is computed.

    Attributes:
        kind: The inference.
        analysis: The validated inputs.
        settings: What to compute.
        patches: The hypotheses, in the patch set's order.
        header: The header of the results file.
    """

    kind: Kind
    analysis: Analysis
    settings: Settings
    patches: tuple[Patch, ...]
    header: Header

    @property
    def total(self) -> int:
        """Number of records: hypotheses times points."""
        return len(self.patches) * len(self.settings.points)

    def keys(self) -> set[Key]:
        """Return the keys of all records."""
        return {(patch.name, point) for patch in self.patches for point in self.settings.points}

    def chunks(self, slots: int, done: Collection[Key] = ()) -> list[Chunk]:
        """Return the work that is left, cut so that `slots` workers share it evenly.

        Args:
            slots: Chunks that run at the same time.
            done: Keys of the records that exist.
        """
        missing: dict[tuple[float | str | None, ...], list[Patch]] = defaultdict(list)
        for patch in self.patches:
            points = tuple(point for point in self.settings.points if (patch.name, point) not in done)
            if points:
                missing[points].append(patch)
        return [
            Chunk(tuple(part), points) for points, patches in missing.items() for part in _cut(patches, slots, self._chunk_size())
        ]

    def _chunk_size(self) -> int:
        return _CHUNK_SIZE[self.kind] if self.settings.engine == "batched" else 1

    def payload(self, chunk: Chunk) -> bytes:
        """Return the JSON text that `pyhf_endpoint.functions.call` takes."""
        patches = [{"name": p.name, "values": p.values, "patch": orjson.Fragment(p.operations_json)} for p in chunk.patches]
        settings = self.settings.at(chunk.points).to_json()
        return orjson.dumps({"workspace": self._workspace, "patches": patches, "settings": settings})

    @functools.cached_property
    def _workspace(self) -> orjson.Fragment:
        return orjson.Fragment(orjson.dumps(self.analysis.workspace))


def make_plan(kind: Kind, analysis: Analysis, settings: Settings, *, site: str, names: Sequence[str] | None = None) -> Plan:
    """Return the plan of a run.

    Args:
        kind: The inference.
        analysis: The validated inputs.
        settings: What to compute. The measurement is the analysis' own; a scan without parameters is one of the parameter of
            interest.
        site: Name of the site, for the header.
        names: Names of the patches to compute; None takes all.

    Raises:
        UsageError: A name is not in the patch set, or there is no patch set to take it from.
    """
    settings = replace(settings, measurement=analysis.measurement)
    if isinstance(settings, ScanSettings) and not settings.parameters:
        settings = replace(settings, parameters=(_poi(analysis),))
    header = Header(
        kind=kind,
        workspace_digest=analysis.workspace_digest,
        patchset_digest=analysis.patchset.digest if analysis.patchset else None,
        labels=analysis.patchset.labels if analysis.patchset else (),
        settings=settings.to_json(),
        versions={"pyhf-endpoint": __version__, **_engine_versions(settings.engine)},
        site=site,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Plan(kind, analysis, settings, _select(analysis, names), header)


def _poi(analysis: Analysis) -> str:
    measurements = {item["name"]: item for item in analysis.workspace["measurements"]}
    return str(measurements[analysis.measurement]["config"]["poi"])


def _select(analysis: Analysis, names: Sequence[str] | None) -> tuple[Patch, ...]:
    if analysis.patchset is None:
        if names:
            raise UsageError(f"there is no patch set to take `{names[0]}` from; give one, or leave out the patch names")
        return (Patch(name=analysis.measurement, values=(), operations=()),)
    if not names:
        return analysis.patchset.patches
    known = {patch.name for patch in analysis.patchset.patches}
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        told = [
            f"no patch is named `{name}` in {analysis.patchset_name} ({len(known)} patches).{did_you_mean(name, known)}"
            for name in unknown[:_MOST_TOLD]
        ]
        more = [f"and {len(unknown) - _MOST_TOLD} more"] if len(unknown) > _MOST_TOLD else []
        raise UsageError("\n".join([*told, *more]))
    wanted = set(names)
    return tuple(patch for patch in analysis.patchset.patches if patch.name in wanted)


def _engine_versions(engine: str) -> dict[str, str]:
    library = "numpy" if engine == "batched" else "pyhf"
    import importlib.metadata

    try:
        return {library: importlib.metadata.version(library)}
    except importlib.metadata.PackageNotFoundError:
        return {}  # the worker says what is missing, with the remedy


def _cut(patches: list[Patch], slots: int, size: int) -> list[list[Patch]]:
    """Cut into parts of at most `size`, as even as can be, and no fewer than `slots` where there is enough.

    Neighbours go to different parts: patch sets are sorted by mass, and strongly excluded hypotheses take longer.
    """
    parts = max(-(-len(patches) // size), min(slots, len(patches)))
    return [patches[i::parts] for i in range(parts)]
