"""Rows answered lately, and those by something else than the model: a sliding window in slots that take turns. Pure."""

from typing import NamedTuple

import numpy as np

WINDOW_S = 600.0
SLOTS = 20
"""Of half a minute each: the window is between 9.5 and 10 minutes long."""


class Lately(NamedTuple):
    """Rows of the window. fallen: of `answered` those that a fallback answered."""

    answered: int
    fallen: int


class Shares:
    """Who answered, of the last ten minutes."""

    def __init__(self) -> None:
        self._rows = np.zeros((SLOTS, 2), np.int64)
        self._turn_s = WINDOW_S / SLOTS
        self._turn = 0

    def add(self, rows: int, now: float, *, fallen: bool) -> None:
        """So many rows were answered. now: monotonic, s."""
        self._pass(now)
        self._rows[self._turn % SLOTS, int(fallen)] += rows

    def of(self, now: float) -> Lately:
        """What was answered in the window that ends now."""
        self._pass(now)
        model, fallen = self._rows.sum(axis=0).tolist()
        return Lately(model + fallen, fallen)

    def _pass(self, now: float) -> None:
        turn = int(now // self._turn_s)
        for past in range(max(self._turn + 1, turn - SLOTS + 1), turn + 1):
            self._rows[past % SLOTS] = 0
        self._turn = max(self._turn, turn)
