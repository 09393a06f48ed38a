"""A journal that is full to its quota: it starts again and again, grows hardly, and has room once rows went."""

from pathlib import Path

import pytest
from tests.unit.journal.kept import a_store, do, fill, shedding

from holdfast.journal.settings import JournalSettings
from holdfast.journal.store import FILE_NAME, Store
from holdfast.storage.errors import DiskFull

TINY = JournalSettings(quota=400_000)


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
    assert pages(store) <= 100
    assert do(store, shedding(0, 30)) > 0
    fill(store, 5, 200)
    store.close()
