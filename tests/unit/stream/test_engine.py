"""The vectorised engine against a plain per-sample reference, and its promises one by one."""

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.model.batch import Batch
from holdfast.model.quality import Quality
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.evidence import Decision
from holdfast.stream.language.loading import load_rules
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
    raised: bool = False
    held: int = 0
    bad: int = 0


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
        raise AssertionError(self.name)

    def conditions(self, v: dict[str, float]) -> tuple[bool, bool]:
        if self.name == "hot":
            return v["t"] > 2, v["t"] < 1.5
        if self.name == "each":
            a, b = v["air.temperature"], v["air.co2"]
            return a > 2 and b <= 3, a <= 2 or b > 3
        x = v["c"] - v["f"]
        return v["t"] >= 3 or x == 2, v["t"] < 3 and (x < 2 or x > 2)

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
            out.append((row, (self.name, device, kind, ts, seen, shown, held, d.bad, None)))
            d.bad = 0

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
        in_run: set[str] = set()  # a metric that comes again at one time begins another message
        for k, (i, (_, metric, ts, value, _)) in enumerate(rows):
            while bad and bad[0] < i:
                bad.popleft()
                d.bad += 1
            in_run = in_run if k and rows[k - 1][1][2] == ts else set()
            in_run.add(metric)
            d.windows[metric] = [*d.windows[metric], value][-self.width :]
            following = rows[k + 1][1] if k + 1 < len(rows) else None
            if len(self.metrics) == 1 or following is None or following[2] != ts or following[1] in in_run:
                self.judge(d, device, ts, out, i)
        d.bad += len(bad)


def references() -> list[Reference]:
    t, c = METRICS
    return [
        Reference("hot", (t,), 2, 3),
        Reference("each", (t, c), 1, 1),
        Reference("both", (t, c), 2, 2),
    ]


ROWS = st.tuples(
    st.sampled_from(["d1", "d2", "d3"]),
    st.sampled_from([*METRICS, "other"]),
    st.sampled_from([0, 1, 2, 3, 8, 12, 15, 21, 25, 33]).map(lambda s: s * S),
    st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, math.nan]),
    st.sampled_from([0, 0, 0, 0, 1, 2]),
)
STEPS = st.lists(
    st.one_of(st.lists(ROWS, max_size=25), st.sampled_from([5, 11, 21, 26, 60]).map(lambda s: s * S)), max_size=8
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, in_time_order=st.booleans())
def test_equals_a_plain_reference_on_any_rows_in_any_batches(
    rules: list[CompiledRule], steps: list[list[Row] | int], *, in_time_order: bool
) -> None:
    catalogue, plain = Catalogue(), references()
    engine = Engine(rules, catalogue, "site")
    for step in steps:
        if isinstance(step, int):
            got = [outcome(d) for d in engine.tick(step).decisions]
            assert got == []
            continue
        rows = sorted(step, key=lambda r: r[2]) if in_time_order else step
        got = [outcome(d) for d in engine.evaluate(batch_of(rows, catalogue)).decisions]
        pairs = sorted((p for r in plain for p in r.feed(rows)), key=lambda p: p[0])
        assert got == [o for _, o in pairs]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
            assert sorted(second.tick(step).decisions, key=_id) == sorted(first.tick(step).decisions, key=_id)
        else:
            assert second.evaluate(batch_of(step, new)).decisions == first.evaluate(batch_of(step, old)).decisions


def _id(decision: Decision) -> str:
    return decision.event.id


BASE = 1_700_000_000 * S


class Site:
    """One engine with one rule, fed rows by device."""

    def __init__(self, folder: Path, rule: str) -> None:
        self.catalogue = Catalogue()
        self.engine = Engine(compile_rules(f"rules:\n  r: {{{rule}}}\n", folder), self.catalogue, "hub")

    def feed(self, *values: float, device: str = "d1", start: int = 0, metric: str = "air.temperature") -> list[str]:
        rows: list[Row] = [(device, metric, BASE + (start + i) * S, v, 0) for i, v in enumerate(values)]
        return [d.event.kind for d in self.engine.evaluate(batch_of(rows, self.catalogue)).decisions]

    def decide(self, *rows: Row) -> list[Decision]:
        return self.engine.evaluate(batch_of(list(rows), self.catalogue)).decisions


def test_an_alert_is_raised_once_and_cleared_by_its_own_condition(tmp_path: Path) -> None:
    site = Site(tmp_path, "select: air.temperature as t, when: t > 5, for: 3 samples, clear_when: t < 2")
    assert site.feed(6, 6) == []
    assert site.feed(1, 6, 6) == []
    assert site.feed(6) == ["alert.raised"]
    assert site.feed(9, 9, 3, 9) == []
    assert site.feed(1, 1, 6, 6, 6, 1) == ["alert.cleared", "alert.raised", "alert.cleared"]


@pytest.mark.parametrize(
    ("by", "place", "strangers"),
    [("device", ("site", "d1"), [("site", "d2"), ("hub", "d1")]),
     ("node", ("site", "all"), [("site", "d1"), ("hub", "all")]),
     ("all", ("hub", "all"), [("site", "all"), ("hub", "d1")])],
)  # fmt: skip
def test_a_latched_alert_ends_once_somebody_has_seen_it(
    tmp_path: Path, by: str, place: tuple[str, str], strangers: list[tuple[str, str]]
) -> None:
    site = Site(tmp_path, f"select: air.temperature as t, by: {by}, when: t > 5, latch: true")
    (raised,) = site.decide(("d1", "air.temperature", BASE, 6.0, 0))
    assert (raised.event.node, raised.event.device) == place
    assert site.feed(1, start=1) == []
    for stranger in strangers:
        assert site.engine.acknowledge("r", *stranger, BASE + 2 * S).decisions == []
    (cleared,) = site.engine.acknowledge("r", *place, BASE + 2 * S).decisions
    assert (cleared.event.kind, cleared.event.node, cleared.event.device) == ("alert.cleared", *place)


def test_an_alert_says_why(tmp_path: Path) -> None:
    rule = "select: avg(air.temperature) as t, window: sliding 30 samples, when: t > 5, for: 2 samples"
    site = Site(tmp_path, rule + ", severity: critical, message: '{device} is at {t:.1f}, {node}'")
    rows: list[Row] = [("a+b", "air.temperature", BASE + i, 0.0, 0) for i in range(25)]
    rows += [("a+b", "air.temperature", BASE + 25, 0.0, int(Quality.BAD)), ("a+b", "air.temperature", 0, math.nan, 0)]
    rows += [("a+b", "air.temperature", BASE + 26 + i, 200.0, 0) for i in range(2)]
    (decision,) = site.decide(*rows)
    event, why = decision.event, decision.event.why
    assert (event.kind, event.severity, event.node, event.device, event.rule) == (
        ("alert.raised", "critical", "site", "a+b", "r")
    )
    assert event.lane == 0
    assert event.ts == BASE + 27
    assert event.message == "a+b is at 14.8, site"
    assert decision.publish == (("alerts/a_b/r", None),)
    assert why == {
        "rule_version": site.engine.rules[0].version,
        "decided_on": "hub",
        "condition": "t > 5",
        "values": {"t": 400 / 27},
        "window": {"text": "sliding 30 samples"},
        "inputs": {
            "air.temperature": {"ts": [BASE + i for i in [*range(7, 25), 26, 27]], "values": [0.0] * 18 + [200.0] * 2}
        },
        "held_samples": 2,
        "since": BASE + 26,
        "skipped_bad": 2,
    }
    assert len(event.id) == 32


def test_a_publish_may_say_less_and_of_one_kind_only(tmp_path: Path) -> None:
    does = "do: [{publish: a, on: raised, payload: {device_id: device, at: ts_ms, t: t}}, {publish: b, on: cleared}]"
    site = Site(tmp_path, f"select: air.temperature as t, when: t > 5, {does}")
    rows: list[Row] = [("d", "air.temperature", BASE, 6.5, 0), ("d", "air.temperature", BASE + 1, 1.0, 0)]
    raised, cleared = site.decide(*rows)
    ((topic, payload),) = raised.publish
    assert (topic, msgspec.json.decode(payload or b"")) == ("a", {"device_id": "d", "at": BASE // 10**6, "t": 6.5})
    assert cleared.publish == (("b", None),)


def test_without_a_message_the_engine_says_what_it_saw(tmp_path: Path) -> None:
    site = Site(tmp_path, "select: 'air.temperature as t, air.co2 as c', when: t > 5")
    raised, cleared = site.decide(
        ("d", "air.temperature", BASE, 6.0, 0), ("d", "air.temperature", BASE + 1, math.inf, 0),
        ("d", "air.temperature", BASE + 2, 5.0, 0),
    )  # fmt: skip
    assert raised.event.message == "d: t > 5 (t = 6, c is unknown)"
    assert cleared.event.message == "cleared: d: t > 5 (t = 5, c is unknown)"
    assert cleared.event.why["condition"] == "not (t > 5)"


def test_an_infinite_value_is_shown_as_unknown(tmp_path: Path) -> None:
    site = Site(tmp_path, "select: air.temperature as t, when: t > 5, message: '{t:.1f}'")
    (raised,) = site.decide(("d", "air.temperature", BASE, math.inf, 0))
    assert raised.event.why["values"] == {"t": None}
    assert raised.event.message == "unknown"


def test_a_tumbling_window_closes_when_its_grace_has_passed_by_rows_or_by_silence(tmp_path: Path) -> None:
    site = Site(tmp_path, "select: avg(air.temperature) as t, window: tumbling 10s grace 2s, when: t > 5")
    assert site.feed(6, 6, start=8) == []  # at 8 and 9 s
    assert site.feed(1, start=11) == []  # the grace: what is of the first window may still come
    assert site.feed(6, start=7) == []
    assert site.feed(1, start=12) == ["alert.raised"]
    assert site.engine.tick(BASE + 23 * S - 1).decisions == []
    (cleared,) = site.engine.tick(BASE + 23 * S).decisions
    assert (cleared.event.kind, cleared.event.ts) == ("alert.cleared", BASE + 20 * S)
    assert cleared.event.why["window"] == {"text": "tumbling 10s grace 2s", "from": BASE + 10 * S, "to": BASE + 20 * S}
    assert site.feed(9, 9, start=15) == []  # late: that window is closed
    assert site.feed(9, start=20) == []
    (raised,) = site.engine.tick(BASE + 99 * S).decisions
    assert raised.event.why["late"] == 2
    assert site.engine.tick(BASE + 999 * S).decisions == []


def test_closing_by_a_tick_or_by_a_row_gives_the_same_event(tmp_path: Path) -> None:
    rule = "select: avg(air.temperature) as t, window: tumbling 10s, when: t > 5"
    one, other = Site(tmp_path, rule), Site(tmp_path, rule)
    assert one.feed(6) == other.feed(6) == []
    by_row = one.decide(("d1", "air.temperature", BASE + 10 * S, 0.0, 0))
    assert by_row == other.engine.tick(BASE + 60 * S).decisions


@pytest.mark.parametrize("aggregate", ["avg", "min", "max", "sum", "count", "stddev", "var", "first", "last"])
def test_tumbling_aggregates_do_not_depend_on_batches(tmp_path: Path, aggregate: str) -> None:
    rule = f"select: {aggregate}(air.temperature) as t, window: tumbling 10s, when: t is not null"
    values = [3.1, 4.7, 1.9, 2.2, 9.3, 5.5]
    whole, split = Site(tmp_path, rule), Site(tmp_path, rule)
    whole.feed(*values)
    for i, value in enumerate(values):
        split.feed(value, start=i)
    (a,), (b,) = whole.engine.tick(BASE + 60 * S).decisions, split.engine.tick(BASE + 60 * S).decisions
    assert a == b
    expected: Any = {
        "avg": np.mean(values), "min": 1.9, "max": 9.3, "sum": sum(values), "count": 6, "first": 3.1, "last": 5.5,
        "stddev": np.std(values, ddof=1), "var": np.var(values, ddof=1),
    }[aggregate]  # fmt: skip
    shown: Any = a.event.why["values"]
    assert shown["t"] == pytest.approx(expected)


def test_decisions_come_in_the_order_of_their_rows_over_all_rules(tmp_path: Path) -> None:
    text = "rules:\n" + "".join(f"  r{i}: {{select: m{i}.x as v, when: v > 0}}\n" for i in range(130))
    catalogue = Catalogue()
    engine = Engine(compile_rules(text, tmp_path), catalogue, "n")
    rows: list[Row] = [("d", f"m{i}.x", BASE, 1.0, 0) for i in (129, 3, 64, 63, 0, 128)]
    got = engine.evaluate(batch_of(rows, catalogue)).decisions
    assert [d.event.rule for d in got] == ["r129", "r3", "r64", "r63", "r0", "r128"]


def test_series_that_no_rule_reads_and_text_series_are_passed_over(tmp_path: Path) -> None:
    site = Site(tmp_path, "select: air.temperature as t, when: t >= 0")
    assert site.feed(1, metric="other") == []
    text = site.catalogue.intern(Series("n", "d", "air.temperature", "", Kind.TEXT))
    batch = Batch(np.array([text], np.int32), np.array([1]), np.array([0.0]), np.array([0], np.uint8), ("x",))
    assert site.engine.evaluate(batch).decisions == []
    assert site.engine.evaluate(Batch.empty()).decisions == []


def test_the_catalogue_may_grow_to_many_series(tmp_path: Path) -> None:
    site = Site(tmp_path, "select: air.temperature as t, when: t > 0")
    for i in range(300):
        assert site.feed(1, device=f"d{i}") == ["alert.raised"]
    assert site.feed(0, device="d7") == ["alert.cleared"]


def test_an_engine_without_rules_decides_nothing() -> None:
    catalogue = Catalogue()
    engine = Engine([], catalogue, "n")
    assert engine.evaluate(batch_of([("d", "m", 1, 1.0, 0)], catalogue)).decisions == []
    assert engine.restore(engine.snapshot())


def test_a_damaged_or_foreign_snapshot_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, "select: air.temperature as t, when: t > 0")
    site.feed(1)
    before = site.engine.snapshot()
    assert not site.engine.restore(b"")
    assert not site.engine.restore(before[:-1])
    assert not site.engine.restore(before.replace(b"<f8", b"<f4"))
    assert not site.engine.restore(before.replace(b"alarm.held", b"alarm.hold"))
    assert not site.engine.restore(before.replace(b"\xa6format\x02", b"\xa6format\x09"))
    assert site.engine.snapshot() == before


def test_state_of_a_changed_rule_is_not_taken_over(tmp_path: Path) -> None:
    old = Site(tmp_path, "select: air.temperature as t, when: t > 0, for: 2 samples")
    old.feed(1)
    new = Site(tmp_path, "select: air.temperature + 1 as t, when: t > 0.5, for: 2 samples")
    assert new.engine.restore(old.engine.snapshot())
    assert new.feed(1) == []
