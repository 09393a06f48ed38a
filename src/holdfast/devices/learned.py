"""What was learned of a device as one blob: the hour, its hours of judged and refused messages, its beats."""

import struct

from holdfast.devices.tally import HOURS

_HEAD = struct.Struct("<q")
_HOURS_BYTES = 2 * HOURS * 4


def pack(hour: int, hours: bytes, beats: bytes) -> bytes:
    """hours: as `Tally.hours`; beats: as `Beats.state`."""
    return _HEAD.pack(hour) + hours + beats


def unpack(data: bytes) -> tuple[int, bytes, bytes]:
    """The three parts."""
    (hour,) = _HEAD.unpack_from(data)
    end = _HEAD.size + _HOURS_BYTES
    return hour, data[_HEAD.size : end], data[end:]
