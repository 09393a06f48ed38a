"""An application's databases for the tests of `holdfast.sync`."""

import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import apsw

from holdfast.sync import Leased, Node, Queue
from holdfast.sync.database import Database, transaction

ORDERS = Queue("orders")


def standard(path: Path) -> Database:
    return sqlite3.connect(path, isolation_level=None, timeout=10)


def other(path: Path) -> Database:
    db = apsw.Connection(str(path))
    db.set_busy_timeout(10_000)
    return db


def order(db: Database, *bodies: bytes) -> None:
    with transaction(db):
        for body in bodies:
            ORDERS.put(db, body)


def taken(path: Path, node: Node, count: int, work: Callable[[Database, Leased], None] | None = None) -> list[bytes]:
    """Consume until so many messages took effect; gives their bodies in order."""
    db = standard(path)
    stop = threading.Event()
    found: list[bytes] = []
    for delivery in ORDERS.consume(db, node, stop=stop, wait_s=2.0):
        with delivery as message:
            if work is not None:
                work(db, message)
            found.append(message.body)
        if len(found) >= count:
            stop.set()
    db.close()
    return found


def bodies(numbers: Iterable[int]) -> list[bytes]:
    return [b"%d" % n for n in numbers]
