"""`holdfast history status|check`: what the site's memory holds, and whether it's what was written."""

import typer
from msgspec import Struct

from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.progress import progress
from holdfast.cli.words import many, plain, size, table, when
from holdfast.history.lake.health import BadFile, DayFiles, MemoryChecked, MemoryStatus, check_memory, memory_status
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.opening import open_lake
from holdfast.kernel.clock import Clock

LONG_S = 60.0
MOST_DAYS = 60
"""Lines printed; --json has them all."""
_STEPS = {0: "readings", -1: "around alerts", 60: "minutes", 300: "5 minutes", 3600: "hours"}


class Report(Struct, frozen=True):
    """The status, and where it is from."""

    source: str
    note: str
    memory: MemoryStatus


def show_history(where: Api | File, clock: Clock, *, json: bool) -> int:
    """Print what there is; returns 1 when a file is damaged, else 0.

    Raises:
        Misused: when the node keeps no memory in files.
    """
    if isinstance(where, Api):
        report = Report(str(where), "", where.get("history", MemoryStatus, wait_s=LONG_S))
    else:
        report = Report(str(where), where.note(), _from_file(where, clock))
    typer.echo(as_json(report) if json else "\n".join(said(report)))
    return 1 if any(day.damaged for day in report.memory.days) else 0


def show_check(file: File, clock: Clock, *, with_cold: bool, json: bool) -> int:
    """Read everything, print what is wrong; returns 0 when nothing is, else 1.

    Raises:
        Misused: when the node keeps no memory in files.
    """
    lake, reader = _lake(file, clock), file.reader()
    try:
        with progress("verifying", unit="B", json=json) as tell:
            found = check_memory(reader, lake, with_cold=with_cold, tell=tell)
    finally:
        lake.close()
        reader.close()
    typer.echo(as_json(found) if json else "\n".join(verdict(found, str(file))))
    return 0 if found.is_whole else 1


def _from_file(file: File, clock: Clock) -> MemoryStatus:
    lake, reader = _lake(file, clock), file.reader()
    try:
        return memory_status(reader, lake)
    finally:
        lake.close()
        reader.close()


def _lake(file: File, clock: Clock) -> Lake:
    settings = file.plan.history
    if settings is None:
        raise Misused("this node keeps no memory in files", "set `history: true` in node.yaml")
    return open_lake(file.plan.data / settings.lake, file.access.key, settings.cold, clock)


def said(report: Report) -> list[str]:
    """The status as lines."""
    memory = report.memory
    lines = [report.note] if report.note else []
    locked = ", encrypted" if memory.encrypted else ""
    lines.append(
        f"{many(memory.readings, 'reading')} in {many(memory.pieces, 'piece')}{locked}: {size(memory.bytes)} here, "
        f"{size(memory.cold_bytes)} in the cold store ({plain(memory.cold)}); "
        f"{many(memory.waiting_rows, 'row')} waiting"
    )
    if memory.newest_ns:
        lines.append(f"from {when(memory.oldest_ns)} to {when(memory.newest_ns)}")
    if memory.sending:
        lines.append(f"{many(memory.sending, 'file')} on the way to the cold store")
    head = ["day", "kind", "files", "rows", "here", "cold", "rms error", ""]
    lines += table([head, *map(_day, memory.days[-MOST_DAYS:])], (2, 3, 4, 5, 6))
    if len(memory.days) > MOST_DAYS:
        lines.append(f"… and {many(len(memory.days) - MOST_DAYS, 'older line')} (--json has all)")
    for went in memory.went:
        left = f"one row every {went.step} s is left" if went.step else "nothing is left"
        lines.append(f"{many(went.rows, 'reading')} went for {plain(went.reason)}: {left}")
    return lines


def _day(day: DayFiles) -> list[str]:
    kind = _STEPS.get(day.step, f"{day.step} s")
    error = f"{day.error:.4g}" if day.step > 0 else ""
    damaged = f"{day.damaged} damaged" if day.damaged else ""
    here, cold = (size(count) if count else "" for count in (day.bytes, day.cold_bytes))
    return [day.day, kind, f"{day.files:,}", f"{day.rows:,}", here, cold, error, damaged]


def verdict(found: MemoryChecked, source: str) -> list[str]:
    """The check as lines."""
    lines = [f"{source}: {many(found.files, 'file')}, {size(found.bytes)} read"]
    if found.catalogue:
        lines.append(f"the catalogue: {plain(found.catalogue)}")
    if found.damaged:
        lines += table([["damaged", "where", "rows", "what"], *map(_bad, found.damaged)], (2,))
    if found.cold:
        lines.append(f"the cold store: {plain(found.cold)}")
    lines += [f"stray: {plain(name)}" for name in found.strays]
    if found.is_whole:
        return [*lines, "Whole."]
    if found.catalogue:
        return [*lines, "The catalogue is damaged: stop the node, restore the journal from its backup, check the disk."]
    lost = sum(bad.rows for bad in found.damaged if bad.step <= 0 and bad.place == "here")
    return [*lines, f"Damaged: {many(lost, 'reading')} lie in files that can't be trusted as a whole; check the disk."]


def _bad(bad: BadFile) -> list[str]:
    return [bad.name, bad.place, f"{bad.rows:,}", plain(bad.what)]
