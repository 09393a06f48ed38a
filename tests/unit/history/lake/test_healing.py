"""A damaged file is made again from its cold copy while others change the folder: nothing returns or is lost by it."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.unit.history.lake.days import Faulty, days, flip
from tests.unit.history.lake.site import NS, START, Site, readings, run

from holdfast.history.lake.files import open_checked
from holdfast.history.lake.retention import Deed, Step
from holdfast.history.lake.scrub import heal
from holdfast.journal.snapshot import snapshot
from holdfast.storage.folder import DiskFolder


class Swapping(DiskFolder):
    """Calls before a day's directory is swapped for a new one, once."""

    def __init__(self, root: Path, before: Callable[[], None]) -> None:
        super().__init__(root)
        self.before = [before]

    def exchange(self, one: str, other: str) -> None:
        while self.before:
            self.before.pop()()
        super().exchange(one, other)


def visible(site: Site) -> list[str]:
    return sorted(name for name in site.lake.folder.names() if not name.startswith("."))


def listed(site: Site) -> list[str]:
    return sorted(file.name for piece in site.keeper.pieces for file in piece.files)


def test_a_file_that_is_let_go_while_it_is_made_again_does_not_come_back(tmp_path: Path) -> None:
    async def body() -> None:
        cold = Faulty(tmp_path / "cold")
        async with days(tmp_path, cold, sent=True) as site:
            loop, file = asyncio.get_running_loop(), site.keeper.pieces[0].files[0]
            site.lake.close()
            flip(tmp_path / "lake" / file.name, file.size // 2)
            get = cold.inner.get

            def get_late(name: str, start: int, end: int) -> bytes:
                cold.inner.get = get  # type: ignore[method-assign]  # once
                with snapshot(site.journal) as moment:
                    piece = moment.pieces()[0]
                gone = site.keeper._let_go(Step(Deed.DROP, piece, piece.files, "age"))
                asyncio.run_coroutine_threadsafe(gone, loop).result(30)
                return get(name, start, end)

            cold.inner.get = get_late  # type: ignore[method-assign]  # the readings go while the copy is on its way
            await site.keeper.scrub.turn(1 << 40)
            assert len(site.keeper.pieces) == 2
            assert visible(site) == listed(site)
            assert not list(site.lake.folder.names(".new"))
            assert not any("HistoryFileHealed" in line for line in site.lines)

    run(body())


def test_a_file_made_again_while_its_day_is_merged_stays_whole(tmp_path: Path) -> None:
    async def body() -> None:
        async with days(tmp_path, Faulty(tmp_path / "cold"), sent=True) as site:
            piece = site.keeper.pieces[0]
            file = piece.files[0]
            site.lake.close()
            flip(tmp_path / "lake" / file.name, file.size // 2)
            site.lake.suspects.add(file.name)  # so that it isn't merged
            cold = site.lake.cold
            assert cold is not None
            healing = threading.Thread(target=lambda: heal(site.lake, cold, file, lambda _: True))

            def during_the_swap() -> None:
                healing.start()
                healing.join(1.0)  # it's done by then, unless it waits

            await site.send(readings([(0, START + NS, 5.0, 0)], [False, True]))
            await site.keeper.take_all()
            site.lake.folder = Swapping(tmp_path / "lake", during_the_swap)
            await site.keeper.merge_due()
            await asyncio.to_thread(healing.join)
            assert visible(site) == listed(site)
            with closing(open_checked(DiskFolder(tmp_path / "lake"), file, None)) as copy:
                assert len(copy.read()) == file.size

    run(body())
