"""SQLite's own word on how much of a WAL it takes over: what `storage.wal` must foretell."""

from holdfast.storage.space import checkpoint
from holdfast.storage.sqlite import Connection, row


def recovered_frames(db: Connection) -> int:
    """How many frames its recovery took over. Ask before the first write; it also moves them to the main file."""
    row(db, "SELECT count(*) FROM sqlite_master")  # recovery happens at the first read
    return max(0, checkpoint(db).wal_frames)
