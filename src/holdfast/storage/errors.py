"""What can go wrong at the door to disk.

StorageError
├── DiskFull          world: no space or quota reached; the transaction is gone, the data in memory is not
├── StorageFailed     disk: an I/O error; what the failed commit did is unknown, so nothing more may be acked
├── StorageTooOld     operator: this SQLite has a known WAL corruption bug
└── StorageUnusable   operator: not a database, wrong permissions, locked by another process
"""

from holdfast.kernel.errors import HoldfastError


class StorageError(HoldfastError):
    """Something the disk said."""


class DiskFull(StorageError):
    """There is no room, on the disk or in the quota. Retry when there is."""

    recoverable = True
    hint = "free space on the disk or raise journal.quota; Holdfast resumes by itself"


class StorageFailed(StorageError):
    """A read or write failed below SQLite. Whether the commit is on disk is unknown."""

    hint = "check the disk (dmesg, SMART); restart after that: what was acked is replayed from the journal"


class StorageTooOld(StorageError):
    """The SQLite library is older than the first release without the WAL-reset corruption bug."""

    hint = "pip install -U apsw-sqlite3mc"


class StorageUnusable(StorageError):
    """The file can't be used as a database."""
