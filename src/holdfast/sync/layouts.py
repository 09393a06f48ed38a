"""What a captured table looks like, so that both ends can see that it's the same one."""

from dataclasses import dataclass
from typing import Any

from holdfast.sync.database import Database, row, rows
from holdfast.sync.errors import TableUnfit


@dataclass(frozen=True)
class Layout:
    """A table's columns in order, and its primary key's, in the key's order."""

    columns: tuple[str, ...]
    key: tuple[str, ...]

    def as_json(self) -> dict[str, list[str]]:
        """For a message's head."""
        return {"columns": list(self.columns), "key": list(self.key)}

    @classmethod
    def of_json(cls, value: Any) -> "Layout":
        """From a message's head."""
        return cls(tuple(value["columns"]), tuple(value["key"]))


def layout_of(db: Database, table: str) -> Layout:
    """The layout of a table.

    Raises:
        TableUnfit: when the session extension would pass over it, or over some of its rows, without a word.
    """
    kind = row(db, "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", (table,))
    if kind is None:
        raise TableUnfit(f"there is no table {table!r}")
    if kind[0] != "table":
        raise TableUnfit(f"{table!r} is a {kind[0]}")
    found = rows(db, 'SELECT name, type, "notnull", pk FROM pragma_table_info(?) ORDER BY cid', (table,))
    key = sorted((pk, name, declared, required) for name, declared, required, pk in found if pk)
    if not key:
        raise TableUnfit(f"{table!r} has no PRIMARY KEY")
    is_rowid = len(key) == 1 and str(key[0][2]).upper() == "INTEGER"
    loose = [name for _, name, _, required in key if not required]
    if loose and not is_rowid and not kind[1]:  # such a key may hold NULL, and rows with NULL aren't captured
        raise TableUnfit(f"{table!r}: key column {loose[0]!r} isn't NOT NULL")
    return Layout(tuple(name for name, *_ in found), tuple(name for _, name, *_ in key))


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
