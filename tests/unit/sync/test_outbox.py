"""What an application puts reaches its node once, in order, and only if it was committed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.running import Running, running
from tests.unit.sync.shops import ORDERS, bodies, order, other, standard, taken
from tests.waiting import wait_until

from holdfast.sync import MessageTooLarge, Node, NoFile, NoTransaction, Outbox, Queue, Refused, Unreachable
from holdfast.sync.database import Database, opener, transaction


@pytest.mark.parametrize("connect", [standard, other])
def test_a_message_is_part_of_the_callers_transaction(tmp_path: Path, connect: Callable[[Path], Database]) -> None:
    db = connect(tmp_path / "app.db")
    with pytest.raises(NoTransaction):
        ORDERS.put(db, b"early")
    with pytest.raises(MessageTooLarge), transaction(db):
        ORDERS.put(db, bytes(1_000_001))
    db.execute("BEGIN")
    ORDERS.put(db, b"undone")
    db.execute("ROLLBACK")
    with transaction(db):
        assert [ORDERS.put(db, b"1"), ORDERS.put(db, b"2")] == [1, 2]
    db.close()
    with running(tmp_path) as node:
        outbox = Outbox(lambda: connect(tmp_path / "app.db"), node.door())
        assert outbox.waiting() == 2
        assert (outbox.forward(), outbox.forward(), outbox.waiting()) == (2, 0, 0)
        outbox.close()
        assert taken(tmp_path / "to.db", node.door(), 2) == bodies([1, 2])


def test_messages_wait_for_a_node_that_is_away_and_are_sent_by_themselves(tmp_path: Path) -> None:
    db = standard(tmp_path / "app.db")
    order(db, b"1")
    with running(tmp_path) as node:
        door = node.door()
    outbox = Outbox(db, door)
    with pytest.raises(Unreachable):
        outbox.forward()
    outbox.close()
    with running(tmp_path) as node:
        outbox = Outbox(db, node.door())
        outbox.start()
        order(db, b"2")
        assert taken(tmp_path / "to.db", node.door(), 2) == bodies([1, 2])
        assert outbox.trouble == ""
        outbox.stop()


def test_two_forwarders_of_one_database_send_each_message_once(tmp_path: Path) -> None:
    db = standard(tmp_path / "app.db")
    with running(tmp_path) as node:
        outboxes = [Outbox(db, node.door()) for _ in range(2)]
        for outbox in outboxes:
            outbox.start()
        for n in range(40):
            order(db, b"%d" % n)
        assert taken(tmp_path / "to.db", node.door(), 40) == bodies(range(40))
        for outbox in outboxes:
            outbox.stop()
        (depth,) = [one for one in node.real.queues.depths() if one.queue == "orders"]
        assert (depth.queued, depth.residual) == (40, 0)


def test_an_older_image_of_the_database_goes_on_as_a_new_stream(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with running(tmp_path) as node:
        send(path, node, b"1", b"2")
        shutil.copy(path, tmp_path / "image.db")
        send(path, node, b"3", b"4")
        shutil.copy(tmp_path / "image.db", path)
        send(path, node, b"other 3", b"other 4", b"other 5")
        found = taken(tmp_path / "to.db", node.door(), 7)
        assert found == [b"1", b"2", b"3", b"4", b"other 3", b"other 4", b"other 5"]
        assert any("QueueStreamForked" in line for line in node.log)


def test_a_node_that_came_back_from_an_older_image_takes_what_is_new_and_tells(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with running(tmp_path) as node:
        send(path, node, b"1")
    shutil.copytree(tmp_path / "data", tmp_path / "image")
    with running(tmp_path) as node:
        send(path, node, b"2", b"3")
    shutil.rmtree(tmp_path / "data")
    shutil.copytree(tmp_path / "image", tmp_path / "data")
    with running(tmp_path) as node:
        send(path, node, b"4")
        assert taken(tmp_path / "to.db", node.door(), 2) == [b"1", b"4"]
        assert any("QueueNumbersJumped" in line and "numbers=2" in line for line in node.log)


def test_a_batch_is_bounded_in_messages_and_bytes(tmp_path: Path) -> None:
    db = standard(tmp_path / "app.db")
    with transaction(db):
        for n in range(1, 6):
            Queue("stock").put(db, bytes([n]) * 700_000)
        for _ in range(510):
            Queue("passing").put(db, b"")
    with running(tmp_path) as node:
        outbox = Outbox(db, node.door())
        assert outbox.forward() == 515
        outbox.close()


def test_a_node_that_refuses_says_why(tmp_path: Path) -> None:
    db = standard(tmp_path / "app.db")
    order(db, b"1")
    with running(tmp_path) as node:
        outbox = Outbox(db, node.door("guest"))
        with pytest.raises(Refused, match="guest may not") as refusal:
            outbox.forward()
        assert (refusal.value.status, refusal.value.hint) == (403, "name it under `apps.guest` in node.yaml")
        outbox.start()
        wait_until(lambda: "guest may not" in outbox.trouble)
        outbox.stop()
    far = Outbox(db, Node("http://192.0.2.1:8080", tmp_path / "shop.token"))
    with pytest.raises(Refused, match="not allowed"):
        far.forward()
    far.close()


def test_a_full_queue_takes_no_more_until_some_are_acked(tmp_path: Path) -> None:
    db = standard(tmp_path / "app.db")
    with running(tmp_path) as node:
        outbox = Outbox(db, node.door())
        order(db, *bodies(range(50)))
        assert outbox.forward() == 50
        order(db, b"50")
        with pytest.raises(Unreachable, match="50 messages wait in orders"):
            outbox.forward()
        taken(tmp_path / "to.db", node.door(), 20)
        assert outbox.forward() == 1
        outbox.close()


def send(path: Path, node: Running, *what: bytes) -> None:
    db = standard(path)
    order(db, *what)
    outbox = Outbox(db, node.door())
    outbox.forward()
    assert outbox.waiting() == 0
    outbox.close()
    db.close()


def test_an_outbox_uses_the_applications_own_library_and_needs_a_file(tmp_path: Path) -> None:
    """Two SQLite libraries in one process don't see each other's locks."""
    for connect in (standard, other):
        db = connect(tmp_path / "app.db")
        assert type(opener(db)()) is type(db)
        with pytest.raises(NoFile):
            Outbox(connect(Path(":memory:")), Node("http://127.0.0.1:1", "none"))


@pytest.mark.parametrize("connect", [standard, other])
def test_putting_and_forwarding_at_once_loses_and_mixes_nothing(
    tmp_path: Path, connect: Callable[[Path], Database]
) -> None:
    db = connect(tmp_path / "app.db")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE kept (n INTEGER PRIMARY KEY)")
    with running(tmp_path) as node:
        outbox = Outbox(db, node.door())
        outbox.start()
        for n in range(300):
            with transaction(db):
                db.execute("INSERT INTO kept VALUES (?)", (n,))
                Queue("stock").put(db, b"%d" % n)
        wait_until(lambda: not list(db.execute("SELECT 1 FROM holdfast_outbox LIMIT 1")))
        outbox.stop()
        found = node.real.journal.waiting("stock", [], 1000, 10**9)
    assert [one.body for one in found] == bodies(range(300))
    assert list(db.execute("SELECT count(*) FROM kept")) == [(300,)]
