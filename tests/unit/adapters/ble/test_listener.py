"""Advertisements: those that are wanted, each once, as messages that profiles read."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from bleak.backends.scanner import AdvertisementData
from tests.unit.adapters.ble.test_recordings import LINES, SHOWN, SNOOP
from tests.unit.adapters.mqtt.doubles import HoldingInbox, SettlingInbox

from holdfast.adapters.ble.advertisements import Heard, Kinds, Repeats, payload_of
from holdfast.adapters.ble.errors import RecordInvalid
from holdfast.adapters.ble.listener import BleListener
from holdfast.adapters.ble.recorded import look
from holdfast.adapters.ble.scanning import bytes_of
from holdfast.adapters.ble.settings import BleSettings, KindSettings
from holdfast.adapters.errors import WriteRefused
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry

APPLE = bytes.fromhex("1AFF4C000215B9407F30F5F8466EAFF925556B57FE6D00010002C5")
NS = 10**9


def listener(file: Path, inbox: HoldingInbox, **more: object) -> tuple[BleListener, list[str]]:
    settings = msgspec.structs.replace(BleSettings(source="file:x", speed=0.0), **more)
    log: list[str] = []
    return BleListener("hall", settings, file, inbox, SystemClock(), Telemetry(SystemClock(), log.append)), log


async def until_played(one: BleListener, log: list[str]) -> None:
    running = asyncio.create_task(one.run())
    async with asyncio.timeout(10):
        while not any("BleRecordingPlayed" in line for line in log):  # noqa: ASYNC110  # a file is read by a thread
            await asyncio.sleep(0.005)
    assert not running.done()  # a node ends with an adapter that ends
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def topics(inbox: HoldingInbox) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for arrival in inbox.arrivals:
        found.setdefault(arrival.topic, []).extend(arrival.payloads)
    return found


@pytest.mark.parametrize("recording", [SNOOP, LINES], ids=["btsnoop", "lines"])
def test_a_recording_becomes_a_message_a_device_under_its_kind(tmp_path: Path, recording: bytes) -> None:
    async def body() -> None:
        (tmp_path / "recording").write_bytes(recording)
        inbox = SettlingInbox()
        one, log = listener(tmp_path / "recording", inbox)
        await until_played(one, log)
        found = topics(inbox)
        assert found.keys() == {"bthome/hall/54:48:E6:8F:80:A5", "ruuvi/hall/CB:B8:33:4C:88:4F"}
        [payload] = found["bthome/hall/54:48:E6:8F:80:A5"]
        assert json.loads(payload) == {
            "mac": "54:48:E6:8F:80:A5", "ts": 1795341600.25, "rssi": -60, "data": "0201060A16D2FC4002C40903BF13",
        }  # fmt: skip
        assert one.status().unsettled == 0
        assert one.status().received == 2

    asyncio.run(body())


def test_a_recording_is_played_as_fast_as_its_speed_says(tmp_path: Path) -> None:
    async def body() -> None:
        (tmp_path / "r").write_bytes(LINES)  # of two seconds
        one, log = listener(tmp_path / "r", HoldingInbox(), speed=10.0)
        clock = SystemClock()
        began = clock.monotonic()
        await until_played(one, log)
        assert 0.15 < clock.monotonic() - began < 5

    asyncio.run(body())


def test_a_full_inbox_holds_a_recording_up(tmp_path: Path) -> None:
    async def body() -> None:
        (tmp_path / "r").write_bytes(
            b"".join(
                b"%d.5 54:48:E6:8F:80:A5 -60 0201060A16D2FC4002%02X0903BF13\n" % (i, i % 256) for i in range(2_000)
            )
        )
        inbox = HoldingInbox(room=1)
        one, log = listener(tmp_path / "r", inbox)
        playing = asyncio.create_task(until_played(one, log))
        await asyncio.sleep(0.1)
        assert len(inbox.arrivals) == 1
        while not playing.done():
            inbox.drain(1)
            await asyncio.sleep(0.005)
        await playing
        assert sum(map(len, topics(inbox).values())) == 2_000

    asyncio.run(body())


def test_a_recording_that_is_still_written_is_followed_and_one_that_begins_anew_is_read_anew(tmp_path: Path) -> None:
    async def body() -> None:
        path, inbox = tmp_path / "r", HoldingInbox()
        path.write_bytes(SNOOP[:40])
        one, _ = listener(path, inbox, follow=True)
        running = asyncio.create_task(one.run())
        await asyncio.sleep(0.05)
        with path.open("ab") as file:
            file.write(SNOOP[40:])
        async with asyncio.timeout(10):
            while len(inbox.arrivals) < 2:  # noqa: ASYNC110  # a file is read by a thread
                await asyncio.sleep(0.01)
            path.write_bytes(b"1795341700 54:48:E6:8F:80:A5 -60 0201060A16D2FC4002C50903BF13\n")
            while len(inbox.arrivals) < 3:  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(body())


def test_a_recording_that_is_none_is_told_and_tried_again(tmp_path: Path) -> None:
    async def body() -> None:
        (tmp_path / "r").write_bytes(b"nothing of the kind\n")
        one, _ = listener(tmp_path / "r", HoldingInbox())
        running = asyncio.create_task(one.run())
        async with asyncio.timeout(10):
            while one.status().state != "failing":  # noqa: ASYNC110  # a file is read by a thread
                await asyncio.sleep(0.01)
        assert "line 1 is no advertisement" in one.status().error
        assert "TIME MAC RSSI HEX" in one.status().hint
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(body())


def test_trying_a_recording_says_what_it_holds(tmp_path: Path) -> None:
    async def body() -> None:
        (tmp_path / "r").write_bytes(SNOOP)
        one, _ = listener(tmp_path / "r", HoldingInbox())
        assert "2 advertisements of 2 devices" in await one.try_once()
        with pytest.raises(WriteRefused):
            await one.write("CB:B8:33:4C:88:4F", {})
        assert not one.writes("CB:B8:33:4C:88:4F")
        (tmp_path / "r").write_bytes(b"")
        with pytest.raises(RecordInvalid):
            look(tmp_path / "r")

    asyncio.run(body())


def test_only_wanted_kinds_are_told_apart() -> None:
    kinds = Kinds(BleSettings())
    assert [kinds.of(one.data) for one in SHOWN] == ["bthome", "ruuvi"]
    assert kinds.of(APPLE) is None
    assert kinds.of(b"\x02\xff\x99") is None
    beacons = Kinds(BleSettings(kinds={"ibeacon": KindSettings(company=0x004C)}))
    assert beacons.of(APPLE) == "ibeacon"


def test_the_same_bytes_again_are_a_repeat_for_a_while() -> None:
    repeats = Repeats(4.0)
    first = Heard("A", -60, NS, b"x")
    assert [repeats.has(first._replace(at_ns=at)) for at in (NS, 2 * NS, 4 * NS, 6 * NS)] == [False, True, True, False]
    assert not repeats.has(first._replace(mac="B"))
    assert not repeats.has(first._replace(at_ns=7 * NS, data=b"y"))
    for i in range(30_000):  # whoever makes up addresses fills no memory
        repeats.has(Heard(str(i), -60, NS, b"x"))
    assert len(repeats._last) == 20_000


def test_a_radio_that_could_not_measure_the_strength_says_none() -> None:
    assert json.loads(payload_of(Heard("A", 127, NS, b"x"))) == {"mac": "A", "ts": 1.0, "data": "78"}


def test_what_bleak_gives_becomes_the_structures_it_came_in() -> None:
    said = AdvertisementData(
        local_name="x",
        manufacturer_data={0x0499: SHOWN[1].data[7:], 0x004C: b"apple", 0x1234: b"z"},
        service_data={"0000fcd2-0000-1000-8000-00805f9b34fb": SHOWN[0].data[7:]},
        service_uuids=[],
        tx_power=None,
        rssi=-60,
        platform_data=(),
    )
    assert list(bytes_of(said, BleSettings())) == [SHOWN[1].data[3:], SHOWN[0].data[3:]]
