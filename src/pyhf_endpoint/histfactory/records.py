"""What a walk over the modifiers of many hypotheses collects: plain numbers, end to end."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["BACKGROUND", "Factor", "Place", "Records", "Table"]

BACKGROUND = -1
"""Row of records that all hypotheses share."""

Factor = tuple[int, int]
"""First multiplier of a channel's bins and the step from bin to bin (0 where one parameter scales all bins)."""

Place = tuple[int, int, int]
"""Row, slot and channel of a sample."""


@dataclass
class Table:
    """Records of one kind of modifier.

    Numbers are copied as they are met, while they are in the processor's cache; sought again later they take longer to find.
    """

    bins: Sequence[int]
    """Of each channel."""
    width: int
    places: list[int] = field(default_factory=list)
    """Row, slot, channel and number of records of each sample, end to end."""
    targets: list[int] = field(default_factory=list)
    """Alpha, or first multiplier of the channel, of each record."""
    parts: tuple["array[float]", ...] = ()
    """Numbers of all records, end to end."""
    sound: bool = True
    """Whether all of them were numbers, and their lists as long as their channel has bins."""

    def __post_init__(self) -> None:
        self.parts = tuple(array("d") for _ in range(self.width))

    def add(self, place: Place, targets: Sequence[int], *parts: Sequence[float]) -> None:
        """Append the records of a sample; each part holds their numbers, those of lists end to end."""
        try:
            numbers = [array("d", part) for part in parts]
        except (OverflowError, TypeError):  # integers of JSON know no bounds, doubles do
            self.sound = False
            return
        self.places += (*place, len(targets))
        self.targets += targets
        for part, more in zip(self.parts, numbers, strict=True):
            part += more

    def add_lists(self, place: Place, targets: Sequence[int], *parts: Sequence[Sequence[float]]) -> None:
        """Append the records of a sample; each part holds their lists, one number a bin."""
        bins, numbers = self.bins[place[2]], []
        try:
            for lists in parts:
                joined: list[float] = []
                for one in lists:
                    self.sound &= len(one) == bins
                    joined += one
                numbers.append(joined)
        except TypeError:
            self.sound = False
        else:
            self.add(place, targets, *numbers)


class Records:
    """What a walk collects; one entry a modifier."""

    def __init__(self, bins: Sequence[int]) -> None:
        self.nominal = Table(bins, 1)
        """Yields of the samples; target unused."""
        self.hist = Table(bins, 2)
        """High and low yields of histosys."""
        self.norm = Table(bins, 2)
        """High and low factor of normsys."""
        self.stat = Table(bins, 2)
        """Nominal yields and uncertainties of staterror."""
        self.shape = Table(bins, 2)
        """Nominal yields and uncertainties of shapesys."""
        self.factors: dict[Place, list[Factor]] = {}
