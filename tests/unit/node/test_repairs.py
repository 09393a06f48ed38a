"""What the own disk damaged comes back from the parent, if it is what was written."""

import asyncio
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.events import alert
from tests.unit.node.pair import Pair, values, with_pair

from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.integrity import Damage, isolate, scan
from holdfast.journal.journal import Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.rows import place_of
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.storage.sqlite import rows
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.repairs import Repairs
from holdfast.wire.messages import Fetch


async def damage(journal: Journal, lane: Lane, first: int) -> None:
    """A bit flips in a group's blob; the scrub finds it."""

    def flip(tx: Transaction) -> None:
        place = place_of(lane, first)
        blob = bytes(rows(tx.db, "SELECT blob FROM groups WHERE place = ?", (place,))[0][0])
        tx.db.execute("UPDATE groups SET blob = ? WHERE place = ?", (bytes([*blob[:-1], blob[-1] ^ 1]), place))

    await journal.submit(flip)
    found = [d for d in scan(journal, lane) if isinstance(d, Damage)]
    assert [d.first for d in found] == [first]
    gap = await journal.submit(partial(isolate, lane=lane, seq=first, now_ns=1))
    assert gap is not None


def repairs(pair: Pair) -> Repairs:
    telemetry = Telemetry(SystemClock(), pair.log.append)
    return Repairs(pair.gateway, pair.link, telemetry, lambda: pair.uplink.branch)


async def mended(pair: Pair, groups: int) -> None:
    """The pair checks in every 0.2 s, so there may be no session just now."""
    mender, back = repairs(pair), 0
    async with asyncio.timeout(10):
        while back < groups:
            back += await mender.once()
            await asyncio.sleep(0.01)
    assert back == groups


def assert_sound(pair: Pair) -> None:
    assert not [d for lane in Lane for d in scan(pair.gateway, lane) if isinstance(d, Damage)]
    ledger = balance(pair.gateway.accounts(CONSUMER, count=True), has_parent=True)
    assert ledger.balanced, ledger


def test_rows_that_are_gone_no_longer_wait_for_the_parent(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        pair.link.parent = None
        for n in range(3):
            await pair.publish(range(10 * n, 10 * n + 10))
        assert pair.uplink.status().backlog[Lane.BULK] == 30
        await damage(pair.gateway, Lane.BULK, 11)
        assert pair.uplink.status().backlog[Lane.BULK] == 20
        ledger = balance(pair.gateway.accounts(CONSUMER), has_parent=True)
        assert ledger.lanes[Lane.BULK].pending == 20

    with_pair(tmp_path, body)


def test_a_damaged_group_comes_back_from_the_parent(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        for n in range(5):
            await pair.publish(range(10 * n, 10 * n + 10))
        await pair.until(lambda: pair.safe()[0] == 50)
        await damage(pair.gateway, Lane.BULK, 21)
        assert len(values(pair.gateway)) == 40
        await mended(pair, 1)
        assert values(pair.gateway) == [float(n) for n in range(50)]
        assert pair.gateway.gaps() == []
        assert any("UplinkRepaired" in line and "rows=10" in line for line in pair.log)
        assert_sound(pair)

    with_pair(tmp_path, body)


def texts(*words: str) -> Batch:
    n = len(words)
    return Batch(np.zeros(n, np.int32), np.arange(n), np.arange(n, dtype=np.float64), np.zeros(n, np.uint8), words)


def test_groups_of_texts_and_events_come_back_too(tmp_path: Path) -> None:
    def write(tx: Transaction, batch: Batch, n: int) -> None:
        tx.append_readings(Lane.BULK, batch)
        tx.count("readings_accepted", len(batch))
        tx.append_events(Lane.CRITICAL, [alert(n), alert(9)])
        tx.count("events_accepted", 2)

    async def body(pair: Pair) -> None:
        pair.gateway.catalogue.intern(Series("gw", "d", "state", "", Kind.TEXT))
        pair.link.parent, ingest = None, pair.link.parent
        for n, batch in enumerate((texts("on"), texts("off", "on", "off"), texts("on", "on"))):
            await pair.gateway.submit(partial(write, batch=batch, n=n))
        pair.link.parent = ingest  # all of it goes up at once: merged into one group there
        await pair.until(lambda: pair.safe()[0] == 6 and pair.gateway.cursor(CONSUMER, Lane.CRITICAL) == 6)
        await damage(pair.gateway, Lane.BULK, 2)
        await damage(pair.gateway, Lane.CRITICAL, 3)
        await mended(pair, 2)
        assert [decode_readings(g.blob).texts for g in pair.gateway.read(Lane.BULK, 0, 99)] == [
            ("on",),
            ("off", "on", "off"),
            ("on", "on"),
        ]
        found = [e.id for g in pair.gateway.read(Lane.CRITICAL, 0, 99) for e in decode_events(g.blob)]
        assert found == [alert(n).id for n in (0, 9, 1, 9, 2, 9)]
        assert_sound(pair)

    with_pair(tmp_path, body)


def test_what_the_parent_says_is_not_believed_when_it_does_not_hash_to_the_chain(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        await pair.publish(range(10))
        await pair.publish(range(10, 20))
        await pair.until(lambda: pair.safe()[0] == 20)
        await damage(pair.gateway, Lane.BULK, 11)

        def falsify(tx: Transaction) -> None:
            tx.db.execute("UPDATE branch_series SET series = 0")
            tx.db.execute("UPDATE groups SET origin_first = origin_first - 1, crc = 0 WHERE origin = 'gw'")

        await pair.hub.submit(falsify)
        await pair.until(lambda: pair.uplink.branch is not None)
        assert await repairs(pair).once() == 0
        assert values(pair.gateway) == [float(n) for n in range(10)]
        assert [len(gap) for gap in pair.gateway.gaps()] == [10]
        assert_sound(pair)

    with_pair(tmp_path, body)


def test_rows_the_parent_never_had_or_has_dropped_are_not_to_be_had(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        await pair.publish(range(10))
        await pair.until(lambda: pair.safe()[0] == 10)
        ingest = pair.link.parent
        assert ingest is not None
        assert await ingest.fetch("gw", Fetch(Lane.BULK, 5, 11)) is None
        assert await ingest.fetch("gw", Fetch(Lane.BULK, 5, 6, branch=3)) is None
        assert await ingest.fetch("stranger", Fetch(Lane.BULK, 5, 6)) is None
        assert await ingest.fetch("gw", Fetch(Lane.BULK, 5, 6)) is not None
        pair.link.parent = None
        assert await repairs(pair).once() == 0
        await asyncio.sleep(0)

    with_pair(tmp_path, body)


@pytest.mark.parametrize("seq", [1, 41])
def test_the_first_and_the_last_group_can_come_back(tmp_path: Path, seq: int) -> None:
    async def body(pair: Pair) -> None:
        for n in range(5):
            await pair.publish(range(10 * n, 10 * n + 10))
        await pair.until(lambda: pair.safe()[0] == 50)
        await damage(pair.gateway, Lane.BULK, seq)
        await mended(pair, 1)
        assert values(pair.gateway) == [float(n) for n in range(50)]
        assert_sound(pair)

    with_pair(tmp_path, body)
