"""What an answer says is missing."""

from pathlib import Path

from tests.unit.history.lake.days import rows_of_days
from tests.unit.history.lake.site import DAY, START, Site, ask, readings, run

from holdfast.history.lake.retention import Deed, Step
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.question import Missing


def test_equal_losses_of_one_day_are_told_as_their_sum(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, HistorySettings(rows=300), series=2)
        await site.keeper.tidy()
        rows = rows_of_days(1, 60)[:480]
        for part in range(0, len(rows), 240):
            await site.send(readings(rows[part : part + 240], [False, True]))
            await site.keeper.take_all()
        assert [piece.rows for piece in site.keeper.pieces] == [240, 240]
        for piece in site.keeper.pieces:
            await site.keeper._let_go(Step(Deed.DROP, piece, piece.files, "age"))
        assert ask(site, START, START + DAY, None).missing == [Missing(START, START + DAY, 480, "age")]
        site.close()

    run(body())
