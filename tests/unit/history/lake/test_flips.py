"""A flipped bit anywhere in the lake's files or the catalogue's pages is told, or does no harm: never a wrong value.

Plain and encrypted. The short form flips some hundreds; the long one 10,000 (`make prove`).
"""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.history.lake.site import DAY, NS, START, Site, readings, run

from holdfast.history.answers import Aggregate, Answer
from holdfast.history.lake.cipher import Cipher
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.view import view
from holdfast.history.query import History
from holdfast.journal.errors import JournalError
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.model.series import Catalogue
from holdfast.storage.errors import StorageError
from holdfast.storage.folder import DiskFolder

KEY = bytes(range(32))
TABLES = (
    "pieces",
    "piece_files",
    "pieces_by_day",
    "sqlite_autoindex_piece_files_1",
    "meta",
    "piece_losses",
    "stragglers",
)
WANTED: tuple[Aggregate, ...] = ("count", "min", "max", "mean")


@dataclass
class Stored:
    """A stopped node's memory, and what it answers."""

    folder: Path
    key: bytes | None
    catalogue: Catalogue
    used: list[int]
    """Bytes of the catalogue's pages that hold something."""

    def ask(self) -> tuple[Answer, Answer]:
        """Every reading, and hours."""
        reader = JournalReader(Access(self.folder / FILE_NAME, self.key))
        lake = Lake(DiskFolder(self.folder / "lake"), cipher=None if self.key is None else Cipher(self.key))
        try:
            history = History(
                reader, self.catalogue, lambda low, high: view(lake, reader, self.catalogue.is_text, low, high)
            )
            rows = history.query(["*"], START, START + 4 * DAY, None, WANTED, 100_000)
            return rows, history.query(["*"], START, START + 4 * DAY, 3600 * NS, WANTED, 100_000)
        finally:
            lake.close()
            reader.close()


async def made(folder: Path, key: bytes | None) -> Stored:
    site = Site(folder, HistorySettings(rows=2000), series=2, key=key)
    await site.keeper.tidy()
    rows = [(n % 2, START + n * 40 * NS, float(n % 97), 0) for n in range(3 * 2160)]
    await site.send(readings(rows, [False, True]))
    await site.keeper.take_all()
    site.clock.advance(2.5 * 86_400)
    await site.keeper.merge_due()
    site.clock.advance(3600)
    await site.keeper.retain()
    catalogue = site.journal.catalogue
    await site.journal.submit(lambda tx: tx.db.execute("DELETE FROM groups").fetchall() and None)
    site.close()
    db = Access(folder / FILE_NAME, key).writer(0)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    wanted = f"SELECT pageno, pgsize FROM dbstat WHERE name IN ({','.join('?' * len(TABLES))})"  # noqa: S608
    pages = [(int(page), int(size)) for page, size in db.execute(wanted, TABLES)]
    db.close()
    for extra in ("-wal", "-shm"):
        (folder / f"{FILE_NAME}{extra}").unlink(missing_ok=True)
    data = (folder / FILE_NAME).read_bytes()
    used = [at for page, size in pages for at in range((page - 1) * size, page * size) if data[at]]
    return Stored(folder, key, catalogue, used)


def points(answer: Answer) -> list[set[tuple[int, object, int]]]:
    return [set(zip(c.ts, c.value or [], c.quality or [], strict=True)) for c in answer.series]


def judge(stored: Stored, rows: Answer, hours: Answer) -> str:
    """What became of a flip: told, or harmless; wrong values are an assertion."""
    try:
        found, steps = stored.ask()
    except (JournalError, StorageError):
        return "refused"
    is_told = any(source.note for source in found.sources)
    if not is_told:
        assert found.series == rows.series
        assert found.missing == rows.missing
    for got, sent in zip(points(found), points(rows), strict=True):
        assert got <= sent
    if not any(source.note for source in steps.sources):
        assert steps.series == hours.series
    return "told" if is_told or any(source.note for source in steps.sources) else "harmless"


def flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ (1 << bit % 8)]))


def shower(stored: Stored, count: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    rows, hours = stored.ask()
    assert sum(map(len, points(rows))) == 3 * 2160
    files = sorted((stored.folder / "lake").rglob("*.parquet"))
    files = [file for file in files if ".trash" not in file.parts]
    verdicts: Counter[str] = Counter()
    for n in range(count):
        if n % 2:
            path, kind = chance.choice(files), "file"
            bit = chance.randrange(8 * path.stat().st_size)
        else:
            path, kind = stored.folder / FILE_NAME, "catalogue"
            bit = 8 * chance.choice(stored.used) + chance.randrange(8)
        flip(path, bit)
        try:
            verdicts[f"{kind} {judge(stored, rows, hours)}"] += 1
        except AssertionError as error:
            raise AssertionError(f"bit {bit} of {path.name}: {error}") from error
        finally:
            flip(path, bit)
            for extra in ("-wal", "-shm"):
                (stored.folder / f"{FILE_NAME}{extra}").unlink(missing_ok=True)
    assert stored.ask() == (rows, hours)
    return verdicts


def rain(folder: Path, key: bytes | None, count: int, seed: int) -> None:
    async def body() -> None:
        verdicts = shower(await made(folder, key), count, seed)
        print(dict(verdicts))
        assert not verdicts["file harmless"], "every block is read and summed"
        assert verdicts["file told"] > count // 3
        assert verdicts["catalogue refused"] > 0

    run(body())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_some_hundred_flips(tmp_path: Path, key: bytes | None) -> None:
    rain(tmp_path, key, 200, 7)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_ten_thousand_flips(tmp_path: Path, key: bytes | None) -> None:
    rain(tmp_path, key, 10_000, 11)
