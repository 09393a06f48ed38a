"""Windows in order of time, message by message in plain Python: what the vectorised ones must come to."""

import bisect
import math
from dataclasses import dataclass, field
from typing import Any

from tests.unit.stream.formulas import COUNTS, PLAIN

from holdfast.stream.plans import Call, WindowSpec

S = 1_000_000_000
FAR = 1 << 62
QUALITIES = ("good", "uncertain", "bad")


@dataclass(frozen=True, slots=True)
class Message:
    """values: by column, what it brings; begin, end: the conditions of state windows, NaN for unknown."""

    key: int
    ts: int
    values: dict[int, float]
    live: bool = True
    told: int = -1
    """The quality byte that came with column 0, -1: none came."""
    begin: float = math.nan
    end: float = math.nan


@dataclass(frozen=True, slots=True)
class Outcome:
    key: int
    row: int
    ts: int
    start: int | None
    values: tuple[float, ...]
    shown: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...]


@dataclass(slots=True)
class Key:
    newest: int = -FAR
    passed: int = -FAR
    behind: int = 0
    waiting: list[tuple[int, int, Message]] = field(default_factory=list)
    done: list[tuple[int, Message]] = field(default_factory=list)
    """Messages in order, with their running number."""
    open: list[Message] = field(default_factory=list)
    pending: list[tuple[int, Message]] = field(default_factory=list)


class Plain:
    """One stage's windows."""

    def __init__(self, spec: WindowSpec, calls: tuple[Call, ...], columns: int) -> None:
        self.spec, self.calls, self.columns = spec, calls, columns
        self.keys: dict[int, Key] = {}
        self.out: list[Outcome] = []
        self.late: list[tuple[int, int]] = []
        self.arrived = 0

    # Time

    def feed(self, messages: list[Message], first_row: int, now: int) -> None:
        for row, m in enumerate(messages, first_row):
            key = self.keys.setdefault(m.key, Key())
            key.newest = max(key.newest, m.ts)
            self.arrived += 1
            if self.spec.kind == "count":
                self.message(key, row, m)
                continue
            mark = max(key.newest - self.spec.grace, key.passed)
            if m.ts < mark:
                if m.live:
                    self.late.append((m.key, row))
            else:
                bisect.insort(key.waiting, (m.ts, self.arrived, m))
            self.let_go(key, row, mark)
        for name in {m.key for m in messages}:
            self.keys[name].behind = now - self.keys[name].newest

    def tick(self, now: int) -> None:
        for name in sorted(self.keys):
            key = self.keys[name]
            mark = max(key.newest, now - key.behind) - self.spec.grace
            due = min([self.due(key), *(ts for ts, _, _ in key.waiting[:1])])
            if self.spec.kind != "count" and due <= mark and mark > key.passed:
                key.passed = mark
                self.let_go(key, -1, mark)

    def let_go(self, key: Key, row: int, mark: int) -> None:
        while key.waiting and key.waiting[0][0] <= mark:
            _, _, m = key.waiting.pop(0)
            self.end_session(key, row, m.ts)
            self.message(key, row, m)
            self.look_ahead(key, row, m.ts)
        self.end_session(key, row, mark)
        self.look_ahead(key, row, mark)

    def due(self, key: Key) -> int:
        spec = self.spec
        if spec.kind == "session" and key.open:
            return self.over(key) + 1
        if spec.kind == "sliding" and key.pending:
            return key.pending[0][1].ts + spec.ahead
        return FAR

    # Windows

    def over(self, key: Key) -> int:
        last = max(m.ts for m in key.open if m.live)
        return min(last + self.spec.gap, key.open[0].ts + (self.spec.most or FAR))

    def end_session(self, key: Key, row: int, now: int) -> None:
        if self.spec.kind == "session" and key.open and now > self.over(key):
            self.emit(key.open, row, key.open[0].ts, max(m.ts for m in key.open if m.live))
            key.open = []

    def look_ahead(self, key: Key, row: int, now: int) -> None:
        while key.pending and key.pending[0][1].ts + self.spec.ahead <= now:
            _, anchor = key.pending.pop(0)
            self.around(key, anchor, row)

    def around(self, key: Key, anchor: Message, row: int) -> None:
        start, end = anchor.ts - self.spec.behind, anchor.ts + self.spec.ahead
        self.emit([m for _, m in key.done if start < m.ts <= end], row, start, end)

    def message(self, key: Key, row: int, m: Message) -> None:
        spec = self.spec
        if not m.live:
            if spec.kind in {"sliding", "count"}:
                key.done.append((-1, m))
            elif key.open:
                key.open.append(m)
            return
        key.done.append((sum(n >= 0 for n, _ in key.done), m))
        if spec.kind == "sliding" and spec.ahead:
            key.pending.append((row, m))
        elif spec.kind == "sliding":
            self.around(key, m, row)
        elif spec.kind == "session":
            key.open.append(m)
        elif spec.kind == "state":
            self.state(key, row, m)
        else:
            self.count(key, row, m)

    def count(self, key: Key, row: int, m: Message) -> None:
        over = key.done[-1][0] + 1 - self.spec.samples
        if over >= 0 and over % self.spec.step == 0:
            places = [i for i, (n, _) in enumerate(key.done) if n >= 0]
            after = places[over - 1] + 1 if over else 0
            self.emit([m for _, m in key.done[after:]], row, None, m.ts)

    def state(self, key: Key, row: int, m: Message) -> None:
        is_while = self.spec.end < 0
        if key.open:
            if is_while and m.begin != 1:
                self.emit(key.open, row, key.open[0].ts, m.ts)
                key.open = []
            elif is_while or m.end != 1:
                key.open.append(m)
            else:
                self.emit([*key.open, m], row, key.open[0].ts, m.ts)
                key.open = []
        elif m.begin == 1:
            key.open = [m]

    # Numbers

    def emit(self, window: list[Message], row: int, start: int | None, end: int) -> None:
        codes = [m.told & 3 for m in window if m.told >= 0]
        name = window[0].key
        window = [m for m in window if m.live]
        shown, values = [], []
        for column in range(self.columns):
            arrived = [(m.ts, m.values[column]) for m in window if not math.isnan(m.values.get(column, math.nan))]
            shown.append((tuple(t for t, _ in arrived[-20:]), tuple(v for _, v in arrived[-20:])))
        for call in self.calls:
            if call.column < 0:
                values.append(self.fact(call.kind, window, start, end))
                continue
            if call.kind in QUALITIES:
                values.append(float(codes.count(QUALITIES.index(call.kind))))
                continue
            samples = [(m.ts, m.values[call.column]) for m in window if call.column in m.values]
            samples = sorted((s for s in samples if not math.isnan(s[1])), key=lambda s: s[0])
            values.append(self.number(call, samples, start, end))
        self.out.append(Outcome(name, row, end, start, tuple(values), tuple(shown)))

    def number(self, call: Call, samples: list[tuple[int, float]], start: int | None, end: int) -> float:
        window = [(t / S, v) for t, v in samples]
        if call.kind == "completeness":
            if start is None:
                expected = (window[-1][0] - window[0][0] if window else 0.0) / call.args[0] + 1
            else:
                expected = (end - start) / S / call.args[0]
            return min(len(window) / expected, 1.0) if expected else min(len(window), 1.0)
        if call.kind in COUNTS:
            return COUNTS[call.kind][1](window, 0.0)
        until = window[-1][0] if start is None and window else end / S
        return PLAIN[call.kind][1](window, until) if window else math.nan

    def fact(self, kind: str, window: list[Message], start: int | None, end: int) -> float:
        began = window[0].ts if start is None else start
        facts: dict[str, Any] = {
            "window_start": began / S,
            "window_end": end / S,
            "window_seconds": (end - began) / S,
            "messages": len(window),
            "final": 1,
            "revision": 0,
        }
        return float(facts[kind])
