"""Three finished days of a site in a file each, a cold store that fails as it's told to, and damage."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.unit.history.lake.site import DAY, NS, START, Site, ask, readings

from holdfast.history.answers import Answer
from holdfast.history.lake.retention import Deed, Step
from holdfast.history.lake.settings import ColdSettings, HistorySettings
from holdfast.journal.pieces import COLD, WARM, Piece
from holdfast.storage.errors import ObjectsUnreachable
from holdfast.storage.objects import FolderObjects, ObjectStore

DAYS = 3
ALL = HistorySettings(rows=5000, cold=ColdSettings(folder="cold"))


class Faulty:
    """A folder of objects that fails at chosen puts, before or after the object is there, or falls silent."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.inner = FolderObjects(root)
        self.is_away, self.puts, self.gets = False, 0, 0
        self.at_put: Callable[[int], None] = lambda _n: None
        self.after_put: Callable[[int], None] = lambda _n: None

    def put(self, name: str, parts: Iterable[bytes]) -> bool:
        self.require()
        self.puts += 1
        self.at_put(self.puts)
        found = self.inner.put(name, parts)
        self.after_put(self.puts)
        return found

    def get(self, name: str, start: int, end: int) -> bytes:
        self.require()
        self.gets += 1
        return self.inner.get(name, start, end)

    def remove(self, name: str) -> None:
        self.require()
        self.inner.remove(name)

    def names(self) -> Iterator[tuple[str, int]]:
        self.require()
        yield from self.inner.names()

    def require(self) -> None:
        if self.is_away:
            raise ObjectsUnreachable("unplugged")


def rows_of_days(days: int = DAYS, every: int = 30) -> list[tuple[int, int, float, int]]:
    return [(n % 2, START + n * every * NS, float(n % 97), 0) for n in range(days * 86_400 // every)]


async def filled(site: Site, days: int = DAYS) -> None:
    """Some days, each merged and sealed."""
    await site.keeper.tidy()
    await site.send(readings(rows_of_days(days), [False, True]))
    await site.keeper.take_all()
    site.clock.advance((days + 1) * 86_400)
    await site.keeper.merge_due()


@asynccontextmanager
async def days(
    folder: Path,
    cold: ObjectStore | None = None,
    settings: HistorySettings = ALL,
    *,
    may_leave: Callable[[Piece], bool] = lambda _piece: True,
    sent: bool = False,
) -> AsyncIterator[Site]:
    """A site with its days kept, and sent to the cold store as far as that takes them."""
    site = Site(folder, settings, series=2, cold=cold, may_leave=may_leave)
    try:
        await filled(site)
        if sent:
            await site.send_all()
        yield site
    finally:
        site.close()


def everything(site: Site) -> Answer:
    return ask(site, START, START + 10 * DAY, None)


def places(site: Site) -> set[int]:
    return {file.places for piece in site.keeper.pieces for file in piece.files}


async def evict_all(site: Site) -> None:
    for piece in site.keeper.pieces:
        both = tuple(file for file in piece.files if file.places == WARM | COLD)
        await site.keeper._let_go(Step(Deed.EVICT, piece, both, "disk"))


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
