"""A journal that is full to its quota: it starts again and again, grows hardly, and has room once rows went."""

from pathlib import Path

import pytest
from tests.unit.journal.kept import NOW, a_store, do, fill, shedding

from holdfast.journal.records import QuarantineRow
from holdfast.journal.relief import Delivered, Freed, Level, relieve
from holdfast.journal.settings import JournalSettings
from holdfast.journal.store import FILE_NAME, Store
from holdfast.storage.errors import DiskFull

TINY = JournalSettings(quota=500_000)


def filled(folder: Path) -> int:
    """Fill a journal to its quota, as a node does that may shed nothing; returns the file's size."""
    store = a_store(folder, TINY)
    with pytest.raises(DiskFull):
        fill(store, 10_000, 200)
    store.roll_back()
    store.close()
    return (folder / FILE_NAME).stat().st_size


def pages(store: Store) -> int:
    return int(store.db.pragma("max_page_count"))


def test_it_starts_however_often_it_was_killed(tmp_path: Path) -> None:
    before = filled(tmp_path)
    for _ in range(60):
        store = a_store(tmp_path, TINY)
        with pytest.raises(DiskFull):
            fill(store, 400, 200)
        store.roll_back()
        store.close()
    assert (tmp_path / FILE_NAME).stat().st_size <= before + 40_000


def test_once_rows_went_there_is_room_again(tmp_path: Path) -> None:
    filled(tmp_path)
    store = a_store(tmp_path, TINY)
    assert pages(store) <= TINY.quota // 4096 + 3
    assert do(store, shedding(0, 30)) > 0
    fill(store, 5, 200)
    store.close()


def test_refused_messages_go_before_bulk(tmp_path: Path) -> None:
    store = a_store(tmp_path, TINY)
    fill(store, 10, 100)
    refused = [QuarantineRow(0, n, "mqtt", "t", "malformed", "", b"x" * 500) for n in range(150)]
    do(store, lambda tx: tx.quarantine(refused, 1000))
    nothing = Delivered({}, {})
    taken = [do(store, lambda tx: relieve(tx, Level.ORANGE, TINY, nothing, NOW)) for _ in range(3)]
    assert taken[:2] == [Freed(dropped=100), Freed(dropped=50)]
    assert taken[2].shed > 0
    assert store.state.counters["quarantine_dropped"] == 150
    store.close()


def test_message_ids_take_only_a_part_of_a_small_quota() -> None:
    assert JournalSettings(quota=640_000).keys_kept == 10_000
    assert JournalSettings().keys_kept == JournalSettings().dedupe_keys
