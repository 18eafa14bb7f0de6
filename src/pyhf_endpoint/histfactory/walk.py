"""One pass over the modifiers of a group of hypotheses: it collects plain records, from which `compile` makes arrays.

Columns are numbered as met. The background's parameters are identified by name. A parameter that only a patch brings is
identified by its role (how many such came before it), so that `stat_signal_300` of one patch and `stat_signal_400` of the
next share a column. Unconstrained scalars of a patch, the parameter of interest above all, keep their names.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyhf_endpoint.errors import FitError, did_you_mean
from pyhf_endpoint.histfactory.parameters import KIND_OF_TYPE
from pyhf_endpoint.histfactory.records import BACKGROUND, Factor, Place, Records
from pyhf_endpoint.histfactory.spec import Hypothesis, Sample

__all__ = ["Own", "ParameterRef", "StandaloneError", "Walk"]

# Where no patch adds anything.
_REMEDY = " A background-only workspace needs a patch set, whose patches bring the signal"


class StandaloneError(Exception):
    """A patch that reaches into parameters of the background, so that the background cannot be shared with others."""


@dataclass
class ParameterRef:
    """Where the parameters of one name live."""

    kind: str
    ids: list[int] = field(default_factory=list)
    """Alphas or multipliers, in pyhf's order."""
    blocks: dict[int, int] = field(default_factory=dict)
    """First multiplier of each channel of a staterror."""
    masks: dict[str, frozenset[int]] = field(default_factory=dict)
    """Channels in which each sample carries a staterror."""


@dataclass
class Own:
    """What one hypothesis adds to the background."""

    row: int
    sets: dict[str, ParameterRef] = field(default_factory=dict)
    alphas: dict[str, int] = field(default_factory=dict)
    """Alpha of each histosys and normsys by name, those of the background included."""
    touched: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict)
    """Masks of background staterrors, with this hypothesis' samples."""
    signature: dict[Hashable, Hashable] = field(default_factory=dict)
    """Hypotheses whose signatures do not contradict each other fit into one batch."""
    met: dict[Hashable, int] = field(default_factory=dict)


class Walk:
    """Collects the records of one background and of the hypotheses on it."""

    def __init__(self, bins: Sequence[int], channels: Sequence[str]) -> None:
        self.bins, self.channels = bins, channels
        self.records = Records(bins)
        self.alphas: dict[Hashable, int] = {}
        self.kinds: list[str] = []
        """Kind of each multiplier."""
        self.background = Own(BACKGROUND)
        self._multipliers: dict[Hashable, int] = {}
        self._uneven: set[str] = set()
        """Staterrors that not all samples of the background carry in the same channels."""

    def add_background(self, hypothesis: Hypothesis) -> None:
        """Collect the shared samples of a group."""
        for number, channel in enumerate(hypothesis.channels):
            for slot, sample in enumerate(channel.shared):
                self._sample(self.background, slot, number, sample)
        self._uneven = _uneven({name: ref.masks for name, ref in self.background.sets.items()})

    def add_own(self, row: int, hypothesis: Hypothesis) -> Own:
        """Collect a hypothesis' own samples.

        Raises:
            FitError: A sample or modifier that pyhf would refuse too.
            StandaloneError: The hypothesis needs a background to itself.
        """
        own = Own(row, alphas=dict(self.background.alphas))
        slots = {name: slot for slot, name in enumerate(sorted({s["name"] for c in hypothesis.channels for s in c.own}))}
        for number, channel in enumerate(hypothesis.channels):
            for sample in channel.own:
                self._sample(own, slots[sample["name"]], number, sample)
        self._check_masks(own)
        self._check_poi(own, hypothesis)
        return own

    def _check_poi(self, own: Own, hypothesis: Hypothesis) -> None:
        poi = hypothesis.poi
        known = {**self.background.sets, **own.sets}
        if not known:
            raise FitError("no sample has a modifier, so there is no parameter to fit")
        if poi and poi not in known:
            remedy = did_you_mean(poi, known) or ("" if hypothesis.operations else _REMEDY)
            raise FitError(f"parameter of interest `{poi}` is carried by no sample.{remedy}")
        if poi and len(known[poi].ids) > 1:
            raise FitError(
                f"parameter of interest `{poi}` is a {known[poi].kind} of {len(known[poi].ids)} bins; it must be one parameter"
            )
        if poi in own.sets:
            own.signature["poi"] = (own.sets[poi].kind, *own.sets[poi].ids)

    def _sample(self, own: Own, slot: int, channel: int, sample: Sample) -> None:
        where = f"channel `{self.channels[channel]}`, sample `{sample['name']}`"
        data, modifiers, place = sample["data"], sample["modifiers"], (own.row, slot, channel)
        if len(data) != self.bins[channel]:
            raise FitError(f"{where}: {len(data)} bins, but the channel has {self.bins[channel]}")
        try:
            factors, distinct = self._modifiers(own, place, sample, where)
        except Exception:
            _check_twice(modifiers, where)  # what else is wrong comes second
            raise
        if distinct != len(modifiers):
            _check_twice(modifiers, where)
        self.records.nominal.add(place, [0], data)
        self.records.factors[place] = factors
        if own.row != BACKGROUND:
            own.signature[slot, channel] = frozenset(factors)

    def _modifiers(self, own: Own, place: Place, sample: Sample, where: str) -> tuple[list[Factor], int]:
        """Collect the modifiers of a sample; return its factors and how many pairs of type and name there are.

        A signal may carry a hundred histosys and normsys, so every step of this loop counts.
        """
        data, known = sample["data"], own.alphas
        moved, highs, lows, moves = [], [], [], set()
        scaled, ups, downs, scales = [], [], [], set()
        factors, others = [], set()
        for modifier in sample["modifiers"]:
            kind = modifier["type"]
            if kind == "histosys":
                alpha = known.get(modifier["name"])
                if alpha is None:
                    alpha = self._alpha(own, modifier["name"], where)
                moves.add(alpha)
                content = modifier.get("data")
                high, low = content["hi_data"], content["lo_data"]
                if high != data or low != data:
                    moved.append(alpha)
                    highs.append(high)
                    lows.append(low)
            elif kind == "normsys":
                alpha = known.get(modifier["name"])
                if alpha is None:
                    alpha = self._alpha(own, modifier["name"], where)
                scales.add(alpha)
                content = modifier.get("data")
                high, low = content["hi"], content["lo"]
                if high != 1 or low != 1:
                    scaled.append(alpha)
                    ups.append(high)
                    downs.append(low)
            else:
                factors.append(self._factor(own, place, sample, modifier, where))
                others.add((kind, modifier["name"]))
        self.records.hist.add_lists(place, moved, highs, lows)
        self.records.norm.add(place, scaled, ups, downs)
        return factors, len(moves) + len(scales) + len(others)

    def _ref(self, own: Own, name: str, kind: str, where: str) -> ParameterRef:
        ref = self.background.sets.get(name) or own.sets.get(name)
        if ref is None:
            ref = own.sets[name] = ParameterRef(kind)
        if ref.kind != kind:
            raise FitError(f"{where}: `{name}` is a {kind} parameter here and a {ref.kind} parameter elsewhere; use two names")
        return ref

    def _alpha(self, own: Own, name: str, where: str) -> int:
        ref = self._ref(own, name, "alpha", where)
        if not ref.ids:
            key = name if own.row == BACKGROUND else self._role(own, "alpha")
            ref.ids.append(self.alphas.setdefault(key, len(self.alphas)))
        own.alphas[name] = ref.ids[0]
        return ref.ids[0]

    def _role(self, own: Own, *what: Hashable) -> Hashable:
        own.met[what] = own.met.get(what, 0) + 1
        return (*what, own.met[what])

    def _factor(self, own: Own, place: Place, sample: Sample, modifier: Any, where: str) -> Factor:
        kind, name, channel = modifier["type"], modifier["name"], place[2]
        if kind not in KIND_OF_TYPE:
            raise FitError(f"{where}: modifier `{name}` has the type `{kind}`, which is not among {', '.join(KIND_OF_TYPE)}")
        ref = self._ref(own, name, kind, where)
        if kind in ("lumi", "normfactor"):
            return self._block(own, ref, name, channel, 1), 0
        if kind == "shapefactor":
            return self._shape_factor(own, ref, name, channel, where), 1
        if kind == "shapesys":
            if ref.ids:
                raise FitError(f"{where}: shapesys `{name}` is used twice; shapesys modifiers cannot be shared")
            start = self._block(own, ref, name, channel, self.bins[channel])
            self.records.shape.add_lists(place, [start], [sample["data"]], [modifier["data"]])
            return start, 1
        start = self._stat_error(own, ref, name, channel, sample["name"])
        self.records.stat.add_lists(place, [start], [sample["data"]], [modifier["data"]])
        return start, 1

    def _on_background(self, own: Own, name: str) -> bool:
        """Whether a hypothesis' own sample uses a parameter of the background."""
        return own.row != BACKGROUND and name in self.background.sets

    def _shape_factor(self, own: Own, ref: ParameterRef, name: str, channel: int, where: str) -> int:
        bins = self.bins[channel]
        start = self._block(own, ref, name, channel, bins)
        if bins != len(ref.ids) and self._on_background(own, name):
            raise StandaloneError  # its length is that of the first channel by name, which may now be another one
        if bins > len(ref.ids):
            raise FitError(f"{where}: shapefactor `{name}` has {len(ref.ids)} bins in its first channel, but {bins} here")
        return start

    def _stat_error(self, own: Own, ref: ParameterRef, name: str, channel: int, sample: str) -> int:
        if channel not in ref.blocks:
            if self._on_background(own, name):
                raise StandaloneError
            ref.blocks[channel] = self._allocate(own, ref, ("staterror", name, channel), channel, self.bins[channel])
        masks = own.touched.setdefault(name, dict(ref.masks)) if self._on_background(own, name) else ref.masks
        masks[sample] = masks.get(sample, frozenset()) | {channel}
        return ref.blocks[channel]

    def _block(self, own: Own, ref: ParameterRef, name: str, channel: int, size: int) -> int:
        return ref.ids[0] if ref.ids else self._allocate(own, ref, (ref.kind, name), channel, size)

    def _allocate(self, own: Own, ref: ParameterRef, key: tuple[Hashable, ...], channel: int, size: int) -> int:
        """Find or create the multipliers of a role and append them to `ref`."""
        if own.row != BACKGROUND and ref.kind not in ("lumi", "normfactor"):
            key = (self._role(own, ref.kind, channel), size)
        start = self._multipliers.get(key)
        if start is None:
            start = self._multipliers[key] = len(self.kinds)
            self.kinds += [ref.kind] * size
        ref.ids += range(start, start + size)
        return start

    def _check_masks(self, own: Own) -> None:
        """The samples that share a staterror must carry it in the same channels."""
        faulty = (self._uneven - own.touched.keys()) | _uneven(own.touched)
        faulty |= _uneven({name: ref.masks for name, ref in own.sets.items()})
        for name in (*self.background.sets, *own.sets) if faulty else ():
            if name in faulty:
                raise FitError(f"staterror `{name}` is not carried in the same channels by all of its samples")


def _check_twice(modifiers: Sequence[Any], where: str) -> None:
    if len({(modifier["type"], modifier["name"]) for modifier in modifiers}) != len(modifiers):
        raise FitError(f"{where}: two modifiers of the same type and name, of which pyhf would drop one; remove it")


def _uneven(masks: Mapping[str, Mapping[str, frozenset[int]]]) -> set[str]:
    return {name for name, samples in masks.items() if len(set(samples.values())) > 1}
