"""The vectorised engine against a plain per-sample reference, and its promises one by one."""

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.model.batch import Batch
from holdfast.model.quality import Quality
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.evidence import Decision
from holdfast.stream.loading import load_rules
from holdfast.stream.rules import CompiledRule

S = 1_000_000_000
METRICS = ("air.temperature", "air.co2")
Row = tuple[str, str, int, float, int]  # device, metric, ts, value, quality
Outcome = tuple[str, str, str, int, dict[str, float], list[float], int, int, int | None]

RULES = """
rules:
  hot:
    select: avg(air.temperature) as t, count(air.temperature) as n
    from: readings where device <> 'd3'
    window: sliding 3 samples
    when: t > 2
    for: 2 samples
    clear_when: t < 1.5
  each:
    select: air.temperature, air.co2
    when: air.temperature > 2 and not air.co2 > 3
  both:
    select: max(air.temperature) as t, sum(air.co2) as c, first(air.co2) as f
    window: sliding 2 samples
    when: t >= 3 or c - f = 2
    for: 2 samples
  tumble:
    select: avg(air.temperature) as t, min(air.co2) as c, air.co2 as latest
    window: tumbling 10s
    when: t > 1 and (c < 3 or latest > 2)
    for: 2 samples
"""


def compile_rules(text: str, folder: Path) -> list[CompiledRule]:
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules([path])


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[CompiledRule]:
    return compile_rules(RULES, tmp_path_factory.mktemp("rules"))


def batch_of(rows: list[Row], catalogue: Catalogue) -> Batch:
    ids = [catalogue.intern(Series("site", d, m, "Cel", Kind.FLOAT)) for d, m, _, _, _ in rows]
    return Batch(
        np.array(ids, np.int32),
        np.array([r[2] for r in rows], np.int64),
        np.array([r[3] for r in rows], np.float64),
        np.array([r[4] for r in rows], np.uint8),
    )


def outcome(decision: Decision) -> Outcome:
    event, why = decision.event, decision.event.why
    inputs: Any = why["inputs"]
    shown = [v for m in METRICS for v in inputs.get(m, {"values": []})["values"]]
    values: Any = why["values"]
    counted: Any = (why["held_samples"], why["skipped_bad"], why.get("late"))
    return event.rule, event.device, event.kind, event.ts, values, shown, *counted


@dataclass
class Device:
    windows: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    latest: dict[str, float] = field(default_factory=lambda: defaultdict(lambda: math.nan))
    number: int = -(10**9)
    open: bool = False
    raised: bool = False
    held: int = 0
    bad: int = 0
    late: int = 0


class Reference:
    """The same semantics, sample by sample in plain Python."""

    def __init__(self, name: str, metrics: tuple[str, ...], hold: int, width: int) -> None:
        self.name, self.metrics, self.hold, self.width = name, metrics, hold, width
        self.devices: dict[str, Device] = defaultdict(Device)

    def select(self, d: Device) -> dict[str, float]:
        t, c = (d.windows[m] for m in METRICS)
        nan = math.nan
        match self.name:
            case "hot":
                return {"t": sum(t) / len(t) if t else nan, "n": float(len(t))}
            case "each":
                return {"air.temperature": t[-1] if t else nan, "air.co2": c[-1] if c else nan}
            case "both":
                return {"t": max(t, default=nan), "c": sum(c) if c else nan, "f": c[0] if c else nan}
        latest = d.latest["air.co2"]
        return {"t": sum(t) / len(t) if t else nan, "c": min(c, default=nan), "latest": latest}

    def conditions(self, v: dict[str, float]) -> tuple[bool, bool]:
        if self.name == "hot":
            return v["t"] > 2, v["t"] < 1.5
        if self.name == "each":
            a, b = v["air.temperature"], v["air.co2"]
            return a > 2 and b <= 3, a <= 2 or b > 3
        if self.name == "both":
            x = v["c"] - v["f"]
            return v["t"] >= 3 or x == 2, v["t"] < 3 and (x < 2 or x > 2)
        t, c, latest = v["t"], v["c"], v["latest"]
        return t > 1 and (c < 3 or latest > 2), t <= 1 or (c >= 3 and latest <= 2)

    def judge(self, d: Device, device: str, ts: int, out: list[Any], row: int) -> None:
        values = self.select(d)
        when, clear = self.conditions(values)
        kind = ""
        held = d.held
        if d.raised and clear:
            kind, d.raised, d.held = "alert.cleared", False, 0
        elif d.raised or when:
            d.held = held = d.held + 1
            if not d.raised and d.held >= self.hold:
                kind, d.raised = "alert.raised", True
        else:
            d.held = 0
        if kind:
            shown = [v for m in METRICS if m in self.metrics for v in d.windows[m][-20:]]
            seen = {k: None if math.isnan(v) else v for k, v in values.items()}
            late = d.late if self.name == "tumble" else None
            out.append((row, (self.name, device, kind, ts, seen, shown, held, d.bad, late)))
            d.bad = d.late = 0

    def feed(self, rows: list[Row]) -> list[Any]:
        out: list[Any] = []
        usable: dict[str, deque[tuple[int, Row]]] = defaultdict(deque)
        bad: dict[str, deque[int]] = defaultdict(deque)
        for i, row in enumerate(rows):
            if row[1] in self.metrics and not (self.name == "hot" and row[0] == "d3"):
                if row[4] == Quality.BAD or math.isnan(row[3]):
                    bad[row[0]].append(i)
                else:
                    usable[row[0]].append((i, row))
        for device in {**bad, **usable}:
            self._device(device, list(usable[device]), bad[device], out)
        return out

    def _device(self, device: str, rows: list[tuple[int, Row]], bad: deque[int], out: list[Any]) -> None:
        d = self.devices[device]
        for k, (i, (_, metric, ts, value, _)) in enumerate(rows):
            while bad and bad[0] < i:
                bad.popleft()
                d.bad += 1
            if self.name == "tumble":
                self._tumble(d, device, metric, ts, value, out, i)
                continue
            d.windows[metric] = [*d.windows[metric], value][-self.width :]
            if len(self.metrics) == 1 or k + 1 == len(rows) or rows[k + 1][1][2] != ts:
                self.judge(d, device, ts, out, i)
        d.bad += len(bad)

    def _tumble(self, d: Device, device: str, metric: str, ts: int, value: float, out: list[Any], row: int) -> None:
        number = ts // (10 * S)
        if number < d.number or (number == d.number and not d.open):
            d.late += 1
            return
        if number > d.number:
            self.close(d, device, out, row)
        d.number, d.open = number, True
        d.windows[metric].append(value)
        d.latest[metric] = value

    def close(self, d: Device, device: str, out: list[Any], row: int) -> None:
        if d.open:
            self.judge(d, device, (d.number + 1) * 10 * S, out, row)
        d.windows.clear()
        d.open = False

    def tick(self, now: int) -> list[Any]:
        out: list[Any] = []
        for name, d in self.devices.items():
            if self.name == "tumble" and d.open and (d.number + 1) * 10 * S + S <= now:
                self.close(d, name, out, -1)
        return out


def references() -> list[Reference]:
    t, c = METRICS
    return [
        Reference("hot", (t,), 2, 3),
        Reference("each", (t, c), 1, 1),
        Reference("both", (t, c), 2, 2),
        Reference("tumble", (t, c), 2, 0),
    ]


ROWS = st.tuples(
    st.sampled_from(["d1", "d2", "d3"]),
    st.sampled_from([*METRICS, "other"]),
    st.integers(0, 60).map(lambda s: s * S),
    st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, math.nan]),
    st.sampled_from([0, 0, 0, 0, 1, 2]),
)
STEPS = st.lists(st.one_of(st.lists(ROWS, max_size=25), st.integers(0, 70).map(lambda s: s * S)), max_size=8)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, in_time_order=st.booleans())
def test_equals_a_plain_reference_on_any_rows_in_any_batches(
    rules: list[CompiledRule], steps: list[list[Row] | int], *, in_time_order: bool
) -> None:
    catalogue, plain = Catalogue(), references()
    engine = Engine(rules, catalogue, "site")
    for step in steps:
        if isinstance(step, int):
            got = [outcome(d) for d in engine.tick(step)]
            want = [o for r in plain for _, o in r.tick(step)]
            assert sorted(got, key=repr) == sorted(want, key=repr)
            continue
        rows = sorted(step, key=lambda r: r[2]) if in_time_order else step
        got = [outcome(d) for d in engine.evaluate(batch_of(rows, catalogue))]
        pairs = sorted((p for r in plain for p in r.feed(rows)), key=lambda p: p[0])
        assert got == [o for _, o in pairs]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=STEPS, after=STEPS, strangers=st.lists(st.sampled_from(["d0", "d2", "d3"]), max_size=3))
def test_a_restored_engine_goes_on_as_if_nothing_had_happened(
    rules: list[CompiledRule], before: list[list[Row] | int], after: list[list[Row] | int], strangers: list[str]
) -> None:
    old = Catalogue()
    first = Engine(rules, old, "site")
    for step in before:
        first.tick(step) if isinstance(step, int) else first.evaluate(batch_of(step, old))
    new = Catalogue()  # other series first: every number is another one
    for device in strangers:
        new.intern(Series("site", device, "air.co2", "ppm", Kind.INT))
    second = Engine(rules, new, "site")
    assert second.restore(first.snapshot())
    for step in after:
        if isinstance(step, int):
            assert sorted(second.tick(step), key=_id) == sorted(first.tick(step), key=_id)
        else:
            assert second.evaluate(batch_of(step, new)) == first.evaluate(batch_of(step, old))


def _id(decision: Decision) -> str:
    return decision.event.id
