"""Rules by series: every series of every device by itself, as if each had a rule of its own."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine, Limits
from holdfast.stream.language.loading import load_rules
from holdfast.stream.rules import CompiledRule

S = 1_000_000_000
METRICS = ("air.co2", "air.temperature", "pump.power")
Row = tuple[str, str, int, float]
"""Device, metric, ns, value."""


def compiled(folder: Path, text: str) -> list[CompiledRule]:
    file = folder / "rules.yaml"
    file.write_text(text)
    return load_rules([file])


def refused(folder: Path, text: str) -> str:
    with pytest.raises(SettingsInvalid) as found:
        compiled(folder, text)
    return " | ".join(problem.message for problem in found.value.problems)


def batch(rows: list[Row], catalogue: Catalogue, kind: Kind = Kind.FLOAT) -> Batch:
    ids = [catalogue.intern(Series("gw", device, metric, "", kind)) for device, metric, _, _ in rows]
    return Batch(
        np.array(ids, np.int32),
        np.array([r[2] for r in rows], np.int64),
        np.array([r[3] for r in rows], np.float64),
        np.zeros(len(rows), np.uint8),
    )


def a_story(length: int, seed: int) -> list[Row]:
    """Rows of three devices with three metrics each, in no order but that of time; a few late, a few twice."""
    rng, rows = random.Random(seed), list[Row]()
    for i in range(length):
        ts = i * S // 3 - (rng.randrange(3) * S if rng.random() < 0.05 else 0)
        rows.append((f"d{rng.randrange(3)}", rng.choice(METRICS), ts, round(rng.gauss(20, 5), 1)))
    return rows


def told(rules: list[CompiledRule], rows: list[Row], seed: int, *, restarts: bool = False) -> list[Event]:
    """What an engine says, told in batches of random size, and replaced by a restored one in between."""
    rng, events, at = random.Random(seed), list[Event](), 0
    catalogue = Catalogue()
    engine = Engine(rules, catalogue, "gw")
    while at < len(rows):
        size = rng.randrange(1, 40)
        events += [d.event for d in engine.evaluate(batch(rows[at : at + size], catalogue)).decisions]
        at += size
        if restarts and rng.random() < 0.2:
            data, former = engine.snapshot(), catalogue.since(0)
            catalogue = Catalogue()
            for series in reversed(former):
                catalogue.intern(series)
            engine = Engine(rules, catalogue, "gw")
            assert engine.restore(data)
    return events


def facts(event: Event) -> tuple[Any, ...]:
    why: Any = event.why
    return event.ts, event.kind, tuple(why["values"].items()), why["held_samples"], why["since"], why["skipped_bad"]


@pytest.mark.parametrize("window", ["none", "sliding 3 samples", "tumbling 5s", "hopping 6s every 2s", "session 1s"])
def test_a_rule_by_series_says_what_a_rule_for_each_metric_says(tmp_path: Path, window: str) -> None:
    rows = a_story(1_500, 3)
    own = f"window: {window}, when: x > 22, clear_when: x < 18"
    value = "value" if window == "none" else "avg(value)"
    every = told(compiled(tmp_path, f"rules: {{r: {{select: '{value} as x', by: series, {own}}}}}"), rows, 1)
    heard = defaultdict[tuple[str, str], list[Any]](list)
    for event in every:
        heard[event.device, event.metric].append(facts(event))
    assert len(every) > 30
    assert set(heard) == {(f"d{i}", metric) for i in range(3) for metric in METRICS}
    for metric in METRICS:
        alone = told(
            compiled(tmp_path, f"rules: {{r: {{select: '{value.replace('value', metric)} as x', {own}}}}}"), rows, 2
        )
        for device in ("d0", "d1", "d2"):
            assert heard[device, metric] == [facts(event) for event in alone if event.device == device]


def test_how_rows_were_batched_and_when_it_was_restarted_changes_nothing(tmp_path: Path) -> None:
    rules = compiled(
        tmp_path,
        """
rules:
  high: {select: max(value) as x, by: series, window: tumbling 4s, when: x > 25}
  odd: {select: "anomaly(value) as score, expected(value) as usual, value", by: series, when: value > 30}
""",
    )
    rows = a_story(1_500, 5)
    ways = [sorted((e.id, e.message) for e in told(rules, rows, s, restarts=s > 1)) for s in range(4)]
    assert len(ways[0]) > 30
    assert ways[1:] == ways[:1] * 3


def test_series_are_chosen_by_device_and_metric_and_texts_are_left_out(tmp_path: Path) -> None:
    rules = compiled(
        tmp_path,
        """
rules:
  air: {select: value, by: series, when: value > 0, from: "readings where metric like 'air.%' and device <> 'd1'"}
  all: {select: value, by: series, when: value > 0}
""",
    )
    catalogue = Catalogue()
    engine = Engine(rules, catalogue, "gw")
    rows: list[Row] = [(f"d{i}", metric, S, 1.0) for i in range(2) for metric in METRICS]
    events = [d.event for d in engine.evaluate(batch(rows, catalogue)).decisions]
    assert {(e.device, e.metric) for e in events if e.rule == "air"} == {("d0", "air.co2"), ("d0", "air.temperature")}
    assert len([e for e in events if e.rule == "all"]) == 6
    assert len({e.id for e in events}) == len(events)
    assert not engine.evaluate(batch([("d0", "mode", S, 1.0)], catalogue, Kind.TEXT)).decisions
    shown: Any = events[0].why["inputs"]
    assert list(shown) == [events[0].metric]


def test_a_series_that_appears_later_is_watched_from_then_on_and_limits_count_series(tmp_path: Path) -> None:
    rules = compiled(tmp_path, "rules: {r: {select: value, by: series, when: value > 0, limits: {keys: 2}}}")
    catalogue = Catalogue()
    engine = Engine(rules, catalogue, "gw", Limits())
    assert len(engine.evaluate(batch([("d0", "a", S, 1.0)], catalogue)).decisions) == 1
    found = engine.evaluate(batch([("d0", "b", S, 1.0), ("d0", "c", S, 1.0)], catalogue))
    assert [d.event.metric for d in found.decisions] == ["b"]
    assert found.counts == {"rule_keys_refused.r": 1}


def test_an_alert_of_a_series_is_acknowledged_by_itself(tmp_path: Path) -> None:
    rules = compiled(tmp_path, "rules: {r: {select: value, by: series, when: value > 0, latch: true}}")
    catalogue = Catalogue()
    engine = Engine(rules, catalogue, "gw")
    both: list[Row] = [("d0", "a", S, 1.0), ("d0", "b", S, 1.0)]
    engine.evaluate(batch(both, catalogue))
    engine.evaluate(batch([(d, m, 2 * S, 0.0) for d, m, _, _ in both], catalogue))
    assert engine.acknowledge("r", "gw", "d0", 3 * S).decisions == []
    (cleared,) = engine.acknowledge("r", "gw", "d0", 3 * S, "b").decisions
    assert (cleared.event.metric, cleared.event.kind) == ("b", "alert.cleared")


def test_rules_over_series_are_read_by_rules_over_series_and_over_devices(tmp_path: Path) -> None:
    rules = compiled(
        tmp_path,
        """
rules:
  tops: {select: max(value) as top, by: series, window: sliding 2 samples}
  each: {select: top, from: tops where metric = 'a', by: series, when: top > 1, message: "{device} {metric} {top}"}
  device: {select: "max(top) as most, count(top) as n", from: tops, window: sliding 3 samples, when: most > 4}
""",
    )
    catalogue = Catalogue()
    engine = Engine(rules, catalogue, "gw")
    rows = [("d0", "a", S, 2.0), ("d0", "b", S, 5.0), ("d0", "a", 2 * S, 3.0)]
    events = [d.event for d in engine.evaluate(batch(rows, catalogue)).decisions]
    assert [(e.rule, e.metric) for e in events] == [("each", "a"), ("device", "")]
    assert events[0].message == "d0 a 2.0"


def test_a_rule_by_series_makes_a_series_of_each_and_never_reads_those(tmp_path: Path) -> None:
    rules = compiled(
        tmp_path,
        """
rules:
  means:
    {select: avg(value) as mean, by: series, window: count 2, do: [{store: {"{metric}.mean": mean}}]}
  results:
    {select: value, by: series, do: [{publish: "out/{device}/{metric}", on: result, payload: {m: metric, v: value}}]}
""",
    )
    catalogue = Catalogue()
    engine = Engine(rules, catalogue, "gw")
    rows = [("d0", "a", S, 1.0), ("d0", "b", S, 5.0), ("d0", "a", 2 * S, 3.0), ("d0", "b", 2 * S, 6.0)]
    found = engine.evaluate(batch(rows, catalogue))
    (made,) = found.derived
    assert {catalogue[i].metric: v for i, v in zip(made.series.tolist(), made.value.tolist(), strict=True)} == {
        "a.mean": 2.0,
        "b.mean": 5.5,
    }
    assert set(found.published) == {
        (f"out/d0/{m}", f'{{"m":"{m}","v":{v}}}'.encode()) for m, v in (("a", 1.0), ("a", 3.0), ("b", 5.0), ("b", 6.0))
    }
    assert not engine.evaluate(made).published


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{select: air.co2, by: series}", "`air.co2` isn't known by series: `value`"),
        ("{select: value, from: readings where metric = 'a'}", "`metric` is chosen by rules that keep series apart"),
        ("{select: top, from: tops, by: series}", "rule `tops` keeps no series apart"),
        ("{select: value, by: series, do: [{store: {mean: value}}]}", "write `{metric}.mean`"),
        ("{select: [a, b], by: series}", "a list of metrics belongs beside `detect`"),
        ("{sql: 'select avg(value) as v from readings group by metric'}", "group by device, metric"),
        ("{select: value as metric, by: series}", "`metric` stands for something else already"),
        ("{select: a, do: [{publish: 'x/{metric}'}]}", "`{metric}` can't stand in a topic"),
    ],
)
def test_what_makes_no_sense_by_series_is_refused(tmp_path: Path, rule: str, why: str) -> None:
    assert why in refused(tmp_path, f"rules:\n  tops: {{select: max(a) as top, window: count 2}}\n  r: {rule}\n")


def test_sql_groups_by_series(tmp_path: Path) -> None:
    sql = "select max(value) as top from readings where metric like 'air.%' group by device, metric having top > 1"
    catalogue = Catalogue()
    engine = Engine(compiled(tmp_path, f'rules: {{r: {{sql: "{sql}"}}}}'), catalogue, "gw")
    rows = [("d0", "air.co2", S, 2.0), ("d0", "pump.power", S, 5.0)]
    (decision,) = engine.evaluate(batch(rows, catalogue)).decisions
    assert (decision.event.metric, decision.event.message) == ("air.co2", "d0 air.co2: top > 1 (top = 2)")
