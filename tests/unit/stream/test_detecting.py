"""Detectors at work in the engine: what an alert says, labels, restarts, edits, and what is refused."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.stream.test_series import S, batch, compiled, refused

from holdfast.model.event import Event
from holdfast.model.series import Catalogue
from holdfast.stream.detecting import LEAST, MOST, STEP, Watch
from holdfast.stream.detectors.catalogue import KINDS, make
from holdfast.stream.detectors.ports import Scope
from holdfast.stream.engine import Engine
from holdfast.stream.rowops.anomalies import PARTS
from holdfast.stream.rules import CompiledRule
from holdfast.stream.state import State
from holdfast.stream.watching import look_on

UNUSUAL = """
rules:
  unusual: {detect: auto, select: "*"}
"""
PLACE = ("gw", "d0", "air.co2")
TICK = 300 * S
"""Between readings: `auto` says nothing on the first day."""
Row = tuple[str, str, int, float]


def a_story(length: int, seed: int, *, spikes: dict[int, float] | None = None) -> list[Row]:
    """One tick after the other: two devices with two metrics; spikes in the first's co2, by tick."""
    rng, rows = random.Random(seed), list[Row]()
    for i in range(length):
        for device in ("d0", "d1"):
            for metric, mean in (("air.co2", 450.0), ("air.temperature", 21.0)):
                value = rng.gauss(mean, mean / 100)
                if (device, metric) == PLACE[1:] and spikes and i in spikes:
                    value = spikes[i]
                rows.append((device, metric, TICK * i, round(value, 3)))
    return rows


def eventful(rows: list[Row]) -> list[Row]:
    """The same with a daily wave, a stretch in which nothing changes, and then another level."""
    found = list[Row]()
    for device, metric, ts, value in rows:
        tick = ts // TICK
        changed = value + 30 * np.sin(2 * np.pi * tick / 288) + (60 if tick >= 900 else 0)
        found.append((device, metric, ts, 450.0 if 750 <= tick < 820 else round(float(changed), 3)))
    return found


class Site:
    """An engine that hears rows in batches of random size, and time as it passes."""

    def __init__(self, rules: list[CompiledRule], seed: int = 1) -> None:
        self.rules, self.catalogue, self.rng = rules, Catalogue(), random.Random(seed)
        self.engine = Engine(rules, self.catalogue, "gw")
        self.events = list[Event]()

    def hear(self, rows: list[Row], most: int = 60, *, restarts: bool = False) -> "Site":
        at = 0
        while at < len(rows):
            size = 2 * self.rng.randrange(1, most // 2)  # a message is never cut in two
            self._take(self.engine.evaluate(batch(rows[at : at + size], self.catalogue)))
            at += size
            if restarts and self.rng.random() < 0.1:
                self.restart()
        return self

    def restart(self) -> None:
        data, former = self.engine.snapshot(), self.catalogue.since(0)
        self.catalogue = Catalogue()
        for series in reversed(former):
            self.catalogue.intern(series)
        self.engine = Engine(self.rules, self.catalogue, "gw")
        assert self.engine.restore(data)

    def adopt(self, rules: list[CompiledRule]) -> None:
        self.rules = rules
        self._take(self.engine.adopt(rules, 0).findings)

    def _take(self, findings: Any) -> None:
        self.events += [d.event for d in findings.decisions]

    def raised(self, *place: str) -> list[Event]:
        return [e for e in self.events if e.kind == "alert.raised" and (not place or (e.device, e.metric) == place)]

    def threshold(self) -> float:
        (judge,) = self.engine.judges()
        slot = judge.slot_of(*PLACE)
        assert judge.thresholds is not None
        assert slot is not None
        return judge.thresholds.at(slot).threshold


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[CompiledRule]:
    return compiled(tmp_path_factory.mktemp("rules"), UNUSUAL)


def test_a_spike_in_one_series_is_one_alert_that_says_why(rules: list[CompiledRule]) -> None:
    site = Site(rules).hear(a_story(420, 2, spikes={400: 900.0}))
    (event,) = site.raised("d0", "air.co2")
    why: Any = event.why
    assert event.ts == 400 * TICK
    assert why["detector"] == {"name": "auto", "options": {}, "threshold": 0.5}
    assert why["condition"] == "score >= 0.5"
    assert why["values"]["seen"] > why["values"]["expected"] + 400
    assert why["values"]["deviations"] > 10
    assert 0.5 <= why["values"]["score"] <= 1
    assert why["values"]["aspect"] in KINDS["auto"].make(Scope(State()), {}, ()).aspects
    assert event.message == f"d0 air.co2: {why['explanation']}"
    assert why["explanation"].startswith(f"the {why['values']['aspect']} is {why['values']['seen']:.6g}, ")
    assert len(why["inputs"]["air.co2"]["values"]) == 20
    assert why["inputs"]["air.co2"]["values"][-1] == 900.0
    site.hear([("d0", "air.co2", (421 + i) * TICK, 450.0) for i in range(12)])
    assert [e.message for e in site.events if e.kind == "alert.cleared" and e.metric == "air.co2"] == [
        "cleared: d0 air.co2 is as usual again"
    ]


def test_scores_are_the_detectors_own_whatever_the_batches_and_restarts(tmp_path: Path) -> None:
    text = """
rules:
  s: {select: "anomaly(value) as score, expected(value, 'auto') as usual, anomaly_seen(value) as seen", by: series}
"""
    rows = a_story(320, 3, spikes={300: 800.0})
    made = compiled(tmp_path, text)
    assert len(made[0].stage.steps) == 1, "one detector for all that is asked of it"
    mine = [(ts, value) for device, metric, ts, value in rows if (device, metric) == PLACE[1:]]
    state = State()
    alone = make("auto", Scope(state))
    state.grow(1)
    said = alone.update(np.zeros(len(mine), np.intp), *(np.array(c) for c in zip(*mine, strict=True)))
    for restarts in (False, True):
        got = list[tuple[float, float]]()
        site = Site(made, 4)

        def watch(site: Site = site, got: list[tuple[float, float]] = got) -> None:
            def take(judge: Any, evaluations: Any, selected: list[Any]) -> None:
                slot = np.repeat(evaluations.slots, np.diff(np.append(evaluations.firsts, len(evaluations.row))))
                at = np.flatnonzero(slot == judge.slot_of(*PLACE))
                got.extend(zip(selected[0][at].tolist(), selected[1][at].tolist(), strict=True))

            look_on(site.engine, take)

        watch()
        for start in range(0, len(rows), 200):
            site.hear(rows[start : start + 200])
            if restarts:
                site.restart()
                watch()
        scores, expected = zip(*got, strict=True)
        np.testing.assert_array_equal(scores, said.score)
        np.testing.assert_array_equal(expected, said.expected)
        assert max(scores) >= 0.5


def test_alerts_are_the_same_with_a_restart_at_any_batch(rules: list[CompiledRule]) -> None:
    rows = a_story(420, 6, spikes={350: 600.0, 400: 1000.0})
    once, often = Site(rules, 7).hear(rows), Site(rules, 8).hear(rows, restarts=True)
    assert len(once.raised("d0", "air.co2")) == 2

    def by_place(site: Site) -> list[Event]:
        return sorted(site.events, key=lambda e: (e.device, e.metric, e.ts, e.kind))

    assert by_place(once) == by_place(often)


def test_labels_move_a_series_own_threshold_within_bounds_and_the_next_alert_says_so(rules: list[CompiledRule]) -> None:
    site = Site(rules).hear(a_story(10, 1))
    for n in range(1, 12):
        assert site.engine.label("unusual", PLACE, "rejected")
        assert site.threshold() == pytest.approx(min(0.5 + n * STEP, MOST))
    site.restart()
    assert site.threshold() == MOST
    for n in range(1, 16):
        assert site.engine.label("unusual", PLACE, "confirmed")
        assert site.threshold() == pytest.approx(max(MOST - n * STEP, LEAST))
    assert not site.engine.label("unusual", ("gw", "d0", "air.o2"), "rejected")
    assert not site.engine.label("other", PLACE, "rejected")
    site.hear(a_story(420, 2, spikes={400: 900.0}))
    found: Any = site.raised("d0", "air.co2")[-1].why
    assert found["detector"] == {
        "name": "auto", "options": {}, "threshold": LEAST, "confirmed": 15, "rejected": 11,
    }  # fmt: skip
    assert found["condition"] == f"score >= {LEAST:g}"
    others: Any = [e.why["detector"] for e in site.raised() if e.metric != "air.co2"]
    assert all(one["threshold"] == 0.5 for one in others)


def test_a_rejected_series_needs_a_higher_score(rules: list[CompiledRule]) -> None:
    rows, weak = a_story(420, 2, spikes={400: 472.0}), 400 * TICK
    site = Site(rules).hear(rows)
    (event,) = site.raised("d0", "air.co2")
    values: Any = event.why["values"]
    assert event.ts == weak
    assert 0.5 <= values["score"] < MOST
    strict = Site(rules).hear(rows[:40])
    for _ in range(8):
        strict.engine.label("unusual", PLACE, "rejected")
    strict.hear(rows[40:])
    assert strict.raised("d0", "air.co2") == []


def test_a_second_word_takes_the_first_back(rules: list[CompiledRule]) -> None:
    site = Site(rules).hear(a_story(10, 1))
    site.engine.label("unusual", PLACE, "rejected")
    site.engine.label("unusual", PLACE, "confirmed", instead="rejected")
    assert site.threshold() == pytest.approx(0.5 - STEP)
    (judge,) = site.engine.judges()
    assert judge.thresholds is not None
    (slot,) = judge.thresholds.labelled()
    one = judge.thresholds.at(slot)
    assert (one.confirmed, one.rejected) == (1, 0)


@pytest.mark.parametrize(
    ("edit", "keeps"),
    [
        ("{detect: auto, select: '*', severity: critical}", True),
        ("{detect: {detector: auto, threshold: 0.6}, select: '*'}", True),
        ("{detect: auto, select: '*', latch: true, cooldown: 1h}", True),
        ("{detect: auto, select: air.*}", True),
        ("{detect: auto, select: pump.*}", False),
        ("{select: anomaly(value) as score, by: series, when: score > 0.5}", False),
    ],
)
def test_labels_outlive_edits_of_the_rule_but_not_the_rule(
    rules: list[CompiledRule], tmp_path: Path, edit: str, keeps: bool  # noqa: FBT001 - a case
) -> None:  # fmt: skip
    site = Site(rules).hear(a_story(420, 2, spikes={419: 900.0}))
    assert site.raised("d0", "air.co2")
    site.engine.label("unusual", PLACE, "rejected")
    site.adopt(compiled(tmp_path, f"rules: {{unusual: {edit}}}"))
    site.hear(a_story(1, 3))
    (judge,) = site.engine.judges()
    judge.grow()
    slot = None if judge.thresholds is None else judge.slot_of(*PLACE)
    at = None if judge.thresholds is None or slot is None else judge.thresholds.at(slot)
    assert (at is not None and at.rejected == 1) is keeps
    if keeps and at is not None and judge.rule.watch is not None:
        assert at.threshold == pytest.approx(judge.rule.watch.threshold + STEP)


def test_scores_are_conditions_windows_and_other_rules_input(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        """
rules:
  top: {select: "max(anomaly(air.co2)) as worst", window: tumbling 1h, when: worst > 0.5}
  both: {select: "anomaly(air.co2) as a, air.temperature as t", when: a > 0.5 and t > 0}
  told: {select: "anomaly(air.co2, 'auto') as a, anomaly_aspect(air.co2, 'auto') as what"}
  read: {select: "a, what", from: told, when: "a > 0.5 and what <> ''"}
""",
    )
    site = Site(made).hear(a_story(480, 2, spikes={400: 900.0}))
    raised = [(e.rule, e.device, e.ts // (TICK)) for e in site.raised() if e.device == "d0"]
    assert sorted(raised) == [("both", "d0", 400), ("read", "d0", 400), ("top", "d0", 408)]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{detect: autp, select: '*'}", "no detector is called autp; there are"),
        ("{detect: {detector: auto, wibble: 3}, select: '*'}", "auto has no option wibble; it has none"),
        ("{detect: {threshold: 1.5}, select: '*'}", "threshold: a score above 0 and up to 1, not 1.5"),
        ("{detect: {k: many}, select: '*'}", "k: 'many' is no number"),
        ("{detect: pca, select: '*'}", "pca looks at several columns together: `select: anomaly(a, b, 'pca') as"),
        ("{detect: auto, select: avg(x)}", "`avg(x)` is no metric; beside `detect` stand metrics"),
        ("{detect: auto}", "is no metric; beside `detect` stand metrics"),
        ("{detect: auto, select: '*', when: score > 1}", "`when` has no place beside `detect`"),
        ("{detect: auto, select: '*', window: sliding 5s}", "`window` has no place beside `detect`"),
        ("{detect: auto, select: '*', from: above}", "a detector watches series of `readings`"),
        ("{select: 'anomaly(a, b) as x'}", "auto looks at 1 columns, not at 2"),
        ("{select: 'anomaly(a, \"c\", 3) as x'}", "auto looks at"),
        ("{select: \"anomaly('auto') as x\"}", "what it watches comes first"),
        ("{select: \"anomaly(a, 'auto', 3) as x\"}", "behind the detector's name stand its options"),
        ("{select: \"anomaly(a, 'auto', 'k=3') as x\"}", "auto has no option k"),
        ('{select: "anomaly(text(a)) as x"}', "a detector watches numbers"),
    ],
)
def test_what_no_detector_can_watch_is_refused_with_what_there_is(tmp_path: Path, rule: str, why: str) -> None:
    assert why in refused(tmp_path, f"rules:\n  above: {{select: max(a) as top, window: count 2}}\n  r: {rule}\n")


def test_every_detector_is_chosen_by_name_and_explains_what_it_saw(tmp_path: Path) -> None:
    for name, kind in KINDS.items():
        if kind.columns[0] == 1:
            (rule,) = compiled(tmp_path, f"rules: {{r: {{detect: {name}, select: 'air.*, pump.power'}}}}")
            assert rule.watch == Watch(name)
            assert rule.matches("gw", "d", "air.co2")
            assert rule.matches("gw", "d", "pump.power")
            assert not rule.matches("gw", "d", "pump.powers")


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_detector_says_the_same_whatever_the_batches_and_restarts(tmp_path: Path, name: str) -> None:
    columns = "air.co2, air.temperature" if KINDS[name].columns[0] > 1 else "air.co2"
    said = ", ".join(f"{part}({columns}, '{name}') as {part}" for part in PARTS)
    rule = f'{{select: "{said}, (ts / 300) % 2 as odd", when: odd > 0.5, clear_when: odd < 0.5}}'
    made = compiled(tmp_path, f"rules:\n  r: {rule}\n")
    assert len(made[0].stage.steps) == 2, "one detector for all that is asked of it, and the time"
    rows = eventful(a_story(1_000, 6, spikes={700: 600.0}))
    once, often = Site(made, 7).hear(rows), Site(made, 8).hear(rows, restarts=True)
    assert sorted(once.events, key=lambda e: e.id) == sorted(often.events, key=lambda e: e.id)
    shown: list[Any] = [e.why["values"] for e in once.events if e.device == "d0"]
    assert len(shown) == 999
    assert all(0 <= values["anomaly"] <= 1 for values in shown)
    assert any(values["anomaly"] > 0 for values in shown)
    if KINDS[name].columns[0] > 1:
        assert {values["anomaly_aspect"] for values in shown} <= {"air.co2", "air.temperature", None}
