"""Readings near an alert stay as they came when the rest of their day becomes minutes; none is told twice."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.events import alert
from tests.unit.history.lake.site import NS, START, Site, readings

from holdfast.history.lake.compact import may_leave
from holdfast.history.lake.settings import HistorySettings, KeepSettings
from holdfast.model.lane import Lane

KEEP = (KeepSettings("*", raw=86_400.0, minutes=400 * 86_400.0, hours=400 * 86_400.0),)
COUNT = 3600


def test_points_are_raw_around_alerts_and_minutes_elsewhere_each_reading_once(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, HistorySettings(rows=2000, keep=KEEP, around_alerts=120.0), series=1)
        await site.keeper.tidy()
        await site.send(readings([(0, START + n * NS, float(n), 0) for n in range(COUNT)], [False]))
        at = START + 1800 * NS + 1

        def write(tx: Any) -> None:
            tx.append_events(Lane.CRITICAL, [alert(1, ts=at, device="d0")])

        await site.journal.submit(write)
        await site.keeper.take_all()
        site.clock.advance(3 * 86_400)
        await site.keeper.merge_due()
        await site.keeper.retain()
        answer = site.history.query(["*"], START, START + COUNT * NS, None, limit=COUNT)
        (column,) = answer.series
        raw = [v for v, q in zip(column.value or [], column.quality or [], strict=True) if q == 0]
        steps = len(column.ts) - len(raw)
        assert raw == [float(n) for n in range(1680, 1980)]  # whole minutes that touch [at - 120 s, at + 120 s]
        assert steps == (COUNT - len(raw)) // 60
        assert {source.step for source in answer.sources} == {0, 60}
        (column,) = site.history.query(["*"], START, START + COUNT * NS, 600 * NS, ["count", "p95", "mean"]).series
        assert column.count == [600] * 6
        assert column.p95 == [None] * 6
        assert column.mean == pytest.approx([299.5 + 600 * n for n in range(6)])
        site.close()

    asyncio.run(body())


def test_readings_that_stay_share_no_file_with_others(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, series=4)
        await site.keeper.tidy()
        await site.send(readings([(0, START + n * NS, 1.0, 0) for n in range(50)], [False]))
        await site.send(readings([(0, START + n * NS, 2.0, 0) for n in range(50)], [False]), Lane.SITE)
        await site.keeper.take_all()
        site.clock.advance(3 * 86_400)
        await site.keeper.merge_due()
        assert sorted((piece.rows, may_leave(piece)) for piece in site.keeper.pieces) == [(50, False), (50, True)]
        site.close()

    asyncio.run(body())
