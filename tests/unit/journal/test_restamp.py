"""Rows move to the right time; everything else about the journal stays as it was."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.events import alert
from tests.messages import message

from holdfast.journal import blobs
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GENESIS, GapReason, GroupKind
from holdfast.journal.restamp import Restamped, Shift, restamp, restamp_rows
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import drop_delivered, heads_after, leave_gap
from holdfast.journal.transaction import NODE_ITSELF, Origin, Transaction
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.quality import Quality, Reason, encode_quality

UNSET = encode_quality(Quality.UNCERTAIN, Reason.CLOCK_UNSET)
UNVERIFIED = encode_quality(Quality.GOOD, Reason.CLOCK_UNVERIFIED)
MOVED = encode_quality(Quality.GOOD, Reason.CLOCK_RESTAMPED)
OUT = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)
OUT_UNSET = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE_CLOCK_UNSET)
AHEAD = encode_quality(Quality.UNCERTAIN, Reason.CLOCK_AHEAD)
OFFSET = 1_800_000_000 * NS_PER_S
SHIFT = Shift(OFFSET, 0, 10**12, events=True)


def rows(start: int, *qualities: int) -> Batch:
    n = len(qualities)
    times = (start + np.arange(n, dtype=np.int64)) * 1_000_000
    return Batch(np.zeros(n, np.int32), times, np.arange(n, dtype=np.float64), np.array(qualities, np.uint8))


def with_journal(folder: Path, body: Callable[[Journal], Awaitable[None]]) -> None:
    async def run() -> None:
        journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), ManualClock())
        try:
            await body(journal)
        finally:
            journal.close()

    asyncio.run(run())


def moving(
    shift: Shift = SHIFT,
    after: dict[Lane, int] | None = None,
    max_rows: int = 1000,
) -> Callable[[Transaction], Restamped]:
    return lambda tx: restamp_rows(tx, after or {}, shift, max_rows=max_rows, consumer="uplink")


def assert_sound(journal: JournalReader) -> None:
    """Seqs are dense, and the chain and the bounds follow from the rows."""
    for lane in Lane:
        chain, seq = GENESIS, 0
        for group in journal.read(lane, 0, 10**9):
            chain = blobs.link(chain, blobs.canonical(group))
            assert (group.first, group.chain) == (seq + 1, chain)
            seq = group.last
            if group.kind is GroupKind.READINGS:
                batch = blobs.decode_readings(group.blob)
                assert (group.ts_min, group.ts_max) == (batch.ts.min(), batch.ts.max())
        assert journal.chain_at(lane, seq) == chain
        assert journal.heads()[lane] == seq


def qualities(journal: Journal) -> list[int]:
    return [int(q) for g in journal.read(Lane.BULK, 0, 10**9) for q in blobs.decode_readings(g.blob).quality]


async def store(journal: Journal, *batches: Batch, origin: Origin = NODE_ITSELF) -> None:
    for batch in batches:
        await journal.submit(partial(Transaction.append_readings, lane=Lane.BULK, batch=batch, origin=origin))


def test_only_rows_with_this_nodes_doubtful_stamps_move() -> None:
    batch = rows(5, 0, UNSET, UNVERIFIED, OUT_UNSET, OUT, AHEAD)
    moved = restamp(batch, SHIFT)
    assert (moved.ts - batch.ts).tolist() == [0, OFFSET, OFFSET, OFFSET, 0, OFFSET]
    assert moved.quality.tolist() == [0, MOVED, MOVED, OUT, OUT, AHEAD]
    assert restamp(rows(5, 0, OUT), SHIFT).quality.tolist() == [0, OUT]


def test_what_an_unconfirmed_clock_moved_is_uncertain_and_may_move_again() -> None:
    once = restamp(rows(5, UNSET), Shift(OFFSET, 0, 10**12, is_sure=False))
    assert once.quality.tolist() == [encode_quality(Quality.UNCERTAIN, Reason.CLOCK_RESTAMPED)]
    twice = restamp(once, Shift(7, OFFSET, OFFSET + 10**12))
    assert (int(twice.ts[0]), twice.quality.tolist()) == (5_000_000 + OFFSET + 7, [MOVED])


@given(st.lists(st.sampled_from([0, UNSET, UNVERIFIED, OUT, OUT_UNSET, AHEAD, MOVED])), st.integers(-(10**9), 10**9))
def test_rows_keep_their_order_number_and_values(codes: list[int], offset: int) -> None:
    batch = rows(2000, *codes)
    moved = restamp(batch, Shift(offset, 0, 10**13))
    assert moved.value.tolist() == batch.value.tolist()
    assert set((moved.ts - batch.ts).tolist()) <= {0, offset}
    again = restamp(moved, Shift(offset, 0, 10**13))
    assert (again.quality == moved.quality).all()


def test_the_chain_fits_the_moved_rows_and_seqs_and_counters_stay(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        await store(journal, rows(0, 0, 0), rows(10, 0, UNSET), rows(20, 0), rows(30, UNSET, OUT_UNSET))
        await journal.submit(
            lambda tx: tx.append_events(Lane.CRITICAL, [alert(10**6, id="e", why={"a": 1.5}), alert(10**15)])
        )
        await journal.submit(lambda tx: tx.append_messages([message(7)]))  # its `ts` stays; its chain is linked anew
        heads, counters = journal.heads(), journal.counters()
        done = await journal.submit(moving())
        assert done == Restamped({Lane.CRITICAL: 1, Lane.BULK: 3})
        assert (journal.heads(), journal.counters()) == (heads, counters)
        assert qualities(journal) == [0, 0, 0, MOVED, 0, MOVED, OUT]
        early, late = blobs.decode_events(journal.read(Lane.CRITICAL, 0, 10)[0].blob)
        assert (early.id, early.ts, early.why) == ("e", 10**6 + OFFSET, {"a": 1.5, "restamped_from": 10**6})
        assert late == alert(10**15)
        assert blobs.decode_messages(journal.read(Lane.CRITICAL, 2, 10)[0].blob) == [message(7)]
        assert [g.first for g in journal.between(OFFSET, OFFSET + 10**12, Lane.BULK)] == [3, 6]
        assert_sound(journal)
        await store(journal, rows(40, 0))
        assert_sound(journal)
        assert await journal.submit(moving()) == Restamped()

    with_journal(tmp_path, body)
    with_journal(tmp_path, lambda journal: asyncio.to_thread(assert_sound, journal))


def test_rows_that_were_delivered_or_offered_or_came_from_a_child_stay(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        await store(journal, rows(0, UNSET), rows(10, UNSET), rows(20, UNSET))
        await store(journal, rows(30, UNSET), origin=Origin("child"))
        await store(journal, rows(40, UNSET))
        before = journal.read(Lane.BULK, 0, 10)[:2]
        await journal.submit(lambda tx: tx.set_cursor("uplink", Lane.BULK, 1))
        await journal.submit(moving(after={Lane.BULK: 2}))
        assert qualities(journal) == [UNSET, UNSET, MOVED, UNSET, MOVED]
        assert journal.read(Lane.BULK, 0, 10)[:2] == before
        assert_sound(journal)

    with_journal(tmp_path, body)


def test_where_the_rows_before_were_dropped_the_chain_goes_on_from_where_they_ended(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        await store(journal, rows(0, 0))
        before = journal.chain_at(Lane.BULK, 1) or b""
        await store(journal, rows(10, UNSET))
        await journal.submit(lambda tx: tx.set_cursor("uplink", Lane.BULK, 1))
        assert await journal.submit(lambda tx: drop_delivered(tx, Lane.BULK, 1, 10)) == 1
        assert (await journal.submit(moving())).rows == {Lane.BULK: 1}
        (group,) = journal.read(Lane.BULK, 0, 10)
        assert group.chain == blobs.link(before, blobs.canonical(group)) == journal.chain_at(Lane.BULK, 2)

    with_journal(tmp_path, body)


def test_a_gap_among_them_keeps_its_chain_and_what_follows_it_its_own(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        await store(journal, rows(0, UNSET), rows(10, UNSET), rows(20, UNSET))
        word = journal.chain_at(Lane.BULK, 2)
        await journal.submit(
            lambda tx: leave_gap(tx, Lane.BULK, heads_after(tx, Lane.BULK, 0, 2)[1:], GapReason.DISK, 1)
        )
        assert (await journal.submit(moving())).rows == {Lane.BULK: 2}
        first, gap, last = journal.read(Lane.BULK, 0, 10)
        assert first.chain == blobs.link(GENESIS, blobs.canonical(first))
        assert gap.chain == word
        assert last.chain == blobs.link(gap.chain, blobs.canonical(last)) == journal.chain_at(Lane.BULK, 3)

    with_journal(tmp_path, body)


def test_more_rows_than_the_limit_are_left_alone(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        await store(journal, rows(0, UNSET, UNSET, UNSET))
        done = await journal.submit(moving(max_rows=2))
        assert done.skipped == {Lane.BULK: "more than 2 rows wait"}
        assert qualities(journal) == [UNSET] * 3

    with_journal(tmp_path, body)


def test_a_write_that_fails_after_it_leaves_the_rows_as_they_were(tmp_path: Path) -> None:
    async def body(journal: Journal) -> None:
        await store(journal, rows(0, UNSET))

        def fails(transaction: Transaction) -> None:
            moving()(transaction)
            raise ValueError

        with pytest.raises(ValueError):  # noqa: PT011  # ours
            await journal.submit(fails)
        assert qualities(journal) == [UNSET]
        assert_sound(journal)

    with_journal(tmp_path, body)


_VICTIM = """
import asyncio, sys
from pathlib import Path
from tests.unit.journal.test_restamp import *

async def run():
    journal = Journal(Path(sys.argv[1]) / FILE_NAME, "gw", JournalSettings(), ManualClock())
    for k in range(300):
        await store(journal, rows(10 * k, *[UNSET] * 300))
    print("ready", flush=True)
    await journal.submit(moving(max_rows=10**6))
    print("done", flush=True)
    await asyncio.sleep(60)

asyncio.run(run())
"""


@pytest.mark.parametrize("after_s", [0.001, 0.01, 0.03, 0.2])
def test_a_kill_in_the_middle_moves_all_rows_or_none(tmp_path: Path, after_s: float) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
        cwd=Path(__file__).parents[3],
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"ready\n"
    time.sleep(after_s)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    victim.stdout.close()

    async def body(journal: Journal) -> None:
        assert len(set(qualities(journal))) == 1
        assert_sound(journal)

    with_journal(tmp_path, body)
