"""One rule at work: what it selects, its alarm, its results."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.features import FeatureRows
from holdfast.model.series import Catalogue, Series
from holdfast.stream.alarms.making import make_alarm
from holdfast.stream.alarms.ports import Alarm, Judged, Standing, Transition
from holdfast.stream.detecting import PREFIX, Label, Thresholds
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.evidence import Decision, Seen, Shown, announce, decide
from holdfast.stream.latest import Order
from holdfast.stream.plans import VALUE
from holdfast.stream.routing import key_of, named
from holdfast.stream.rules import CompiledRule
from holdfast.stream.stages import Stage
from holdfast.stream.state import State
from holdfast.stream.tallies import Told
from holdfast.stream.texts import Texts

Array = NDArray[Any]
ALL = "all"
"""The device in events of rules that don't keep devices apart."""
AFTER_ALL = 1 << 62
"""A row after all rows of a batch."""


@dataclass(slots=True)
class Findings:
    """What came of a batch, or of a tick.

    decided:   (deciding row's position in the batch, decision)
    derived:   readings that rules make
    published: results for local subscribers: (topic, payload)
    counts:    ledger counters to add to: rows that a throttled rule didn't see, devices beyond its limit
    features:  rows for models; nobody says when they arrived, that is the caller's
    moved:     by a tick or an acknowledgement: has anything changed in the engine?
    """

    decided: list[tuple[int, Decision]] = field(default_factory=list)
    derived: list[Batch] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    features: list[FeatureRows] = field(default_factory=list)
    moved: bool = False

    @property
    def decisions(self) -> list[Decision]:
        """The decisions alone."""
        return [decision for _, decision in self.decided]

    def add(self, other: "Findings") -> None:
        """Append what came later."""
        self.decided += other.decided
        self.derived += other.derived
        self.published += other.published
        self.counts += other.counts
        self.features += other.features


class Judge:
    """Applies one rule to the evaluations of its stage."""

    def __init__(self, rule: CompiledRule, stage: Stage, node: str, catalogue: Catalogue, texts: Texts) -> None:
        self.rule, self.stage = rule, stage
        self.state = State()
        self._node, self._catalogue, self._texts = node, catalogue, texts
        self.alarm: Alarm | None = None
        """What judges; None: nothing, or a panel does."""
        self.standing: Standing | None = None
        self.is_seated = False
        """Whether a panel judges for it."""
        self._keep_own()
        self.mine: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.is_mixed = False
        self._series = [np.empty(0, np.int32) for _ in rule.stores]
        self._results = [a for a in rule.actions if "result" in a.kinds]
        self.decisions = 0
        """Taken so far, for the account of costs."""

    def _keep_own(self) -> None:
        if self.rule.when is not None or self.rule.alarm.kind != "condition":
            self.standing = self.alarm = make_alarm(self.state, self.rule.alarm)
        self.thresholds = None if self.rule.watch is None else Thresholds(self.state, self.rule.watch)
        self._told = Told(self.state, self.stage.tallies)
        self._pair_of: Callable[[int], int] | None = None

    def take_seat(self, state: State, standing: Standing, told: Told, pair_of: Callable[[int], int]) -> None:
        """A panel judges from now on, and keeps the memory. pair_of: slot to the place in `told`."""
        self.state, self.alarm, self.standing = state, None, standing
        self._told, self._pair_of, self.is_seated = told, pair_of, True

    def stand_up(self) -> None:
        """Judge by itself again."""
        slots = len(self.mine)
        kept = self.state.export(slots)
        self.state, self.is_seated = State(), False
        self._keep_own()
        self.state.grow(slots)
        self.state.put(np.arange(slots), kept, {}, {})

    def judge(self, evaluations: Evaluations, order: Order | None, to: Findings) -> list[Any]:
        """Take evaluations in; the selected columns, for rules that read this one's.

        order: those that alarms go by; None: none
        """
        values = [value(evaluations.inputs) for value in self.rule.values]
        if self.rule.stores:
            self._store(evaluations, values, to)
        if self._results:
            self._tell(evaluations, values, to)
        if self.alarm is not None and order is not None:
            mine = order if not self.is_mixed else order.of(self.mine)
            if mine is not None:
                self._decide_all(self.alarm, evaluations, mine, values, to)
        return values

    def tick(self, times: Array, to: Findings) -> None:
        """What time alone decides: `for` and absence. times: what time it is for each key's alarms."""
        if self.alarm is not None and self.rule.alarm.has_timers:
            to.decided += [(-1, self.decide(t)) for t in self.alarm.due(times)]

    def slot_of(self, node: str, device: str, metric: str) -> int | None:
        """The slot of a key called as its events call it."""
        slot = self.stage.route.find(key_of(self.rule.stage.by, node, device, metric))
        return slot if slot is not None and (*self.place(slot), self.metric(slot)) == (node, device, metric) else None

    def label(self, place: tuple[str, str, str], label: Label, instead: Label | None) -> bool:
        """Somebody said what an alert of a series was worth; False where the rule knows no such series."""
        slot = self.slot_of(*place)
        if self.thresholds is None or slot is None or not self.stage.clocks.is_heard(slot):
            return False
        self.grow()
        self.thresholds.label(slot, label, instead)
        return True

    def acknowledge(self, node: str, device: str, metric: str, now_ns: int, to: Findings) -> None:
        """Somebody has seen the alert of a key, called as its events call it."""
        slot = self.slot_of(node, device, metric)
        if self.standing is not None and slot is not None:
            self.grow()
            to.moved = True
            time = int(self.stage.settled(now_ns)[slot])
            to.decided += [(-1, self.decide(t)) for t in self.standing.acknowledge(slot, time)]

    def raised(self) -> list[int]:
        """The slots whose alert is raised."""
        slots: list[int] = [] if self.standing is None else self.standing.raised().tolist()
        return slots

    def abandon(
        self, now_ns: int, because: str = "the rule was removed or changed", slots: Sequence[int] | None = None
    ) -> list[Decision]:
        """The rule is no more, or no more about these keys: their alerts are cleared, and the event says why."""
        if self.standing is None:
            return []
        times, made = self.stage.times(now_ns), list[Decision]()
        chosen = set(self.raised()) if slots is None else set(self.raised()) & set(slots)
        for slot in sorted(chosen):
            time = max(int(times[slot]), self.standing.since(slot))
            decision = self.decide(Transition(-1, slot, "alert.cleared", time, 0, time, -1, "acknowledged"))
            made.append(replace(decision, event=msgspec.structs.replace(decision.event, why={"because": because})))
            self.standing.end(slot)
        return made

    def forget(self, slots: Array) -> None:
        """How these keys stand is gone; what people said of their alerts isn't."""
        if self.thresholds is None:
            self.state.forget(slots)
        else:
            self.state.clear(slots, *(name for name in self.state.export(0) if not name.startswith(PREFIX)))

    def grow(self) -> None:
        """Make room for the stage's keys."""
        keys, known = self.stage.route.keys, len(self.mine)
        if len(keys) == known:
            return
        self.state.grow(len(keys))
        new = [self.rule.matches(*key) for key in keys[known:]] if self.rule.stage.by in ("device", "series") else []
        new += [True] * (len(keys) - known - len(new))
        self.mine = np.append(self.mine, new)
        self.is_mixed = not self.mine.all()
        self._series = [np.append(s, np.full(len(keys) - len(s), -1, np.int32)) for s in self._series]
        if not self.is_seated:
            slots = np.arange(known, len(keys))
            self._told.begin(slots, slots)

    def decide(self, t: Transition, evaluations: Evaluations | None = None, order: Order | None = None) -> Decision:
        """The decision that a transition is. t.at, t.seen: positions in `order`."""
        self.decisions += 1
        start, revision, inputs, row = None, None, {}, AFTER_ALL
        columns = None
        if evaluations is not None and order is not None:
            at, seen = order.place(t.at), order.place(t.seen)
            row = int(evaluations.row[at])
            if seen >= 0:
                columns = [_only(v, seen) for v in evaluations.inputs]
            if at == seen:
                start = None if evaluations.start is None else int(evaluations.start[at])
                revision = None if evaluations.revision is None else int(evaluations.revision[at])
                inputs = self._inputs(evaluations, at, t.slot)
        if columns is None:
            columns = self.stage.latest.inputs(t.slot)
        place = t.slot if self._pair_of is None else self._pair_of(t.slot)
        bad, late = self._told.take(place, t.slot, row)
        seen_late = late if self.rule.stage.window.kind not in _NEVER_LATE else None
        seen_all = Seen(t.ts, self._selected(columns), inputs, bad, seen_late, start, revision, self.metric(t.slot),
                        None if self.thresholds is None else self.thresholds.at(t.slot))  # fmt: skip
        return decide(self.rule, self.place(t.slot), t, seen_all, self._node)

    def _decide_all(
        self, alarm: Alarm, evaluations: Evaluations, order: Order, values: list[Any], to: Findings
    ) -> None:
        rule = self.rule
        when = self._holds(order, values)
        if not np.count_nonzero(when) and alarm.rests(order.slots):
            return
        clear = self._clears(order, values)
        then = None if rule.then is None else order.pick(rule.then(values), np.bool_)
        times = order.times if rule.alarm.has_timers else order.ts
        judged = Judged(order.slots, order.firsts, order.ts, times, when, clear, then, order.again)
        for t in alarm.advance(judged):
            row = int(evaluations.row[order.place(t.at)])
            to.decided.append((row, self.decide(t, evaluations, order)))

    def _holds(self, order: Order, values: list[Any]) -> Array:
        if self.thresholds is not None:
            return np.asarray(order.pick(values[0], np.float64) >= self._limits(self.thresholds, order))
        return order.pick(False if self.rule.when is None else self.rule.when(values), np.bool_)

    def _clears(self, order: Order, values: list[Any]) -> Array:
        if self.thresholds is not None:
            return np.asarray(order.pick(values[0], np.float64) < self._limits(self.thresholds, order))
        return order.pick(False if self.rule.clear is None else self.rule.clear(values), np.bool_)

    @staticmethod
    def _limits(thresholds: Thresholds, order: Order) -> Any:
        limits = thresholds.of(order.slots)
        return limits[order.keys] if isinstance(limits, np.ndarray) else limits

    def _inputs(self, evaluations: Evaluations, at: int, slot: int) -> dict[str, tuple[list[int], list[Any]]]:
        """The samples that an evaluation looked at."""
        found = {}
        for i, one in enumerate(self.rule.stage.inputs):
            if one.kind == "own":
                ts, samples = evaluations.evidence.samples(at, i)
                found[self._called(one.metric, slot)] = ts, [self._shown(v, is_text=one.is_text) for v in samples]
        return found

    def _selected(self, columns: list[Any]) -> Shown:
        numbers = [float(np.ravel(value(columns))[0]) for value in self.rule.values]
        named = enumerate(zip(self.rule.names, numbers, strict=True))
        return {name: self._shown(number, is_text=i in self.rule.texts) for i, (name, number) in named}

    def _shown(self, value: float, *, is_text: bool) -> Any:
        return self._texts.text(value) if is_text else value

    def place(self, slot: int) -> tuple[str, str]:
        """Node and device of a key, as events name them."""
        node, device, _ = self.stage.route.keys[slot]
        return node or self._node, device or ALL

    def metric(self, slot: int) -> str:
        """Of a key's series, empty where the rule doesn't keep series apart."""
        return self.stage.route.keys[slot][2]

    def _called(self, name: str, slot: int) -> str:
        """An input as people know it: in a rule by series `value` is the series."""
        return self.metric(slot) if name == VALUE and self.rule.stage.reads_every else name

    def _store(self, evaluations: Evaluations, values: list[Any], to: Findings) -> None:
        """The columns that become series; an unknown number is no reading."""
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
            known[new] = self._catalogue.intern(
                Series(*self.place(new), named(stored.metric, self.metric(new)), stored.unit, stored.kind)
            )
        return known[slot]

    def _tell(self, evaluations: Evaluations, values: list[Any], to: Findings) -> None:
        """Results for local subscribers."""
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
            to.published += announce(
                self.rule, (*self.place(slot), self.metric(slot)), evaluations, at, shown, self._results
            )


_NEVER_LATE = frozenset({"each", "last", "count"})


def _only(value: Any, at: int) -> Any:
    """A column of one evaluation; a column of one value is a number."""
    return value[at : at + 1] if isinstance(value, np.ndarray) and value.ndim else value


def _stamps(seconds: Array) -> NDArray[np.int64]:
    """Seconds as ns, exact to the microsecond: a float64 holds no more."""
    return np.round(seconds * 1e6).astype(np.int64) * 1000


def column(value: Any, total: int, dtype: Any) -> Array:
    """A column of shape (total,) that may be written to."""
    return np.array(np.broadcast_to(value, (total,)), dtype)
