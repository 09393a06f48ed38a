"""A quick series among slow ones has steps of its own: a long question about it doesn't read every reading."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tests.unit.history.lake.site import DAY, NS, START, Site

from holdfast.history.lake.settings import HistorySettings
from holdfast.journal.pieces import FIVE_MINUTES, HOURS, MINUTES, RAW
from holdfast.model.batch import Batch

SLOW = 60
MINUTE = 60 * NS


def day_of(series: int, every_s: int) -> Batch:
    ts = START + np.arange(0, 86_400, every_s, dtype=np.int64) * NS
    values = np.round(20 + np.sin(ts / 1e13 + series), 2)
    return Batch(np.full(len(ts), series, np.int32), ts, values, np.zeros(len(ts), np.uint8))


async def site_after_a_day(folder: Path, quick_every_s: int) -> Site:
    site = Site(folder, HistorySettings(rows=200_000), series=4 * (SLOW + 1))
    await site.keeper.tidy()
    await site.send(day_of(0, quick_every_s))
    for n in range(1, SLOW + 1):
        await site.send(day_of(4 * n, 60))
    await site.keeper.take_all()
    site.clock.advance(2 * 86_400)
    await site.keeper.merge_due()
    return site


def test_a_quick_series_among_slow_ones_gets_minutes_of_its_own_and_they_answer(tmp_path: Path) -> None:
    async def story() -> None:
        site = await site_after_a_day(tmp_path, 1)
        rows = {piece.file(MINUTES) is not None: piece.rows for piece in site.keeper.pieces}
        assert rows == {True: 86_400, False: SLOW * 1_440}
        quick = site.history.query(["d0/m"], START, START + DAY, MINUTE)
        assert {source.step for source in quick.sources} == {60}
        quick = site.history.query(["d0/m"], START, START + DAY, 5 * MINUTE)
        assert {source.step for source in quick.sources} == {300}
        slow = site.history.query(["d4/m"], START, START + DAY, 5 * MINUTE)
        assert {source.step for source in slow.sources} == {0}
        sent = day_of(0, 1).value.reshape(288, 300)
        assert quick.series[0].count == [300] * 288
        assert quick.series[0].mean == pytest.approx(sent.mean(axis=1).tolist(), rel=1e-12)
        site.close()

    asyncio.run(story())


def test_where_a_second_piece_would_hold_little_there_is_none(tmp_path: Path) -> None:
    async def story() -> None:
        site = await site_after_a_day(tmp_path, 2)  # quick, but 43,200 readings are read in no time
        (piece,) = site.keeper.pieces
        assert (piece.rows, piece.file(MINUTES)) == (43_200 + SLOW * 1_440, None)
        site.close()

    asyncio.run(story())


def test_series_of_three_paces_have_the_finest_steps_that_are_worth_their_bytes(tmp_path: Path) -> None:
    async def story() -> None:
        site = Site(tmp_path, HistorySettings(rows=200_000), series=4 * 80)
        await site.keeper.tidy()
        await site.send(day_of(0, 1))
        for n in range(1, 8):
            await site.send(day_of(4 * n, 10))
        for n in range(8, 80):
            await site.send(day_of(4 * n, 300))
        await site.keeper.take_all()
        site.clock.advance(2 * 86_400)
        await site.keeper.merge_due()
        steps = {piece.rows: {file.step for file in piece.files} for piece in site.keeper.pieces}
        assert steps == {
            86_400: {RAW, MINUTES, FIVE_MINUTES, HOURS},
            7 * 8_640: {RAW, FIVE_MINUTES, HOURS},
            72 * 288: {RAW},
        }
        found = site.history.query(["d4/m", "d16/m"], START, START + DAY, 15 * MINUTE)
        assert {source.step for source in found.sources} == {300}
        for column, series in zip(found.series, (4, 16), strict=True):
            sent = day_of(series, 10).value.reshape(96, 90)
            assert column.count == [90] * 96
            assert column.mean == pytest.approx(sent.mean(axis=1).tolist(), rel=1e-12)
            assert (column.min, column.max) == (sent.min(axis=1).tolist(), sent.max(axis=1).tolist())
            assert column.last == sent[:, -1].tolist()
        site.close()

    asyncio.run(story())
