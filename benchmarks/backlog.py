"""Makes a gateway's journal with a backlog in it, through the journal's own door, without a node running."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.data import NODE, ROOM, Rows, Site
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.node.settings import read_plan
from holdfast.stream.engine import Engine

ROOMS = 200
_GROUPS_PER_COMMIT = 64
_ROWS_PER_PIECE = 200_000


def store(settings: Path, rows: Rows, group: int) -> int:
    """Put `rows` into the journal of the node that `settings` describes, in groups of `group`; returns how many."""
    return asyncio.run(_store(settings, rows.series, iter([rows.batch]), group))


def store_site(settings: Path, readings: int, group: int) -> int:
    """The same with about `readings` of `ROOMS` rooms."""
    site = Site(ROOMS, time.time_ns() - 60_000_000_000)
    per_round = ROOMS * len(ROOM)
    total = max(1, readings // per_round)
    step = max(1, _ROWS_PER_PIECE // per_round)
    pieces = (site.rounds(first, min(step, total - first), total) for first in range(0, total, step))
    return asyncio.run(_store(settings, site.series, pieces, group))


async def _store(settings: Path, series: tuple[object, ...], pieces: Iterator[Batch], group: int) -> int:
    plan = read_plan(settings)
    journal = Journal(plan.data / FILE_NAME, NODE, JournalSettings(quota=60_000_000_000), SystemClock())
    for one in series:
        journal.catalogue.intern(one)  # type: ignore[arg-type]
    stored = 0
    for batch in pieces:
        starts = range(0, len(batch), group)
        groups = [batch.take(slice(s, s + group)) for s in starts]  # type: ignore[arg-type]
        for at in range(0, len(groups), _GROUPS_PER_COMMIT):
            await journal.submit(appending(groups[at : at + _GROUPS_PER_COMMIT]))
        stored += len(batch)
    # A checkpoint at the end: otherwise the rules would replay the whole backlog at the start.
    state = Engine(plan.rules, journal.catalogue, NODE).snapshot()
    head = journal.head(Lane.BULK)
    await journal.submit(lambda transaction: transaction.checkpoint("rules", head, state))
    journal.close()
    return stored


def appending(groups: Sequence[Batch]) -> Callable[[Transaction], None]:
    """A write of one group a batch."""

    def write(transaction: Transaction) -> None:
        for batch in groups:
            transaction.append_readings(Lane.BULK, batch)

    return write
