"""What the journal promises about messages: taken once, in order, until they're acked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.events import alert
from tests.messages import message
from tests.unit.journal.kept import a_store, do

from holdfast.history.events import latest_events
from holdfast.journal import queues
from holdfast.journal.blobs import canonical, decode_messages, encode_messages
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.integrity import Damage, isolate, repair, scan
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.queued import Queued, StreamMark
from holdfast.journal.queues import Buried, Failure, Taken
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GENESIS, GroupKind
from holdfast.journal.relief import Delivered, Level, relieve
from holdfast.journal.settings import JournalSettings
from holdfast.journal.store import FILE_NAME, Store
from holdfast.model.lane import Lane


def consuming(folder: Path, *names: str) -> tuple[Store, JournalReader]:
    store = a_store(folder)
    do(store, lambda tx: queues.declare(tx, names))
    return store, JournalReader(folder / FILE_NAME)


def put(store: Store, numbers: Sequence[int], after: StreamMark | None = None, **other: Any) -> Taken:
    taken = do(store, lambda tx: queues.put(tx, [message(n, **other) for n in numbers], after))
    assert isinstance(taken, Taken)
    return taken


def waiting(reader: JournalReader, queue: str = "orders", busy: Sequence[str] = ()) -> list[Queued]:
    return reader.waiting(queue, busy, 100, 10**9)


def numbers(found: Sequence[Queued]) -> list[int]:
    return [one.n for one in found]


def mark(n: int) -> StreamMark:
    return StreamMark(n, n.to_bytes(16, "big"))


def test_a_message_is_taken_once_however_often_it_is_put(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders")
    assert put(store, [1, 2]) == Taken(mark(2), stored=2)
    assert put(store, [1, 2]) == Taken(mark(2), repeated=2)
    assert put(store, [1, 2, 3], StreamMark()) == Taken(mark(3), stored=1, repeated=2)
    assert numbers(waiting(reader)) == [1, 2, 3]
    ledger = balance(reader.accounts(CONSUMER, count=True), has_parent=False)
    assert ledger.balanced
    assert ledger.rows.messages == 3


def test_streams_apps_and_queues_count_apart(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders", "stock")
    others: list[dict[str, Any]] = [{}, {"stream": "other"}, {"app": "other"}, {"queue": "stock"}]
    for other in others:
        assert put(store, [1], **other).stored == 1
    assert [one.source for one in waiting(reader)] == ["gw/shop/till", "gw/shop/other", "gw/other/till"]
    assert numbers(waiting(reader, "stock")) == [1]


def test_another_message_under_a_taken_number_is_another_history(tmp_path: Path) -> None:
    store, _ = consuming(tmp_path, "orders")
    put(store, [1, 2, 3])
    assert put(store, [3, 4], mark(2), id=b"x" * 16).forked
    assert put(store, [2, 3], StreamMark(1, b"x" * 16)) == Taken(mark(3), repeated=2)
    assert put(store, [5], mark(2)).forked  # it was told 2, and hasn't 3
    assert put(store, [4], mark(3)) == Taken(mark(4), stored=1)


def test_a_node_that_came_back_from_an_old_image_goes_on_and_says_what_it_lacks(tmp_path: Path) -> None:
    store, _ = consuming(tmp_path, "orders")
    put(store, [1, 2, 3])
    assert put(store, [10], mark(9)) == Taken(mark(10), stored=1, jumped=6)


def test_an_application_may_not_begin_streams_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "MOST_STREAMS", 2)
    store, _ = consuming(tmp_path, "orders")
    assert [put(store, [1], stream=name).crowded for name in ("a", "b", "c", "a")] == [False, False, True, False]


def test_only_queues_consumed_here_wait_here(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path)
    put(store, [1, 2])
    assert waiting(reader) == []
    assert reader.queue_depths() == []


def test_a_queue_consumed_later_gets_what_the_journal_holds_and_nothing_twice(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path)
    put(store, [1, 2])
    do(store, lambda tx: queues.declare(tx, ["orders"]))
    put(store, [3])
    do(store, lambda tx: queues.declare(tx, []))
    put(store, [4])
    assert numbers(waiting(reader)) == [1, 2, 3]
    do(store, lambda tx: queues.declare(tx, ["orders"]))
    do(store, lambda tx: queues.declare(tx, ["orders"]))
    assert numbers(waiting(reader)) == [1, 2, 3, 4]
    (depth,) = reader.queue_depths()
    assert (depth.queued, depth.waiting, depth.residual) == (4, 4, 0)


def test_busy_sources_are_passed_over_and_sizes_bound_what_is_read(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders")
    put(store, [1, 2], body=b"x" * 600)
    put(store, [1], stream="other")
    assert [one.source for one in waiting(reader, busy=["gw/shop/till"])] == ["gw/shop/other"]
    assert numbers(reader.waiting("orders", [], 100, 1000)) == [1]
    assert numbers(reader.waiting("orders", [], 100, 10)) == [1]


def test_acked_messages_are_gone_and_counted(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders")
    put(store, [1, 2, 3])
    places = [one.place for one in waiting(reader)]
    assert do(store, lambda tx: queues.ack(tx, "orders", places[:2])) == 2
    assert do(store, lambda tx: queues.ack(tx, "orders", places[:2])) == 0
    assert do(store, lambda tx: queues.ack(tx, "stock", places)) == 0
    (depth,) = reader.queue_depths()
    assert (depth.acked, depth.waiting, depth.residual, depth.oldest_ns) == (2, 1, 0, 3)


def test_after_so_many_failures_a_message_is_a_dead_letter_that_can_come_back(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders")
    put(store, [1, 2])
    place = waiting(reader)[0].place
    for expected in ([], [place]):
        buried = Buried()
        do(store, lambda tx: queues.fail(tx, "orders", [Failure(place, "no stock")], 2, buried))  # noqa: B023
        assert buried.places == expected
    assert numbers(waiting(reader)) == [2]
    (dead,) = reader.dead_letters("orders")
    assert (dead.n, dead.attempts, dead.dead) == (1, 2, "no stock")
    assert reader.queue_depths()[0].residual == 0
    assert do(store, lambda tx: queues.revive(tx, "orders", None)) == 1
    assert [(one.n, one.attempts) for one in waiting(reader)] == [(1, 0), (2, 0)]
    do(store, lambda tx: queues.fail(tx, "orders", [Failure(place, "", buries=True)], 9, Buried()))
    assert do(store, lambda tx: queues.drop(tx, "orders", [place])) == 1
    assert reader.queue_depths()[0] == replace(reader.queue_depths()[0], dropped=1, dead=0, waiting=1)
    assert reader.queue_depths()[0].residual == 0


def test_large_puts_become_groups_that_the_link_can_carry(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders")
    put(store, [1, 2, 3], body=b"x" * 600_000)
    groups = reader.read(Lane.CRITICAL, 0, 100)
    assert [(one.first, one.last, one.kind) for one in groups] == [(n, n, GroupKind.MESSAGES) for n in (1, 2, 3)]
    assert len(reader.read(Lane.CRITICAL, 0, 100, max_bytes=10)) == 1


def test_messages_hash_into_the_chain_and_a_damaged_group_is_believed_only_if_it_fits(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders")
    put(store, [1, 2])
    put(store, [3])
    assert not [one for one in scan(reader, Lane.CRITICAL) if isinstance(one, Damage)]
    store.db.execute("UPDATE groups SET blob = x'00' WHERE place = 1")
    do(store, lambda tx: isolate(tx, Lane.CRITICAL, 1, 0))
    for content, is_back in ([message(1), message(9)], False), ([message(1), message(2)], True):
        assert do(store, lambda tx: repair(tx, Lane.CRITICAL, 1, content, GENESIS)) is is_back  # noqa: B023
    assert not [one for one in scan(reader, Lane.CRITICAL) if isinstance(one, Damage)]
    assert [m.n for g in reader.read(Lane.CRITICAL, 0, 9) for m in decode_messages(g.blob)] == [1, 2, 3]


def test_a_blob_of_messages_gives_them_back_or_says_that_it_is_damaged(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders")
    put(store, [1], body=bytes(1000))
    (group,) = reader.read(Lane.CRITICAL, 0, 9)
    blob = encode_messages([message(1, body=bytes(1000))])
    assert group.blob == blob
    with pytest.raises(GroupCorrupt):
        decode_messages(blob[:-1])
    with pytest.raises(GroupCorrupt):
        canonical(replace(group, last=2))
    with pytest.raises(GroupCorrupt):
        decode_messages(encode_messages([msgspec.structs.replace(message(1), id=b"short")]))


def test_where_space_is_scarce_at_the_top_messages_that_are_done_become_counted_gaps(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path, "orders")
    for n in range(1, 6):
        put(store, [n])
    put(store, [1], queue="elsewhere")
    places = [one.place for one in waiting(reader)]
    do(store, lambda tx: queues.ack(tx, "orders", [places[0], places[1], places[3]]))
    do(store, lambda tx: queues.fail(tx, "orders", [Failure(places[4], "", buries=True)], 9, Buried()))
    nothing = dict.fromkeys(Lane, 0)
    settings = JournalSettings()
    for delivered, freed in ((Delivered(nothing, nothing), 0), (Delivered(nothing, nothing, is_top=True), 3)):
        assert do(store, lambda tx: relieve(tx, Level.YELLOW, settings, delivered, 9)).shed == freed  # noqa: B023
    kinds = [(one.first, one.last, one.kind.name) for one in reader.read(Lane.CRITICAL, 0, 100)]
    assert kinds == [(1, 2, "GAP"), (3, 3, "MESSAGES"), (4, 4, "GAP"), (5, 5, "MESSAGES"), (6, 6, "MESSAGES")]
    ledger = balance(reader.accounts(CONSUMER, count=True), has_parent=False)
    assert ledger.balanced
    assert ledger.lanes[0].shed == {"consumed": 3}
    assert not [one for one in scan(reader, Lane.CRITICAL) if isinstance(one, Damage)]


def test_the_latest_events_are_found_among_messages_without_reading_those(tmp_path: Path) -> None:
    store, reader = consuming(tmp_path)
    do(store, lambda tx: tx.append_events(Lane.CRITICAL, [alert(1)]))
    put(store, [1, 2])
    do(store, lambda tx: tx.append_events(Lane.CRITICAL, [alert(2), alert(3)]))
    put(store, [3])
    assert [one.ts for one in latest_events(reader, 2)] == [3, 2]
    plan = list(store.db.execute("EXPLAIN QUERY PLAN SELECT * FROM groups WHERE kind = 1 AND place > 0 ORDER BY place"))
    assert "groups_of_events" in str(plan)
    store.db.execute("UPDATE groups SET blob = x'00' WHERE last = 5")
    assert [one.ts for one in latest_events(reader, 2)] == [1]
