"""Edits of rules: what an edit leaves alone goes on bit for bit, the rest starts empty and says so."""

import gc
import random
import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.adoption import Adopted
from holdfast.stream.engine import Engine
from holdfast.stream.evidence import Decision
from holdfast.stream.language.loading import load_rules
from holdfast.stream.rules import CompiledRule

S = 1_000_000_000
HOT = """
  hot:
    select: avg(temperature) as t
    window: sliding 3 samples
    when: t > 60
"""


def rules(folder: Path, *texts: str) -> list[CompiledRule]:
    path = folder / "rules.yaml"
    path.write_text("rules:\n" + "".join(texts) if texts else "rules: {}\n")
    return load_rules([path])


class Feeder:
    """An engine, and a clock that goes on by a second a reading."""

    def __init__(self, compiled: list[CompiledRule]) -> None:
        self.catalogue = Catalogue()
        self.engine = Engine(compiled, self.catalogue, "site")
        self.now = 1_000 * S

    def feed(self, device: str, *values: float, metric: str = "temperature") -> list[Decision]:
        series = self.catalogue.intern(Series("site", device, metric, "Cel", Kind.FLOAT))
        n = len(values)
        ts = self.now + S * np.arange(1, n + 1)
        self.now += n * S
        batch = Batch(np.full(n, series, np.int32), ts, np.array(values), np.zeros(n, np.uint8))
        return self.engine.evaluate(batch, self.now).decisions

    def edit(self, compiled: list[CompiledRule]) -> tuple[list[Adopted], list[Decision]]:
        done = self.engine.adopt(compiled, self.now)
        return done.rules, done.findings.decisions


def kinds(decisions: list[Decision]) -> list[tuple[str, str, str]]:
    return [(d.event.rule, d.event.device, d.event.kind) for d in decisions]


def test_a_rule_beside_an_edited_one_keeps_its_windows_and_an_edited_message_keeps_both(tmp_path: Path) -> None:
    feeder = Feeder(rules(tmp_path, HOT))
    assert feeder.feed("a", 50, 70) == []
    stage = feeder.engine.lines[0].stage
    fates, ended = feeder.edit(rules(tmp_path, HOT, HOT.replace("hot", "other").replace("3", "7")))
    assert [(one.rule, one.fate) for one in fates] == [("hot", "unchanged"), ("other", "new")]
    assert ended == []
    assert feeder.engine.lines[0].stage is stage
    assert kinds(feeder.feed("a", 70)) == [("hot", "a", "alert.raised"), ("other", "a", "alert.raised")]


def test_a_rule_that_is_gone_ends_its_alerts_and_begins_anew_when_it_comes_back(tmp_path: Path) -> None:
    feeder = Feeder(rules(tmp_path, HOT))
    assert kinds(feeder.feed("a", 99, 99)) == [("hot", "a", "alert.raised")]
    fates, ended = feeder.edit(rules(tmp_path))
    assert fates == [Adopted("hot", "", "removed", 1)]
    assert kinds(ended) == [("hot", "a", "alert.cleared")]
    assert ended[0].event.ts == feeder.now
    assert ended[0].event.why["because"] == "the rule was removed"
    assert feeder.feed("a", 99) == []
    feeder.edit(rules(tmp_path, HOT))  # ekuiper#871: the old state must not come back with the name
    assert feeder.feed("a", 1, 100) == []
    assert kinds(feeder.feed("a", 100)) == [("hot", "a", "alert.raised")]


def test_an_incompatible_edit_says_what_starts_empty(tmp_path: Path) -> None:
    feeder = Feeder(rules(tmp_path, HOT))
    feeder.feed("a", 99, 99)
    fates, ended = feeder.edit(rules(tmp_path, HOT.replace("3 samples", "5 samples") + "    for: 2 samples\n"))
    assert [(one.fate, one.ended) for one in fates] == [("started empty", 1)]
    assert kinds(ended) == [("hot", "a", "alert.cleared")]
    assert feeder.feed("a", 99) == []
    assert kinds(feeder.feed("a", 99)) == [("hot", "a", "alert.raised")]


def test_a_device_that_a_rule_is_no_longer_about_is_forgotten_and_its_alert_ends(tmp_path: Path) -> None:
    narrow = HOT.replace("select:", "from: readings where device like 'a%'\n    select:")
    feeder = Feeder(rules(tmp_path, HOT))
    feeder.feed("a1", 99)
    feeder.feed("b1", 99)
    feeder.edit(rules(tmp_path, narrow))
    assert feeder.feed("b1", 99) == []
    feeder.edit(rules(tmp_path, HOT))
    assert kinds(feeder.feed("b1", 10, 100, 100)) == [("hot", "b1", "alert.raised")]  # 99 would have kept it raised


@pytest.mark.timeout(180)
@pytest.mark.parametrize("edits", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_random_edits_touch_no_rule_but_the_edited(tmp_path: Path, edits: int) -> None:
    rng = random.Random(6)
    texts = {f"r{i}": (i % 9 + 2, 60) for i in range(30)}

    @cache
    def one(name: str, width: int, limit: int) -> list[CompiledRule]:
        text = f"{{select: avg(temperature) as t, window: sliding {width} samples, when: t > {limit}}}"
        return rules(tmp_path, f"  {name}: {text}\n")

    def written(some: dict[str, tuple[int, int]]) -> list[CompiledRule]:
        return [rule for name, (width, limit) in some.items() for rule in one(name, width, limit)]

    edited, alone = Feeder(written(texts)), Feeder(written(texts))
    touched: set[str] = set()
    compared = 0
    for _ in range(edits):
        name = f"r{rng.randrange(15)}"  # the other half is never edited
        touched.add(name)
        match rng.randrange(3):
            case 0:
                texts.pop(name, None)
            case 1:
                texts[name] = rng.randrange(2, 11), 60
            case _:
                texts[name] = texts.get(name, (5, 0))[0], rng.randrange(55, 65)
        edited.edit(written(texts))
        values = [rng.gauss(60, 20) for _ in range(3)]
        device = f"d{rng.randrange(5)}"
        mine, theirs = edited.feed(device, *values), alone.feed(device, *values)
        untouched = [d.event.id for d in mine if int(d.event.rule[1:]) >= 15]
        assert untouched == [d.event.id for d in theirs if int(d.event.rule[1:]) >= 15]
        compared += len(untouched)
    assert len(touched) == 15
    assert compared > edits


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_three_thousand_edits_leave_no_memory_behind(tmp_path: Path) -> None:
    versions = [
        rules(tmp_path, HOT, HOT.replace("hot", "other").replace("3", str(n)).replace("60", str(m)))
        for n in (4, 5, 6) for m in (60, 61, 62)
    ]  # fmt: skip
    feeder = Feeder(versions[0])
    for i in range(200):
        feeder.feed(f"d{i}", 50, 50)

    def edits(count: int) -> None:
        for i in range(count):
            feeder.edit(versions[i % len(versions)])
        gc.collect()

    edits(100)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    edits(3_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000
