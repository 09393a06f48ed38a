"""After the node's clock was set: what rules made of times that were wrong is made again of the right ones.

Keys heard for the first time while the clock was wrong are forgotten and told again, from the journal, whose rows bear
the right times by now; so windows re-open, and give results with the right times. Of keys known from before, whose rows
of that time were too late for every window, only those rows are told. Windows of so many samples don't care for times:
known keys keep theirs, with the times mended. Alerts are judged anew on the way; what differs from what was told is
told, nothing twice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.stream.clocks import NEVER
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.lines import Line
from holdfast.stream.rows import Arrived

if TYPE_CHECKING:
    from holdfast.stream.engine import Engine

Array = NDArray[Any]
TIMELESS = frozenset({"each", "last", "count"})


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows' times from `from_ns` to `to_ns` became `offset_ns` later. is_unset: they had been in 1970 or so."""

    offset_ns: int
    from_ns: int
    to_ns: int
    is_unset: bool


class Repair:
    """One mending. Use: make it, `feed` all rows that were stored while the clock was wrong, `end`."""

    def __init__(self, engine: "Engine", moved: Moved, is_moved: Callable[[Array], Array]) -> None:
        """is_moved: by quality, which rows were given another time."""
        self._engine, self._moved, self._is_moved = engine, moved, is_moved
        self._raised = {id(judge): frozenset(judge.raised()) for judge in engine.judges()}
        self._findings = Findings()
        self._renewed = {id(line): self._forget(line) for line in engine.lines}
        self._behind: dict[int, Array] = {}

    def _forget(self, line: Line) -> Array:
        """Forget what was first heard at a wrong time: which slots, as a mask."""
        state, count, moved = line.stage.state, len(line.stage.route.keys), self._moved
        state.grow(count)
        first, newest = state["clock.first"][:count], state["clock.newest"][:count]
        renewed = np.asarray((first >= moved.from_ns) & (first <= moved.to_ns) & (first != NEVER))
        slots = np.flatnonzero(renewed)
        behind = np.where(newest <= moved.to_ns, state["clock.behind"][:count] - moved.offset_ns,
                          state["clock.behind"][:count])[slots]  # fmt: skip
        kept = [(judge, _latched(judge, renewed)) for judge in line.judges]
        state.forget(slots)
        for judge in line.judges:
            judge.forget(slots)
        for judge, (at, arrays) in kept:
            for name, values in arrays.items():
                judge.state[name][at] = values
        state["clock.behind"][slots] = behind
        self._mend_times(line, ~renewed)
        return renewed

    def _mend_times(self, line: Line, known: Array) -> None:
        """Samples of known keys that are kept by number, not by time."""
        moved, slots = self._moved, np.flatnonzero(known)
        for name, array in line.stage.state.export(len(known)).items():
            if name.endswith(".ts"):
                times = array[slots]
                wrong = (times >= moved.from_ns) & (times <= moved.to_ns) & (times != 0)
                array[slots] = np.where(wrong, times + moved.offset_ns, times)

    def feed(self, batches: Iterable[Batch]) -> None:
        """Rows that were stored while the clock was wrong, as they are now, in order."""
        engine = self._engine
        for batch in batches:
            arrived = engine.arrive(batch)
            if arrived is None:
                continue
            with np.errstate(all="ignore"):
                for place in engine.routes.touched(arrived.series):
                    line = engine.places()[place]
                    mine = self._of(line, arrived)
                    if mine is not None:
                        line.feed(mine, 0, self._findings)

    def _of(self, line: Line, arrived: Arrived) -> Arrived | None:
        """The rows that a stage gets again."""
        slot = line.stage.route.slot_of[arrived.series]
        renewed = self._renewed[id(line)]
        again = np.append(renewed, False)[np.minimum(slot, len(renewed))] & (slot >= 0)
        if self._moved.is_unset and line.plan.window.kind not in TIMELESS:
            again |= (slot >= 0) & self._is_moved(arrived.quality)
        return arrived.taken(np.flatnonzero(again))

    def end(self, now_ns: int) -> Findings:
        """What is different now from what had been told; now_ns: windows that are over by then are closed."""
        with np.errstate(all="ignore"):
            for line in self._engine.lines:
                line.tick(now_ns, self._findings)
        changed = dict[tuple[str, ...], str]()
        for judge in self._engine.judges():
            before, now = self._raised[id(judge)], set(judge.raised())
            keys, text = judge.stage.route.keys, judge.rule.stage.window.text
            for slot in before ^ now:
                node, device, metric = keys[slot]
                place = (judge.rule.name, text, node or self._engine.node, device or "all", metric)
                changed[place] = "alert.raised" if slot in now else "alert.cleared"
        last = {}
        for _, decision in self._findings.decided:
            event = decision.event
            window: Any = event.why.get("window", {})
            place = (event.rule, window.get("text", ""), event.node, event.device, event.metric)
            if changed.get(place) == event.kind:
                last[place] = decision
        self._findings.decided = [(-1, decision) for decision in last.values()]
        return self._findings


def _latched(judge: Judge, renewed: Array) -> tuple[Array, dict[str, Array]]:
    """Alerts that only a person may end stay as they are."""
    slots = np.array([s for s in judge.raised() if renewed[s]] if judge.rule.alarm.latch else [], np.intp)
    arrays = judge.state.export(len(renewed)) if len(slots) else {}
    return slots, {name: array[slots].copy() for name, array in arrays.items()}
