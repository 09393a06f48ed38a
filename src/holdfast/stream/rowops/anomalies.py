"""How unusual columns are: detectors of `stream.detectors` as computed columns; their memory is the stage's."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors import catalogue
from holdfast.stream.detectors.ports import Beside, Scope
from holdfast.stream.plans import RowOperator, WideOperator
from holdfast.stream.rows import Rows
from holdfast.stream.state import State
from holdfast.stream.texts import known

Array = NDArray[Any]
PARTS = ("anomaly", "anomaly_aspect", "anomaly_seen", "expected", "anomaly_deviations")
"""The functions of rules that are its columns, in order."""
_SAID, _ASPECT = "said", "aspect"


class Anomaly:
    """Scores every sample and learns from it; what it says stands until the next sample.

    Of several columns together every message is a sample that brings any of them, the others as last known.
    Several detectors of one kind with the same options, each of its own columns, are one call (`together`).
    """

    def __init__(
        self,
        state: State,
        watched: Mapping[str, Sequence[tuple[str, int]]],
        detector: str,
        options: Mapping[str, float],
    ) -> None:
        """watched: by its memory's name what each detector watches, as many columns: as rules call it, its place."""
        self._state, self.watched, self.detector, self.options = state, watched, detector, options
        prefixes, columns = [f"{name}." for name in watched], list(watched.values())
        names = [[said for said, _ in some] for some in columns]
        self.places = [[place for _, place in some] for some in columns]
        self._scope = Scope(state, *prefixes) if len(prefixes) == 1 else Beside(state, prefixes)
        self._detector = catalogue.make(detector, self._scope, options, names[0])
        self._scope.declare(_SAID, np.float64, np.nan, len(PARTS) - 1)
        self._scope.declare(_ASPECT, np.int32, -1)
        made = [catalogue.make(detector, Scope(State()), options, some) for some in names]
        self._aspects = [aspect for one in made for aspect in one.aspects]

    def apply(self, rows: Rows) -> list[tuple[Array, Array | None]]:
        """See `WideOperator`."""
        count, fresh = len(self.places), [self._fresh(rows, places) for places in self.places]
        values = np.array([[rows.columns[i] for i in places] for places in self.places])  # (detectors, columns, M)
        values = values.transpose(0, 2, 1).reshape(count * len(rows), -1)
        if len(self.places[0]) == 1:
            values = values.ravel()
        slots, ts = self._slots(rows.slots)[:, rows.key].ravel(), np.tile(rows.ts, count)
        anew = None if all(one is None for one in fresh) else np.array([_mask(one, len(rows)) for one in fresh])
        at = slice(None) if anew is None else anew.ravel().nonzero()[0]
        said = self._detector.update(slots[at], ts[at], values[at])
        numbers: Array = np.full((4, len(slots)), np.nan)
        aspect: Array = np.full(len(slots), -1, np.int32)
        numbers[:, at] = said.score, said.seen, said.expected, said.deviations
        aspect[at] = np.where(said.score > 0, said.aspect, -1)
        numbers, aspect = numbers.reshape(4, count, -1), aspect.reshape(count, -1)
        if anew is not None:
            numbers, aspect = self._stand(rows, anew, numbers, aspect)
        self._keep(rows, numbers, aspect)
        return self._columns(numbers, aspect, fresh)

    def _slots(self, slots: Array) -> Array:
        """The keys' slots of each detector, shape (detectors, K)."""
        made: Array = np.arange(len(self.places))[:, None] * self._state.capacity + slots
        return made

    @staticmethod
    def _fresh(rows: Rows, places: Sequence[int]) -> Array | None:
        """Which messages bring a sample; None: all."""
        parts = [fresh for i in places if (fresh := rows.fresh[i]) is not None]
        return None if len(parts) < len(places) else reduce(np.logical_or, parts)

    def _stand(self, rows: Rows, fresh: Array, numbers: Array, aspect: Array) -> tuple[Array, Array]:
        """What stands at each message: what was said last of its key. fresh: shape (detectors, M)."""
        at = np.where(fresh, np.arange(len(rows)), -1)
        np.maximum.accumulate(at, axis=1, out=at)
        own, before = at >= rows.firsts[rows.key], self._slots(rows.slots)[:, rows.key]
        said = self._scope[_SAID][before].transpose(2, 0, 1)
        made = np.where(own, np.take_along_axis(numbers, np.maximum(at, 0)[None], 2), said)
        which = np.where(own, np.take_along_axis(aspect, np.maximum(at, 0), 1), self._scope[_ASPECT][before])
        return made, which

    def _keep(self, rows: Rows, numbers: Array, aspect: Array) -> None:
        last, slots = np.append(rows.firsts[1:], len(rows)) - 1, self._slots(rows.slots)
        self._scope[_SAID][slots] = numbers[:, :, last].transpose(1, 2, 0)
        self._scope[_ASPECT][slots] = aspect[:, last]

    def _columns(
        self, numbers: Array, aspect: Array, fresh: Sequence[Array | None]
    ) -> list[tuple[Array, Array | None]]:
        count = len(self.places)
        codes = np.full((count, len(self._aspects) // count + 1), np.nan)
        codes[:, :-1] = known().learn(self._aspects).reshape(count, -1)
        texts = codes[np.arange(count)[:, None], aspect]
        score, seen, expected, deviations = numbers
        columns = zip(fresh, zip(score, texts, seen, expected, deviations, strict=True), strict=True)
        return [(one, anew) for anew, five in columns for one in five]


def _mask(fresh: Array | None, count: int) -> Array:
    return np.ones(count, np.bool_) if fresh is None else fresh


def together(
    state: State, operators: Sequence[tuple[RowOperator | WideOperator, int]], inputs: int
) -> list[RowOperator | WideOperator]:
    """The same work, where like detectors that follow one another are one.

    operators: each with how many columns it makes; inputs: how many there are before
    """
    runs, place, begun = list[list[RowOperator | WideOperator]](), inputs, inputs
    for one, columns in operators:
        if runs and _is_like(one, runs[-1][-1], begun):
            runs[-1].append(one)
        else:
            runs.append([one])
            begun = place
        place += columns
    return [run[0] if len(run) == 1 else _joined(state, run) for run in runs]


def _is_like(one: RowOperator | WideOperator, other: RowOperator | WideOperator, begun: int) -> bool:
    """begun: the first column of the run; what reads one of these comes after it."""
    if not isinstance(one, Anomaly) or not isinstance(other, Anomaly):
        return False
    (mine,), (others,) = one.places, other.places
    is_alike = (one.detector, one.options, len(mine)) == (other.detector, other.options, len(others))
    return is_alike and max(mine) < begun


def _joined(state: State, run: Sequence[RowOperator | WideOperator]) -> Anomaly:
    some = [one for one in run if isinstance(one, Anomaly)]
    watched = {name: columns for one in some for name, columns in one.watched.items()}
    return Anomaly(state, watched, some[0].detector, some[0].options)
