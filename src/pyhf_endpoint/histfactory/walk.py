"""One pass over the modifiers of a group of hypotheses: it collects plain records, from which `compile` makes arrays.

Columns are numbered as met. The background's parameters are identified by name. A parameter that only a patch brings is
identified by its role (how many such came before it), so that `stat_signal_300` of one patch and `stat_signal_400` of the
next share a column. Unconstrained scalars of a patch, the parameter of interest above all, keep their names.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyhf_endpoint.errors import FitError, did_you_mean
from pyhf_endpoint.histfactory.parameters import KIND_OF_TYPE
from pyhf_endpoint.histfactory.spec import Hypothesis, Sample

__all__ = ["BACKGROUND", "Own", "ParameterRef", "Records", "StandaloneError", "Table", "Walk"]

BACKGROUND = -1
"""Row of records that all hypotheses share."""

Factor = tuple[int, int]
"""First multiplier of a channel's bins and the step from bin to bin (0 where one parameter scales all bins)."""


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
    touched: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict)
    """Masks of background staterrors, with this hypothesis' samples."""
    signature: dict[Hashable, Hashable] = field(default_factory=dict)
    """Hypotheses whose signatures do not contradict each other fit into one batch."""
    met: dict[Hashable, int] = field(default_factory=dict)


@dataclass
class Table:
    """Records of one kind of modifier as flat lists, which spare the garbage collector a hundred thousand tuples."""

    width: int
    at: list[int] = field(default_factory=list)
    """Row, slot, channel and target (an alpha, or the first multiplier of the channel) of each record, end to end."""
    parts: tuple[list[Any], ...] = ()

    def __post_init__(self) -> None:
        self.parts = tuple([] for _ in range(self.width))


@dataclass
class Records:
    """What a walk collects; one entry a modifier."""

    nominal: Table = field(default_factory=lambda: Table(1))
    """Yields of the samples; target unused."""
    hist: Table = field(default_factory=lambda: Table(3))
    """Nominal, high and low yields of histosys."""
    norm: Table = field(default_factory=lambda: Table(2))
    """High and low factor of normsys."""
    stat: Table = field(default_factory=lambda: Table(2))
    """Nominal yields and uncertainties of staterror."""
    shape: Table = field(default_factory=lambda: Table(2))
    """Nominal yields and uncertainties of shapesys."""
    factors: dict[tuple[int, int, int], list[Factor]] = field(default_factory=dict)
    """By row, slot and channel."""


class Walk:
    """Collects the records of one background and of the hypotheses on it."""

    def __init__(self, bins: Sequence[int], channels: Sequence[str]) -> None:
        self.bins, self.channels = bins, channels
        self.records = Records()
        self.alphas: dict[Hashable, int] = {}
        self.kinds: list[str] = []
        """Kind of each multiplier."""
        self.background = Own(BACKGROUND)
        self._multipliers: dict[Hashable, int] = {}

    def add_background(self, hypothesis: Hypothesis) -> None:
        """Collect the shared samples of a group."""
        for number, channel in enumerate(hypothesis.channels):
            for slot, sample in enumerate(channel.shared):
                self._sample(self.background, slot, number, sample)

    def add_own(self, row: int, hypothesis: Hypothesis) -> Own:
        """Collect a hypothesis' own samples.

        Raises:
            FitError: A sample or modifier that pyhf would refuse too.
            StandaloneError: The hypothesis needs a background to itself.
        """
        own = Own(row)
        slots = {name: slot for slot, name in enumerate(sorted({s["name"] for c in hypothesis.channels for s in c.own}))}
        for number, channel in enumerate(hypothesis.channels):
            for sample in channel.own:
                self._sample(own, slots[sample["name"]], number, sample)
        self._check_masks(own)
        self._check_poi(own, hypothesis.poi)
        return own

    def _check_poi(self, own: Own, poi: str) -> None:
        known = {**self.background.sets, **own.sets}
        if not known:
            raise FitError("no sample has a modifier, so there is no parameter to fit")
        if poi and poi not in known:
            raise FitError(f"parameter of interest `{poi}` is carried by no sample.{did_you_mean(poi, known)}")
        if poi and len(known[poi].ids) > 1:
            raise FitError(
                f"parameter of interest `{poi}` is a {known[poi].kind} of {len(known[poi].ids)} bins; it must be one parameter"
            )
        if poi in own.sets:
            own.signature["poi"] = (own.sets[poi].kind, *own.sets[poi].ids)

    def _sample(self, own: Own, slot: int, channel: int, sample: Sample) -> None:
        where = f"channel `{self.channels[channel]}`, sample `{sample['name']}`"
        records, row, data, modifiers = self.records, own.row, sample["data"], sample["modifiers"]
        if len(data) != self.bins[channel]:
            raise FitError(f"{where}: {len(data)} bins, but the channel has {self.bins[channel]}")
        if len({(modifier["type"], modifier["name"]) for modifier in modifiers}) != len(modifiers):
            raise FitError(f"{where}: two modifiers of the same type and name, of which pyhf would drop one; remove it")
        place = (row, slot, channel)
        records.nominal.at += (*place, 0)
        records.nominal.parts[0].append(data)
        hist, norm = records.hist, records.norm
        hist_at, (nominals, highs, lows) = hist.at, hist.parts
        norm_at, (high_factors, low_factors) = norm.at, norm.parts
        known = self.background.sets
        factors: list[Factor] = []
        for modifier in modifiers:
            kind, name, content = modifier["type"], modifier["name"], modifier.get("data")
            if kind == "histosys":
                ref = known.get(name)
                alpha = ref.ids[0] if ref is not None and ref.kind == "alpha" else self._alpha(own, name, where)
                high, low = content["hi_data"], content["lo_data"]
                if high != data or low != data:
                    hist_at += (row, slot, channel, alpha)
                    nominals.append(data)
                    highs.append(high)
                    lows.append(low)
            elif kind == "normsys":
                ref = known.get(name)
                alpha = ref.ids[0] if ref is not None and ref.kind == "alpha" else self._alpha(own, name, where)
                high, low = content["hi"], content["lo"]
                if high != 1 or low != 1:
                    norm_at += (row, slot, channel, alpha)
                    high_factors.append(high)
                    low_factors.append(low)
            else:
                factors.append(self._factor(own, (slot, channel), sample, modifier, where))
        records.factors[place] = factors
        if row != BACKGROUND:
            own.signature[slot, channel] = frozenset(factors)

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
        return ref.ids[0]

    def _role(self, own: Own, *what: Hashable) -> Hashable:
        own.met[what] = own.met.get(what, 0) + 1
        return (*what, own.met[what])

    def _factor(self, own: Own, place: tuple[int, int], sample: Sample, modifier: Any, where: str) -> Factor:
        kind, name, (slot, channel) = modifier["type"], modifier["name"], place
        if kind not in KIND_OF_TYPE:
            raise FitError(f"{where}: modifier `{name}` has the type `{kind}`, which is not among {', '.join(KIND_OF_TYPE)}")
        ref = self._ref(own, name, kind, where)
        if kind in ("lumi", "normfactor"):
            return self._block(own, ref, name, channel, 1), 0
        if kind == "shapefactor":
            return self._shape_factor(own, ref, name, channel, where), 1
        at = (own.row, slot, channel)
        if kind == "shapesys":
            if ref.ids:
                raise FitError(f"{where}: shapesys `{name}` is used twice; shapesys modifiers cannot be shared")
            start = self._block(own, ref, name, channel, self.bins[channel])
            self._measure(self.records.shape, (*at, start), sample["data"], modifier["data"])
            return start, 1
        start = self._stat_error(own, ref, name, channel, sample["name"])
        self._measure(self.records.stat, (*at, start), sample["data"], modifier["data"])
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

    @staticmethod
    def _measure(table: Table, at: tuple[int, ...], nominal: Sequence[float], uncertainty: Sequence[float]) -> None:
        table.at += at
        table.parts[0].append(nominal)
        table.parts[1].append(uncertainty)

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
        masks = {name: ref.masks for name, ref in (*self.background.sets.items(), *own.sets.items()) if ref.masks}
        for name, samples in {**masks, **own.touched}.items():
            if len(set(samples.values())) > 1:
                raise FitError(f"staterror `{name}` is not carried in the same channels by all of its samples")
