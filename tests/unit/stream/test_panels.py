"""Thresholds judged together, and what a line does with its rules."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.stream.test_engine import S, batch_of, compile_rules

from holdfast.model.series import Catalogue
from holdfast.stream.alarms.condition import ConditionAlarm
from holdfast.stream.alarms.ports import Judged
from holdfast.stream.engine import Engine
from holdfast.stream.evaluations import Evaluations, Samples
from holdfast.stream.evidence import spoken
from holdfast.stream.latest import Latest, Order
from holdfast.stream.pairs import ranges
from holdfast.stream.plans import AlarmSpec, Call, Input, StagePlan, WindowSpec
from holdfast.stream.rules import CompiledRule
from holdfast.stream.state import State


def rules_of(folder: Path, *lines: str) -> list[CompiledRule]:
    return compile_rules("rules:\n" + "\n".join(f"  {line}" for line in lines), folder)


LIMITS = tuple(f"r{i}: {{select: a.b as t, when: t > {limit}}}" for i, limit in enumerate((9, 3, 5, 7)))


def feed(engine: Engine, catalogue: Catalogue, *rows: tuple[str, int, float]) -> list[tuple[str, str, str]]:
    batch = batch_of([(d, "a.b", ts * S, v, 0) for d, ts, v in rows], catalogue)
    return [(d.event.rule, d.event.device, d.event.kind) for d in engine.evaluate(batch, rows[-1][1] * S).decisions]


@pytest.mark.parametrize(
    ("when", "clear", "found"),
    [
        ("t > 80", None, (True, 80.0, np.nextafter(80, 99))),
        ("t >= 80", None, (True, np.nextafter(80, 0), 80.0)),
        ("80 <= t", "t < 75.5", (True, np.nextafter(80, 0), 75.5)),
        ("t < -0.5", "t >= 0", (False, -0.5, -5e-324)),
        ("t > 80", "t > 70", None),
        ("t > 80 and t < 90", None, None),
        ("t > n", None, None),
        ("t <> 80", None, None),
    ],
)
def test_a_threshold_is_found_with_its_exact_limits(
    tmp_path: Path, when: str, clear: str | None, found: tuple[bool, float, float] | None
) -> None:
    more = "" if clear is None else f", clear_when: {clear}"
    (rule,) = rules_of(tmp_path, f"r: {{select: 'a.b as n, avg(a.b)*2 as t', when: {when}{more}}}")
    got = rule.threshold
    assert (None if got is None else (got.column, got.above, got.limit, got.clear)) == (
        None if found is None else (1, *found)
    )


def test_like_shaped_rules_of_a_stage_share_a_panel_and_others_do_not(tmp_path: Path) -> None:
    below = "b: {select: a.b as x, when: x < 1}"
    other = "c: {select: a.b + 1 as t, when: t > 5}"
    catalogue = Catalogue()
    engine = Engine(rules_of(tmp_path, *LIMITS, below, other), catalogue, "n")
    (line,) = engine.lines
    assert [judge.is_seated for judge in line.judges] == [True] * 4 + [False] * 2
    assert feed(engine, catalogue, ("d", 1, 6.0)) == [
        ("r1", "d", "alert.raised"), ("r2", "d", "alert.raised"), ("c", "d", "alert.raised"),
    ]  # fmt: skip
    assert feed(engine, catalogue, ("e", 2, 8.0), ("d", 3, 0.0)) == [
        ("r1", "e", "alert.raised"), ("r2", "e", "alert.raised"), ("r3", "e", "alert.raised"),
        ("c", "e", "alert.raised"), ("r1", "d", "alert.cleared"), ("r2", "d", "alert.cleared"),
        ("b", "d", "alert.raised"), ("c", "d", "alert.cleared"),
    ]  # fmt: skip


def test_a_line_may_be_seated_anew_while_alerts_are_raised(tmp_path: Path) -> None:
    catalogue = Catalogue()
    engine = Engine(rules_of(tmp_path, *LIMITS), catalogue, "n")
    feed(engine, catalogue, ("d", 1, 6.0), ("e", 1, 4.0))
    (line,) = engine.lines
    line.judges = line.judges[:2]  # the others are gone
    line.seat()
    assert [judge.raised() for judge in line.judges] == [[], [0, 1]]
    line.judges = line.judges[1:]
    line.seat()
    assert not line.judges[0].is_seated
    assert feed(engine, catalogue, ("d", 2, 0.0), ("e", 3, 4.0)) == [("r1", "d", "alert.cleared")]
    assert line.judges[0].raised() == [1]


@pytest.mark.parametrize("count", [1, 3])
def test_a_rule_that_is_abandoned_clears_its_alerts_and_says_why(tmp_path: Path, count: int) -> None:
    catalogue = Catalogue()
    engine = Engine(rules_of(tmp_path, *LIMITS[1 : 1 + count]), catalogue, "n")
    feed(engine, catalogue, ("d", 100, 4.0), ("e", 101, 0.0), ("f", 103, 4.0))
    judge = next(engine.judges())
    made = [d.event for d in judge.abandon(105 * S)]
    assert [(e.device, e.kind, e.ts, e.why) for e in made] == [
        ("d", "alert.cleared", 102 * S, {"because": "the rule was removed or changed"}),
        ("f", "alert.cleared", 105 * S, {"because": "the rule was removed or changed"}),
    ]
    assert judge.raised() == []
    assert judge.abandon(106 * S) == []
    assert feed(engine, catalogue, ("d", 107, 4.0)) == [("r1", "d", "alert.raised")]


def test_what_waits_for_time_tells_what_was_seen_since_when_and_why_now(tmp_path: Path) -> None:
    (rule,) = rules_of(tmp_path, LIMITS[0])
    catalogue = Catalogue()
    engine = Engine([replace(rule, alarm=AlarmSpec(hold_ns=300 * S))], catalogue, "n")
    assert feed(engine, catalogue, ("d", 100, 9.5), ("d", 200, 9.75)) == []
    assert engine.tick(399 * S).decisions == []
    (decision,) = engine.tick(500 * S).decisions
    why: Any = decision.event.why
    assert (decision.event.ts, why["since"], why["because"], why["values"]) == (
        400 * S,
        100 * S,
        "held for 5m",
        {"t": 9.75},
    )
    assert why["inputs"] == {}
    assert decision.event.message == "d: t > 9 (t = 9.75)"


def test_decisions_of_timers_come_before_those_of_the_row_that_brought_them(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, *LIMITS[:3])
    slow = replace(rules[2], alarm=AlarmSpec(hold_ns=2 * S))
    catalogue = Catalogue()
    engine = Engine([rules[0], rules[1], slow], catalogue, "n")
    got = feed(engine, catalogue, ("d", 1, 6.0), ("d", 9, 10.0), ("d", 10, 0.0))
    assert got == [
        ("r1", "d", "alert.raised"), ("r2", "d", "alert.raised"), ("r0", "d", "alert.raised"),
        ("r0", "d", "alert.cleared"), ("r1", "d", "alert.cleared"), ("r2", "d", "alert.cleared"),
    ]  # fmt: skip


def test_durations_are_spoken_as_in_rules() -> None:
    assert [spoken(ns) for ns in (300 * S, 90 * S, 7200 * S, 86_400 * S, S // 4)] == ["5m", "90s", "2h", "1d", "250ms"]


def test_ranges_are_put_one_behind_the_other() -> None:
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert ranges(np.empty(0, np.int64), np.empty(0, np.int64)).tolist() == []


def test_a_revision_of_the_newest_window_does_not_count_twice() -> None:
    state = State()
    alarm = ConditionAlarm(state, AlarmSpec(hold=2))
    state.grow(1)

    def judge(ts: int, *, when: bool, again: bool) -> list[tuple[str, int]]:
        zero, time = np.zeros(1, np.intp), np.array([ts])
        flags = np.array([when]), np.array([not when])
        judged = Judged(zero, zero, time, time, *flags, again=np.array([True]) if again else None)
        return [(t.kind, t.held) for t in alarm.advance(judged)]

    assert judge(10, when=True, again=False) == []
    assert judge(10, when=True, again=True) == []
    assert judge(20, when=True, again=False) == [("alert.raised", 2)]
    assert judge(20, when=True, again=True) == []
    assert judge(20, when=False, again=True) == [("alert.cleared", 2)]


class _Nothing:
    def samples(self, at: int, column: int) -> Samples:
        raise AssertionError(at, column)


def windows(*rows: tuple[int, int, int]) -> Evaluations:
    """Of one key: (end, revision, value)."""
    ts, revision, value = (np.array(c) for c in zip(*rows, strict=True))
    zero = np.zeros(1, np.intp)
    return Evaluations(zero, zero, np.arange(len(rows)), ts, [value * 1.0], _Nothing(), ts - 10, revision)


def test_only_the_newest_window_of_a_key_drives_its_alarms() -> None:
    plan = StagePlan("s", (Input("a.b"),), (Call("avg", 0),), WindowSpec("tumbling", "tumbling 10s", width=10, hop=10))
    state = State()
    latest = Latest(state, plan)
    latest.wanted = True
    state.grow(1)

    def take(*rows: tuple[int, int, int]) -> Order | None:
        order = latest.order(windows(*rows))
        if order is not None:
            latest.remember(windows(*rows), order)
        return order

    first = take((10, 0, 1), (20, 0, 2), (10, 1, 3))
    assert first is not None
    assert first.ts.tolist() == [10, 20]
    assert first.again is None
    assert [v.tolist() for v in latest.inputs(0)] == [[2.0]]
    assert take((10, 2, 4)) is None
    again = take((20, 1, 5), (30, 0, 6))
    assert again is not None
    assert again.again is not None
    assert again.again.tolist() == [True, False]
    assert again.ts.tolist() == [20, 30]
