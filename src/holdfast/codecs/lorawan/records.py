"""What an uplink was translated to: one object with its device, time, id and named values, and how it's read again.

`{d: device, t: ns UTC, id, e: [{n: name, v: value, u: unit, t: ns UTC}]}`; without `d` the device is the topic's. A
message that was refused has `d` at most, so that the device it came from is known.
"""

import msgspec
from msgspec import Struct

from holdfast.codecs.refused import wrong
from holdfast.codecs.sink import Origin, Sink
from holdfast.codecs.times import LATEST_US
from holdfast.model.series import Kind

_LATEST_NS = int(LATEST_US) * 1000


class Record(Struct, frozen=True, omit_defaults=True):
    """A value. t: its own time, ns UTC; None = the message's. u: the unit it's in, "" = what the profile says."""

    n: str
    v: float | bool | str
    t: int | None = None
    u: str = ""
    i: bool = False
    """It's a whole number."""


class Translated(Struct, frozen=True, omit_defaults=True):
    """A message as records."""

    d: str = ""
    t: int | None = None
    id: str = ""
    e: tuple[Record, ...] = ()


_decode = msgspec.json.Decoder(Translated).decode
encode = msgspec.json.Encoder().encode


class RecordSource:
    """Reads translated messages."""

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the records into `sink`.

        Raises:
            Refused: when it's none of ours, or was refused before.
        """
        try:
            said = _decode(payload)
        except msgspec.MsgspecError as error:
            wrong(str(error))
        device = sink.sender = said.d or origin.device
        if said.t is None:
            wrong("it wasn't translated")
        sink.ids[message] = (device, said.id)
        for record in said.e:
            time = said.t if record.t is None else record.t
            if not 0 <= time < _LATEST_NS:
                wrong("the time is before 1970 or after 2100: is the network server's clock right?")
            sink.add(device, record.n, record.v, _kind(record), record.u or None, time)


def _kind(record: Record) -> Kind:
    if isinstance(record.v, bool):
        return Kind.BOOL
    if isinstance(record.v, str):
        return Kind.TEXT
    return Kind.INT if record.i else Kind.FLOAT
