"""`holdfast journal scan`: is what the disk gives back what was written? And gaps where it isn't."""

import asyncio

import msgspec
import typer
from msgspec import Struct

from holdfast.cli.node_api import File, as_json
from holdfast.cli.progress import progress, waiting
from holdfast.cli.words import many, plain, size, table, when
from holdfast.journal.integrity import Damage, Progress, scan
from holdfast.journal.journal import Journal
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Gap
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.node.scrub import isolating
from holdfast.node.upkeep import report_found
from holdfast.storage.errors import StorageError
from holdfast.storage.sqlite import Connection, rows, translated
from holdfast.storage.wal import inspect_wal, lost_transactions
from holdfast.telemetry.happenings import Telemetry

MOST_FAULTS = 20
_MOST_ROUNDS = 8  # each isolates what the last one uncovered; two are enough for any damage known


class Damaged(Struct, frozen=True):
    """Rows first..last of a lane that can't be trusted, and why."""

    lane: int
    first: int
    last: int
    rows: int
    what: str


class Repaired(Struct, frozen=True):
    """A gap that was put where rows could not be trusted. from_ns, to_ns: event times, ns UTC; 0 = not known."""

    lane: int
    first: int
    last: int
    rows: int
    bytes: int
    from_ns: int
    to_ns: int


class Scanned(Struct, frozen=True):
    """What a scan found.

    structure:        faults of the database file itself; nothing is repaired while there are any
    lost_commits:     acked commits in a damaged WAL; looked for while the node is stopped
    damaged:          rows that can't be trusted, as found
    repaired, remain: with --repair: the gaps made, and what is damaged still
    whole:            nothing is wrong now
    """

    file: str
    groups: int
    bytes: int
    structure: list[str]
    lost_commits: int
    damaged: list[Damaged]
    repaired: list[Repaired]
    remain: list[Damaged]
    whole: bool


def show_scan(file: File, clock: Clock, *, repair: bool, json: bool) -> int:
    """Scan, repair if asked to, print; returns 0 when the file is whole at the end, else 1.

    Raises:
        InUse: when a repair is asked for while the node runs.
        StorageError: when the file can't be opened.
    """
    lost = 0 if file.is_running else lost_transactions(inspect_wal(file.access.path))
    found, damages = _look(file, lost, json=json)
    if repair and not found.structure:
        found = asyncio.run(_repair(file, clock, found, damages))
    typer.echo(as_json(found) if json else "\n".join(said(found, repair=repair)))
    return 0 if found.whole else 1


def said(found: Scanned, *, repair: bool) -> list[str]:
    """The outcome as lines."""
    lines = [f"{found.file}: {many(found.groups, 'group')}, {size(found.bytes)} read"]
    lines += [f"structure: {plain(fault)}" for fault in found.structure]
    if found.lost_commits:
        lines.append(f"{many(found.lost_commits, 'commit')} lost: the WAL is damaged")
    if found.damaged:
        head = ["damaged", "rows", "count", "what"]
        body = [
            [Lane(d.lane).name.lower(), f"{d.first}..{d.last}", f"{d.rows:,}", plain(d.what)] for d in found.damaged
        ]
        lines += table([head, *body], (2,))
    if found.repaired:
        head = ["now a gap", "rows", "count", "of the time"]
        lines += table([head, *map(_gap_row, found.repaired)], (2,))
    return [*lines, _verdict(found, repair=repair)]


def _gap_row(gap: Repaired) -> list[str]:
    times = f"{when(gap.from_ns)} to {when(gap.to_ns)}" if gap.to_ns else "not known"
    return [Lane(gap.lane).name.lower(), f"{gap.first}..{gap.last}", f"{gap.rows:,}", times]


def _verdict(found: Scanned, *, repair: bool) -> str:
    if found.whole and found.repaired:
        gone = sum(gap.rows for gap in found.repaired)
        return f"Repaired: {many(len(found.repaired), 'gap')} in the place of {many(gone, 'row')}, each with an event."
    if found.whole:
        return "Whole."
    if found.structure:
        return "The database file itself is damaged: stop the node, keep a copy, restore a backup, and check the disk."
    if found.remain:
        return f"{many(len(found.remain), 'place')} could not be isolated: keep a copy of the file, and report this."
    if found.damaged and not repair:
        return "Damaged. Stop the node and run this with --repair: gaps then stand for exactly these rows."
    return "Commits that were acked are lost. The damaged WAL is kept beside the file when the node opens it."


def _look(file: File, lost: int, *, json: bool) -> tuple[Scanned, list[Damage]]:
    reader = file.reader()
    try:
        structure = waiting(lambda: _structure(file.access.reader()), "checking the file's structure", json=json)
        groups, read, damages, faults = _scan(reader, json=json)
    finally:
        reader.close()
    structure += [fault for fault in faults if fault not in structure]
    whole = not (structure or lost or damages)
    found = Scanned(str(file), groups, read, structure, lost, [_told(d) for d in damages], [], [], whole)
    return found, damages


async def _repair(file: File, clock: Clock, found: Scanned, damages: list[Damage]) -> Scanned:
    """Isolate what was found, look again, and so on until nothing more can be isolated."""
    settings, gaps = file.plan.settings, list[Gap]()
    journal = Journal(file.access, settings.node, settings.journal, clock)
    try:
        await report_found(journal, clock, Telemetry(clock))
        for _ in range(_MOST_ROUNDS):
            made = [await journal.submit(isolating(settings.node, d, clock.wall_ns())) for d in damages]
            gaps += [gap for gap in made if gap is not None]
            _, _, damages, faults = _scan(journal)
            if not any(made):
                break
    finally:
        await asyncio.to_thread(journal.close)
    repaired = [Repaired(int(g.lane), g.first, g.last, len(g), g.bytes, g.ts_min, g.ts_max) for g in gaps]
    whole = not (faults or found.lost_commits or damages)
    remain = [_told(d) for d in damages]
    return msgspec.structs.replace(found, structure=faults, repaired=repaired, remain=remain, whole=whole)


def _scan(reader: JournalReader, *, json: bool = True) -> tuple[int, int, list[Damage], list[str]]:
    """(groups, bytes, damages, lanes whose index can't be read) of the whole file."""
    groups = read = 0
    damages, faults = list[Damage](), list[str]()
    with progress("verifying", _rows(reader), "rows", json=json) as tell:
        before = 0
        for lane in Lane:
            last = Progress(lane, 0, 0)
            try:
                for step in scan(reader, lane):
                    if isinstance(step, Damage):
                        damages.append(step)
                    else:
                        last, read = step, read + step.bytes
                        tell(before + last.seq, doing=f"verifying, {size(read)} read")
            except StorageError as error:
                faults.append(f"the {lane.name.lower()} lane can't be read on after {last.seq}: {error}")
            groups, before = groups + last.groups, before + last.seq
    return groups, read, damages, faults


def _rows(reader: JournalReader) -> int | None:
    try:
        return sum(reader.heads())
    except StorageError:
        return None  # what can't be read is told by the scan


def _structure(db: Connection) -> list[str]:
    """What SQLite's own check finds; closes the connection."""
    try:
        with translated():
            found = [str(fault) for (fault,) in rows(db, f"PRAGMA integrity_check({MOST_FAULTS})")]
    except StorageError as error:
        return [str(error)]
    finally:
        db.close()
    return [] if found == ["ok"] else found


def _told(damage: Damage) -> Damaged:
    rows_ = damage.last - damage.first + 1
    return Damaged(int(damage.lane), damage.first, damage.last, rows_, damage.what)
