"""Sessions that outlive the node, with its real journal: what a killed node's successor knows."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.adapters.mqtt.doubles import Client, HoldingInbox, Site, connect, puback, publish, subscribe

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.broker import Broker
from holdfast.adapters.mqtt.ledger import Ledger
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.port import Arrival
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.mqtt_sessions import read_sessions, read_wills
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.storage.sqlite import open_writer

LASTING = 0
RESUMED = b"\x20\x02\x01\x00"


class CommittingInbox(HoldingInbox):
    """Commits each arrival's annex as intake does, when told to."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.journal = journal
        self.holds = False

    def offer(self, arrival: Arrival) -> bool:
        super().offer(arrival)
        if not self.holds:
            self.commit(arrival)
        return True

    def commit(self, arrival: Arrival) -> None:
        def written(done: asyncio.Future[None]) -> None:
            assert done.exception() is None
            arrival.receipt.settle()

        write: Callable[[Transaction], None] = _nothing if arrival.annex is None else arrival.annex.writing()
        self.journal.submit(write).add_done_callback(written)


def _nothing(_: Transaction) -> None:
    pass


class Lasting(Site):
    """A site on a journal."""

    def __init__(self, folder: Path, clock: ManualClock, settings: MqttSettings | None = None) -> None:
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), clock)
        inbox = CommittingInbox(self.journal)
        super().__init__(inbox, settings)
        self.clock, self.committing = clock, inbox
        ledger = Ledger(self.journal.submit, asyncio.get_running_loop().call_soon, clock)
        self.broker = Broker(self.settings, inbox, clock, ledger)
        stored, wills = read_sessions(self.journal), read_wills(self.journal)
        self.lost = self.broker.restore(stored, ledger, clock.monotonic(), wills)

    async def settle(self) -> None:
        """Until nothing more is on its way to the disk."""
        for _ in range(4):
            await self.journal.submit(_nothing)
            await asyncio.sleep(0)

    async def say(self, client: Client, *frames: bytes) -> list[bytes]:
        first = client.send(*frames)
        await self.settle()
        return first + client.wire.said()

    def rows(self, table: str) -> int:
        with self.journal.borrowed() as db:
            return len(db.execute(f"SELECT 1 FROM {table}").fetchall())  # noqa: S608  # constants

    def die(self) -> None:
        """End as a killed process does, as far as the file is concerned."""
        self.journal.close()


def lived(folder: Path, *lives: Callable[[Lasting], Any], settings: MqttSettings | None = None) -> None:
    """Each of these in a life of its own, on the same file."""

    async def one(life: Callable[[Lasting], Any]) -> None:
        site = Lasting(folder, ManualClock(), settings)
        try:
            await life(site)
        finally:
            site.die()

    for life in lives:
        asyncio.run(one(life))


def test_a_session_survives_with_subscriptions_and_queued_messages(tmp_path: Path) -> None:
    async def before(site: Lasting) -> None:
        client = site.joined("s", flags=LASTING)
        assert await site.say(client, subscribe("t/+", 2)) == [b"\x90\x03\0\x01\x02"]
        client.vanish()
        device = site.joined("d")
        device.wire.said()
        sent = [publish("t/1", b"1", pid=1), publish("t/1", b"2", pid=2, qos=2), publish("t/1", b"quiet")]
        assert await site.say(device, *sent) == [b"\x50\x02\0\x02"]
        assert device.wire.pids == [b"\0\x01"]
        site.broker.publish("t/alert", b"hot")
        await site.settle()

    async def after(site: Lasting) -> None:
        client = site.client()
        heard = await site.say(client, connect("s", flags=LASTING))
        assert heard == [
            RESUMED,
            publish("t/1", b"1", pid=1),
            publish("t/alert", b"hot", pid=3),
            publish("t/1", b"2", pid=2, qos=2),  # after the others: it waited for its identifier to be on disk
        ]
        site.joined("d").send(publish("t/2", b"new", pid=1))
        assert await site.say(client, puback(1), puback(3)) == [publish("t/2", b"new", pid=4)]

    lived(tmp_path, before, after)


def test_a_repeat_of_a_taken_message_is_not_taken_again_after_a_restart(tmp_path: Path) -> None:
    message = publish("t", b"x", pid=5, qos=2)

    async def before(site: Lasting) -> None:
        assert await site.say(site.joined("d", flags=LASTING), message) == [b"\x50\x02\0\x05"]

    async def after(site: Lasting) -> None:
        device = site.client()
        heard = await site.say(device, connect("d", flags=LASTING), publish("t", b"x", pid=5, qos=2, dup=True))
        assert heard == [RESUMED, b"\x50\x02\0\x05"]
        assert site.inbox.payloads == []
        assert await site.say(device, b"\x62\x02\0\x05") == [b"\x70\x02\0\x05"]

    async def last(site: Lasting) -> None:
        device = site.joined("d", flags=LASTING)
        assert await site.say(device, message) == [b"\x50\x02\0\x05"]
        assert site.inbox.payloads == [b"x"]  # the identifier was free again

    lived(tmp_path, before, after, last)


def test_a_message_whose_commit_never_came_is_taken_again(tmp_path: Path) -> None:
    async def before(site: Lasting) -> None:
        site.committing.holds = True
        device = site.joined("d", flags=LASTING)
        assert await site.say(device, publish("t", b"x", pid=5, qos=2)) == []

    async def after(site: Lasting) -> None:
        device = site.joined("d", flags=LASTING)
        assert await site.say(device, publish("t", b"x", pid=5, qos=2, dup=True)) == [b"\x50\x02\0\x05"]
        assert site.inbox.payloads == [b"x"]

    lived(tmp_path, before, after)


@pytest.mark.parametrize("released", [False, True])
def test_an_exact_delivery_goes_on_where_it_was(tmp_path: Path, *, released: bool) -> None:
    async def before(site: Lasting) -> None:
        client = site.joined("s", flags=LASTING)
        await site.say(client, subscribe("t", 2))
        site.joined("d").send(publish("t", b"x", pid=1, qos=2))
        assert client.wire.said() == []  # its identifier isn't on disk yet
        await site.settle()
        assert client.wire.said() == [publish("t", b"x", pid=1, qos=2)]
        if released:
            assert client.send(b"\x50\x02\0\x01") == []
            await site.settle()
            assert client.wire.said() == [b"\x62\x02\0\x01"]

    async def after(site: Lasting) -> None:
        client = site.client()
        owed = b"\x62\x02\0\x01" if released else publish("t", b"x", pid=1, qos=2, dup=True)
        assert await site.say(client, connect("s", flags=LASTING)) == [RESUMED, owed]
        if not released:
            await site.say(client, b"\x50\x02\0\x01")
        await site.say(client, b"\x70\x02\0\x01")
        assert site.rows("mqtt_letters") == 0

    lived(tmp_path, before, after)


def test_what_is_delivered_before_its_commit_leaves_no_row(tmp_path: Path) -> None:
    async def life(site: Lasting) -> None:
        client = site.joined("s", flags=LASTING)
        await site.say(client, subscribe("t", 1))
        site.committing.holds = True
        site.joined("d").send(publish("t", b"x", pid=1))
        assert client.send(puback(1)) == [publish("t", b"x", pid=1)]
        site.committing.commit(site.inbox.arrivals[0])
        await site.settle()
        assert site.rows("mqtt_letters") == 0

    lived(tmp_path, life)


def test_a_session_that_ends_leaves_no_rows_even_with_a_commit_under_way(tmp_path: Path) -> None:
    async def life(site: Lasting) -> None:
        client = site.joined("s", flags=LASTING)
        await site.say(client, subscribe("t", 1), publish("q", b"x", pid=1, qos=2))
        site.committing.holds = True
        client.send(publish("t", b"x", pid=2, qos=2))
        client.vanish()
        site.joined("s")  # clean
        site.committing.commit(site.inbox.arrivals[-1])
        await site.settle()
        tables = ("mqtt_sessions", "mqtt_subscriptions", "mqtt_received", "mqtt_letters")
        assert [site.rows(table) for table in tables] == [0, 0, 0, 0]

    lived(tmp_path, life)


def test_passing_sessions_cost_the_journal_nothing(tmp_path: Path) -> None:
    async def life(site: Lasting) -> None:
        client = site.joined("s")
        client.send(subscribe("t", 2))
        site.joined("d").send(publish("t", b"x", pid=1, qos=2), publish("t", b"y", pid=2))
        assert [arrival.annex for arrival in site.inbox.arrivals] == [None, None]
        await site.settle()
        assert site.rows("mqtt_sessions") == 0

    lived(tmp_path, life)


def test_a_session_that_becomes_passing_is_forgotten(tmp_path: Path) -> None:
    async def life(site: Lasting) -> None:
        client = site.joined("s", flags=LASTING)
        await site.say(client, subscribe("t", 1))
        client.vanish()
        await site.say(site.joined("d"), publish("t", b"x", pid=1))
        back = site.client()
        heard = await site.say(back, connect("s", version=5, flags=0))
        assert heard[1:] == [publish("t", b"x", pid=1, said=b"")]
        assert (site.rows("mqtt_sessions"), site.rows("mqtt_letters"), site.broker.subscriptions) == (0, 0, 1)

    lived(tmp_path, life)


def test_expiry_goes_on_while_the_node_is_off(tmp_path: Path) -> None:
    async def before(site: Lasting) -> None:
        for name, seconds in (("short", 10), ("long", 100)):
            client = site.joined(name, version=5, said=b"\x11\0\0\0" + bytes((seconds,)))
            await site.say(client, subscribe("t", 1, said=b""))
            client.vanish()
        await site.settle()

    async def after(site: Lasting) -> None:
        assert site.broker.sessions == 2
        site.broker.tick(site.clock.monotonic())
        assert site.broker.sessions == 1
        await site.settle()
        assert site.rows("mqtt_sessions") == 1

    async def run() -> None:
        first = Lasting(tmp_path, ManualClock())
        await before(first)
        first.die()
        clock = ManualClock()
        clock.advance(50.0)
        later = Lasting(tmp_path, clock)
        await after(later)
        later.die()

    asyncio.run(run())


def test_what_gives_way_gives_way_on_disk_too(tmp_path: Path) -> None:
    async def before(site: Lasting) -> None:
        client = site.joined("s", flags=LASTING)
        await site.say(client, subscribe("t", 1))
        client.vanish()
        await site.say(site.joined("d"), *(publish("t", b"%d" % n, pid=n) for n in range(1, 6)))
        assert (site.broker.tally.dropped_waiting, site.rows("mqtt_letters")) == (3, 2)

    async def after(site: Lasting) -> None:
        heard = await site.say(site.client(), connect("s", flags=LASTING))
        assert heard == [RESUMED, publish("t", b"4", pid=1), publish("t", b"5", pid=2)]

    lived(tmp_path, before, after, settings=MqttSettings(anonymous=True, queue_messages=2))


def test_properties_expiry_and_shared_groups_survive(tmp_path: Path) -> None:
    properties = b"\x01\x01\x26\0\x01a\0\x01b"

    async def before(site: Lasting) -> None:
        client = site.joined("s", version=5, said=b"\x11\0\0\0\x64")
        await site.say(client, subscribe("$share/g/t", 1, said=b"\x0b\x05"))
        client.vanish()
        device = site.joined("d", version=5)
        await site.say(device, publish("t", b"x", pid=1, said=properties + b"\x02\0\0\0\x3c"))
        await site.say(device, publish("t", b"y", pid=2, said=b"\x02\0\0\0\x01"))

    async def after(site: Lasting) -> None:
        site.clock.advance(10.0)
        client = site.client()
        heard = await site.say(client, connect("s", version=5, flags=0, said=b"\x11\0\0\0\x64"))
        assert heard[1:] == [publish("t", b"x", pid=1, said=properties + b"\x0b\x05\x02\0\0\0\x32")]
        client.send(packets.packet(0xE0, b"\0\x05\x11\0\0\0\0"))
        await site.settle()
        assert site.rows("mqtt_sessions") == 0

    lived(tmp_path, before, after)


def test_a_damaged_letter_is_dropped_and_counted(tmp_path: Path) -> None:
    async def before(site: Lasting) -> None:
        client = site.joined("s", flags=LASTING)
        await site.say(client, subscribe("t", 1))
        client.vanish()
        await site.say(site.joined("d"), publish("t", b"1", pid=1), publish("t", b"2", pid=2))

    async def after(site: Lasting) -> None:
        assert site.lost == 1
        assert (await site.say(site.client(), connect("s", flags=LASTING)))[1:] == [publish("t", b"2", pid=1)]

    lived(tmp_path, before)
    db = open_writer(tmp_path / FILE_NAME)
    db.execute("UPDATE mqtt_letters SET body = zeroblob(40) WHERE id = 1")
    db.close()
    lived(tmp_path, after)
