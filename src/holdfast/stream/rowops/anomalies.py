"""How unusual a column is: a detector of `stream.detectors` as five computed columns; its memory is the stage's."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors import catalogue
from holdfast.stream.detectors.ports import Scope
from holdfast.stream.rows import Rows, filled
from holdfast.stream.state import State
from holdfast.stream.texts import known

Array = NDArray[Any]
PARTS = ("anomaly", "anomaly_aspect", "anomaly_seen", "expected", "anomaly_deviations")
"""The functions of rules that are its columns, in order."""


class Anomaly:
    """Scores every sample and learns from it; what it says stands until the next sample.

    Of several columns together every message is a sample that brings any of them, the others as last known.
    """

    def __init__(
        self, state: State, name: str, columns: Sequence[tuple[str, int]], detector: str, options: Mapping[str, float]
    ) -> None:
        """columns: what the rule calls each, by which the detector speaks of it, and its place."""
        self._columns, self._state, self._kept = [place for _, place in columns], state, f"{name}.said"
        self._detector = catalogue.make(detector, Scope(state, f"{name}."), options, [said for said, _ in columns])
        state.declare(self._kept, np.float64, np.nan, len(PARTS) - 1)
        state.declare(f"{name}.aspect", np.int32, -1)
        self._aspect = f"{name}.aspect"

    def apply(self, rows: Rows) -> list[tuple[Array, Array | None]]:
        """See `RowOperator`."""
        fresh = self._fresh(rows)
        at = slice(None) if fresh is None else fresh.nonzero()[0]
        slots = rows.slots[rows.key]
        columns = [rows.columns[i][at] for i in self._columns]
        values = columns[0] if len(columns) == 1 else np.stack(columns, axis=1)
        said = self._detector.update(slots[at], rows.ts[at], values)
        codes = np.append(known().learn(tuple(self._detector.aspects)), np.nan)
        numbers = [said.score, said.seen, said.expected, said.deviations]
        aspect = np.where(said.score > 0, said.aspect, -1)
        if fresh is not None:
            numbers, aspect = self._stand(rows, fresh, at, numbers, aspect)
        score, seen, expected, deviations = numbers
        return [(score, fresh), (codes[aspect], fresh), (seen, fresh), (expected, fresh), (deviations, fresh)]

    def _fresh(self, rows: Rows) -> Array | None:
        """Which messages bring a sample; None: all."""
        found: Array | None = None
        for i in self._columns:
            fresh = rows.fresh[i]
            if fresh is None:
                return None
            found = fresh if found is None else found | fresh
        return found

    def _stand(
        self, rows: Rows, fresh: Array, at: Any, numbers: list[Array], aspect: Array
    ) -> tuple[list[Array], Array]:
        last = np.append(rows.firsts[1:], len(rows)) - 1
        kept, made = self._state[self._kept], list[Array]()
        for i, few in enumerate(numbers):
            column = np.full(len(rows), np.nan)
            column[at] = few
            column = filled(column, fresh, rows.firsts, rows.key, kept[rows.slots, i])
            kept[rows.slots, i] = column[last]
            made.append(column)
        which = np.full(len(rows), -1, np.int32)
        which[at] = aspect
        which = filled(which, fresh, rows.firsts, rows.key, self._state[self._aspect][rows.slots])
        self._state[self._aspect][rows.slots] = which[last]
        return made, which
