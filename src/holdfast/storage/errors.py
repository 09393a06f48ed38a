"""What can go wrong at the door to disk.

StorageError
├── DiskFull          world: no space or quota reached; the transaction is gone, the data in memory is not
├── StorageFailed     disk: an I/O error; what the failed commit did is unknown, so nothing more may be acked
├── StorageDamaged    disk: bytes read back are not the bytes that were written; nothing read from there is true
├── ObjectsUnreachable  world: the object store didn't answer, refused, or took too long; what it holds is there still
├── StorageTooOld     operator: this SQLite has a known WAL corruption bug
└── StorageUnusable   operator: not a database, wrong permissions, locked by another process
    ├── InUse         operator: another process writes to it
    ├── KeyWrong      operator: the file is encrypted with another key, or not at all, or a key is missing
    └── KeyUnusable   operator: the key itself can't be read, isn't a key, or others may read it
"""

from holdfast.kernel.errors import HoldfastError


class StorageError(HoldfastError):
    """Something the disk said."""


class DiskFull(StorageError):
    """There is no room, on the disk or in the quota. Retry when there is."""

    hint = "free space on the disk or raise journal.quota; Holdfast resumes by itself"


class StorageFailed(StorageError):
    """A read or write failed below SQLite. Whether the commit is on disk is unknown."""

    hint = "check the disk (dmesg, SMART); restart after that: what was acked is replayed from the journal"


class StorageDamaged(StorageError):
    """A page's checksum or authentication tag, or the file's structure, is wrong. No data came from it."""

    hint = "the file is damaged: restore it from a backup or set it aside, and check the disk (dmesg, SMART)"


class ObjectsUnreachable(StorageError):
    """The object store can't be used now. Retry; nothing is lost meanwhile."""

    hint = "is it up, mounted, and does it take these credentials? Holdfast asks again by itself"


class StorageTooOld(StorageError):
    """The SQLite library is older than the first release without the WAL-reset corruption bug."""

    hint = "pip install -U apsw-sqlite3mc"


class StorageUnusable(StorageError):
    """The file can't be used as a database."""


class InUse(StorageUnusable):
    """Another process has the file open for writing; two would overwrite each other's sequence numbers."""

    hint = "one process at a time may write there: stop the other one first, or give this node a `data` of its own"


class KeyWrong(StorageUnusable):
    """The file can't be read with this key; a damaged first page looks the same, for its tag fails too."""

    hint = "give the key this file was written with; if the key is right, the file's first page is damaged"


class KeyUnusable(StorageUnusable):
    """The encryption key can't be had."""

    hint = "a key file holds 64 hex digits or 32 raw bytes and belongs to one user (chmod 600)"
