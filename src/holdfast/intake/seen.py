"""Which message ids were seen before: a bounded set of 64-bit keys, asked and filled a batch at a time. Pure.

Two generations of open-addressing hash tables (linear probing, at most half full): when the younger holds half of the
allowed keys it becomes the older one and the former older one is forgotten. So between keep/2 and keep of the latest
keys are remembered, in 16 to 32 bytes each. Key 0 means "no id" and is never a duplicate.
"""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Mask = NDArray[np.bool_]
_FEW = 64
_TAIL = 16
"""Keys that are still looked for after some probes: few, and every round costs the same."""
_RECALLED_AT_ONCE = 8_192


class _Table:
    def __init__(self, capacity: int) -> None:
        size = 1 << max(6, (2 * capacity - 1).bit_length())
        self._slots = np.zeros(size, np.uint64)
        self._mask = np.uint64(size - 1)
        self._view = self._slots.data
        self.count = 0

    def contains(self, keys: Keys) -> Mask:
        found = np.zeros(len(keys), np.bool_)
        rest = np.arange(len(keys))
        at = keys & self._mask
        while len(rest) > _TAIL:
            slot = self._slots[at]
            hit = slot == keys[rest]
            found[rest[hit]] = True
            more = ~hit & (slot != 0)
            rest, at = rest[more], (at[more] + np.uint64(1)) & self._mask
        for i, key in zip(rest.tolist(), keys[rest].tolist(), strict=True):
            found[i] = self.place(key) < 0
        return found

    def place(self, key: int) -> int:
        """Where a key is missing, -1 where it's there. Plain integers beat columns when there are few."""
        view, mask = self._view, len(self._view) - 1
        at = key & mask
        while (slot := view[at]) != key:
            if not slot:
                return at
            at = (at + 1) & mask
        return -1

    def put(self, key: int, place: int) -> None:
        """Add a key that is missing there."""
        self._view[place] = key
        self.count += 1

    def insert(self, keys: Keys) -> None:
        """Add distinct keys that are not in the table."""
        self.count += len(keys)
        at = keys & self._mask
        while len(keys) > _TAIL:
            free = self._slots[at] == 0
            self._slots[at[free]] = keys[free]  # of two keys for one slot the last stays; the other tries the next
            lost = self._slots[at] != keys
            keys, at = keys[lost], (at[lost] + np.uint64(1)) & self._mask
        for key in keys.tolist():
            self._view[self.place(key)] = key


class SeenKeys:
    """Bounded memory of message ids."""

    def __init__(self, keep: int) -> None:
        self._half = max(1, keep // 2)
        self._young = _Table(self._half)
        self._old: _Table | None = None

    def __len__(self) -> int:
        return self._young.count + (self._old.count if self._old else 0)

    def recall(self, keys: Keys) -> None:
        """Remember the keys of an earlier life, oldest first. In columns, whatever batches they once came in."""
        step = min(_RECALLED_AT_ONCE, -(-self._half // 16))  # inside a column age is lost
        for start in range(0, len(keys), step):
            self.admit(keys[start : start + step])

    def admit(self, keys: Keys) -> Mask:
        """Which of these messages are new, shape (n,); they are remembered. Repeats inside `keys` count as seen."""
        if len(keys) <= _FEW:
            return np.array([self._admit_one(key) for key in keys.tolist()], np.bool_)
        fresh = np.zeros(len(keys), np.bool_)
        distinct, first = np.unique(keys, return_index=True)
        new = ~self._young.contains(distinct)
        if self._old is not None:
            new &= ~self._old.contains(distinct)
        new &= distinct != 0
        fresh[first[new]] = True
        fresh[keys == 0] = True
        self._remember(distinct[new])
        return fresh

    def would_admit(self, keys: Keys) -> Mask:
        """What `admit` would answer, shape (n,); nothing is remembered."""
        distinct, first = np.unique(keys, return_index=True)
        new = ~self._young.contains(distinct)
        if self._old is not None:
            new &= ~self._old.contains(distinct)
        fresh = np.zeros(len(keys), np.bool_)
        fresh[first[new]] = True
        fresh[keys == 0] = True
        return fresh

    def _admit_one(self, key: int) -> bool:
        if key == 0:
            return True
        young, old = self._young, self._old
        place = young.place(key)
        if place < 0 or (old is not None and old.place(key) < 0):
            return False
        young.put(key, place)
        if young.count >= self._half:
            self._turn_over()
        return True

    def _turn_over(self) -> None:
        self._old, self._young = self._young, _Table(self._half)

    def _remember(self, keys: Keys) -> None:
        while len(keys):
            room = self._half - self._young.count
            self._young.insert(keys[:room])
            keys = keys[room:]
            if self._young.count >= self._half:
                self._turn_over()
