"""Messages between real journals: up the tree once, into the queue where it's consumed, and back when a disk rots."""

from pathlib import Path

from tests.messages import message
from tests.unit.node.pair import Pair, with_pair
from tests.unit.node.test_repairs import assert_sound, damage, mended

from holdfast.journal import queues
from holdfast.journal.blobs import decode_messages
from holdfast.journal.journal import Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.model.lane import Lane


async def put(journal: Journal, *numbers: int, size: int = 3) -> None:
    await journal.submit(lambda tx: queues.put(tx, [message(n, body=b"x" * size) for n in numbers], None))


async def arrived(pair: Pair, count: int) -> list[int]:
    await pair.until(lambda: len(pair.hub.waiting("orders", [], 1000, 10**9)) >= count)
    return [one.n for one in pair.hub.waiting("orders", [], 1000, 10**9)]


def test_messages_go_up_once_and_wait_where_they_are_consumed(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        await pair.hub.submit(lambda tx: queues.declare(tx, ["orders"]))
        await put(pair.gateway, 1, 2)
        await put(pair.gateway, 3)
        assert await arrived(pair, 3) == [1, 2, 3]
        assert {one.source for one in pair.hub.waiting("orders", [], 9, 9)} == {"gw/shop/till"}
        assert pair.gateway.waiting("orders", [], 9, 10**9) == []
        for journal, has_parent in ((pair.gateway, True), (pair.hub, False)):
            await pair.until(lambda: pair.gateway.cursor(CONSUMER, Lane.CRITICAL) == 3)
            ledger = balance(journal.accounts(CONSUMER, count=True), has_parent=has_parent)
            assert ledger.balanced, ledger
            assert ledger.lanes[0].committed == 3

    with_pair(tmp_path, body)


def test_groups_of_large_messages_stay_as_they_are_on_their_way(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        await pair.hub.submit(lambda tx: queues.declare(tx, ["orders"]))
        for n in range(1, 6):
            await put(pair.gateway, n, size=900_000)
        assert await arrived(pair, 5) == [1, 2, 3, 4, 5]
        sizes = [len(decode_messages(group.blob)) for group in pair.hub.read(Lane.CRITICAL, 0, 10**6)]
        assert sizes == [1] * 5
        assert [g.origin_first for g in pair.hub.of_child("gw", 0, Lane.CRITICAL, 1, 5)] == [1, 2, 3, 4, 5]

    with_pair(tmp_path, body)


def test_damaged_messages_come_back_from_the_parent(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        for n in (1, 3, 5):
            await put(pair.gateway, n, n + 1)
        await pair.until(lambda: pair.gateway.cursor(CONSUMER, Lane.CRITICAL) == 6)
        await damage(pair.gateway, Lane.CRITICAL, 3)
        await mended(pair, 1)
        found = [m.n for g in pair.gateway.read(Lane.CRITICAL, 0, 99) for m in decode_messages(g.blob)]
        assert found == [1, 2, 3, 4, 5, 6]
        assert_sound(pair)

    with_pair(tmp_path, body)
