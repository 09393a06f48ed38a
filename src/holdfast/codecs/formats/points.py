"""Points: values of one device, each with a quality and a time where it has them.

Our own format, for adapters that read typed values and for whoever wants to tell qualities over HTTP or MQTT:

    {"device": "press-1", "ts": 1795187068123, "points": [{"n": "temp", "v": 21.5, "u": "Cel"},
                                                          {"n": "force", "v": null, "q": "offline"}]}

`ts` is a time in s, ms, us or ns since 1970, or ISO 8601; a point's own goes before the message's, and without either
it is the time of receipt. `q` is good, uncertain, bad or offline.
"""

from typing import Annotated, Literal

import msgspec

from holdfast.codecs.instants import to_ns
from holdfast.codecs.refused import Refused, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import DEVICE_SAID_BAD, DEVICE_SAID_UNCERTAIN, NO_TIME, OFFLINE, Origin, Sink
from holdfast.codecs.topics import joined
from holdfast.model.series import Kind

_CODES = {"good": 0, "uncertain": DEVICE_SAID_UNCERTAIN, "bad": DEVICE_SAID_BAD, "offline": OFFLINE}
_KINDS = {bool: Kind.BOOL, str: Kind.TEXT}
Time = int | float | str | None


class _Point(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    v: bool | int | float | str | None = None
    q: Literal["good", "uncertain", "bad", "offline"] = "good"
    ts: Time = None
    u: str | None = None


class _Message(msgspec.Struct):
    points: list[_Point]
    device: str = ""
    ts: Time = None


_decoder = msgspec.json.Decoder(_Message)


class PointsSource:
    """Reads messages of points."""

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the points into `sink`.

        Raises:
            Refused: when it's no such message.
        """
        del message
        try:
            said = _decoder.decode(payload)
        except msgspec.ValidationError as error:
            wrong(str(error))
        except msgspec.DecodeError as error:
            raise Refused(RejectReason.MALFORMED, str(error)) from None
        device = origin.device or joined(said.device)
        if not device:
            raise Refused(RejectReason.UNKNOWN_DEVICE, "no device: neither `device` nor a {device} level of the topic")
        sink.sender = device
        time = _at(said.ts, NO_TIME)
        for point in said.points:
            value, code = point.v, _CODES[point.q]
            if value is None and not code:
                wrong(f"`{point.n[:80]}` has no value, and its quality says good")
            kind = None if value is None else _KINDS.get(type(value), Kind.FLOAT)
            sink.add(device, point.n, value, kind, point.u, _at(point.ts, time), code)


def _at(told: Time, default: int) -> int:
    return default if told is None else to_ns(told, "auto")
