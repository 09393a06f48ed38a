"""This machine's radio, by bleak (BlueZ over D-Bus on Linux).

bleak gives what an advertisement said, sorted by company and service; `bytes_of` makes the structures again of it, one
advertisement for each kind that is wanted, since BlueZ may still show what a device said of another company before.
"""

import asyncio
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from holdfast.adapters.ble.advertisements import Heard
from holdfast.adapters.ble.errors import RadioUnusable
from holdfast.adapters.ble.settings import BleSettings
from holdfast.adapters.errors import ExtraMissing
from holdfast.kernel.clock import Clock
from holdfast.model.advertisement import MANUFACTURER_DATA, SERVICE_DATA_16

_BASE = "-0000-1000-8000-00805f9b34fb"
_SERVICE = "0000{:04x}" + _BASE
_LONGEST = 253
_LOOK_S = 5.0


class Said(Protocol):
    """What bleak's AdvertisementData has."""

    @property
    def manufacturer_data(self) -> Mapping[int, bytes]:
        """By company."""
        ...

    @property
    def service_data(self) -> Mapping[str, bytes]:
        """By the service's 128-bit UUID."""
        ...

    @property
    def rssi(self) -> int:
        """In dBm."""
        ...


def bytes_of(said: Said, settings: BleSettings) -> Iterator[bytes]:
    """What was advertised of each kind that is wanted, as the structures it came in."""
    for company in settings.by_company():
        data = said.manufacturer_data.get(company)
        if data is not None and len(data) <= _LONGEST:
            yield _structure(MANUFACTURER_DATA, company, data)
    for service in settings.by_service():
        data = said.service_data.get(_SERVICE.format(service))
        if data is not None and len(data) <= _LONGEST - 1:
            yield _structure(SERVICE_DATA_16, service, data)


def _structure(type_: int, number: int, data: bytes) -> bytes:
    return bytes((len(data) + 3, type_)) + number.to_bytes(2, "little") + data


def require_library() -> None:
    """Is what listens to a radio there?

    Raises:
        ExtraMissing: when it isn't.
    """
    if importlib.util.find_spec("bleak") is None:
        raise ExtraMissing("ble")


async def scan(settings: BleSettings, clock: Clock, heard: Callable[[Heard], None], ready: Callable[[], None]) -> None:
    """Listen until cancelled. ready: called once the radio listens.

    Raises:
        RadioUnusable: when it can't; the hint says what to do.
    """
    require_library()
    from bleak import BleakScanner  # noqa: PLC0415  # an extra: only where a radio is listened to
    from bleak.exc import BleakError  # noqa: PLC0415  # likewise

    def detected(device: Any, said: Said) -> None:
        now = clock.wall_ns()
        for data in bytes_of(said, settings):
            heard(Heard(device.address.upper(), said.rssi, now, data))

    try:
        # passive scanning needs BlueZ's experimental features and filters of its own
        scanner = BleakScanner(detected, bluez={"adapter": settings.source})
        async with scanner:
            ready()
            await asyncio.Event().wait()
    except (BleakError, OSError, EOFError) as error:
        hint = "Is there a radio (`bluetoothctl list`), on (`bluetoothctl power on`), and bluetoothd running?"
        why = "BlueZ can't be reached over D-Bus" if isinstance(error, FileNotFoundError | EOFError) else str(error)
        raise RadioUnusable(f"{settings.source} can't be listened to: {why}", hint) from error
