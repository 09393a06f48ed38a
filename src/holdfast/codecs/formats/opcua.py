"""OPC UA PubSub, JSON messages (Part 14 §7.2.5): reversible, non-reversible and raw field encodings.

A value is called `writer.field`. Its quality is its StatusCode's severity (Part 4 §7.39), its time its SourceTimestamp,
else its ServerTimestamp, else its message's. The device is the PublisherId, unless the topic names one.
"""

from typing import Any

from holdfast.codecs.formats.jsons import decode_json
from holdfast.codecs.instants import to_ns
from holdfast.codecs.refused import Refused, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import DEVICE_SAID_BAD, DEVICE_SAID_UNCERTAIN, NO_TIME, NOT_A_NUMBER, Origin, Sink
from holdfast.codecs.topics import joined
from holdfast.model.points import Scalar
from holdfast.model.series import Kind

_DATA = frozenset(("ua-keyframe", "ua-deltaframe", "ua-event"))
_QUIET = frozenset(("ua-keepalive", "ua-metadata", "ua-status", "ua-connection", "ua-application", "ua-endpoints"))
_BOOL, _INTS, _FLOATS, _STRING = 1, range(2, 10), (10, 11), 12
_NAMES = {"Boolean": 1, "SByte": 2, "Byte": 3, "Int16": 4, "UInt16": 5, "Int32": 6, "UInt32": 7, "Int64": 8}
_NAMES |= {"UInt64": 9, "Float": 10, "Double": 11, "String": 12, "DateTime": 13, "LocalizedText": 21}
_DATA_VALUE = frozenset(("Value", "Status", "StatusCode", "SourceTimestamp", "ServerTimestamp"))
_EXTRA = frozenset(("SourcePicoseconds", "ServerPicoseconds", "UaType", "Dimensions"))
_NO_NUMBERS = frozenset(("NaN", "Infinity", "-Infinity"))


class OpcUaSource:
    """Reads network messages, lists of them, and data set messages without a header."""

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the messages' readings into `sink`.

        Raises:
            Refused: when it's no PubSub message.
        """
        del message
        said = decode_json(payload)
        for network in said if isinstance(said, list) else (said,):
            if not isinstance(network, dict):
                wrong("a PubSub message is an object")
            self._network(network, origin, sink)

    def _network(self, network: dict[str, Any], origin: Origin, sink: Sink) -> None:
        kind = network.get("MessageType", "ua-data")
        if kind in _QUIET:
            return
        publisher = network.get("PublisherId")
        if "NodeId" in network and "Value" in network:
            self._sample(network, origin, sink)
            return
        device = _device(origin, publisher)
        if "Messages" not in network:
            self._data_set(network, device, sink)
            return
        messages = network["Messages"]
        for one in messages if isinstance(messages, list) else (messages,):
            if not isinstance(one, dict):
                wrong("a data set message is an object")
            self._data_set(one, device, sink)

    def _sample(self, sample: dict[str, Any], origin: Origin, sink: Sink) -> None:
        """A monitored item's value as OPC Publisher's older `Samples` mode sends it."""
        more = sample.get("ExtensionFields")
        publisher = more.get("PublisherId") if isinstance(more, dict) else None
        told = (publisher, sample.get("PublisherId"), sample.get("ApplicationUri"), sample.get("EndpointUrl"))
        name = sample.get("DisplayName") or sample["NodeId"]
        if not isinstance(name, str):
            wrong("a sample has no name: neither DisplayName nor NodeId")
        value = sample["Value"]
        if not isinstance(value, dict):
            value = {key: sample[key] for key in _DATA_VALUE if key in sample}
        time = _time(sample.get("Timestamp"), NO_TIME)
        self._field(_device(origin, *told), name, value, time, _quality(sample.get("Status")), sink)

    def _data_set(self, message: dict[str, Any], device: str, sink: Sink) -> None:
        kind = message.get("MessageType")
        if kind in _QUIET:
            return
        if kind in _DATA or isinstance(message.get("Payload"), dict):
            fields, time = message.get("Payload"), _time(message.get("Timestamp"), NO_TIME)
            code = _quality(message.get("Status"))
        elif "Payload" in message or not message:
            wrong("a data set message has no Payload")
        else:  # §7.2.5.4: without a header the message is its payload
            fields, time, code = message, NO_TIME, 0
        if not isinstance(fields, dict):
            wrong("a data set message has no Payload")
        writer = message.get("DataSetWriterName", message.get("DataSetWriterId")) if fields is not message else None
        before = f"{writer}." if isinstance(writer, str | int) else ""
        for name, field in fields.items():
            self._field(device, f"{before}{name}", field, time, code, sink)

    def _field(self, device: str, name: str, field: Any, time: int, code: int, sink: Sink) -> None:
        body = field
        if isinstance(field, dict) and field.keys() & _DATA_VALUE and field.keys() <= _DATA_VALUE | _EXTRA:
            time = _time(field.get("SourceTimestamp"), _time(field.get("ServerTimestamp"), time))
            code = _quality(field.get("StatusCode", field.get("Status"))) or code
            body = field.get("Value")
            if "UaType" in field:
                body = {"UaType": field["UaType"], "Value": body}
        type_, value = _variant(body)
        scalar, kind = _scalar(type_, value)
        if kind is None and value is not None:
            sink.skip("no_scalar")
        elif scalar is None:
            sink.add(device, name, None, kind, None, time, code or NOT_A_NUMBER)
        else:
            sink.add(device, name, scalar, kind, _unit(field), time, code)


def _device(origin: Origin, *told: Any) -> str:
    """The topic's device, the first name that the message tells, or what the topic says below its fixed levels."""
    names = (joined(str(name)) for name in told if isinstance(name, str | int) and name != "")
    device = origin.device or next(names, "") or joined(*filter(None, origin.captures.get("rest", "").split("/")))
    if not device:
        raise Refused(RejectReason.UNKNOWN_DEVICE, "no device: neither PublisherId nor a {device} level of the topic")
    return device


def _unit(field: Any) -> str | None:
    said = field.get("EngineeringUnits") if isinstance(field, dict) else None
    text = said.get("DisplayName") if isinstance(said, dict) else None
    text = text.get("Text") if isinstance(text, dict) else text
    return text if isinstance(text, str) else None


def _variant(body: Any) -> tuple[int, Any]:
    """(built-in type or 0, value) of a Variant, as versions up to 1.04 and from 1.05.04 write it, or of a raw value."""
    if not isinstance(body, dict):
        return 0, body
    type_ = body.get("Type", body.get("UaType", 0))
    number = _NAMES.get(type_, 0) if isinstance(type_, str) else type_
    if "Body" in body or "Value" in body:
        return number if isinstance(number, int) else 0, body.get("Body", body.get("Value"))
    if "Text" in body:  # LocalizedText
        return _STRING, body["Text"]
    return 0, body


def _scalar(type_: int, value: Any) -> tuple[Scalar | None, Kind | None]:
    if isinstance(value, dict) and "Text" in value:
        value = value["Text"]
    if isinstance(value, bool):
        return value, Kind.BOOL
    if isinstance(value, int | float):
        return value, Kind.INT if type_ in _INTS else Kind.FLOAT
    if isinstance(value, str):
        if type_ in _INTS or type_ in _FLOATS:
            return _spelled(value, type_)
        return value, Kind.TEXT
    return None, None


def _spelled(text: str, type_: int) -> tuple[Scalar | None, Kind | None]:
    """A number that JSON can't hold: Int64 and UInt64 are text, and so are NaN and Infinity (Part 6 §5.4.2)."""
    if text in _NO_NUMBERS:
        return None, Kind.FLOAT
    try:
        number = int(text[:24]) if type_ in _INTS else float(text)
    except ValueError:
        wrong(f"`{text[:40]}` is no number")
    return number, Kind.INT if type_ in _INTS else Kind.FLOAT


def _time(value: Any, default: int) -> int:
    return default if value is None else to_ns(value, "iso8601")


def _quality(status: Any) -> int:
    """A StatusCode's severity, its two highest bits: good, uncertain or bad."""
    code = status.get("Code", status.get("Symbol")) if isinstance(status, dict) else status
    if isinstance(code, str):
        return _named(code)
    if code is None:
        code = 0
    if isinstance(code, bool) or not isinstance(code, int) or not 0 <= code < 2**32:
        wrong("a status is no StatusCode")
    severity = code >> 30
    return 0 if severity == 0 else DEVICE_SAID_UNCERTAIN if severity == 1 else DEVICE_SAID_BAD


def _named(symbol: str) -> int:
    """A StatusCode by its name, as `BadNoCommunication`: its severity is its first word (Part 4 §7.39.2)."""
    for word, code in (("Good", 0), ("Uncertain", DEVICE_SAID_UNCERTAIN), ("Bad", DEVICE_SAID_BAD)):
        if symbol.startswith(word):
            return code
    return wrong(f"`{symbol[:40]}` is no StatusCode")
