"""Tables that follow others: in order, once, whole transactions, conflicts by policy."""

import threading
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.running import Running, running

from holdfast.sync import (
    Applied,
    ConflictFound,
    Leased,
    NoTransaction,
    Outbox,
    Queue,
    Reject,
    SchemaDiffers,
    Table,
    TableUnfit,
    TransactionTooLarge,
    capture,
)
from holdfast.sync.capture import Part
from holdfast.sync.replica import Policy

LAYOUT = (
    "CREATE TABLE articles (id INTEGER PRIMARY KEY, name TEXT, price REAL, photo BLOB);"
    "CREATE TABLE stock (shop TEXT NOT NULL, article INT NOT NULL REFERENCES articles, n INT CHECK (n >= 0), "
    "PRIMARY KEY (shop, article)) WITHOUT ROWID;"
)
QUEUE = Queue("stock")
TABLE = Table(QUEUE, "articles", "stock")


def database(path: Path | str = ":memory:", layout: str = LAYOUT) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.execute(layout)
    return db


def change(db: apsw.Connection, *statements: str, table: Table = TABLE) -> None:
    with table.capture(db):
        for one in statements:
            db.execute(one)


def kept_parts(db: apsw.Connection) -> int:
    """Parts of captures that aren't whole yet."""
    return int(db.execute("SELECT count(*) FROM holdfast_parts").get)


def waiting(db: apsw.Connection) -> list[Leased]:
    """What is in the outbox, as it would be delivered."""
    found: list[Any] = db.execute("SELECT n, body FROM holdfast_outbox ORDER BY n").fetchall()
    return [Leased(n, "gw/shop/s", n, bytes(16), 0, 0, body) for n, body in found]


def carried(source: apsw.Connection, replica: apsw.Connection, policy: Policy = "source") -> list[Applied]:
    """Apply what waits, without a node between."""
    table, done = Table(QUEUE, "articles", "stock", policy=policy), []
    for message in waiting(source):
        with replica:
            done.append(table.apply(replica, message))
    source.execute("DELETE FROM holdfast_outbox")
    return done


def content(db: apsw.Connection) -> list[Any]:
    return [
        db.execute("SELECT * FROM articles ORDER BY 1").fetchall(),
        db.execute("SELECT * FROM stock ORDER BY 1, 2").fetchall(),
    ]


def test_changes_travel_through_a_node_in_whole_transactions(tmp_path: Path) -> None:
    source, replica = database(tmp_path / "source.db"), database(tmp_path / "replica.db")
    change(source, "INSERT INTO articles VALUES (1, 'tea', 2.5, x'00ff')", "INSERT INTO stock VALUES ('a', 1, 10)")
    change(source, "UPDATE stock SET n = n - 1", "INSERT INTO articles VALUES (2, NULL, NULL, NULL)")
    change(source, "DELETE FROM articles WHERE id = 2")
    with running(tmp_path) as node:
        outbox = Outbox(source, node.door())
        assert outbox.forward() == 3
        outbox.close()
        assert [one.changes for one in follow(node, replica, 3)] == [2, 2, 1]
    assert content(replica) == content(source) == [[(1, "tea", 2.5, b"\x00\xff")], [("a", 1, 9)]]


def follow(node: Running, replica: apsw.Connection, count: int, table: Table = TABLE) -> list[Applied]:
    stop = threading.Event()
    found: list[Applied] = []
    for done in table.follow(replica, node.door(), stop=stop, wait_s=2.0):
        found.append(done)
        if len(found) == count:
            stop.set()
    return found


def test_what_is_rolled_back_or_changes_nothing_isnt_sent() -> None:
    source = database()
    with pytest.raises(apsw.SQLError):
        change(source, "INSERT INTO articles VALUES (1, 'tea', 2.5, NULL)", "nonsense")
    assert content(source) == [[], []]
    change(source, "SELECT 1")
    change(source, "INSERT INTO articles VALUES (1, 'tea', 2.5, NULL)", "DELETE FROM articles")
    assert not source.execute("SELECT name FROM sqlite_master WHERE name = 'holdfast_outbox'").fetchall()
    with source, pytest.raises(NoTransaction):
        change(source, "SELECT 1")
    with source, pytest.raises(NoTransaction):
        TABLE.snapshot(source)


def test_a_snapshot_takes_the_place_of_what_the_replica_has() -> None:
    source, replica = database(), database()
    source.execute("INSERT INTO articles VALUES (1, 'tea', 2.5, NULL), (2, 'salt', 1, NULL)")
    source.execute("INSERT INTO stock VALUES ('a', 1, 3)")
    replica.execute("PRAGMA foreign_keys = ON")
    replica.execute("INSERT INTO articles VALUES (1, 'old', 1, NULL), (9, 'gone', 1, NULL)")
    replica.execute("INSERT INTO stock VALUES ('b', 9, 3)")
    TABLE.snapshot(source)
    change(source, "UPDATE articles SET price = 3 WHERE id = 1")
    carried(source, replica)
    assert content(replica) == content(source)


def test_a_replica_that_wins_only_gets_what_it_lacks() -> None:
    source, replica = database(), database()
    source.execute("INSERT INTO articles VALUES (1, 'theirs', 2, NULL), (2, 'new', 1, NULL)")
    replica.execute("INSERT INTO articles VALUES (1, 'ours', 1, NULL), (9, 'ours', 1, NULL)")
    TABLE.snapshot(source)
    assert carried(source, replica, "replica")[0].conflicts == 1
    assert [row[:2] for row in content(replica)[0]] == [(1, "ours"), (2, "new"), (9, "ours")]


INSERT = "INSERT INTO articles"
CONFLICTS = [
    # the replica's own change, the source's, then what source / replica have under each policy
    ("UPDATE articles SET name = 'ours'", "UPDATE articles SET name = 'theirs'", "theirs", "ours"),
    (f"{INSERT} SELECT 5, 'ours', 1, NULL", f"{INSERT} SELECT 5, 'theirs', 2, NULL", "theirs", "ours"),
    ("UPDATE articles SET name = 'ours'", "DELETE FROM articles WHERE id = 1", None, "ours"),
    ("DELETE FROM articles WHERE id = 1", "UPDATE articles SET name = 'theirs'", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "source_wins", "replica_wins"), CONFLICTS)
def test_conflicts_go_by_policy(ours: str, theirs: str, source_wins: str | None, replica_wins: str | None) -> None:
    for policy, expected in (("source", source_wins), ("replica", replica_wins), ("refuse", "refused")):
        source, replica = database(), database()
        change(source, "INSERT INTO articles VALUES (1, 'tea', 2.5, NULL)")
        carried(source, replica)
        replica.execute(ours)
        before = content(replica)
        change(source, theirs)
        if expected == "refused":
            with pytest.raises(ConflictFound, match=r"row articles \[[15]\] (has other|is there|isn't there)"):
                carried(source, replica, "refuse")
            assert content(replica) == before
            continue
        (done,) = carried(source, replica, "source" if policy == "source" else "replica")
        assert done.conflicts + done.missing == 1
        names = [row[1] for row in content(replica)[0]]
        assert names[-1:] == ([] if expected is None else [expected])


def test_a_constraint_refuses_the_whole_transaction_where_the_source_wins() -> None:
    source, replica = database(layout=LAYOUT.replace("CHECK (n >= 0)", "")), database()
    change(source, "INSERT INTO articles VALUES (1, 'tea', 1, NULL)", "INSERT INTO stock VALUES ('a', 1, -1)")
    with pytest.raises(ConflictFound, match="breaks a constraint"):
        carried(source, replica)
    assert content(replica) == [[], []]
    (done,) = carried(source, replica, "replica")
    assert (done.changes, done.conflicts) == (2, 1)
    assert content(replica)[1] == []


def test_a_foreign_key_that_points_nowhere_refuses_it() -> None:
    source, replica = database(), database()
    replica.execute("PRAGMA foreign_keys = ON")
    change(source, "INSERT INTO stock VALUES ('a', 1, 1)")
    with pytest.raises(ConflictFound, match="foreign key"):
        carried(source, replica)
    assert content(replica) == [[], []]


def test_another_layout_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    source = database(tmp_path / "source.db")
    change(source, "INSERT INTO articles VALUES (1, 'tea', 1, NULL)")
    others = ("", "CREATE TABLE articles (id INTEGER PRIMARY KEY, name)", LAYOUT.replace("price REAL", "cost REAL"))
    for layout in others:
        with pytest.raises(SchemaDiffers):
            TABLE.apply(database(layout=layout), waiting(source)[0])
    with running(tmp_path) as node:
        outbox = Outbox(source, node.door())
        outbox.forward()
        outbox.close()
        replica = database(layout="CREATE TABLE articles (id INTEGER PRIMARY KEY)")
        for _ in range(7):  # more often than `max_attempts`
            with pytest.raises(SchemaDiffers, match="the source has"):
                follow(node, replica, 1)
        replica.execute("DROP TABLE articles;" + LAYOUT)
        assert follow(node, replica, 1) == [Applied(1)]


def test_a_refused_transaction_is_a_dead_letter_and_the_next_goes_on(tmp_path: Path) -> None:
    source, replica = database(tmp_path / "source.db"), database()
    table = Table(QUEUE, "articles", "stock", policy="refuse")
    change(source, "INSERT INTO articles VALUES (1, 'tea', 1, NULL)")
    change(source, "INSERT INTO articles VALUES (2, 'salt', 1, NULL)")
    replica.execute("INSERT INTO articles VALUES (1, 'ours', 1, NULL)")
    with running(tmp_path) as node:
        outbox = Outbox(source, node.door())
        outbox.forward()
        outbox.close()
        first, second = follow(node, replica, 2, table)
        assert "row articles [1] is there already" in first.refused
        assert second == Applied(1)
        replica.execute("DELETE FROM articles WHERE id = 1")
        node.do(node.real.queues.revive("stock", None))
        assert follow(node, replica, 1, table) == [Applied(1)]
    assert content(replica) == content(source)


def test_a_large_transaction_travels_in_parts_and_is_applied_as_a_whole() -> None:
    source, replica = database(), database()
    change(source, *["INSERT INTO articles SELECT count(*) + 1, 'x', 1, randomblob(400000) FROM articles"] * 5)
    messages = waiting(source)
    assert len(messages) == 3
    assert max(len(one.body) for one in messages) < 1_000_000
    for message in messages[:-1]:
        assert TABLE.apply(replica, message) == Applied(is_part=True)
        assert content(replica) == [[], []]
    with pytest.raises(Reject, match="2 parts"), replica:
        TABLE.apply(database(), messages[-1])
    assert kept_parts(replica) == 2
    assert TABLE.apply(replica, messages[-1]) == Applied(5)
    assert content(replica) == content(source)
    assert kept_parts(replica) == 0


def test_a_transaction_beyond_the_bound_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MOST_BYTES", 1000)
    source = database()
    with pytest.raises(TransactionTooLarge):
        change(source, "INSERT INTO articles VALUES (1, 'x', 1, zeroblob(2000))")
    assert content(source) == [[], []]


UNFIT = {
    "there is no": "",
    "is a view": "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE VIEW t AS SELECT * FROM a",
    "is a virtual": "CREATE VIRTUAL TABLE t USING fts5(x)",
    "has no PRIMARY KEY": "CREATE TABLE t (x)",
    "isn't NOT NULL": "CREATE TABLE t (x TEXT PRIMARY KEY)",
}


@pytest.mark.parametrize("fault", UNFIT)
def test_a_table_that_would_be_passed_over_is_refused(fault: str) -> None:
    with pytest.raises(TableUnfit, match=fault):
        change(database(layout=UNFIT[fault]), "SELECT 1", table=Table(QUEUE, "t"))


@pytest.mark.parametrize("body", [b"", b"\0\0\0\2[]", b"\0\0\0\1x", Part("c", 0, 1, b"").encode()[:9]])
def test_a_message_that_is_no_capture_is_rejected(body: bytes) -> None:
    with pytest.raises(Reject):
        TABLE.apply(database(), Leased(1, "s", 1, bytes(16), 0, 0, body))
