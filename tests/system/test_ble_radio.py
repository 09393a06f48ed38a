"""The radio's way: bleak over a real D-Bus, at whose other end the test plays BlueZ. No radio here."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Variant
from dbus_fast.aio import MessageBus
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_property, method
from tests.unit.adapters.mqtt.doubles import SettlingInbox

from holdfast.adapters.ble.listener import BleListener
from holdfast.adapters.ble.settings import BleSettings
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(60),
    pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon isn't installed"),
]
RUUVI = bytes.fromhex("057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F")
BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"


class Radio(ServiceInterface):
    """org.bluez.Adapter1, as far as scanning needs it."""

    def __init__(self) -> None:
        super().__init__("org.bluez.Adapter1")
        self.is_scanning = asyncio.Event()
        self.filter: dict[str, Variant] = {}

    @method()
    def SetDiscoveryFilter(self, said: "a{sv}") -> None:  # type: ignore[valid-type]  # noqa: F722, N802
        self.filter = said

    @method()
    def StartDiscovery(self) -> None:  # noqa: N802
        self.is_scanning.set()

    @method()
    def StopDiscovery(self) -> None:  # noqa: N802
        self.is_scanning.clear()

    @dbus_property(access=PropertyAccess.READ)
    def Powered(self) -> "b":  # type: ignore[name-defined]  # noqa: F821, N802
        return True

    @dbus_property(access=PropertyAccess.READ)
    def Address(self) -> "s":  # type: ignore[name-defined]  # noqa: F821, N802
        return "00:00:00:00:00:01"


class Sensor(ServiceInterface):
    """org.bluez.Device1 of something that advertises."""

    def __init__(self, address: str, *, company: bytes = b"", service: bytes = b"") -> None:
        super().__init__("org.bluez.Device1")
        self._address, self._company, self._service, self._rssi = address, company, service, -60

    def again(self, rssi: int, service: bytes) -> None:
        self._rssi, self._service = rssi, service
        data = {BTHOME: Variant("ay", service)}
        self.emit_properties_changed({"RSSI": rssi, "ServiceData": data})

    @dbus_property(access=PropertyAccess.READ)
    def Address(self) -> "s":  # type: ignore[name-defined]  # noqa: F821, N802
        return self._address

    @dbus_property(access=PropertyAccess.READ)
    def Alias(self) -> "s":  # type: ignore[name-defined]  # noqa: F821, N802
        return self._address.replace(":", "-")

    @dbus_property(access=PropertyAccess.READ)
    def Adapter(self) -> "o":  # type: ignore[name-defined]  # noqa: F821, N802
        return "/org/bluez/hci0"

    @dbus_property(access=PropertyAccess.READ)
    def RSSI(self) -> "n":  # type: ignore[name-defined]  # noqa: F821, N802
        return self._rssi

    @dbus_property(access=PropertyAccess.READ)
    def UUIDs(self) -> "as":  # type: ignore[valid-type]  # noqa: F722, N802
        return []

    @dbus_property(access=PropertyAccess.READ)
    def ManufacturerData(self) -> "a{qv}":  # type: ignore[valid-type]  # noqa: F722, N802
        return {0x0499: Variant("ay", self._company)} if self._company else {}

    @dbus_property(access=PropertyAccess.READ)
    def ServiceData(self) -> "a{sv}":  # type: ignore[valid-type]  # noqa: F722, N802
        return {BTHOME: Variant("ay", self._service)} if self._service else {}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    address = f"unix:path={tmp_path / 'bus'}"
    argv = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address"]
    daemon = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    yield daemon.stdout.readline().strip()
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()


def test_what_a_radio_hears_is_offered_by_kind(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)

    async def body() -> None:
        bluez = await MessageBus(bus_address=bus).connect()
        radio, sensor = Radio(), Sensor("54:48:E6:8F:80:A5", service=bytes.fromhex("4002C40903BF13"))
        bluez.export("/org/bluez/hci0", radio)
        await bluez.request_name("org.bluez")
        inbox, log = SettlingInbox(), list[str]()
        telemetry = Telemetry(SystemClock(), log.append)
        one = BleListener("hall", BleSettings(), None, inbox, SystemClock(), telemetry)
        running = asyncio.create_task(one.run())
        try:
            async with asyncio.timeout(20):
                await radio.is_scanning.wait()
                bluez.export("/org/bluez/hci0/dev_1", sensor)
                bluez.export("/org/bluez/hci0/dev_2", Sensor("CB:B8:33:4C:88:4F", company=RUUVI))
                bluez.export("/org/bluez/hci0/dev_3", Sensor("AA:BB:CC:DD:EE:FF"))
                await until(lambda: len(inbox.arrivals) >= 2)
                sensor.again(-70, bytes.fromhex("4002C50903BF13"))
                await until(lambda: len(inbox.arrivals) >= 3)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            bluez.disconnect()
        found = sorted((arrival.topic, arrival.payloads[0]) for arrival in inbox.arrivals)
        assert [topic for topic, _ in found] == 2 * ["bthome/hall/54:48:E6:8F:80:A5"] + ["ruuvi/hall/CB:B8:33:4C:88:4F"]
        assert any(b'"data":"0A16D2FC4002C40903BF13","rssi":-60' in payload for _, payload in found), found
        assert any(b'"data":"0A16D2FC4002C50903BF13","rssi":-70' in payload for _, payload in found), found
        assert b'"data":"1BFF9904057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F"' in found[2][1]
        assert one.status().state == "working"

    asyncio.run(body())


async def until(true: Any) -> None:
    while not true():  # noqa: ASYNC110  # of what another process passes on
        await asyncio.sleep(0.01)
