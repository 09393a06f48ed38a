"""A question isn't answered short because files that it was about to read were merged and removed meanwhile."""

import asyncio
from pathlib import Path

from tests.unit.history.lake.days import rows_of_days
from tests.unit.history.lake.site import DAY, START, Site, readings, run

from holdfast.history.answers import AGGREGATES, Answer
from holdfast.history.lake.settings import HistorySettings


def test_files_that_go_while_a_question_is_answered_are_asked_for_anew(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, HistorySettings(rows=300), series=2)
        await site.keeper.tidy()
        rows = rows_of_days(1, 60)
        for part in range(0, len(rows), 240):
            await site.send(readings(rows[part : part + 240], [False, True]))
            await site.keeper.take_all()
        many = len(site.keeper.pieces)
        assert many > 3
        loop, looks = asyncio.get_running_loop(), list[int]()

        async def merge_and_remove() -> None:
            site.clock.advance(2 * 86_400)
            await site.keeper.merge_due()
            await site.keeper._empty_trash(min_age_s=0.0)

        def meanwhile() -> None:
            looks.append(len(site.keeper.pieces))
            if len(looks) == 3:
                asyncio.run_coroutine_threadsafe(merge_and_remove(), loop).result(20)

        def ask() -> Answer:
            return site.history.query(["*"], START, START + DAY, None, AGGREGATES, 100_000, meanwhile)

        answer = await asyncio.to_thread(ask)
        assert sum(len(column.ts) for column in answer.series) == 1440
        assert not any(source.note for source in answer.sources)
        assert looks[0] == many
        assert looks[-1] < many
        site.close()

    run(body())
