"""One rule at work: what it selects, its alarm, its results."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Series
from holdfast.stream.alarms.making import make_alarm
from holdfast.stream.alarms.ports import Judged, Transition
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.evidence import Decision, Seen, Shown, announce, decide
from holdfast.stream.rows import Skipped
from holdfast.stream.rules import CompiledRule
from holdfast.stream.stages import Stage
from holdfast.stream.state import State
from holdfast.stream.tallies import Tally
from holdfast.stream.texts import Texts

Array = NDArray[Any]
ALL = "all"
"""The device in events of rules that don't keep devices apart."""


@dataclass(slots=True)
class Findings:
    """What came of a batch, or of a tick.

    decided:   (deciding row's position in the batch, decision)
    derived:   readings that rules make
    published: results for local subscribers: (topic, payload)
    """

    decided: list[tuple[int, Decision]] = field(default_factory=list)
    derived: list[Batch] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def decisions(self) -> list[Decision]:
        """The decisions alone."""
        return [decision for _, decision in self.decided]


class Judge:
    """Applies one rule to the evaluations of its stage."""

    def __init__(self, rule: CompiledRule, stage: Stage, node: str, catalogue: Catalogue, texts: Texts) -> None:
        self.rule, self.stage = rule, stage
        self.state = State()
        self._node, self._catalogue, self._texts = node, catalogue, texts
        self.alarm = (
            None if rule.when is None and rule.alarm.kind == "condition" else make_alarm(self.state, rule.alarm)
        )
        self._bad = Tally(self.state, "skipped.bad")
        self._late = Tally(self.state, "skipped.late")
        self._keeps_values = self.alarm is not None and rule.alarm.has_timers
        if self._keeps_values:
            self.state.declare("values", np.float64, np.nan, len(rule.names))
        self.mine: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.is_mixed = False
        self._series = [np.empty(0, np.int32) for _ in rule.stores]

    def judge(
        self, evaluations: Evaluations | None, bad: Skipped | None, late: Skipped | None, to: Findings
    ) -> list[Any]:
        """Take evaluations and left-out rows in; the selected columns, for rules that read this one's."""
        self._grow()
        self._bad.begin(bad)
        self._late.begin(late)
        values: list[Any] = []
        if evaluations is not None:
            values = [value(evaluations.inputs) for value in self.rule.values]
            self._store(evaluations, values, to)
            self._tell(evaluations, values, to)
            if self.alarm is not None:
                self._decide_all(self._judged(evaluations, values), evaluations, values, to)
        self._bad.settle()
        self._late.settle()
        return values

    def tick(self, now_ns: int, to: Findings) -> None:
        """What time alone decides: `for` and absence."""
        if self.alarm is None or not self.rule.alarm.has_timers:
            return
        self._grow()
        for transition in self.alarm.due(self.stage.times(now_ns)):
            if not self.is_mixed or self.mine[transition.slot]:
                to.decided.append((-1, self._decide(transition, None, [])))

    def acknowledge(self, slot: int, now_ns: int, to: Findings) -> None:
        """Somebody has seen the alert."""
        if self.alarm is not None:
            self._grow()
            time = int(self.stage.times(now_ns)[slot])
            to.decided += [(-1, self._decide(t, None, [])) for t in self.alarm.acknowledge(slot, time)]

    def _grow(self) -> None:
        keys = self.stage.route.keys
        self.state.grow(len(keys))
        if len(keys) > len(self.mine):
            new = [self.rule.matches(*key) for key in keys[len(self.mine) :]] if self.rule.stage.by == "device" else []
            new += [True] * (len(keys) - len(self.mine) - len(new))
            self.mine = np.append(self.mine, new)
            self.is_mixed = not self.mine.all()
            self._series = [np.append(s, np.full(len(keys) - len(s), -1, np.int32)) for s in self._series]

    def _judged(self, evaluations: Evaluations, values: list[Any]) -> Judged:
        rule, total = self.rule, len(evaluations.row)
        when = column(True if rule.when is None else rule.when(values), total, np.bool_)
        clear = column(False if rule.clear is None else rule.clear(values), total, np.bool_)
        then = None if rule.then is None else column(rule.then(values), total, np.bool_)
        return Judged(evaluations.slots, evaluations.firsts, evaluations.ts, when, clear, then)

    def _decide_all(self, judged: Judged, evaluations: Evaluations, values: list[Any], to: Findings) -> None:
        if self.is_mixed:
            other = ~self.mine[judged.slots]
            if other.any():
                mask = np.repeat(other, np.diff(np.append(judged.firsts, len(judged.ts))))
                judged.when[mask] = judged.clear[mask] = False
                if judged.then is not None:
                    judged.then[mask] = False
        found = [] if self.alarm is None else self.alarm.advance(judged)
        for t in found:
            if not self.is_mixed or self.mine[t.slot]:
                to.decided.append((self._row(t, evaluations), self._decide(t, evaluations, values)))
        if self._keeps_values and values:
            last = np.append(judged.firsts[1:], len(judged.ts)) - 1
            kept = np.column_stack([np.broadcast_to(v, (len(judged.ts),))[last] for v in values])
            self.state["values"][judged.slots] = kept

    def _row(self, transition: Transition, evaluations: Evaluations) -> int:
        return -1 if transition.at < 0 else int(evaluations.row[transition.at])

    def _decide(self, transition: Transition, evaluations: Evaluations | None, values: list[Any]) -> Decision:
        at, slot, rule = transition.at, transition.slot, self.rule
        start, revision, inputs = None, None, {}
        if evaluations is not None and at >= 0:
            numbers = [float(_at(v, at)) for v in values]
            row = int(evaluations.row[at])
            start = None if evaluations.start is None else int(evaluations.start[at])
            revision = None if evaluations.revision is None else int(evaluations.revision[at])
            for i, one in enumerate(rule.stage.inputs):
                if one.kind == "own":
                    ts, samples = evaluations.evidence.samples(at, i)
                    inputs[one.metric] = ts, [self._shown(v, is_text=one.is_text) for v in samples]
        else:
            numbers, row = self._kept(slot), 1 << 62
        shown: Shown = {
            n: self._shown(v, is_text=i in rule.texts) for i, (n, v) in enumerate(zip(rule.names, numbers, strict=True))
        }
        bad, late = self._bad.take(slot, row), self._late.take(slot, row)
        seen = Seen(transition.ts, shown, inputs, bad, late if rule.stage.window.kind not in _NEVER_LATE else None,
                    start, revision)  # fmt: skip
        return decide(rule, self._place(slot), transition, seen, self._node)

    def _kept(self, slot: int) -> list[float]:
        if not self._keeps_values:
            return [np.nan] * len(self.rule.names)
        kept: list[float] = self.state["values"][slot].tolist()
        return kept

    def _shown(self, value: float, *, is_text: bool) -> Any:
        return self._texts.text(value) if is_text else value

    def _place(self, slot: int) -> tuple[str, str]:
        node, device = self.stage.route.keys[slot]
        return node or self._node, device or ALL

    def _store(self, evaluations: Evaluations, values: list[Any], to: Findings) -> None:
        """The columns that become series; an unknown number is no reading."""
        if not self.rule.stores:
            return
        total = len(evaluations.row)
        slot = np.repeat(evaluations.slots, np.diff(np.append(evaluations.firsts, total)))
        for i, stored in enumerate(self.rule.stores):
            value = column(values[stored.column], total, np.float64)
            kept = np.isfinite(value)
            if stored.at >= 0:
                kept &= np.isfinite(column(values[stored.at], total, np.float64))
            if self.is_mixed:
                kept &= self.mine[slot]
            at = np.flatnonzero(kept)
            if len(at):
                series = self._series_of(i, slot[at])
                ts = evaluations.ts[at] if stored.at < 0 else _stamps(column(values[stored.at], total, np.float64)[at])
                to.derived.append(Batch(series, ts, value[at], np.zeros(len(at), np.uint8)))

    def _series_of(self, i: int, slot: Array) -> NDArray[np.int32]:
        known = self._series[i]
        for new in np.unique(slot[known[slot] < 0]).tolist():
            stored = self.rule.stores[i]
            known[new] = self._catalogue.intern(Series(*self._place(new), stored.metric, stored.unit, stored.kind))
        return known[slot]

    def _tell(self, evaluations: Evaluations, values: list[Any], to: Findings) -> None:
        """Results for local subscribers."""
        actions = [a for a in self.rule.actions if "result" in a.kinds]
        if not actions:
            return
        total = len(evaluations.row)
        slots = np.repeat(evaluations.slots, np.diff(np.append(evaluations.firsts, total))).tolist()
        columns = [column(v, total, np.float64).tolist() for v in values]
        for at, slot in enumerate(slots):
            if self.is_mixed and not self.mine[slot]:
                continue
            shown = {
                n: self._shown(c[at], is_text=i in self.rule.texts)
                for i, (n, c) in enumerate(zip(self.rule.names, columns, strict=True))
            }
            to.published += announce(self.rule, self._place(slot), evaluations, at, shown, actions)


_NEVER_LATE = frozenset({"each", "last", "count"})


def _stamps(seconds: Array) -> NDArray[np.int64]:
    """Seconds as ns, exact to the microsecond: a float64 holds no more."""
    return np.round(seconds * 1e6).astype(np.int64) * 1000


def _at(value: Any, at: int) -> Any:
    """A selected column's value at an evaluation; a column of one value is a number."""
    return value[at] if isinstance(value, np.ndarray) and value.ndim else value


def column(value: Any, total: int, dtype: Any) -> Array:
    """A column of shape (total,) that may be written to."""
    return np.array(np.broadcast_to(value, (total,)), dtype)
