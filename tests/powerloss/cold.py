"""Finished days leave for a folder elsewhere while every write is recorded; and what must hold after any cut.

The disk here and the one elsewhere lose power together, each file for itself: what one of them lost while the other
went on is among the images.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
from tests.powerloss.folder import COLD_PREFIX, FlatFolder, FlatObjects
from tests.powerloss.images import Image, Variant
from tests.powerloss.memory import DAY_S, FILE, NS, START, Memories, history_of, opened
from tests.powerloss.vfs import Log, RecordingVfs

from holdfast.history.lake.cold import CHUNK, Cold
from holdfast.history.lake.files import open_checked
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.service import TRASH_S
from holdfast.history.lake.settings import ColdSettings, HistorySettings, KeepSettings
from holdfast.journal.journal import Journal
from holdfast.journal.pieces import COLD, SENDING, WARM, PieceFile
from holdfast.journal.snapshot import snapshot

THREE = 3 * DAY_S
SETTINGS = HistorySettings(
    rows=400, settle=60.0, keep=(KeepSettings("*", THREE, THREE, THREE),), cold=ColdSettings(folder="cold")
)
GOES_ON_EVERY = 12
"""At every so manyth event the node also goes on, and finishes what was interrupted."""
NEW = ".new-"
"""How the name begins under which an object is being written."""


class Leaving(Memories):
    """A site whose days go. `spans` are the events while they do."""

    settings, period_ns = SETTINGS, 3700 * NS
    spans: list[range]
    log: Log

    async def run(self, rounds: int, seed: int) -> None:
        """Each time: readings of about a day, some late; what is finished goes, and the oldest go for good."""
        rng = Random(seed)
        self.spans = []
        await self.keeper.tidy()
        for _ in range(rounds):
            await self._send(rng.randrange(20, 120))
            await self.keeper.take_all()
            self.clock.advance(DAY_S * rng.uniform(0.5, 1.5))
            await self.keeper.merge_due()
            with self._watched():
                await self._leave(rng)
        self.keeper.lake.close()
        self.journal.close()

    async def _leave(self, rng: Random) -> None:
        sender = self.keeper.sender
        assert sender is not None
        await sender.turn()
        if rng.random() < 0.5:  # what has gone makes room; nothing has to become coarser
            self.keeper.settings = msgspec.structs.replace(
                SETTINGS, quota=max(1, round(self.keeper.local_bytes / 0.95))
            )
            await self.keeper.retain()
            self.keeper.settings = SETTINGS
        self.clock.advance(TRASH_S + 1)
        await self.keeper.retain()
        await sender.turn()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        before = len(self.log.events)
        yield
        self.spans.append(range(before, len(self.log.events) + 1))


class GoingOn(Leaving):
    """The same site after a start: names are never used twice, and nothing is too old any more."""

    settings = msgspec.structs.replace(SETTINGS, keep=())
    first_name = 10_000


def record(
    home: Path, rounds: int, seed: int, folder: Callable[[Path, Log, str], FlatFolder] = FlatFolder
) -> tuple[Log, Sequence[range]]:
    """What reached both disks, and the events while days went. folder: of the objects."""
    log = Log()
    home.mkdir()
    with RecordingVfs(log) as vfs:

        async def body() -> Sequence[range]:
            store = FlatObjects(home, folder(home, log, COLD_PREFIX))
            lake = Lake(FlatFolder(home, log), cold=Cold(store, CHUNK))
            site = Leaving(home, lake, vfs.plain_name, log.mark, "full")
            site.log = log
            await site.run(rounds, seed)
            return site.spans

        return log, asyncio.run(body())


def check(folder: Path, image: Image) -> None:
    """Every acked reading is there once, and every file where the catalogue says, and nowhere else."""
    acked = image.marks[-1] if image.marks else 0
    if FILE not in image.files:
        assert not acked, "acked, and no journal is there"
        return
    asyncio.run(_check_inside(folder, acked))
    if image.index % GOES_ON_EVERY == 0 and image.variant is not Variant.KEPT:
        asyncio.run(_check_going_on(folder, acked))


async def _check_inside(folder: Path, acked: int) -> None:
    lake = _lake(folder)
    with opened(folder, lake) as journal:
        _check_readings(journal, lake, acked)
        _check_places(journal, lake, _objects(folder))


def _check_readings(journal: Journal, lake: Lake, acked: int) -> None:
    """Nothing became coarser here: every reading says itself that it's there, or is among those that were too old."""
    answer = history_of(journal, lake).query(["*"], START, START + 60 * DAY_S * NS, None, limit=100_000)
    damaged = [source for source in answer.sources if source.note]
    assert not damaged, damaged
    values = sorted(float(value or 0) for column in answer.series for value in column.value or [])
    assert len(set(values)) == len(values), "a reading is there twice"
    with snapshot(journal) as moment:  # the answer tells two equal losses of a day as one
        sent = len(values) + sum(loss.rows for loss in moment.losses(0, 1 << 31))
    assert sent >= acked, f"{acked} acked, {sent} are there, or gone by age"
    assert not values or values[-1] == sent - 1, "a reading is missing"


async def _check_going_on(folder: Path, acked: int) -> None:
    """What was interrupted is done again, and then nothing of it is left over."""
    site = GoingOn(folder, _lake(folder), "", lambda _acked: None, "full")
    site.clock.advance(300 * DAY_S)
    keeper, journal = site.keeper, site.journal
    assert keeper.sender is not None
    try:
        await keeper.tidy()
        await keeper.retain()
        await keeper.sender.turn()
        _check_readings(journal, keeper.lake, acked)
        _check_places(journal, keeper.lake, _objects(folder))
        files = [file for piece in keeper.pieces if piece.is_sealed for file in piece.files]
        assert _objects(folder) == {file.name for file in files}, "not all is elsewhere, or more than that"
        assert all(file.places & COLD for file in files)
    finally:
        keeper.close()
        journal.close()


def _lake(folder: Path) -> Lake:
    return Lake(FlatFolder(folder), cold=Cold(FlatObjects(folder, FlatFolder(folder, prefix=COLD_PREFIX)), CHUNK))


def _objects(folder: Path) -> set[str]:
    """What lies elsewhere, objects that were begun included."""
    return set(FlatFolder(folder, prefix=COLD_PREFIX).names())


def _check_places(journal: Journal, lake: Lake, objects: set[str]) -> None:
    with snapshot(journal) as moment:
        files = [file for piece in moment.pieces() for file in piece.files]
        trash = moment.trash()
    here = {name for name in lake.folder.names() if not name.startswith(".trash/")}
    assert here == {file.name for file in files if file.places & WARM}, "here are other files than the catalogue says"
    for file in files:
        _check_copies(file, lake, objects)
    places = [(file.name, file.places) for file in files] + [(one.name, one.places) for one in trash]
    perhaps = {name for name, place in places if place & (COLD | SENDING)}
    whole = {name for name in objects if NEW not in name}
    assert whole <= perhaps, f"elsewhere are objects that the catalogue doesn't name: {whole - perhaps}"
    begun = {name.replace(NEW, "") for name in objects - whole}
    assert begun <= perhaps, f"half of an object is left, and nobody will remove it: {begun - perhaps}"


def _check_copies(file: PieceFile, lake: Lake, objects: set[str]) -> None:
    """Each copy that the catalogue promises is read to its end."""
    if file.places & WARM:
        with closing(open_checked(lake.folder, replace(file, places=WARM), None)) as copy:
            copy.read()
    if file.places & COLD:
        assert file.name in objects, f"{file.name} isn't elsewhere, though the catalogue says so"
        assert lake.cold is not None
        with closing(lake.cold.copy(file)) as copy:
            copy.read()
