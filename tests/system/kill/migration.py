"""A journal of schema 1 in a gateway's data folder, and what must be in it whatever interrupts its migration."""

import gzip
import sqlite3
import time
from pathlib import Path
from typing import Any

from holdfast.journal.blobs import decode_readings
from holdfast.journal.integrity import Damage, scan
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.migrate import migrations
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.journal.settings import JournalSettings
from holdfast.journal.store import Store
from holdfast.kernel.clock import SystemClock
from holdfast.model.lane import Lane

STORED = Path(__file__).parents[2] / "unit" / "journal" / "stored" / "schema-1.db.gz"
START_S = 20.0


class StoredFile:
    """The old file at its place; put there anew before each try."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._bytes = gzip.decompress(STORED.read_bytes())
        self.newest = migrations()[-1][0]
        self.put()
        self.promised = self.contents()

    def put(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        for path in self.path.parent.glob(f"{FILE_NAME}*"):
            path.unlink()
        self.path.write_bytes(self._bytes)

    def wait_touched(self) -> None:
        """Wait until a node has begun to write to its WAL."""
        wal = self.path.with_name(f"{FILE_NAME}-wal")
        deadline = time.monotonic() + START_S
        while not wal.exists():
            assert time.monotonic() < deadline, "the node doesn't start"
            time.sleep(0.0005)

    def schema(self) -> int:
        """The schema as the killed node left it."""
        db = sqlite3.connect(self.path)
        try:
            return int(db.execute("PRAGMA user_version").fetchone()[0])
        finally:
            db.close()

    def contents(self) -> dict[str, Any]:
        """Open it as a node does, and read all that the old program had promised."""
        store = Store(Access(self.path), "gw", JournalSettings(), SystemClock())
        reader = JournalReader(self.path)
        try:
            assert not [found for lane in Lane for found in scan(reader, lane) if isinstance(found, Damage)]
            groups = [group for lane in Lane for group in reader.read(lane, 0, 10**9)]
            return {
                "heads": dict(store.state.heads),
                "counters": {k: v for k, v in store.state.counters.items() if v},
                "readings": [decode_readings(g.blob).value.tolist() for g in groups if g.kind is GroupKind.READINGS],
                "others": [
                    (g.lane, g.first, g.last, bytes(g.blob)) for g in groups if g.kind is not GroupKind.READINGS
                ],
                "keys": [bytes(keys) for keys in reader.dedupe_keys()],
            }
        finally:
            reader.close()
            store.close()
