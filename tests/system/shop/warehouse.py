"""A table's two ends as processes: `source DB URL TOKEN` moves stock about, `replica DB URL TOKEN CA` follows it."""

import random
import sys
import time

import apsw

from holdfast.sync import Node, Outbox, Queue, Table

LAYOUT = (
    "CREATE TABLE IF NOT EXISTS stock (shelf INTEGER PRIMARY KEY, n INT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS moves (id INTEGER PRIMARY KEY, away INT NOT NULL, onto INT NOT NULL)"
)
TABLE = Table(Queue("stock"), "stock", "moves", policy="refuse")
SHELVES, EACH = 10, 1_000


def opened(path: str) -> apsw.Connection:
    db = apsw.Connection(path)
    db.set_busy_timeout(10_000)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(LAYOUT)
    return db


def source(path: str, url: str, token: str) -> None:
    db = opened(path)
    if not db.execute("SELECT 1 FROM stock").fetchall():
        with TABLE.capture(db):
            db.executemany("INSERT INTO stock VALUES (?, ?)", [(shelf, EACH) for shelf in range(SHELVES)])
    outbox = Outbox(db, Node(url, token))
    outbox.start()
    rng = random.Random()
    while True:
        away, onto = rng.sample(range(SHELVES), 2)
        with TABLE.capture(db):
            db.execute("UPDATE stock SET n = n - 1 WHERE shelf = ?", (away,))
            db.execute("UPDATE stock SET n = n + 1 WHERE shelf = ?", (onto,))
            db.execute("INSERT INTO moves (away, onto) VALUES (?, ?)", (away, onto))
        time.sleep(0.01)


def replica(path: str, url: str, token: str, ca: str) -> None:
    db = opened(path)
    for done in TABLE.follow(db, Node(url, token, ca), wait_s=5.0):
        assert not done.refused, done
        assert db.execute("SELECT sum(n) FROM stock").fetchall() == [(SHELVES * EACH,)], "half a transaction"


if __name__ == "__main__":
    (source if sys.argv[1] == "source" else replica)(*sys.argv[2:])
