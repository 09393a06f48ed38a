"""Recordings as lines of text: `TIME MAC RSSI HEX`, time in s UTC or ISO 8601; `#` begins a comment. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from holdfast.adapters.ble.advertisements import NO_RSSI, Heard, mac_of
from holdfast.adapters.ble.errors import RecordInvalid
from holdfast.kernel.clock import NS_PER_S

_LONGEST = 4096
_MOST_S = 4_102_444_800


class HexLines:
    """Reads one file as its bytes come."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0

    def feed(self, data: bytes) -> Iterator[Heard]:
        """The advertisement of each line that is whole now.

        Raises:
            RecordInvalid: with the line's number, when it is none.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._number += 1
            words = line.partition(b"#")[0].split()
            if words:
                yield self._heard(words)
        if len(self._rest) > _LONGEST:
            raise RecordInvalid(f"line {self._number + 1} has over {_LONGEST} bytes", "Is it a recording at all?")

    @property
    def is_cut(self) -> bool:
        """Does the file end in the middle of a line?"""
        return bool(self._rest)

    def _heard(self, words: list[bytes]) -> Heard:
        try:
            time, mac, rssi, text = (word.decode("ascii") for word in words)
            address = bytes.fromhex(mac.replace(":", ""))
            at_ns, data = _ns(time), bytes.fromhex(text)
            level = NO_RSSI if rssi == "-" else int(rssi)
        except ValueError:
            address, level, at_ns, data = b"", 0, 0, b""
        if len(address) != 6 or not -128 <= level <= NO_RSSI or not data:
            hint = "A line is `TIME MAC RSSI HEX`, as `1795187068.5 54:48:E6:8F:80:A5 -60 0201060A16D2FC4002C40903BF13`"
            raise RecordInvalid(f"line {self._number} is no advertisement", hint)
        return Heard(mac_of(address[::-1]), level, at_ns, data)


def _ns(text: str) -> int:
    """A time in ns UTC.

    Raises:
        ValueError: when it's none between 1970 and 2100.
    """
    if "T" in text:
        moment = datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    else:
        seconds = float(text)
    if not 0 <= seconds < _MOST_S:
        msg = "no time of these centuries"
        raise ValueError(msg)
    return round(seconds * NS_PER_S / 1000) * 1000
