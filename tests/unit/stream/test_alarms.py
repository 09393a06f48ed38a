"""Alarms: the vectorised classes against a plain reference; timers, restarts, batches; panels against judges."""

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.stream.plain_alarms import PlainAlarm, Told
from tests.unit.stream.test_engine import S, batch_of, compile_rules

from holdfast.model.series import Catalogue
from holdfast.stream.engine import Engine
from holdfast.stream.evidence import Decision
from holdfast.stream.plans import AlarmSpec
from holdfast.stream.rules import CompiledRule

RULE = """
rules:
  r: {select: 'case when a.b < 9 then a.b end as t', when: t = 2, clear_when: t = 0}
"""
_WORDS = {
    "held": "held for",
    "cooled": "held still",
    "ended": "had ended",
    "silent": "no message",
    "missed": "didn't hold",
    "followed": "held within",
    "spoke": "a message",
    "acknowledged": "acknowledged",
}


@cache
def base_rule() -> CompiledRule:
    with TemporaryDirectory() as folder:
        return compile_rules(RULE, Path(folder))[0]


def rule_of(spec: AlarmSpec, name: str = "r") -> CompiledRule:
    return replace(
        base_rule(),
        name=name,
        alarm=spec,
        shape=repr(spec),
        then=lambda c: c[0] == 5,
        then_text="t = 5",
        threshold=None,
    )


@dataclass(frozen=True)
class Rows:
    """A batch: (device, ts, value), and when it came."""

    rows: tuple[tuple[str, int, float], ...]
    now: int


@dataclass(frozen=True)
class Tick:
    now: int


@dataclass(frozen=True)
class Ack:
    device: str
    now: int


Step = Rows | Tick | Ack
NUMBERS = st.integers(0, 1 << 48)
"""Seeds: drawing a whole story step by step would take hypothesis longer than the engine takes to run it."""


def spec_of(seed: int, kinds: tuple[str, ...] = ("condition", "condition", "absence", "sequence")) -> AlarmSpec:
    r = Random(seed)
    some = [0, 0, 1, 2, 3, 5]
    kind: Any = r.choice(kinds)
    return AlarmSpec(
        kind=kind,
        hold=r.choice([1, 1, 2, 3]) if kind == "condition" else 1,
        hold_ns=S * (r.choice(some) if kind == "condition" else r.choice([1, 2, 4]) if kind == "absence" else 0),
        clear_hold=r.choice([1, 1, 2]),
        clear_ns=S * r.choice(some),
        cooldown=S * r.choice(some),
        latch=r.random() < 0.4,
        within=S * r.choice([1, 2, 4]) if kind == "sequence" else 0,
        expected=r.random() < 0.5,
    )


def story_of(seed: int) -> list[Step]:
    """Time goes on; devices speak, sometimes of the past."""
    r = Random(seed)
    now, story = 100 * S, list[Step]()
    late = r.choice([0, 0, 1])
    for _ in range(r.randint(1, 12)):
        now += r.randint(0, 4) * S
        kind = r.choice(["rows", "rows", "rows", "tick", "ack"])
        if kind == "rows":
            rows = []
            for _ in range(r.randint(1, 10)):
                now += r.choice([0, 1, 1, 1, 2]) * S
                ts = now - late * r.choice([0, 0, 0, 3]) * S
                rows.append((r.choice(["d1", "d1", "d2", "d3"]), ts, r.choice([0.0, 1.0, 2.0, 2.0, 2.0, 5.0, 9.0])))
            story.append(Rows(tuple(rows), now + r.randint(0, 1) * S))
        else:
            story.append(Tick(now) if kind == "tick" else Ack(r.choice(["d1", "d2"]), now))
    return story


class Plain:
    """The reference for a whole story: each device's alarm, and its clock."""

    def __init__(self, spec: AlarmSpec) -> None:
        self.alarms: dict[str, PlainAlarm] = {}
        self.clocks: dict[str, tuple[int, int]] = {}
        self.spec = spec

    def clock(self, device: str, now: int) -> int:
        newest, behind = self.clocks[device]
        return max(newest, now - behind)

    def step(self, step: Step) -> list[Told]:
        if isinstance(step, Rows):
            return self._rows(step)
        devices = [step.device] if isinstance(step, Ack) else list(self.alarms)
        told: list[Told] = []
        for device in devices:
            alarm = self.alarms.get(device)
            if alarm is None:
                continue
            time = self.clock(device, step.now)
            alarm.acknowledge(time) if isinstance(step, Ack) else alarm.settle(time)
            told += alarm.out
            alarm.out = []
        return told if isinstance(step, Ack) else sorted(told, key=lambda t: t[2])

    def _rows(self, step: Rows) -> list[Told]:
        told: list[tuple[int, int, Told]] = []
        newest: dict[str, int] = {}
        for i, (device, ts, value) in enumerate(step.rows):
            alarm = self.alarms.setdefault(device, PlainAlarm(self.spec, device))
            alarm.feed(ts, None if value == 9 else value)
            newest[device] = max(newest.get(device, 0), ts, self.clocks.get(device, (0, 0))[0])
            told += [(i, t[2], t) for t in alarm.out]
            alarm.out = []
        for device, time in newest.items():
            self.clocks[device] = time, step.now - time
        return [t for _, _, t in sorted(told, key=lambda t: t[:2])]


def take(engine: Engine, catalogue: Catalogue, step: Step, devices: tuple[str, ...] = ()) -> list[Decision]:
    if isinstance(step, Tick):
        return engine.tick(step.now).decisions
    if isinstance(step, Ack):
        return engine.acknowledge("r", "site", step.device, step.now).decisions
    batch = batch_of([(d, "a.b", ts, v, 0) for d, ts, v in step.rows], catalogue)
    return engine.evaluate(batch, step.now).decisions


def told(decision: Decision) -> Told:
    event, why = decision.event, decision.event.why
    values: Any = why["values"]
    because: Any = why.get("because", "")
    short = next((k for k, words in _WORDS.items() if because.startswith(words) or words in because), "")
    since: Any = why["since"]
    return event.kind, event.device, event.ts, since, short, values["t"]


@settings(max_examples=200, deadline=None)
@given(spec=NUMBERS, story=NUMBERS)
def test_alarms_equal_a_plain_reference_in_any_story(spec: int, story: int) -> None:
    catalogue, plain = Catalogue(), Plain(spec_of(spec))
    engine = Engine([rule_of(spec_of(spec))], catalogue, "site")
    for step in story_of(story):
        assert [told(d) for d in take(engine, catalogue, step)] == plain.step(step)


@settings(max_examples=150, deadline=None)
@given(spec=NUMBERS, story=NUMBERS)
def test_alarms_do_not_depend_on_how_rows_were_batched(spec: int, story: int) -> None:
    whole, parts, r = Catalogue(), Catalogue(), Random(story)
    one, two = Engine([rule_of(spec_of(spec))], whole, "site"), Engine([rule_of(spec_of(spec))], parts, "site")
    for step in story_of(story):
        expected = take(one, whole, step)
        if not isinstance(step, Rows):
            assert take(two, parts, step) == expected
            continue
        cuts = sorted({r.randint(0, len(step.rows)) for _ in range(4)} | {0, len(step.rows)})
        got: list[Decision] = []
        for a, b in pairwise(cuts):
            got += take(two, parts, Rows(step.rows[a:b], step.now))
        assert got == expected


@settings(max_examples=100, deadline=None)
@given(spec=NUMBERS, story=NUMBERS)
def test_an_engine_killed_at_every_boundary_makes_the_same_events(spec: int, story: int) -> None:
    rule, catalogue = rule_of(spec_of(spec)), Catalogue()
    steady = Engine([rule], catalogue, "site")
    state = steady.snapshot()
    for i, step in enumerate(story_of(story)):
        fresh = Catalogue()  # numbered in another order
        batch_of([(d, "a.b", 0, 0.0, 0) for d in ("d3", "d1", "d2")[: i % 4]], fresh)
        restored = Engine([rule], fresh, "site")
        assert restored.restore(state)
        expected = take(steady, catalogue, step)
        assert sorted(map(repr, take(restored, fresh, step))) == sorted(map(repr, expected))
        state = restored.snapshot()


@cache
def panel_rules(seed: int) -> list[CompiledRule]:
    """Thresholds on one column, of several limits, directions, devices and names."""
    r, lines = Random(seed), []
    for i in range(r.randint(1, 7)):
        sign, limit = r.choice([">", ">", ">=", "<"]), r.choice([0.5, 1, 2, 3, 5])
        devices = r.choice(["<> 'd9'", "= 'd1'", "<> 'd2'", "in ('d1', 'd3')"])
        select = f"case when a.b < 9 then a.b end as t{i}, count(a.b) as n"
        clear = r.choice(["", f", clear_when: t{i} {'>' if sign == '<' else '<'} 1.5"])
        source = f"readings where device {devices}"
        lines.append(f"  r{i}: {{select: '{select}', from: \"{source}\", when: t{i} {sign} {limit}{clear}}}")
    specs = [spec_of(seed + i, ("condition",)) for i in range(2)]
    with TemporaryDirectory() as folder:
        rules = compile_rules("rules:\n" + "\n".join(lines), Path(folder))
    return [replace(rule, alarm=specs[i % 2], shape=repr(specs[i % 2])) for i, rule in enumerate(rules)]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 60), story=NUMBERS)
def test_a_panel_equals_separate_judges(seed: int, story: int) -> None:
    fused, r = panel_rules(seed), Random(story)
    assert all(rule.threshold is not None for rule in fused)
    apart = [replace(rule, threshold=None) for rule in fused]
    old, new = Catalogue(), Catalogue()
    one, two = Engine(apart, old, "site"), Engine(fused, new, "site")
    for step in story_of(story):
        if isinstance(step, Ack):
            for i in range(len(fused)):
                a = one.acknowledge(f"r{i}", "site", step.device, step.now).decisions
                assert two.acknowledge(f"r{i}", "site", step.device, step.now).decisions == a
        else:
            assert take(two, new, step) == take(one, old, step)
        match r.choice(["", "", "cross", "same"]):
            case "cross":  # what a panel kept a judge takes, and the other way round
                one, two = restored(apart, old, two), restored(fused, new, one)
            case "same":
                one, two = restored(apart, old, one), restored(fused, new, two)


def restored(rules: list[CompiledRule], catalogue: Catalogue, before: Engine) -> Engine:
    engine = Engine(rules, catalogue, "site")
    assert engine.restore(before.snapshot())
    return engine
