"""Workspaces and patches as read: channels in pyhf's order, each split into the samples shared with other patches and its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyhf_endpoint.errors import FitError, did_you_mean
from pyhf_endpoint.histfactory.patch import ARRAY, OBJECT, apply_patch

__all__ = ["Base", "Channel", "Hypothesis", "Sample", "read_base", "read_hypothesis"]

Sample = Mapping[str, Any]
"""`name`, `data` and `modifiers`, as in the workspace."""


@dataclass(frozen=True)
class Channel:
    """One channel of one hypothesis; samples are sorted by name."""

    name: str
    bins: int
    shared: tuple[Sample, ...]
    """Samples that are the base workspace's own objects, untouched by the patch."""
    own: tuple[Sample, ...]
    """Samples that the patch added or changed."""
    observed: Sequence[float]


@dataclass(frozen=True)
class Hypothesis:
    """One patched workspace under one measurement."""

    name: str
    index: int
    """Position among the patches."""
    operations: Sequence[Mapping[str, Any]]
    channels: tuple[Channel, ...]
    """Sorted by name."""
    poi: str
    settings: Sequence[Mapping[str, Any]]
    """The measurement's configuration of parameters."""

    def key(self) -> tuple[object, ...]:
        """Hypotheses of equal keys share their background: the same samples (by identity), binning and measurement."""
        channels = tuple((channel.name, channel.bins, tuple(map(id, channel.shared))) for channel in self.channels)
        return channels, self.poi, id(self.settings)


@dataclass(frozen=True)
class Base:
    """The unpatched workspace."""

    workspace: Mapping[str, Any]
    samples: Mapping[str, tuple[Sample, ...]]
    """By channel, sorted by name."""
    measurement: str | None
    settings: Sequence[Mapping[str, Any]]
    """The measurement's configuration of parameters."""
    sound: Mapping[str, frozenset[int]]
    """Identities of the samples of each channel; these objects need no second look."""


def read_base(workspace: Mapping[str, Any], measurement: str | None) -> Base:
    """Read what all hypotheses have in common.

    Raises:
        FitError: `workspace` lacks channels, observations or measurements, or they are not what HistFactory means by them.
    """
    settings = _settings(_measurement(workspace, measurement))
    samples = {name: tuple(sorted(members, key=_name)) for name, members in _channels(workspace, {})}
    return Base(
        workspace, samples, measurement, settings, {name: frozenset(map(id, members)) for name, members in samples.items()}
    )


def read_hypothesis(base: Base, index: int, name: str, operations: Sequence[Mapping[str, Any]]) -> Hypothesis:
    """Apply a patch and sort the result.

    Raises:
        FitError: The patch cannot be applied, or what results is no workspace with an observation for every channel.
    """
    workspace = apply_patch(base.workspace, operations)
    config = _measurement(workspace, base.measurement)
    observed = _observations(workspace)
    channels = tuple(_split(base, channel, samples, observed) for channel, samples in _channels(workspace, base.sound))
    return Hypothesis(name, index, operations, channels, config.get("poi", ""), _settings(config))


def _split(base: Base, name: str, samples: Sequence[Sample], observed: Mapping[str, Sequence[float]]) -> Channel:
    if name not in observed:
        raise FitError(f"channel `{name}` has no observation{did_you_mean(name, observed)}")
    bins = len(samples[0]["data"])
    if len(observed[name]) != bins:
        raise FitError(f"channel `{name}`: {bins} bins but {len(observed[name])} observed counts")
    known, sound = base.samples.get(name, ()), base.sound.get(name, frozenset())
    present = set(map(id, samples))
    shared = known if sound <= present else tuple([sample for sample in known if id(sample) in present])
    own = [sample for sample in samples if id(sample) not in sound]
    return Channel(name, bins, shared, tuple(sorted(own, key=_name)), observed[name])


def _name(sample: Sample) -> str:
    return str(sample["name"])


def _channels(workspace: Mapping[str, Any], sound: Mapping[str, frozenset[int]]) -> list[tuple[str, Sequence[Sample]]]:
    """Channel names with their samples, sorted by name (pyhf's order)."""
    found = {}
    for channel in _list(workspace, "channels"):
        if not isinstance(channel, OBJECT) or not isinstance(channel.get("name"), str):
            raise FitError("channels: an entry without a `name`")
        name = channel["name"]
        if name in found:
            raise FitError(f"channel `{name}` is given twice")
        found[name] = _samples(name, channel, sound.get(name, frozenset()))
    return sorted(found.items())


def _samples(channel: str, entry: Mapping[str, Any], sound: frozenset[int]) -> Sequence[Sample]:
    samples: Sequence[Sample] = _list(entry, "samples", f"channel `{channel}`: ")
    names = set()
    for sample in samples:
        if id(sample) not in sound and not _is_sample(sample):
            raise FitError(f"channel `{channel}`: a sample without `name`, `data` and `modifiers`")
        names.add(sample["name"])
    if len(names) != len(samples):
        listed = [sample["name"] for sample in samples]
        twice = next(name for name in listed if listed.count(name) > 1)
        raise FitError(f"channel `{channel}` has two samples `{twice}`, of which pyhf would drop one; rename it or remove it")
    return samples


def _is_sample(value: Any) -> bool:
    return isinstance(value, OBJECT) and value.keys() >= {"name", "data", "modifiers"} and bool(value["data"])


def _observations(workspace: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    try:
        return {entry["name"]: entry["data"] for entry in _list(workspace, "observations")}
    except (KeyError, TypeError):
        raise FitError("observations: an entry without `name` and `data`") from None


def _measurement(workspace: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    measurements = _list(workspace, "measurements")
    try:
        configs: dict[str, Mapping[str, Any]] = {}
        for entry in measurements:
            configs.setdefault(entry["name"], entry["config"])
    except (KeyError, TypeError):
        raise FitError("measurements: an entry without `name` and `config`") from None
    if name is None:
        return next(iter(configs.values()))
    if name not in configs:
        raise FitError(f"measurement `{name}` is not among {', '.join(configs)}.{did_you_mean(name, configs)}")
    return configs[name]


def _settings(config: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    settings: Sequence[Mapping[str, Any]] = config.get("parameters", ())
    if not isinstance(settings, ARRAY) or not all(isinstance(entry, OBJECT) and "name" in entry for entry in settings):
        raise FitError("measurement: `parameters` is not a list of objects with a `name`")
    return settings


def _list(entry: Mapping[str, Any], member: str, where: str = "") -> Sequence[Any]:
    value = entry.get(member) if isinstance(entry, OBJECT) else None
    if not isinstance(value, ARRAY) or isinstance(value, str) or not value:
        raise FitError(f"{where}`{member}` is missing, empty or not a list")
    return value
