"""Which device a message is of: the port to a registry of devices, and the device names of one profile as slots.

A registry is asked once a name and profile, not once a message: its rulings are kept in slots until it changes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.keys import device_hash
from holdfast.codecs.reject import RejectReason

UNNAMED = -1
NOT_FOLLOWED = -1
"""The number of a device that no registry follows, and of a message that names none."""


class Ruling(NamedTuple):
    """What becomes of the messages of a device that calls itself by some name.

    name:    under which its readings are stored
    number:  by which the registry counts it
    refusal: its messages are refused for this reason; `detail` says why
    """

    name: str
    number: int = NOT_FOLLOWED
    refusal: RejectReason | None = None
    detail: str = ""


Registry = Callable[[str], Ruling]
"""From the name that a device uses on the wire to the ruling. Called on the loop's thread, for sane names only."""


def as_named(name: str) -> Ruling:
    """Every device is taken, under its own name."""
    return Ruling(name)


class Whole(NamedTuple):
    """All of a device that is taken and whose metrics all have series, as plain values; see `DeviceSlots`."""

    hash: int
    number: int
    series: list[int]


class DeviceSlots:
    """The devices that one profile has seen, with their hash, the registry's ruling and the series of their metrics.

    The hash is of the name on the wire: a spare part that counts its messages from 1 again repeats nothing, and a
    device that was renamed between a message and its repeat is still known.
    """

    def __init__(self, width: int, registry: Registry) -> None:
        """width: how many metrics the profile has."""
        self._registry = registry
        self.slots: dict[str, int] = {}
        self.names: list[str] = []
        self.refused: dict[int, Ruling] = {}
        self._whole: dict[str, Whole] = {}
        self.hashes = np.empty(64, np.uint64)
        self.numbers = np.empty(64, np.int32)
        self.is_refused = np.zeros(64, np.bool_)
        self.series = np.full((64, width), UNNAMED, np.int32)

    def slot(self, name: str) -> int:
        """The slot of a name on the wire; "" stands for one that is none."""
        known = self.slots.get(name)
        if known is not None:
            return known
        new = len(self.names)
        if new == len(self.hashes):
            self._grow()
        ruling = self._registry(name) if name else Ruling(name)
        self.slots[name] = new
        self.names.append(ruling.name)
        self.hashes[new] = device_hash(name)
        self.numbers[new] = ruling.number
        self.is_refused[new] = ruling.refusal is not None
        if ruling.refusal is not None:
            self.refused[new] = ruling
        return new

    def whole(self, name: str) -> Whole | None:
        """A device seen before, when nothing about it is missing or refused."""
        known = self._whole.get(name)
        if known is None and (slot := self.slots.get(name)) is not None and slot not in self.refused:
            series = self.series[slot].tolist()
            if UNNAMED not in series:
                known = self._whole[name] = Whole(int(self.hashes[slot]), int(self.numbers[slot]), series)
        return known

    def faults(self, slots: NDArray[np.intp]) -> list[tuple[int, RejectReason, str]]:
        """(place, reason, detail) of each message whose device is refused."""
        if not self.refused:
            return []
        found = []
        for at in np.flatnonzero(self.is_refused[slots]).tolist():
            ruling = self.refused[int(slots[at])]
            assert ruling.refusal is not None  # noqa: S101  # only such are kept
            found.append((at, ruling.refusal, ruling.detail))
        return found

    def _grow(self) -> None:
        size = 2 * len(self.hashes)
        self.hashes, self.numbers = np.resize(self.hashes, size), np.resize(self.numbers, size)
        self.is_refused = np.resize(self.is_refused, size)
        grown = np.full((size, self.series.shape[1]), UNNAMED, np.int32)
        grown[: len(self.series)] = self.series
        self.series = grown
