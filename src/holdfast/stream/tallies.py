"""Rows left out, per device, since the device's last event: what an alert says about what it didn't look at.

A stage counts them once for all its rules, ever growing; each rule remembers how many it has told of.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.rows import Skipped
from holdfast.stream.state import State

Array = NDArray[Any]
KINDS = ("bad", "late")
UNTOLD = -1
"""What a rule remembers of a slot that it hasn't seen: it begins with what comes from now on."""


class Tallies:
    """One stage's left-out rows by slot. Use: `begin` a batch, `count` at each event, `settle` at the batch's end."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._pending: dict[str, Skipped] = {}
        for kind in KINDS:
            state.declare(f"skipped.{kind}", np.int64, 0)

    def begin(self, bad: Skipped | None, late: Skipped | None) -> None:
        """The batch leaves these rows out."""
        self._pending = {kind: one for kind, one in zip(KINDS, (bad, late), strict=True) if one is not None}

    def count(self, kind: str, slot: int, row: int) -> int:
        """How many rows of a device were ever left out before `row` of this batch."""
        counted = int(self._state[f"skipped.{kind}"][slot])
        one = self._pending.get(kind)
        return counted if one is None else counted + int(np.count_nonzero((one.slot == slot) & (one.row < row)))

    def settle(self) -> None:
        """Count the batch's rows for later events."""
        for kind, one in self._pending.items():
            np.add.at(self._state[f"skipped.{kind}"], one.slot, 1)
        self._pending = {}

    def totals(self, kind: str) -> Array:
        """How many were left out in earlier batches, by slot."""
        return self._state[f"skipped.{kind}"]


class Told:
    """How many left-out rows a rule has told of, by place in its own memory (a slot, or a panel's pair)."""

    def __init__(self, state: State, tallies: Tallies) -> None:
        self._state, self._tallies = state, tallies
        for kind in KINDS:
            state.declare(f"told.{kind}", np.int64, UNTOLD)

    def begin(self, places: Array, slots: Array) -> None:
        """These are new to the rule, unless a checkpoint knew them."""
        for kind in KINDS:
            told = self._state[f"told.{kind}"]
            new = told[places] == UNTOLD
            told[places[new]] = self._tallies.totals(kind)[slots[new]]

    def take(self, place: int, slot: int, row: int) -> tuple[int, int]:
        """How many (bad, late) were left out before `row` since the last call for it."""
        since = []
        for kind in KINDS:
            told = self._state[f"told.{kind}"]
            total = self._tallies.count(kind, slot, row)
            since.append(total - max(int(told[place]), 0))
            told[place] = total
        return since[0], since[1]
