"""Stores on a folder, and what is in them: shared by the journal's tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.journal.blobs import decode_readings
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GapReason, GroupKind
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import shed
from holdfast.journal.store import FILE_NAME, Store
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series

NOW = 1_700_000_000_000_000_000


def a_store(folder: Path, settings: JournalSettings | None = None) -> Store:
    return Store(Access(folder / FILE_NAME), "gw", settings or JournalSettings(), ManualClock())


def do(store: Store, write: Callable[[Transaction], Any]) -> Any:
    (outcome,) = store.commit([write])
    if outcome.error is not None:
        raise outcome.error
    return outcome.result


def some(store: Store, n: int, start: int, series: str = "air.temperature") -> Batch:
    one = store.catalogue.intern(Series("gw", "room-1", series, "Cel", Kind.FLOAT))
    seq = np.arange(start, start + n)
    return Batch(np.full(n, one, np.int32), NOW + seq * 1_000_000_000, seq.astype(np.float64), np.zeros(n, np.uint8))


def fill(store: Store, groups: int, rows: int = 10, lane: Lane = Lane.BULK) -> None:
    for _ in range(groups):
        batch = some(store, rows, store.state.heads[lane] + 1)
        do(store, lambda tx: tx.append_readings(lane, batch))  # noqa: B023  # committed in this turn


def shedding(after: int, groups: int, **more: Any) -> Callable[[Transaction], int]:
    return lambda tx: shed(tx, Lane.BULK, after, groups, GapReason.DISK, NOW, **more)


def held(reader: JournalReader, lane: Lane = Lane.BULK, after: int = 0) -> list[tuple[int, int, str]]:
    return [(g.first, g.last, g.kind.name.lower()) for g in reader.read(lane, after, 10**9)]


def values(reader: JournalReader, lane: Lane = Lane.BULK) -> list[float]:
    groups = [g for g in reader.read(lane, 0, 10**9) if g.kind is GroupKind.READINGS]
    return [float(v) for g in groups for v in decode_readings(g.blob).value]
