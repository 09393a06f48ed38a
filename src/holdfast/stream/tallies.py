"""Rows left out, per device, since the device's last event: what an alert says about what it didn't look at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.rows import Skipped
from holdfast.stream.state import State

Array = NDArray[Any]


class Tally:
    """Counts left-out rows by slot. Use: `begin` a batch, `take` at each event, `settle` at the batch's end."""

    def __init__(self, state: State, name: str) -> None:
        self._state = state
        self._name = name
        self._pending: Skipped | None = None
        state.declare(name, np.int64, 0)

    def begin(self, skipped: Skipped | None) -> None:
        """The batch leaves these rows out."""
        self._pending = skipped

    def take(self, slot: int, row: int) -> int:
        """How many rows of a device were left out before `row` since the last call for it."""
        counts = self._state[self._name]
        before = 0
        if self._pending is not None:
            before = int(np.count_nonzero((self._pending.slot == slot) & (self._pending.row < row)))
        taken = int(counts[slot]) + before
        counts[slot] = -before  # `settle` adds the whole batch's
        return taken

    def settle(self) -> None:
        """Count the batch's rows for later events."""
        if self._pending is not None:
            np.add.at(self._state[self._name], self._pending.slot, 1)
            self._pending = None
