r"""btsnoop files: HCI traffic as `btmon -w`, Android's snoop log and Wireshark write it. Pure, read piece by piece.

    "btsnoop\0"  version (1)  datalink                                               all big-endian
    original length  included length  flags  drops  time (µs since year 0)  data      and again

Datalinks (BlueZ, doc/btsnoop-protocol; Frontline, "BTSnoop File Format"): 1001 bare HCI, 1002 H4 with a byte before
each packet that says what it is, 2001 BlueZ's monitor, whose flags say it.
"""

import struct
from collections.abc import Iterator

from holdfast.adapters.ble.errors import RecordInvalid

MAGIC = b"btsnoop\0"
_HEAD = struct.Struct(">8sII")
_RECORD = struct.Struct(">IIIIq")
_BARE, _H4, MONITOR = 1001, 1002, 2001
_KNOWN = (_BARE, _H4, MONITOR)
_EPOCH_US = 0x00DCDDB30F2F8000
"""1970 in microseconds since year 0."""
_EVENT_OPCODE, _EVENT_H4 = 3, 4
_LARGEST = 65_536 + 64
"""Bytes of a record's data: an HCI packet has at most 65,535 and a header."""


class Btsnoop:
    """Reads one file as its bytes come."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._datalink = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(ns UTC, HCI event) of each event that is whole now.

        Raises:
            RecordInvalid: when it's no btsnoop, or a record can't be: where the next one begins isn't known then.
        """
        self._buffer += data
        at = 0
        try:
            if not self._datalink:
                if len(self._buffer) < _HEAD.size:
                    return
                self._datalink = _datalink(bytes(self._buffer[: _HEAD.size]))
                at = _HEAD.size
            while len(self._buffer) - at >= _RECORD.size:
                _, size, flags, _, time_us = _RECORD.unpack_from(self._buffer, at)
                if size > _LARGEST:
                    raise RecordInvalid(f"a record of {size} bytes", "The file is damaged, or no btsnoop")
                end = at + _RECORD.size + size
                if end > len(self._buffer):
                    break
                event = self._event(flags, bytes(self._buffer[at + _RECORD.size : end]))
                at = end
                if event is not None and time_us >= _EPOCH_US:
                    yield (time_us - _EPOCH_US) * 1000, event
        finally:
            del self._buffer[:at]

    @property
    def is_cut(self) -> bool:
        """Does the file end in the middle of a record, as one that is being written may?"""
        return bool(self._buffer)

    def _event(self, flags: int, data: bytes) -> bytes | None:
        """The HCI event; None = it's something else."""
        if self._datalink == MONITOR:
            return data if flags & 0xFFFF == _EVENT_OPCODE else None
        if self._datalink == _H4:
            return data[1:] if data[:1] == bytes((_EVENT_H4,)) else None
        return data if flags & 3 == 3 else None  # received, and no data packet


def _datalink(head: bytes) -> int:
    magic, version, datalink = _HEAD.unpack(head)
    if magic != MAGIC or version != 1:
        raise RecordInvalid("this is no btsnoop of version 1", "`btmon -w FILE` writes one")
    if datalink not in _KNOWN:
        raise RecordInvalid(f"btsnoop of datalink {datalink}; {_KNOWN} are read", "`btmon -w FILE` writes 2001")
    return int(datalink)
