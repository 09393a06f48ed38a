"""A checkout worker: TILL.DB PORT NODE_URL TOKEN_FILE. Takes orders as lines, answers each when it's committed here.

Several workers share one database. An order that was taken before is only answered again.
"""

import json
import socketserver
import sqlite3
import sys
import threading
import time
from pathlib import Path

from holdfast.sync import Node, Outbox, Queue

ORDERS = Queue("orders")
_local = threading.local()


def connection(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
    patiently(db, "PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, goods TEXT NOT NULL) WITHOUT ROWID")
    return db


def patiently(db: sqlite3.Connection, statement: str) -> None:
    """SQLite doesn't wait for a change of journal mode when another worker, just started, is about to do the same."""
    end = time.monotonic() + 10.0
    while True:
        try:
            db.execute(statement)
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def take(db: sqlite3.Connection, order: dict[str, str]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        found = db.execute("INSERT OR IGNORE INTO orders VALUES (?, ?)", (order["id"], order["goods"]))
        if found.rowcount:
            ORDERS.put(db, json.dumps(order).encode())
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


class Checkout(socketserver.StreamRequestHandler):
    path: Path

    def handle(self) -> None:
        db = connection(self.path)
        for line in self.rfile:
            take(db, json.loads(line))
            self.wfile.write(b"ok\n")
        db.close()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(path: Path, port: int, url: str, token: str) -> None:
    Checkout.path = path
    db = connection(path)
    outbox = Outbox(db, Node(url, token))
    outbox.start()
    with Server(("127.0.0.1", port), Checkout) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
