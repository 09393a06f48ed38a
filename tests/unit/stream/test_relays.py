"""Rules that read rules: in order, by their source's clock, over all tiers of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.evidence import Decision
from holdfast.stream.language.loading import load_rules

S = 1_000_000_000
BASE = 1_700_000_000 * S - 1_700_000_000 * S % (60 * S)
HOUR = 3_600 * S

CHAIN = """
rules:
  minutes: {select: max(mean) as top, from: tens, window: tumbling 1m, when: top > 0}
  tens: {select: avg(load) as mean, window: tumbling 10s}
"""


class Site:
    def __init__(self, folder: Path, text: str) -> None:
        path = folder / "rules.yaml"
        path.write_text(text)
        self.catalogue = Catalogue()
        self.engine = Engine(load_rules([path]), self.catalogue, "gw")

    def feed(self, start: int, *values: float, now: int = 0, device: str = "d") -> list[tuple[str, int, float]]:
        series = self.catalogue.intern(Series("gw", device, "load", "", Kind.FLOAT))
        n = len(values)
        batch = Batch(
            np.full(n, series, np.int32), BASE + (start + np.arange(n)) * S, np.array(values), np.zeros(n, np.uint8)
        )
        return told(self.engine.evaluate(batch, BASE + now * S if now else 0).decisions)


def told(decisions: Sequence[Decision]) -> list[tuple[str, int, float]]:
    found = []
    for one in decisions:
        event, shown = one.event, one.event.why["values"]
        assert isinstance(shown, dict)
        found.append((event.rule, (event.ts - BASE) // S, next(iter(shown.values()))))
    return found


def test_one_late_tick_closes_windows_of_every_tier(tmp_path: Path) -> None:
    site = Site(tmp_path, CHAIN)
    assert site.feed(0, *range(30), now=30) == []
    # the node slept, or was down: the next tick comes two hours later
    assert told(site.engine.tick(BASE + 2 * HOUR).decisions) == [("minutes", 60, 24.5)]


def test_a_device_an_hour_slow_is_judged_by_its_own_clock_on_every_tier(tmp_path: Path) -> None:
    site = Site(tmp_path, CHAIN)
    site.feed(0, *range(55), now=3_655)
    assert told(site.engine.tick(BASE + 3_660 * S).decisions) == []  # its own clock says 0:00:59
    assert told(site.engine.tick(BASE + 3_663 * S).decisions) == [("minutes", 60, 52.0)]


@pytest.mark.parametrize("size", [1, 3, 200])
def test_results_do_not_depend_on_batches(tmp_path: Path, size: int) -> None:
    site, values = Site(tmp_path, CHAIN), [float(i * 7 % 50) for i in range(200)]
    found = [one for i in range(0, 200, size) for one in site.feed(i, *values[i : i + size])]
    means = [sum(values[i : i + 10]) / 10 for i in range(0, 200, 10)]
    assert [(rule, at) for rule, at, _ in found] == [("minutes", 60)]  # raised once; it stays
    assert found[0][2] == pytest.approx(max(means[:6]))


def test_a_rule_keeps_no_more_samples_than_its_limit(tmp_path: Path) -> None:
    rule = "{select: median(load) as m, window: sliding 1h, when: m > 97, limits: {samples: 5}}"
    site = Site(tmp_path, f"rules:\n  r: {rule}\n")
    assert site.feed(0, *map(float, range(98))) == []
    assert site.feed(98, 98.0, 99.0) == []
    assert site.feed(100, 100.0) == [("r", 100, 98.0)]
