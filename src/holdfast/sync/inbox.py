"""What a consuming application has done, in its own database: each message takes effect once, however often it comes.

Per source a mark: the last number that took effect, and holes: numbers below it that did not, because they became dead
letters. A replayed dead letter fills its hole.
"""

from holdfast.sync.database import Database, row

_TABLES = (
    (
        "CREATE TABLE IF NOT EXISTS holdfast_inbox (queue TEXT NOT NULL, source TEXT NOT NULL, n INTEGER NOT NULL, "
        "PRIMARY KEY (queue, source)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS holdfast_holes (queue TEXT NOT NULL, source TEXT NOT NULL, first INTEGER NOT NULL, "
        "last INTEGER NOT NULL, PRIMARY KEY (queue, source, first)) WITHOUT ROWID"
    ),
)
_SET = "INSERT OR REPLACE INTO holdfast_inbox VALUES (?, ?, ?)"
_DIG = "INSERT INTO holdfast_holes VALUES (?, ?, ?, ?)"


def prepare(db: Database) -> None:
    """Make the inbox's tables where they are missing."""
    for sql in _TABLES:
        db.execute(sql)


def advance(db: Database, queue: str, source: str, n: int) -> bool:
    """Take a message for done, in the open transaction; False when it is done already."""
    found = row(db, "SELECT n FROM holdfast_inbox WHERE queue = ? AND source = ?", (queue, source))
    mark = found[0] if found else 0
    if n > mark:
        db.execute(_SET, (queue, source, n))
        if n > mark + 1:
            db.execute(_DIG, (queue, source, mark + 1, n - 1))
        return True
    return _fill(db, queue, source, n)


def _fill(db: Database, queue: str, source: str, n: int) -> bool:
    hole = row(
        db,
        "SELECT first, last FROM holdfast_holes WHERE queue = ? AND source = ? AND first <= ? AND last >= ?",
        (queue, source, n, n),
    )
    if hole is None:
        return False
    first, last = hole
    db.execute("DELETE FROM holdfast_holes WHERE queue = ? AND source = ? AND first = ?", (queue, source, first))
    for low, high in ((first, n - 1), (n + 1, last)):
        if low <= high:
            db.execute(_DIG, (queue, source, low, high))
    return True
