import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.journal.blobs import canonical_readings, decode_readings, link
from holdfast.journal.errors import JournalClosed, JournalReplaced, JournalTooNew
from holdfast.journal.journal import FILE_NAME, Journal, load_catalogue
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GENESIS, Bound, Branch, Incarnation, Mark, QuarantineRow
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import drop_delivered
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.storage.errors import InUse
from holdfast.storage.sqlite import open_writer

Body = Callable[[Journal], Awaitable[None]]


def with_journal(folder: Path, body: Body, settings: JournalSettings | None = None) -> None:
    async def run() -> None:
        journal = Journal(folder / FILE_NAME, "gw", settings or JournalSettings(), ManualClock())
        try:
            await body(journal)
        finally:
            journal.close()

    asyncio.run(run())


def batch(n: int, start: int = 0) -> Batch:
    times = (start + np.arange(n, dtype=np.int64)) * 1_000_000
    return Batch(np.zeros(n, np.int32), times, np.arange(n, dtype=np.float64), np.zeros(n, np.uint8))


def appending(rows: Batch, lane: Lane = Lane.BULK) -> Callable[[Transaction], int]:
    return lambda tx: tx.append_readings(lane, rows)


def test_each_lane_is_its_own_dense_sequence_that_survives_reopening(tmp_path: Path) -> None:
    async def first(journal: Journal) -> None:
        assert await journal.submit(appending(batch(3))) == 3
        assert await journal.submit(appending(batch(2))) == 5
        assert await journal.submit(appending(batch(4), Lane.CRITICAL)) == 4

    async def second(journal: Journal) -> None:
        assert [journal.head(lane) for lane in Lane] == [4, 0, 5, 0, 0, 0]
        assert await journal.submit(appending(batch(1))) == 6

    with_journal(tmp_path, first)
    with_journal(tmp_path, second)


def test_groups_are_read_in_order_and_bounded_by_rows(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        for _ in range(5):
            await journal.submit(appending(batch(10)))
        assert [(g.first, g.last) for g in journal.read(Lane.BULK, 0, 25)] == [(1, 10), (11, 20)]
        assert [(g.first, g.last) for g in journal.read(Lane.BULK, 40, 1)] == [(41, 50)]
        assert journal.read(Lane.BULK, 50, 100) == []
        assert journal.read(Lane.NORMAL, 0, 100) == []

    with_journal(tmp_path, body)


def test_groups_are_found_by_event_time(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        for start in (0, 100, 200):
            await journal.submit(appending(batch(10, start)))
        found = journal.between(105_000_000, 205_000_000, Lane.BULK)
        assert [g.first for g in found] == [11, 21]

    with_journal(tmp_path, body)


def test_the_chain_can_be_recomputed_from_the_rows(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        for n in (1, 2, 3):
            await journal.submit(appending(batch(n)))
        chain = GENESIS
        for group in journal.read(Lane.BULK, 0, 100):
            chain = link(chain, canonical_readings(decode_readings(group.blob)))
            assert group.chain == chain == journal.chain_at(Lane.BULK, group.last)
        assert journal.chain_at(Lane.BULK, 0) == GENESIS
        assert journal.chain_at(Lane.BULK, 2) is None
        assert journal.chain_at(Lane.BULK, 99) is None

    with_journal(tmp_path, body)


def test_a_write_that_raises_undoes_only_itself(tmp_path: Path) -> None:
    def fails(tx: Transaction) -> None:
        tx.append_readings(Lane.BULK, batch(7))
        tx.count("seen", 7)
        raise ValueError("no")

    async def body(journal: Journal) -> None:
        good, bad, also_good = (
            journal.submit(appending(batch(2))),
            journal.submit(fails),
            journal.submit(lambda tx: tx.count("seen")),
        )
        with pytest.raises(ValueError, match="no"):
            await bad
        assert await good == 2
        await also_good
        assert journal.head(Lane.BULK) == 2
        assert journal.counters()["seen"] == 1

    with_journal(tmp_path, body)


def test_an_incarnation_is_committed_at_every_start(tmp_path: Path) -> None:
    seen: list[str] = []

    async def body(journal: Journal) -> None:
        seen.append(journal.incarnation)

    for _ in range(3):
        with_journal(tmp_path, body)
    db = open_writer(tmp_path / FILE_NAME)
    assert [u for (u,) in db.execute("SELECT uuid FROM incarnations ORDER BY n")] == seen
    assert len(set(seen)) == 3


def test_the_catalogue_counters_cursors_and_keys_come_back(tmp_path: Path) -> None:
    room = Series("gw", "room-1", "air.temperature", "Cel", Kind.FLOAT)

    def write(tx: Transaction) -> None:
        tx.append_readings(Lane.BULK, batch(1))
        tx.count("readings", 3)
        tx.set_cursor("uplink", Lane.BULK, 1)
        tx.remember_keys(np.array([5, 6], np.uint64), 100)
        tx.retain({"a": b"1", "b": b"2"})
        tx.checkpoint("rules", 1, b"state")

    async def first(journal: Journal) -> None:
        journal.catalogue.intern(room)
        await journal.submit(write)
        await journal.submit(lambda tx: tx.retain({"a": b""}))

    async def second(journal: Journal) -> None:
        assert journal.catalogue[0] == room
        assert journal.counters()["readings"] == 3
        assert journal.cursor("uplink", Lane.BULK) == 1
        assert journal.cursor("uplink", Lane.NORMAL) == 0
        assert np.frombuffer(b"".join(journal.dedupe_keys()), np.uint64).tolist() == [5, 6]
        assert journal.retained() == {"b": b"2"}
        assert journal.checkpoint("rules") == (1, b"state")
        assert journal.checkpoint("others") is None

    with_journal(tmp_path, first)
    with_journal(tmp_path, second)
    assert load_catalogue(tmp_path / FILE_NAME)[0] == room
    reader = JournalReader(tmp_path / FILE_NAME)
    assert reader.cursor("uplink", Lane.BULK) == 1
    assert reader.cursor("uplink", Lane.CRITICAL) == 0
    assert reader.counters()["readings"] == 3
    reader.close()


def remember(keys: NDArray[np.uint64], tx: Transaction) -> None:
    tx.remember_keys(keys, 25)


def test_the_oldest_dedupe_keys_are_forgotten_beyond_the_bound(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        for n in range(6):
            keys = np.arange(10 * n, 10 * n + 10, dtype=np.uint64)
            await journal.submit(partial(remember, keys))
        kept = np.frombuffer(b"".join(journal.dedupe_keys()), np.uint64)
        assert kept[-1] == 59
        assert len(kept) <= 25
        assert journal.counters()["dedupe_keys"] == len(kept)

    with_journal(tmp_path, body)


def test_quarantine_keeps_the_raw_bytes_and_counts_what_it_drops(tmp_path: Path) -> None:
    def row(n: int) -> QuarantineRow:
        return QuarantineRow(0, n, "client", "a/b", "malformed", "not JSON", bytes([n]))

    async def body(journal: Journal) -> None:
        await journal.submit(lambda tx: tx.quarantine([row(n) for n in range(5)], keep=3))
        assert [r.payload for r in journal.quarantined(10)] == [b"\x04", b"\x03", b"\x02"]
        assert journal.counters()["quarantine_dropped"] == 2

    with_journal(tmp_path, body)


def test_a_childs_state_and_series_are_remembered(tmp_path: Path) -> None:
    bulk = Mark(9, b"x" * 16, 12, 4, 4, 3, 1, 1, (Bound(4, b"a" * 16), Bound(9, b"x" * 16)))
    first, second = Branch("gw-1"), Branch("gw-1", 1, 0, "restored", 7, 3, 0, is_suspect=True)
    second = replace(
        second,
        incarnations=(Incarnation("abc", (0, 1, 2, 0, 0, 0)),),
        marks=(Mark(1, bytes(16)), Mark(), bulk, Mark(), Mark(), Mark()),
    )
    names = [Series("gw-1", "d", m, "Cel", Kind.FLOAT) for m in ("a", "b")]

    def write(tx: Transaction) -> list[int]:
        assert tx.branches("gw-1") == ()
        tx.set_branch(first)
        assert not tx.has_branches("gw-1")
        tx.set_branch(second)
        assert tx.has_branches("gw-1")
        tx.map_series("gw-1", 1, 0, names)
        return [int(i) for i in tx.series_map("gw-1", 1)]

    async def body(journal: Journal) -> None:
        journal.catalogue.intern(Series("hub", "own", "cpu", "%", Kind.FLOAT))
        assert await journal.submit(write) == [1, 2]
        assert journal.branches("gw-1") == (first, replace(second, series_known=2))
        assert journal.branches("gw-2") == ()
        assert journal.peer_names() == ["gw-1"]

    with_journal(tmp_path, body)


def test_only_delivered_groups_are_dropped_and_heads_stay(tmp_path: Path) -> None:
    def drop(tx: Transaction) -> int:
        return drop_delivered(tx, Lane.BULK, 25, 100)

    async def body(journal: Journal) -> None:
        for _ in range(4):
            await journal.submit(appending(batch(10)))
        assert await journal.submit(drop) == 20
        assert [g.first for g in journal.read(Lane.BULK, 0, 100)] == [21, 31]
        assert journal.head(Lane.BULK) == 40
        kept = journal.read(Lane.BULK, 20, 1)[0]
        cut = journal.chain_at(Lane.BULK, 20)
        assert cut is not None
        assert link(cut, canonical_readings(decode_readings(kept.blob))) == kept.chain

    with_journal(tmp_path, body)


def test_a_full_journal_keeps_the_write_and_resumes_when_there_is_room(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(size=4000)
    rows = Batch(np.zeros(4000, np.int32), np.arange(4000, dtype=np.int64), noise, np.zeros(4000, np.uint8))

    async def body(journal: Journal) -> None:
        conditions: list[Condition] = []
        journal.on_condition(lambda condition, _: conditions.append(condition))
        stuck = None
        for _ in range(40):
            write = journal.submit(appending(rows))
            done, _ = await asyncio.wait([write], timeout=1.0)
            if not done:
                stuck = write
                break
        assert stuck is not None
        assert conditions == [Condition.FULL]
        assert journal.condition is Condition.FULL
        journal._store.db.pragma("max_page_count", 100_000)  # the operator made room
        assert await asyncio.wait_for(stuck, 5) == journal.head(Lane.BULK)
        assert conditions == [Condition.FULL, Condition.OK]

    with_journal(tmp_path, body, JournalSettings(quota=400_000))


def test_a_closed_journal_takes_no_writes(tmp_path: Path) -> None:
    async def body() -> None:
        journal = Journal(tmp_path / FILE_NAME, "gw", JournalSettings(), ManualClock())
        assert journal.size_bytes() > 0
        assert journal.used_bytes() > 0
        journal.close()
        await asyncio.sleep(0)
        with pytest.raises(JournalClosed):
            await journal.submit(lambda _: None)

    asyncio.run(body())


def test_a_journal_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    open_writer(tmp_path / FILE_NAME).pragma("user_version", 99)

    async def body() -> None:
        with pytest.raises(JournalTooNew, match="schema 99"):
            Journal(tmp_path / FILE_NAME, "gw", JournalSettings(), ManualClock())

    asyncio.run(body())


def test_a_small_fact_is_kept_until_another_takes_its_place(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        assert journal.meta("clock") is None
        for value in ("one", "two"):
            await journal.submit(partial(Transaction.set_meta, key="clock", value=value))
            assert journal.meta("clock") == value
        assert await journal.submit(lambda tx: tx.meta("clock")) == "two"

    with_journal(tmp_path, body)


def test_a_second_writer_of_the_same_file_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        with pytest.raises(InUse):
            Journal(tmp_path / FILE_NAME, "twin", JournalSettings(), ManualClock())
        assert await journal.submit(appending(batch(2))) == 2

    async def later(journal: Journal) -> None:
        assert await journal.submit(appending(batch(1))) == 3

    with_journal(tmp_path, body)
    with_journal(tmp_path, later)


def test_a_file_that_was_replaced_under_a_running_node_is_noticed(tmp_path: Path) -> None:
    async def run() -> None:
        journal = Journal(tmp_path / FILE_NAME, "gw", JournalSettings(), ManualClock())
        journal.require_in_place()
        (tmp_path / "other").write_bytes((tmp_path / FILE_NAME).read_bytes())
        (tmp_path / "other").replace(tmp_path / FILE_NAME)
        with pytest.raises(JournalReplaced):
            journal.require_in_place()
        (tmp_path / FILE_NAME).unlink()
        with pytest.raises(JournalReplaced):
            journal.require_in_place()
        journal.close()

    asyncio.run(run())
