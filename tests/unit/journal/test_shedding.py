from pathlib import Path

import pytest
from tests.unit.journal.kept import NOW, a_store, do, fill, held, shedding, values

from holdfast.journal.blobs import decode_gap, decode_readings
from holdfast.journal.integrity import Damage, scan
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GapReason
from holdfast.journal.relief import Delivered, Freed, Level, expire, level_of, relieve
from holdfast.journal.settings import JournalSettings, LaneSettings
from holdfast.journal.shedding import drop_delivered, forget
from holdfast.model.lane import Lane
from holdfast.model.quality import Reason, reason_of


def test_a_shed_range_stays_in_its_lane_as_one_gap_with_exact_counts(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 5)
    assert do(store, shedding(0, 2)) == 20
    assert held(reader) == [(1, 20, "gap"), (21, 30, "readings"), (31, 40, "readings"), (41, 50, "readings")]
    (gap,) = reader.gaps()
    assert (gap.first, gap.last, gap.reason, gap.ts_min) == (1, 20, GapReason.DISK, NOW + 10**9)
    assert store.state.counters["rows_shed.lane2.disk"] == 20
    assert store.state.counters["rows_committed.lane2"] == 50


def test_the_chain_goes_through_a_gap_unbroken(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 5)
    do(store, shedding(10, 2))
    assert not [found for found in scan(reader, Lane.BULK) if isinstance(found, Damage)]
    assert reader.chain_at(Lane.BULK, 20) is None
    assert reader.is_unknowable(Lane.BULK, 20)
    assert not reader.is_unknowable(Lane.BULK, 35)


def test_shedding_again_makes_the_gap_longer(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 5)
    for _ in range(3):
        do(store, shedding(10, 1))
    assert held(reader) == [(1, 10, "readings"), (11, 40, "gap"), (41, 50, "readings")]
    assert [(g.first, g.last) for g in reader.gaps()] == [(11, 40)]
    assert store.state.counters["rows_shed.lane2.disk"] == 30


def test_a_gap_that_the_parent_took_in_part_is_read_from_there(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 3)
    do(store, shedding(0, 2))
    assert held(reader, after=13) == [(14, 20, "gap"), (21, 30, "readings")]
    assert held(reader, after=20) == [(21, 30, "readings")]


def test_only_rows_the_parent_lacks_are_shed(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 3)
    assert do(store, shedding(20, 100)) == 10
    assert do(store, shedding(20, 100)) == 0
    assert held(reader) == [(1, 10, "readings"), (11, 20, "readings"), (21, 30, "gap")]
    assert reader.gap_rows(Lane.BULK, 0, 25) == 5
    assert reader.held_rows(Lane.BULK, 0) == 20


def test_bulk_rows_leave_steps_with_count_min_max_and_mean(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 12)
    assert do(store, shedding(0, 12, summary_step_ns=60 * 10**9)) == 120
    (group,) = reader.read(Lane.NORMAL, 0, 1000)
    steps = decode_readings(group.blob)
    rows = {
        (store.catalogue[s].metric, ts // 10**9): v
        for s, ts, v in zip(steps.series.tolist(), steps.ts.tolist(), steps.value.tolist(), strict=True)
    }
    start = NOW // 10**9 // 60 * 60
    first = start + 60 - NOW // 10**9  # values are seconds since NOW
    assert rows["air.temperature.60s.count", start] == first - 1
    assert rows["air.temperature.60s.min", start] == 1
    assert rows["air.temperature.60s.max", start] == first - 1
    assert rows["air.temperature.60s.mean", start] == first / 2
    assert sum(v for (metric, _), v in rows.items() if metric.endswith("count")) == 120
    assert {reason_of(int(q)) for q in steps.quality} == {Reason.SUMMARY}
    (gap,) = reader.gaps()
    assert gap.reason is GapReason.SUMMARISED
    assert store.state.counters["rows_shed.lane2.summarised"] == 120


def test_a_parent_that_lost_what_was_dropped_here_gets_an_exact_gap(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 5)
    do(store, lambda tx: drop_delivered(tx, Lane.BULK, 40, 100))
    gap = do(store, lambda tx: forget(tx, Lane.BULK, 15, NOW))
    assert (gap.first, gap.last, gap.reason) == (16, 40, GapReason.FORGOTTEN)
    assert held(reader, after=15) == [(16, 40, "gap"), (41, 50, "readings")]
    assert decode_gap(reader.read(Lane.BULK, 15, 1)[0]).reason is GapReason.FORGOTTEN
    assert not [found for found in scan(reader, Lane.BULK, 15) if isinstance(found, Damage)]


@pytest.mark.parametrize(("used", "level"), [(69, 0), (70, 1), (85, 2), (94, 2), (95, 3), (120, 3)])
def test_levels_begin_at_their_share_of_the_quota(used: int, level: int) -> None:
    assert level_of(used, JournalSettings(quota=100)) == level


def test_value_goes_before_age_when_room_is_made(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    for lane in Lane:
        fill(store, 4, lane=lane)
    settings = JournalSettings()
    delivered = Delivered(dict.fromkeys(Lane, 20), dict.fromkeys(Lane, 10))
    freed = []
    while step := do(store, lambda tx: relieve(tx, Level.RED, settings, delivered, NOW)):
        freed.append(step)
    assert freed == [Freed(10, 0)] * 12 + [Freed(0, 20)] * 5
    assert held(reader, Lane.CRITICAL) == [(21, 30, "readings"), (31, 40, "readings")]
    assert held(reader, Lane.NORMAL) == [(21, 40, "gap")]
    for lane in (Lane.BULK, Lane.REGION, Lane.SITE, Lane.LOCAL):
        assert held(reader, lane) == [(21, 40, "gap")]


def test_a_lane_that_refuses_loses_nothing(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 4)
    settings = JournalSettings(bulk=LaneSettings(when_full="refuse"))
    nothing = Delivered({}, {})
    assert not do(store, lambda tx: relieve(tx, Level.RED, settings, nothing, NOW))
    assert len(values(reader)) == 40


def test_rows_over_their_age_go_delivered_or_not(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 4)
    settings = JournalSettings(bulk=LaneSettings(max_age=100.0))
    later = NOW + (31 + 100) * 10**9
    freed = do(store, lambda tx: expire(tx, settings, Delivered({Lane.BULK: 10}, {}), later))
    assert freed == Freed(10, 20)
    assert held(reader) == [(11, 30, "gap"), (31, 40, "readings")]
    assert reader.gaps()[0].reason is GapReason.AGE
