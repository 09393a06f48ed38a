"""Advertisements as they are heard, which of them are wanted, and which came before. Pure."""

from typing import NamedTuple

import msgspec

from holdfast.adapters.ble.settings import BleSettings
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.advertisement import MANUFACTURER_DATA, SERVICE_DATA_16, structures

NO_RSSI = 127
"""What a radio says that couldn't measure it (Core 5.4, Vol 4 Part E §7.7.65.2)."""
_REMEMBERED = 20_000


class Heard(NamedTuple):
    """An advertisement. mac: as people write it, upper case; rssi: dBm, 127 = not known; at_ns: UTC; data: AD bytes."""

    mac: str
    rssi: int
    at_ns: int
    data: bytes


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is offered of one, as the Ruuvi Gateway publishes it: `ts` in s UTC, `data` in hex."""

    mac: str
    ts: float
    data: str
    rssi: int | None = None


class Kinds:
    """Which kind an advertisement is of."""

    def __init__(self, settings: BleSettings) -> None:
        self._by = {(MANUFACTURER_DATA, number): word for number, word in settings.by_company().items()}
        self._by |= {(SERVICE_DATA_16, number): word for number, word in settings.by_service().items()}

    def of(self, data: bytes) -> str | None:
        """Its kind; None = it's none that is wanted."""
        for type_, said in structures(data)[0]:
            if type_ in (MANUFACTURER_DATA, SERVICE_DATA_16) and len(said) >= 2:
                word = self._by.get((type_, int.from_bytes(said[:2], "little")))
                if word is not None:
                    return word
        return None


class Repeats:
    """Which advertisements are the last one of their device once more. Bounded: the longest known is forgotten."""

    def __init__(self, within_s: float) -> None:
        self._within_ns = round(within_s * NS_PER_S)
        self._last: dict[str, tuple[int, bytes]] = {}

    def has(self, heard: Heard) -> bool:
        """Was it there just now, byte for byte?"""
        at_ns, data = self._last.get(heard.mac, (0, b""))
        if data == heard.data and 0 <= heard.at_ns - at_ns < self._within_ns:
            return True
        if heard.mac not in self._last and len(self._last) >= _REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[heard.mac] = (heard.at_ns, heard.data)
        return False


def payload_of(heard: Heard) -> bytes:
    """What is offered."""
    rssi = None if heard.rssi == NO_RSSI else heard.rssi
    return msgspec.json.encode(Message(heard.mac, heard.at_ns / NS_PER_S, heard.data.hex().upper(), rssi))


def mac_of(raw: bytes) -> str:
    """Six bytes as they go over the air, last one first, as people write them."""
    return raw[::-1].hex(":").upper()
