"""The rules that pyhf's model building adds to its schema, one function each; they take workspaces that satisfy the schema.

Source: pyhf 0.7.6, `pdf.py`, `mixins.py`, `modifiers/`, `parameters/utils.py`. A few rules are stricter than pyhf where it would
silently drop data: names that occur twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyhf_endpoint.errors import did_you_mean

__all__ = ["WORKSPACE_RULES", "Modifier", "View", "complete_model", "measurement_parameters", "rule_faults", "view"]

Json = Mapping[str, Any]
Rule = Callable[["View"], Iterator[str]]

# Which settings a parameter takes depends on the modifiers that use it; normsys and histosys may share a parameter.
_SETTINGS = {
    "normfactor": ("inits", "bounds"),
    "shapefactor": ("inits", "bounds"),
    "interpolation": ("inits", "bounds", "auxdata"),
    "lumi": ("inits", "bounds", "auxdata", "sigmas"),
    "staterror": ("inits", "bounds", "auxdata", "sigmas"),
    "shapesys": ("inits", "bounds", "auxdata", "factors"),
}


class Modifier(NamedTuple):
    """One modifier of one sample, with where it stands."""

    channel: str
    sample: str
    bins: int
    type: str
    name: str
    data: Any

    @property
    def family(self) -> str:
        """The kind of parameter; one name cannot serve two of them."""
        return "interpolation" if self.type in ("normsys", "histosys") else self.type

    def __str__(self) -> str:
        return f"channel `{self.channel}`, sample `{self.sample}`, {self.type} `{self.name}`"


@dataclass(frozen=True, slots=True)
class View:
    """A workspace with all its modifiers in one row, in the order of the file."""

    workspace: Json
    modifiers: tuple[Modifier, ...]

    def of(self, type_: str) -> list[Modifier]:
        """Return the modifiers of one type."""
        return [modifier for modifier in self.modifiers if modifier.type == type_]


def view(workspace: Json) -> View:
    """Gather the modifiers of a workspace that satisfies the schema."""
    found = (
        Modifier(channel["name"], sample["name"], len(sample["data"]), spec["type"], spec["name"], spec["data"])
        for channel in workspace["channels"]
        for sample in channel["samples"]
        for spec in sample["modifiers"]
    )
    return View(workspace, tuple(found))


def rule_faults(model: View) -> list[str]:
    """Return the faults that the rules on a whole workspace find, in the rules' order."""
    return [fault for rule in WORKSPACE_RULES for fault in rule(model)]


def unique_names(model: View) -> Iterator[str]:
    """Channels, observations, measurements, a channel's samples and a sample's modifiers each have names of their own."""
    for kind in ("channels", "observations", "measurements"):
        yield from (f"{kind}: {count} have the name `{name}`; keep one" for name, count in _twice(model.workspace[kind]))
    for channel in model.workspace["channels"]:
        where = f"channel `{channel['name']}`"
        yield from (f"{where}: {count} samples have the name `{name}`; keep one" for name, count in _twice(channel["samples"]))
        for sample in channel["samples"]:
            keys = Counter((spec["type"], spec["name"]) for spec in sample["modifiers"])
            for (type_, name), count in keys.items():
                if count > 1:
                    yield f"{where}, sample `{sample['name']}`: {count} {type_} modifiers have the name `{name}`; keep one"


def _twice(items: list[Json]) -> list[tuple[str, int]]:
    return [(name, count) for name, count in Counter(item["name"] for item in items).items() if count > 1]


def sample_bins(model: View) -> Iterator[str]:
    """All samples of a channel have as many bins as its first one."""
    for channel in model.workspace["channels"]:
        first = channel["samples"][0]
        for sample in channel["samples"][1:]:
            if len(sample["data"]) != len(first["data"]):
                yield (
                    f"channel `{channel['name']}`, sample `{sample['name']}`: {_bins(sample)}, "
                    f"but the channel's first sample `{first['name']}` has {len(first['data'])}"
                )


def modifier_bins(model: View) -> Iterator[str]:
    """A modifier's data has as many bins as its sample."""
    for modifier in model.modifiers:
        data = modifier.data
        if modifier.type == "histosys":
            parts = [(f"`{key}` has ", data[key]) for key in ("lo_data", "hi_data")]
        elif modifier.type in ("shapesys", "staterror"):
            parts = [("", data)]
        else:
            continue
        for label, values in parts:
            if len(values) != modifier.bins:
                yield f"{modifier}: {label}{len(values)} bin{'s' * (len(values) != 1)}, but the sample has {modifier.bins}"


def observations(model: View) -> Iterator[str]:
    """Each channel has an observation, with as many bins."""
    observed = {item["name"]: item for item in model.workspace["observations"]}
    for channel in model.workspace["channels"]:
        name, bins = channel["name"], len(channel["samples"][0]["data"])
        if name not in observed:
            yield f"observations: channel `{name}` has none.{did_you_mean(name, set(observed) - _names(model))}"
        elif len(observed[name]["data"]) != bins:
            yield f"observation `{name}`: {_bins(observed[name])}, but the channel has {bins}"


def _names(model: View) -> set[str]:
    return {channel["name"] for channel in model.workspace["channels"]}


def _bins(item: Json) -> str:
    return f"{len(item['data'])} bin{'s' * (len(item['data']) != 1)}"


def shapesys_not_shared(model: View) -> Iterator[str]:
    """A shapesys belongs to one sample of one channel."""
    first: dict[str, Modifier] = {}
    for modifier in model.of("shapesys"):
        other = first.setdefault(modifier.name, modifier)
        if (other.channel, other.sample) != (modifier.channel, modifier.sample):
            where = f"sample `{other.sample}` of channel `{other.channel}`"
            yield f"{modifier}: {where} has a shapesys of that name, and a shapesys cannot be shared; rename one"


def one_family_per_name(model: View) -> Iterator[str]:
    """Modifiers that share a name share a parameter, which only works for the same kind of parameter."""
    kinds: dict[tuple[str, str], Modifier] = {}
    for modifier in model.modifiers:
        kinds.setdefault((modifier.name, modifier.type), modifier)
    first: dict[str, Modifier] = {}
    for modifier in kinds.values():
        other = first.setdefault(modifier.name, modifier)
        if other.family != modifier.family:
            where = f"sample `{other.sample}` of channel `{other.channel}`"
            yield f"{modifier}: the name stands for a {other.type} in {where}; rename one"


def staterror_channels(model: View) -> Iterator[str]:
    """The samples that share a staterror have it in the same channels."""
    places: dict[str, dict[str, set[str]]] = {}
    for modifier in model.of("staterror"):
        places.setdefault(modifier.name, {}).setdefault(modifier.sample, set()).add(modifier.channel)
    for name, samples in places.items():
        (first, expected), *others = samples.items()
        for sample, channels in others:
            if channels != expected:
                yield (
                    f"staterror `{name}`: sample `{sample}` has it in {_listed(channels)}, "
                    f"but sample `{first}` in {_listed(expected)}; use one name per channel"
                )


def _listed(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def shapefactor_bins(model: View) -> Iterator[str]:
    """Of the channels that share a shapefactor, none has more bins than the first by name, which sets its components."""
    users: dict[str, list[Modifier]] = {}
    for modifier in model.of("shapefactor"):
        users.setdefault(modifier.name, []).append(modifier)
    for group in users.values():
        first = min(group, key=lambda modifier: modifier.channel)
        for modifier in group:
            if modifier.bins > first.bins:
                yield (
                    f"{modifier}: the channel has {modifier.bins} bins, but the shapefactor takes its {first.bins} components "
                    f"from `{first.channel}`, the first by name; rename the channels so that the longest comes first"
                )


WORKSPACE_RULES: tuple[Rule, ...] = (
    unique_names,
    sample_bins,
    modifier_bins,
    observations,
    shapesys_not_shared,
    one_family_per_name,
    staterror_channels,
    shapefactor_bins,
)


def measurement_parameters(model: View, measurement: Json) -> Iterator[str]:
    """A measurement sets each parameter once, with settings that its modifiers use, one value per component.

    Parameters that no modifier uses are ignored: a patch may add the modifier.
    """
    where = f"measurement `{measurement['name']}`"
    settings = measurement["config"]["parameters"]
    yield from (f"{where}: parameter `{name}` is set {count} times; keep one" for name, count in _twice(settings))
    parameters = _parameters(model)
    for setting in settings:
        label = f"{where}, parameter `{setting['name']}`"
        yield from (f"{label}: {fault}" for fault in _bounds_faults(setting.get("bounds", [])))
        if setting["name"] in parameters:
            yield from (f"{label}: {fault}" for fault in _setting_faults(setting, *parameters[setting["name"]]))
    if "lumi" in parameters:
        given = next((set(setting) for setting in settings if setting["name"] == "lumi"), set())
        if missing := [f"`{key}`" for key in ("inits", "bounds", "auxdata") if key not in given]:
            yield f"{where}, parameter `lumi`: {', '.join(missing)} missing; lumi modifiers have no default"


def _parameters(model: View) -> dict[str, tuple[str, int]]:
    """Return family and number of components of each parameter; the first channel by name sets the latter."""
    sizes: dict[str, tuple[str, int]] = {}
    spans: dict[str, dict[str, int]] = {}
    for modifier in sorted(model.modifiers, key=lambda modifier: modifier.channel):
        family = modifier.family
        if family == "staterror":
            spans.setdefault(modifier.name, {})[modifier.channel] = modifier.bins
        size = modifier.bins if family in ("shapesys", "shapefactor") else 1
        sizes.setdefault(modifier.name, (family, size))
    return sizes | {name: ("staterror", sum(channels.values())) for name, channels in spans.items()}


def _setting_faults(setting: Json, family: str, size: int) -> Iterator[str]:
    for key in ("inits", "bounds", "auxdata", "sigmas", "factors"):
        if key not in setting:
            continue
        if key not in _SETTINGS[family]:
            what = "normsys and histosys modifiers" if family == "interpolation" else f"{family} modifiers"
            yield f"`{key}` is not used by {what} (used are {', '.join(_SETTINGS[family])}); remove it"
        elif len(setting[key]) != size:
            yield f"`{key}` has {len(setting[key])} value{'s' * (len(setting[key]) != 1)}, but the parameter has {size}"


def _bounds_faults(bounds: list[list[float]]) -> Iterator[str]:
    for index, pair in enumerate(bounds):
        if len(pair) != 2:
            yield f"bounds[{index}] has {len(pair)} number{'s' * (len(pair) != 1)}; a lower and an upper bound belong here"
        elif pair[0] > pair[1]:
            yield f"bounds[{index}]: the lower bound {pair[0]} is above the upper one {pair[1]}"


def complete_model(model: View, measurement: Json) -> Iterator[str]:
    """The parameter of interest is one of the model's, with one component (a background-only workspace may lack it)."""
    poi, parameters = measurement["config"]["poi"], _parameters(model)
    where = f"measurement `{measurement['name']}`"
    if not parameters:
        yield f"{where}: no sample has a modifier, so there is no parameter to fit"
    elif poi and poi not in parameters:
        yield f"{where}: the parameter of interest `{poi}` is no modifier's name.{did_you_mean(poi, parameters)}"
    elif poi and parameters[poi][1] != 1:
        yield f"{where}: the parameter of interest `{poi}` has {parameters[poi][1]} components; it must have one"
