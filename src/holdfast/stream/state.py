"""A rule's memory: named arrays whose first axis is the device's slot. What isn't in here doesn't survive a restart."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_FIRST_CAPACITY = 16


class State:
    """Arrays by name, all grown together; index them by slot."""

    def __init__(self) -> None:
        self._fills: dict[str, float] = {}
        self._arrays: dict[str, Array] = {}
        self.capacity = 0

    def declare(self, name: str, dtype: type, fill: float, width: int | None = None) -> None:
        """Add an array of shape (slots,) or (slots, width) whose unused places hold `fill`."""
        self._fills[name] = fill
        self._arrays[name] = np.empty((0,) if width is None else (0, width), dtype)

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def grow(self, slots: int) -> None:
        """Make room for at least `slots` devices."""
        if slots <= self.capacity:
            return
        self.capacity = max(slots, 2 * self.capacity, _FIRST_CAPACITY)
        for name, old in self._arrays.items():
            new = np.full((self.capacity, *old.shape[1:]), self._fills[name], old.dtype)
            new[: len(old)] = old
            self._arrays[name] = new

    def clear(self, slots: Array, *names: str) -> None:
        """Put the unused value back at `slots` of the named arrays."""
        for name in names:
            self._arrays[name][slots] = self._fills[name]

    def export(self, slots: int) -> dict[str, Array]:
        """The arrays' first `slots` rows, for a checkpoint."""
        return {name: array[:slots] for name, array in self._arrays.items()}

    def fits(self, name: str, array: Array) -> bool:
        """Whether a checkpoint's array is of the shape and type that this state has under `name`."""
        mine = self._arrays.get(name)
        return mine is not None and mine.dtype == array.dtype and mine.shape[1:] == array.shape[1:]

    def names(self) -> frozenset[str]:
        """The names of all arrays."""
        return frozenset(self._arrays)

    def put(self, slots: Array, arrays: dict[str, Array]) -> None:
        """Take a checkpoint's rows in at `slots`."""
        for name, array in arrays.items():
            self._arrays[name][slots] = array
