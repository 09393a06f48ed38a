"""Answers of two versions to the same rows, brought together by device and time. Bounded; vectorised."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
WAITING = 65_536
"""Rows of either side that wait for the other; the oldest go, and are counted."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SEAT = np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True, slots=True)
class Answers:
    """n answers of one version. failed: no number came, or not from the model; shape (n,) each."""

    seat: Array
    ts: Array
    score: Array
    label: Array
    latency: Array
    failed: Array

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, at: Array) -> "Answers":
        """Those at these positions, or of this mask."""
        return Answers(
            self.seat[at], self.ts[at], self.score[at], self.label[at], self.latency[at], self.failed[at]
        )  # fmt: skip

    @staticmethod
    def joined(parts: "list[Answers]") -> "Answers":
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        return Answers(
            *(
                np.concatenate([getattr(one, name) for one in parts])
                for name in ("seat", "ts", "score", "label", "latency", "failed")
            )
        )


class Pairs:
    """Of one version (new) with the acting one (old)."""

    def __init__(self, most: int = WAITING) -> None:
        self._most = most
        self._waiting: tuple[list[Answers], list[Answers]] = ([], [])
        self._rows = [0, 0]
        self.lost = 0
        """Answers that had no other half in time."""

    def old(self, answers: Answers) -> None:
        """The acting version's."""
        self._waiting[0].append(answers)
        self._rows[0] += len(answers)

    def new(self, answers: Answers) -> None:
        """The other one's."""
        self._waiting[1].append(answers)
        self._rows[1] += len(answers)

    @property
    def waiting(self) -> int:
        """Rows that might make pairs."""
        return min(self._rows)

    def match(self) -> tuple[Answers, Answers] | None:
        """Pairs that are whole, (new, old) in like order; what is single waits on. None = there are none.

        Of answers for one device and time twice on a side, the first counts.
        """
        if not all(self._waiting):
            self._shorten()
            return None
        old, new = (Answers.joined(side) for side in self._waiting)
        marks, where = np.unique(_marks(old), return_index=True)
        mine, at = np.unique(_marks(new), return_index=True)
        place = np.searchsorted(marks, mine)
        place[place == len(marks)] = 0
        same = marks[place] == mine
        left, right = at[same], where[place[same]]
        true = (new.seat[left] == old.seat[right]) & (new.ts[left] == old.ts[right])
        left, right = left[true], right[true]
        for side, rows, used in ((0, old, right), (1, new, left)):
            kept = np.ones(len(rows), bool)
            kept[used] = False
            rest = rows.take(kept)
            self._waiting[side][:], self._rows[side] = [rest] if len(rest) else [], len(rest)
        self._shorten()
        return (new.take(left), old.take(right)) if len(left) else None

    def _shorten(self) -> None:
        for at, side in enumerate(self._waiting):
            over = self._rows[at] - self._most
            if over > 0:
                rows = Answers.joined(side)
                side[:] = [rows.take(np.arange(over, len(rows)))]
                self._rows[at] -= over
                self.lost += over


def _marks(rows: Answers) -> Array:
    mixed: Array = rows.ts.astype(np.uint64) * _MIX ^ (rows.seat.astype(np.uint64) + np.uint64(1)) * _SEAT
    return mixed
