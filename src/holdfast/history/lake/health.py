"""How the site's memory is: what it holds, day by day, and whether every byte of it is what was written. Blocking."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from msgspec import Struct

from holdfast.history.errors import HistoryError
from holdfast.history.lake.cold import CHUNK
from holdfast.history.lake.files import open_checked
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.layout import TABLES, day_name
from holdfast.history.lake.sums import CheckedFile
from holdfast.journal.errors import JournalError
from holdfast.journal.pieces import COLD, DAMAGED, LANES, SENDING, WARM, Piece, PieceFile
from holdfast.journal.reader import JournalReader
from holdfast.journal.snapshot import snapshot
from holdfast.storage.errors import StorageError

MOST_STRAYS = 1000


class DayFiles(Struct, frozen=True):
    """A day's files of one table. step: s, 0 = readings, -1 = readings around alerts; bytes: here, cold: there."""

    day: str
    step: int
    files: int
    rows: int
    bytes: int
    cold_bytes: int
    error: float = 0.0
    damaged: int = 0


class Went(Struct, frozen=True):
    """Readings that went: step 0 = altogether, else what is left of them is one row each `step` s."""

    reason: str
    step: int
    rows: int


class MemoryStatus(Struct, frozen=True):
    """The site's memory at a glance. Times: ns UTC, 0 = there are no readings in files.

    waiting_rows: of the journal, no files yet; sending: files whose way to the cold store isn't over
    cold: `off`, `ready`, or why it can't be had now
    """

    pieces: int
    readings: int
    oldest_ns: int
    newest_ns: int
    bytes: int
    cold_bytes: int
    waiting_rows: int
    sending: int
    cold: str
    encrypted: bool
    days: list[DayFiles]
    went: list[Went]


class BadFile(Struct, frozen=True):
    """A file that can't be trusted. place: `here` or `cold`; rows: that it held; what: is wrong with it."""

    name: str
    place: str
    day: str
    step: int
    rows: int
    what: str


class MemoryChecked(Struct, frozen=True):
    """What a check found. strays: files or objects that the catalogue doesn't know."""

    files: int
    bytes: int
    catalogue: str
    damaged: list[BadFile]
    strays: list[str]
    cold: str

    @property
    def is_whole(self) -> bool:
        """Nothing is wrong; strays are no harm."""
        return not (self.catalogue or self.damaged or self.cold)


def memory_status(reader: JournalReader, lake: Lake) -> MemoryStatus:
    """What the catalogue says now.

    Raises:
        CatalogueCorrupt, StorageError: when it can't be read.
    """
    with snapshot(reader) as moment:
        pieces, losses = moment.pieces(), moment.losses(-(2**40), 2**40)
        done = moment.memory(0, -1).done
    heads = reader.heads()
    went: Counter[tuple[str, int]] = Counter()
    for loss in losses:
        went[loss.reason, loss.step] += loss.rows
    files = [file for piece in pieces for file in piece.files]
    trouble = "off" if lake.cold is None else lake.cold.trouble() or "ready"
    return MemoryStatus(
        pieces=len(pieces),
        readings=sum(piece.rows for piece in pieces),
        oldest_ns=min((piece.ts_min for piece in pieces), default=0),
        newest_ns=max((piece.ts_max for piece in pieces), default=0),
        bytes=sum(piece.size for piece in pieces),
        cold_bytes=sum(file.size for file in files if file.places & COLD),
        waiting_rows=sum(heads[lane] - done[lane] for lane in LANES),
        sending=sum(1 for file in files if file.places & SENDING),
        cold=trouble,
        encrypted=lake.cipher is not None,
        days=_days(pieces),
        went=[Went(reason, step, rows) for (reason, step), rows in sorted(went.items())],
    )


def check_memory(
    reader: JournalReader, lake: Lake, *, with_cold: bool, tell: Callable[[int, int], object] = lambda _done, _of: None
) -> MemoryChecked:
    """Read every row of the catalogue and every block of every file.

    with_cold: of those in the cold store, too; tell: bytes read so far, of so many
    """
    try:
        with snapshot(reader) as moment:
            moment.memory(0, -1)
            moment.losses(-(2**40), 2**40)
            pieces, trash = moment.pieces(), moment.trash()
    except (JournalError, StorageError) as error:
        return MemoryChecked(0, 0, str(error), [], [], "")
    damaged, read, count = [], 0, 0
    total = sum(file.size for piece in pieces for file, _ in _copies(piece, with_cold=with_cold))
    for piece in pieces:
        for file, place in _copies(piece, with_cold=with_cold):
            what = _fault(lake, file, place)
            count, read = count + 1, read + file.size
            tell(read, total)
            if what:
                damaged.append(BadFile(file.name, place, day_name(piece.day), file.step, file.rows, what))
    known = {file.name for piece in pieces for file in piece.files}
    strays = [name for name in lake.folder.names() if not name.startswith(".trash/") and name not in known]
    cold = ""
    if with_cold and lake.cold is not None:
        known |= {one.name for one in trash}
        try:
            strays += [f"cold: {name}" for name, _ in lake.cold.store.names() if name not in known and _is_ours(name)]
        except StorageError as error:
            cold = str(error)
    return MemoryChecked(count, read, "", damaged, strays[:MOST_STRAYS], cold)


def _copies(piece: Piece, *, with_cold: bool) -> Iterator[tuple[PieceFile, str]]:
    for file in piece.files:
        if file.places & WARM:
            yield file, "here"
        if with_cold and file.places & COLD:
            yield file, "cold"


def _fault(lake: Lake, file: PieceFile, place: str) -> str:
    """What is wrong with a copy of a file; empty = nothing."""
    try:
        with closing(_opened(lake, file, place)) as copy:
            while copy.read(CHUNK):
                pass
        if place == "here":
            with lake.reader(file):
                pass
    except (HistoryError, StorageError, OSError) as error:
        return str(getattr(error, "what", error))
    return ""


def _opened(lake: Lake, file: PieceFile, place: str) -> CheckedFile:
    if place == "here" or lake.cold is None:
        return open_checked(lake.folder, file, None)
    return lake.cold.copy(file)


def _is_ours(name: str) -> bool:
    return name.partition("/")[0] in TABLES.values()


def _days(pieces: Sequence[Piece]) -> list[DayFiles]:
    groups: dict[tuple[int, int], list[PieceFile]] = {}
    for piece in pieces:
        for file in piece.files:
            groups.setdefault((piece.day, file.step), []).append(file)
    return [
        DayFiles(
            day_name(day).removeprefix("day="),
            step,
            len(files),
            sum(file.rows for file in files),
            sum(file.size for file in files if file.places & WARM),
            sum(file.size for file in files if file.places & COLD),
            _error(files),
            sum(1 for file in files if file.places & DAMAGED),
        )
        for (day, step), files in sorted(groups.items())
    ]


def _error(files: Sequence[PieceFile]) -> float:
    """The root mean square over the files, by their rows: about, as a step's own count of readings isn't known here."""
    rows = sum(file.rows for file in files)
    return float((sum(file.error**2 * file.rows for file in files) / rows) ** 0.5) if rows else 0.0
