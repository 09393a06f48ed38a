"""Shared documents in the journal file: a version a name, and a log of updates that becomes one update now and then.

The bytes are opaque here; `documents/` merges them. Like groups they carry a checksum: a plain SQLite file gives a
flipped bit back as data.
"""

import zlib
from dataclasses import dataclass

from holdfast.journal.reader import JournalReader
from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import rows


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What is known of a document without merging it. bytes: of its stored updates."""

    name: str
    version: str
    bytes: int


def read_documents(reader: JournalReader) -> list[StoredDocument]:
    """Every document, by name."""
    sql = (
        "SELECT d.name, d.version, coalesce(sum(length(u.data)), 0) FROM documents AS d "
        "LEFT JOIN document_updates AS u ON u.name = d.name GROUP BY d.name ORDER BY d.name"
    )
    with reader.borrowed() as db:
        return [StoredDocument(*found) for found in rows(db, sql)]


def read_updates(reader: JournalReader, name: str) -> list[bytes | None]:
    """A document's updates, oldest first; None stands for one that isn't what was written."""
    sql = "SELECT crc, data FROM document_updates WHERE name = ? ORDER BY id"
    with reader.borrowed() as db:
        return [data if zlib.crc32(data) == crc else None for crc, data in rows(db, sql, (name,))]


def append_update(tx: Transaction, name: str, version: str, data: bytes) -> None:
    """Store one more update; the document begins with its first."""
    tx.db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", (name, version))
    _insert(tx, name, data)


def replace_updates(tx: Transaction, name: str, version: str, whole: bytes) -> None:
    """Store one update instead of all."""
    tx.db.execute("DELETE FROM document_updates WHERE name = ?", (name,))
    append_update(tx, name, version, whole)


def _insert(tx: Transaction, name: str, data: bytes) -> None:
    sql = "INSERT INTO document_updates (name, crc, data) VALUES (?, ?, ?)"
    tx.db.execute(sql, (name, zlib.crc32(data), data))
