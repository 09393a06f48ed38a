"""LoRaWAN uplinks on the hot path, with real scripts, processes and journal; only the device is ours."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tests.unit.codecs.lorawan.at_work import QUICK
from tests.unit.codecs.lorawan.servers import RECEIVED_NS, the_things

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.profiles import Profile
from holdfast.intake.prepare import Preparer
from holdfast.intake.replay import Quarantine, judge
from holdfast.intake.seen import SeenKeys
from holdfast.intake.service import IntakeService
from holdfast.intake.settings import IntakeSettings
from holdfast.intake.uplinks import UplinkInbox
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.model.lane import Lane
from holdfast.stream.engine import Engine

GOOD = "function decodeUplink(input) { return { data: { temperature: input.bytes[0] } }; }"
HOSTILE = "function decodeUplink(input) { for (;;); }"
PROFILES = """profiles:
  honest: {topic: "v3/honest/devices/{device}/up", version: 1, format: lorawan, codec: honest.js}
  hostile: {topic: "v3/hostile/devices/{device}/up", version: 1, format: lorawan, codec: hostile.js}
"""


class Slip:
    """A receipt that remembers what became of it, and how many rows were stored then."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.settled_at: int | None = None
        self.refused = False

    def settle(self) -> None:
        self.settled_at = self.journal.head(Lane.BULK)

    def refuse(self) -> None:
        self.refused = True


def profiles(folder: Path) -> Sequence[Profile]:
    return load_profiles([BUILTIN / "rooms.yaml", folder / "profile.yaml"])


class Site:
    def __init__(self, folder: Path, max_messages: int) -> None:
        (folder / "profile.yaml").write_text(PROFILES)
        (folder / "honest.js").write_text(GOOD)
        (folder / "hostile.js").write_text(HOSTILE)
        self.folder = folder
        self.clock = ManualClock(wall_ns=RECEIVED_NS)
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), self.clock)
        self.scripts = ScriptRunner(self.clock, limits=QUICK)
        catalogue = self.journal.catalogue
        self.seen = SeenKeys(1000)
        engine = Engine([], catalogue, "gw")
        decoder = Decoder(profiles(folder), catalogue, "gw")
        preparer = Preparer(decoder, self.seen, engine)
        self.intake = IntakeService(IntakeSettings(), self.journal, preparer, engine, self.clock)
        self.inbox = UplinkInbox(self.intake.inbox, decoder, self.scripts, max_messages)
        self.takes_more = True

    def arrive(self, *payloads: bytes, topic: str = "v3/honest/devices/room-1/up", retain: bool = False) -> Slip:
        slip = Slip(self.journal)
        arrival = Arrival("server", topic, payloads, self.clock.wall_ns(), slip, retain)
        self.takes_more = self.inbox.offer(arrival)
        return slip

    async def settle(self) -> None:
        await asyncio.wait_for(self.inbox.drain(), 20)
        await asyncio.wait_for(self.intake.drain(), 5)

    def values(self, metric: str = "air.temperature") -> list[float]:
        found = []
        for group in self.journal.read(Lane.BULK, 0, 10**6):
            batch = decode_readings(group.blob)
            names = [self.journal.catalogue[int(s)].metric for s in batch.series]
            found += [float(v) for v, name in zip(batch.value, names, strict=True) if name == metric]
        return found


def at_site(folder: Path, body: Callable[[Site], Awaitable[None]], max_messages: int = 1000) -> None:
    async def run() -> None:
        site = Site(folder, max_messages)
        try:
            await body(site)
        finally:
            await site.scripts.close()
            site.journal.close()

    asyncio.run(run())


def test_an_uplink_is_acknowledged_after_its_readings_are_committed(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        slip = site.arrive(the_things(b"\x15", count=1), the_things(b"\x16", count=2))
        other = site.arrive(the_things(b"\x17", count=3))
        assert slip.settled_at is None
        await site.settle()
        assert site.values() == [21.0, 22.0, 23.0]
        assert slip.settled_at == other.settled_at == 9  # with rssi and snr of each

    at_site(tmp_path, body)


class Marker:
    """Something to be stored with an arrival."""

    def writing(self) -> Callable[[Transaction], None]:
        return lambda tx: tx.set_meta("annex", "stored")


def test_what_an_arrival_carries_is_stored_with_its_translation(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        payloads, topic = (the_things(b"\x15", count=1),), "v3/honest/devices/room-1/up"
        slip = Slip(site.journal)
        site.inbox.offer(Arrival("server", topic, payloads, site.clock.wall_ns(), slip, annex=Marker()))
        await site.settle()
        assert site.values() == [21.0]
        assert await site.journal.submit(lambda tx: tx.meta("annex")) == "stored"

    at_site(tmp_path, body)


def test_a_copy_of_an_uplink_is_stored_once(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        for _ in range(2):
            site.arrive(the_things(b"\x15", count=1))
            await site.settle()
        assert site.values() == [21.0]
        assert site.journal.counters()["messages_rejected.duplicate"] == 1

    at_site(tmp_path, body)


def test_what_a_script_cannot_decode_is_quarantined_as_it_came_and_acknowledged(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        uplink = the_things(b"\x15")
        slip = site.arrive(uplink, topic="v3/hostile/devices/x/up", retain=True)
        await site.settle()
        assert slip.settled_at == 0
        (row,) = site.journal.quarantined(10)
        assert (row.reason, row.payload) == ("script", uplink)
        assert "time: it ran longer than 50 ms" in row.detail
        assert dict(site.journal.retained()) == {"v3/hostile/devices/x/up": uplink}

    at_site(tmp_path, body)


def test_other_messages_do_not_wait_for_a_script(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        stuck = site.arrive(the_things(b"\x15"), topic="v3/hostile/devices/x/up")
        payload = b'{"id":1,"ts":1795255200,"temp_c":20.5,"hum":1,"lux":1,"co2":1,"occ":true}'
        plain = site.arrive(payload, topic="acme/room-1/telemetry")
        await asyncio.wait_for(site.intake.drain(), 5)
        assert (plain.settled_at, stuck.settled_at) == (5, None)
        await site.settle()
        assert stuck.settled_at == 5

    at_site(tmp_path, body)


def test_too_many_waiting_uplinks_stop_the_source_until_half_are_done(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        called: list[int] = []
        for i in range(4):
            site.arrive(the_things(bytes([i]), count=i))
        assert not site.takes_more
        site.inbox.when_drained(lambda: called.append(site.inbox.messages))
        assert called == []
        await site.settle()
        assert called == [0]
        site.arrive(the_things(b"\x09", count=9))
        assert site.takes_more
        await site.settle()
        assert len(site.values()) == 5

    at_site(tmp_path, body, max_messages=4)


def test_a_mended_script_decodes_what_was_refused_exactly_once(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        site.arrive(the_things(b"\x15"), topic="v3/hostile/devices/x/up")
        await site.settle()
        row = site.journal.quarantined(10)[0]
        assert not (await asyncio.to_thread(judge, row, profiles(tmp_path), "gw")).decodes
        (tmp_path / "hostile.js").write_text(GOOD)
        verdict = await asyncio.to_thread(judge, row, profiles(tmp_path), "gw")
        assert [r.value for r in verdict.readings if r.series.endswith("air.temperature")] == [21.0]
        quarantine = Quarantine(site.journal, profiles(tmp_path), site.seen, scripts=site.scripts)
        for replayed in (1, 0):
            told = await quarantine.replay(QuarantineFilter(), dry_run=False)
            assert told.replayed == replayed
        assert site.values() == [21.0]
        assert balance(site.journal.accounts(CONSUMER, count=True), has_parent=False).balanced

    at_site(tmp_path, body)
