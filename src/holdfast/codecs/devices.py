"""The devices of one profile: a slot for each name, and a table from (slot, reading) to catalogue id.

Series are given to the catalogue when their first value is accepted, so rejected messages leave no trace there.
Bounded: more than `MAX_DEVICES` names are refused, and the refusal says so.
"""

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.keys import text_hash
from holdfast.codecs.reading import Reading
from holdfast.codecs.topics import name_fault
from holdfast.model.series import Catalogue, Series

MAX_DEVICES = 100_000
_FIRST_SLOTS = 64
UNKNOWN = -1
Slots = NDArray[np.int64]


class Devices(dict[str | int, int]):
    """A mapping from name to slot that learns sane names by being asked; -1 for the others, which it forgets.

    names and hashes are columns by slot. It is a dict so that `map(devices.__getitem__, names)` stays in C.
    """

    def __init__(self, readings: tuple[Reading, ...], catalogue: Catalogue, node: str) -> None:
        super().__init__()
        self._readings = readings
        self._catalogue = catalogue
        self._node = node
        self._names: list[str] = []
        self.hashes = np.zeros(_FIRST_SLOTS, np.uint64)
        self._series = np.full((_FIRST_SLOTS, len(readings)), UNKNOWN, np.int32)

    def __missing__(self, name: str | int) -> int:
        text = str(name)
        if name_fault(text) or len(self._names) >= MAX_DEVICES:
            return UNKNOWN
        slot = self.get(text, len(self._names)) if name != text else len(self._names)
        if slot == len(self._names):
            self._append(text)
        self[text] = slot
        return slot

    def fault(self, name: str | int) -> str:
        """Why a name has no slot."""
        return name_fault(str(name)) or f"the profile has {MAX_DEVICES} devices already, which is its limit"

    def series(self, slots: Slots, readings: NDArray[np.intp]) -> NDArray[np.int32]:
        """Catalogue ids of rows, by slot and index of the reading; all of shape (rows,)."""
        ids = self._series[slots, readings]
        if len(ids) and int(ids.min()) < 0:
            self._intern(slots[ids < 0], readings[ids < 0])
            ids = self._series[slots, readings]
        return ids

    def _intern(self, slots: Slots, readings: NDArray[np.intp]) -> None:
        new = dict.fromkeys(zip(slots.tolist(), readings.tolist(), strict=True))
        for slot, index in new:
            reading = self._readings[index]
            series = Series(self._node, self._names[slot], reading.metric, reading.unit, reading.kind)
            self._series[slot, index] = self._catalogue.intern(series)

    def _append(self, name: str) -> None:
        slot = len(self._names)
        if slot == len(self.hashes):
            self.hashes = np.resize(self.hashes, 2 * slot)
            grown = np.full((2 * slot, self._series.shape[1]), UNKNOWN, np.int32)
            grown[:slot] = self._series
            self._series = grown
        self._names.append(name)
        self.hashes[slot] = text_hash(name)
