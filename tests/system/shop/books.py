"""The consumer: BOOKS.DB NODE_URL TOKEN_FILE CA. Books every order; what comes twice would stand there twice."""

import json
import sqlite3
import sys
from pathlib import Path

from holdfast.sync import Node, Queue


def opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE IF NOT EXISTS booked (at INTEGER PRIMARY KEY, id TEXT, source TEXT, n INTEGER)")
    return db


def main(path: Path, url: str, token: str, ca: str) -> None:
    db = opened(path)
    for delivery in Queue("orders").consume(db, Node(url, token, ca), wait_s=5.0):
        with delivery as message:
            order = json.loads(message.body)
            db.execute("INSERT INTO booked (id, source, n) VALUES (?, ?, ?)", (order["id"], message.source, message.n))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4])
