"""What a consumer takes has its effect once, in order, however often it's delivered."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.running import Running, running
from tests.unit.sync.shops import ORDERS, bodies, order, standard, taken

from holdfast.sync import Leased, NotSettled, Outbox, Reject, Retry, inbox
from holdfast.sync.database import Database
from holdfast.sync.line import Line


def send(node: Running, *what: bytes) -> None:
    db = standard(node.folder / "app.db")
    order(db, *what)
    outbox = Outbox(db, node.door())
    outbox.forward()
    outbox.close()
    db.close()


@given(st.lists(st.integers(1, 12), max_size=40))
def test_each_number_takes_effect_once_in_whatever_order_it_comes(numbers: list[int]) -> None:
    db = standard(Path(":memory:"))
    inbox.prepare(db)
    done: set[int] = set()
    for n in numbers:
        assert inbox.advance(db, "q", "s", n) is (n not in done)
        done.add(n)
    db.close()


def test_a_retry_comes_again_before_what_follows_and_then_is_a_dead_letter(tmp_path: Path) -> None:
    tried: list[bytes] = []

    def work(_: Database, message: Leased) -> None:
        tried.append(message.body)
        if message.body == b"2":
            raise Retry("no stock")

    with running(tmp_path) as node:
        send(node, *bodies([1, 2, 3]))
        assert taken(tmp_path / "to.db", node.door(), 2, work) == bodies([1, 3])
        assert tried == bodies([1, 2, 2, 3])
        (dead,) = node.real.queues.dead_letters("orders", 0, 10)
        assert (dead.body, dead.attempts, dead.dead) == (b"2", 2, "no stock")
        assert node.do(node.real.queues.revive("orders", None)) == 1
        assert taken(tmp_path / "to.db", node.door(), 1) == [b"2"]
        assert any("QueueLetterDied" in line for line in node.log)


def test_a_rejected_message_is_dead_at_once_and_its_work_undone(tmp_path: Path) -> None:
    def work(db: Database, message: Leased) -> None:
        db.execute("CREATE TABLE IF NOT EXISTS done (body)")
        db.execute("INSERT INTO done VALUES (?)", (message.body,))
        if message.body == b"1":
            raise Reject("nonsense")

    with running(tmp_path) as node:
        send(node, *bodies([1, 2]))
        assert taken(tmp_path / "to.db", node.door(), 1, work) == [b"2"]
        assert list(standard(tmp_path / "to.db").execute("SELECT body FROM done")) == [(b"2",)]
        assert node.real.queues.dead_letters("orders", 0, 10)[0].attempts == 1


def test_any_other_error_is_raised_and_the_message_comes_again(tmp_path: Path) -> None:
    def work(_: Database, message: Leased) -> None:
        raise ZeroDivisionError(str(message.attempts))

    with running(tmp_path) as node:
        send(node, b"1")
        with pytest.raises(ZeroDivisionError):
            taken(tmp_path / "to.db", node.door(), 1, work)
        assert taken(tmp_path / "to.db", node.door(), 1) == [b"1"]


def test_what_was_done_and_not_acked_is_known_when_it_comes_again(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        send(node, *bodies([1, 2]))
        db = standard(tmp_path / "to.db")
        line = Line(node.door())
        first = line.lease("orders", 10, 0.0).messages[0]
        inbox.prepare(db)
        assert inbox.advance(db, "orders", first.source, first.n)  # committed, and then the process is gone
        db.close()
        line.close()
        assert taken(tmp_path / "to.db", node.door(), 1) == [b"2"]


def test_leaving_the_loop_acks_what_took_effect(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        send(node, *bodies([1, 2]))
        db = standard(tmp_path / "to.db")
        for delivery in ORDERS.consume(db, node.door()):
            with delivery:
                break
        db.close()
        assert [one.acked for one in node.real.queues.depths() if one.queue == "orders"] == [1]


def test_a_consumer_that_went_silent_loses_its_messages_to_the_next(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        send(node, *bodies([1, 2]))
        silent = Line(node.door())
        handed = silent.lease("orders", 10, 0.0)
        assert [one.body for one in handed.messages] == bodies([1, 2])
        assert silent.lease("orders", 10, 0.0).messages == []
        assert taken(tmp_path / "to.db", node.door(), 2) == bodies([1, 2])
        assert not silent.ack("orders", handed.lease, [one.place for one in handed.messages])
        assert not silent.nack("orders", handed.lease, handed.messages[0].place, "")
        silent.close()
        assert any("QueueLeaseExpired" in line and "messages=2" in line for line in node.log)


def test_a_restarted_node_hands_out_what_was_leased(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        send(node, b"1")
        line = Line(node.door())
        assert len(line.lease("orders", 10, 0.0).messages) == 1
        line.close()
    with running(tmp_path) as node:
        assert taken(tmp_path / "to.db", node.door(), 1) == [b"1"]


def test_sources_do_not_wait_for_one_another(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        send(node, b"1", b"2")
        (tmp_path / "app.db").unlink()
        send(node, b"other")
        line = Line(node.door())
        first = line.lease("orders", 1, 0.0)
        assert [one.body for one in first.messages] == [b"1"]
        assert [one.body for one in line.lease("orders", 10, 0.0).messages] == [b"other"]
        assert line.ack("orders", first.lease, [first.messages[0].place])
        assert [one.body for one in line.lease("orders", 10, 0.0).messages] == [b"2"]
        line.close()


def test_a_waiting_lease_is_answered_by_the_next_message(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        found: list[bytes] = []
        consumer = threading.Thread(target=lambda: found.extend(taken(tmp_path / "to.db", node.door(), 1)))
        consumer.start()
        send(node, b"1")
        consumer.join()
        assert found == [b"1"]


def test_a_delivery_must_be_worked_on(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        send(node, *bodies([1, 2]))
        db = standard(tmp_path / "to.db")
        with pytest.raises(NotSettled):
            list(ORDERS.consume(db, node.door()))
        assert not db.in_transaction
        db.close()
        assert taken(tmp_path / "to.db", node.door(), 2) == bodies([1, 2])
