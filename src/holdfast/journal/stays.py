"""Which series may go how far, as stored: the marks that outlive a restart and travel between nodes."""

from collections.abc import Iterable
from enum import IntEnum

from holdfast.journal.transaction import Transaction
from holdfast.model.lane import Stay
from holdfast.model.series import Catalogue
from holdfast.storage.sqlite import Connection, rows


class MarkedBy(IntEnum):
    """Who says so. Append only: the numbers are stored."""

    RULE = 1
    CHILD = 2
    MADE = 3


def mark(tx: Transaction, series: Iterable[int], stay: Stay, by: MarkedBy) -> None:
    """These series may go so far from now on, for the catalogue in memory too; they must be stored already."""
    changed = list(series)
    tx.db.executemany(
        "INSERT INTO series_stay VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET stay = excluded.stay, by = excluded.by",
        [(one, int(stay), int(by)) for one in changed],
    )
    for one in changed:
        tx.catalogue.set_stay(one, stay)


def recall(db: Connection, catalogue: Catalogue) -> None:
    """Give a catalogue that was just loaded its marks."""
    for series, stay, by in rows(db, "SELECT series, stay, by FROM series_stay"):
        if by == MarkedBy.MADE:
            catalogue.made.add(series)
        catalogue.set_stay(series, Stay(stay))
