"""What every detector takes and gives.

A detector is told readings of many series at once and answers a score per reading. It sees the past only, costs O(1)
per reading, keeps everything that it remembers in arrays whose first axis is the series' slot, and its scores don't
depend on how readings were batched, to the bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.state import State

Array = NDArray[Any]

THRESHOLD = 0.5
"""Scores from here on are alarms, for every detector: its options say what gets there."""
MOST = 1e100
"""Values beyond are taken for this much, or for less: their squares and sums stay finite."""


class Scope:
    """A part of a state under a prefix of its own, so that several detectors share one."""

    def __init__(self, state: State, prefix: str = "") -> None:
        self._state, self._prefix = state, prefix

    def declare(self, name: str, dtype: type, fill: float, width: int | None = None) -> None:
        """See `State.declare`."""
        self._state.declare(self._prefix + name, dtype, fill, width)

    def part(self, prefix: str) -> "Scope":
        """A part of this part, for a detector that is made of others."""
        return Scope(self._state, self._prefix + prefix)

    def __getitem__(self, name: str) -> Array:
        return self._state[self._prefix + name]


class Beside(Scope):
    """Parts of a state that are alike, as one: what keeps its memory here has slots for each of them.

    A slot of part p is `p * capacity + slot`.
    """

    def __init__(self, state: State, parts: Sequence[str], prefix: str = "") -> None:
        """parts: their prefixes."""
        super().__init__(state, prefix)
        self._parts, self._names = tuple(parts), dict[str, tuple[str, ...]]()

    def declare(self, name: str, dtype: type, fill: float, width: int | None = None) -> None:
        """See `State.declare`."""
        self._names[name] = names = tuple(f"{part}{self._prefix}{name}" for part in self._parts)
        for one in names:
            self._state.declare(one, dtype, fill, width)
        self._state.stack(names)

    def part(self, prefix: str) -> "Beside":
        """See `Scope`."""
        return Beside(self._state, self._parts, self._prefix + prefix)

    def __getitem__(self, name: str) -> Array:
        made = self._state.stacked(self._names[name])
        return made.reshape(-1, *made.shape[2:])  # a view


@dataclass(frozen=True, slots=True)
class Scores:
    """One row per reading.

    score:      in [0, 1]; 0 where the value isn't a number or too little is known
    aspect:     which of the detector's `aspects` it is about
    seen:       that aspect's value, in the series' unit where the aspect has one
    expected:   what would have been usual
    deviations: how many of its usual deviations apart they are; 0 where that means nothing
    """

    score: Array
    aspect: Array
    seen: Array
    expected: Array
    deviations: Array

    @classmethod
    def none(cls, n: int) -> "Scores":
        """Of n readings, nothing said yet."""
        return cls(np.zeros(n), np.zeros(n, np.int64), np.full(n, np.nan), np.full(n, np.nan), np.zeros(n))


class Detector(Protocol):
    """One kind of detector with its options, over the slots of a state."""

    aspects: Sequence[str]
    """What it looks at, as a reader would name it: `short mean`."""

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:
        """Score readings and learn from them; several of one series go in the order given.

        slots:  shape (n,), which the state has room for
        ts:     ns UTC, shape (n,); of a late reading not ascending
        values: shape (n,), or (n, k) for a detector of k columns together; NaN: no reading
        """
        ...

    def explain(self, scores: Scores, row: int) -> str:
        """One sentence about a reading, in the series' own terms."""
        ...


@dataclass(frozen=True, slots=True)
class Option:
    """A number that users may set. unit: of what it counts, in words; least, most: refused beyond."""

    name: str
    default: float
    unit: str
    meaning: str
    least: float = 0.0
    most: float = float("inf")


@dataclass(frozen=True, slots=True)
class Kind:
    """A detector as its users choose it.

    make:      (scope, options, columns' names) → detector; every option is given, defaults filled in
    finds:     what it's for; blind: what it can't see; cost: complexity per reading and bytes per series
    reference: paper or source
    columns:   least and most columns that it looks at together
    """

    name: str
    make: Callable[[Scope, Mapping[str, float], Sequence[str]], Detector]
    options: tuple[Option, ...]
    finds: str
    blind: str
    cost: str
    reference: str
    columns: tuple[int, int] = (1, 1)

    def defaults(self) -> dict[str, float]:
        """The options as they ship."""
        return {option.name: option.default for option in self.options}


def scored(statistic: Array, limit: Any) -> Array:
    """In [0, 1], 0.5 where the statistic is at its limit; an infinite limit scores 0."""
    score: Array = statistic / (statistic + limit)
    return score


def told(name: str, scores: Scores, row: int) -> str:
    """The usual sentence: what is seen, how far from what is usual."""
    seen, expected = scores.seen[row], scores.expected[row]
    how = "above" if seen > expected else "below"
    return f"the {name} is {seen:.6g}, {scores.deviations[row]:.1f} deviations {how}: {expected:.6g} is usual"


def rounds(slots: Array, usable: Array) -> list[Array]:
    """Positions of usable readings, in parts in which no slot comes twice, in each slot's order."""
    at = usable.nonzero()[0]
    if not len(at):
        return []
    order = at[np.argsort(slots[at], kind="stable")]
    firsts = np.flatnonzero(np.diff(slots[order], prepend=-1))
    counts = np.diff(np.append(firsts, len(order)))
    if len(firsts) == len(order):
        return [at]
    nth = np.arange(len(order)) - np.repeat(firsts, counts)
    by_nth = order[np.argsort(nth, kind="stable")]
    return np.split(by_nth, np.cumsum(np.bincount(nth))[:-1])
