"""What a node and the process that runs its SQL say to each other; without DuckDB, which not every node has."""

from msgspec import Struct

from holdfast.history.grouping import Table


class Order(Struct, frozen=True):
    """What to run; on standard input, as the key must not be seen in a process list. lake: empty = there is none."""

    journal: str
    key: bytes | None
    lake: str
    statement: str
    memory_mb: int
    seconds: float
    rows: int


class Told(Struct, frozen=True):
    """What came of it: a table, or why not. elsewhere: files that are not on this disk, whose rows were not seen."""

    table: Table | None = None
    error: str = ""
    hint: str = ""
    elsewhere: int = 0
