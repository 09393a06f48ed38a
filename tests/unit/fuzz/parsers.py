"""The table of everything that takes bytes from outside. A new parser is a line here, with valid inputs.

Readers of streams get each input as a connection of its own; formats get it as a message of a topic that a profile
claims, through the decoder, which is how a node reads it.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cbor2
import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from google.protobuf import descriptor_pb2
from tests.unit.adapters.ble.test_recordings import LINES, SNOOP
from tests.unit.adapters.broker.test_client_reader import message
from tests.unit.adapters.mqtt import doubles
from tests.unit.codecs.golden import HERE, PRESETS, lines, payload_of, topic_of
from tests.unit.codecs.lorawan.servers import chirpstack, chirpstack_3, helium, the_things, thing_park
from tests.unit.codecs.test_bthome import DOCUMENTED, KEY, SEALED
from tests.unit.codecs.test_cayenne import DOCUMENTED as CAYENNE
from tests.unit.codecs.test_fuzz import all_profiles
from tests.unit.fuzz import models, polled
from tests.unit.fuzz.harness import MIB, Parse, Parser
from tests.unit.wire.test_columns import batch, header

from holdfast.adapters.ble.advertisements import Kinds
from holdfast.adapters.ble.btsnoop import Btsnoop
from holdfast.adapters.ble.errors import RecordInvalid
from holdfast.adapters.ble.hci import reports
from holdfast.adapters.ble.hexlines import HexLines
from holdfast.adapters.ble.settings import BleSettings
from holdfast.adapters.broker import packets
from holdfast.adapters.broker.errors import BrokerError
from holdfast.adapters.broker.reader import ClientReader
from holdfast.adapters.mqtt.names import TopicNames
from holdfast.adapters.mqtt.reader import Fault, Reader
from holdfast.adapters.mqtt.websocket import WebSocket
from holdfast.adapters.serial.intake import Frames
from holdfast.adapters.serial.settings import ChecksumSettings, FramingSettings, SerialSettings
from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.formats.bthome import advertised
from holdfast.codecs.formats.cayenne import values_of
from holdfast.codecs.formats.embedded import manufacturer_data
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.lorawan.uplinks import UplinkInvalid, read_uplink
from holdfast.codecs.profiles import Profile
from holdfast.codecs.refused import Refused
from holdfast.model.advertisement import structures
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.wire.asking import AnswerHeader, RemoteAnswer, decode_answer, encode_answer
from holdfast.wire.columns import decode, encode_readings
from holdfast.wire.errors import WireError
from holdfast.wire.frame import Effort, seal, unseal
from holdfast.wire.looking import CallHeader, decode_reply, encode_reply
from holdfast.wire.messages import Limits

NOW = 1_795_187_068_000_000_000
_REFUSED = (Refused, UnicodeDecodeError)


def _each(parse: Parse) -> Callable[[], Parse]:
    """A parser that remembers nothing."""
    return lambda: parse


# Streams


def _server(version: int) -> Parser:
    said = b"" if version == 5 else None
    hello = doubles.connect("a", version=version)
    stream = [
        doubles.publish("a/b", b"21.5", pid=0, qos=0, retain=False, said=said),
        doubles.publish("a/b", b"x" * 300, pid=7, qos=1, retain=True, said=said),
        doubles.subscribe("a/+/#", 1, said=said),
        doubles.puback(3),
        b"\xc0\x00",
        b"\xe0\x00",
    ]

    def make() -> Parse:
        def parse(data: bytes) -> bool:
            reader = Reader(TopicNames(), 100_000, 10)
            items = reader.feed(data[: len(data) // 2]) + reader.feed(data[len(data) // 2 :])
            return bool(items) and not isinstance(items[-1], Fault)

        return parse

    return Parser(f"mqtt listener v{version}", make, [hello + b"".join(stream), *(hello + one for one in stream)])


def _client(version: int) -> Parser:
    greeting = b"\x20\x03\0\0\0" if version == 5 else b"\x20\x02\0\0"
    stream = [
        message("d/1", b"21.5", qos=1, pid=1, version=version),
        message("d/2", b"x" * 90, qos=2, pid=2, version=version),
        packets.acks(packets.PUBREL, [b"\0\2"]),
        b"\x90\x04\0\x01\0\x01" if version == 5 else b"\x90\x03\0\x01\x01",
        b"\xd0\x00",
    ]

    def make() -> Parse:
        def parse(data: bytes) -> bool:
            reader = ClientReader(version, 100_000)
            return bool(reader.feed(data[: len(data) // 2]) + reader.feed(data[len(data) // 2 :]))

        return parse

    corpus = [greeting + b"".join(stream), *stream]
    return Parser(f"mqtt client v{version}", make, corpus, (BrokerError,))


class Below(asyncio.Transport):
    """The socket below a WebSocket: open until it's closed."""

    def __init__(self) -> None:
        super().__init__()
        self._is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Nobody reads it."""

    def close(self) -> None:
        """Closed."""
        self._is_closed = True

    def is_closing(self) -> bool:
        """Is it?"""
        return self._is_closed


def _websocket() -> Parser:
    hello = b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    hello += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    hello += b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    frame = b"\x82\x84\1\2\3\4abcd"
    ping = b"\x89\x80\1\2\3\4"

    def parse(data: bytes) -> bool:
        refused = list[bool]()
        one = WebSocket(asyncio.Protocol(), (), lambda: refused.append(True))
        below = Below()
        one.connection_made(below)
        for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
            if piece and not below.is_closing():  # a closed socket reads no more, and nothing is no event
                one.data_received(piece)
        return not refused

    return Parser("mqtt over websocket", _each(parse), [hello + frame, hello + ping + frame * 3])


def _line(name: str, corpus: Iterable[bytes], **settings: Any) -> Parser:
    said = SerialSettings(port="/dev/x", **settings)

    def make() -> Parse:
        frames, now = Frames(said), [0.0]

        def parse(data: bytes) -> bool:
            half = len(data) // 2
            found = frames.feed(data[:half], now[0]) + frames.feed(data[half:], now[0] + 0.01)
            now[0] += 10.0
            found += frames.quiet(now[0])
            frames.cut()
            return bool(found)

        return parse

    return Parser(f"serial {name}", make, list(corpus), most_s=0.3, most=4 * MIB)


_STX = FramingSettings(start="\\x02", end="\\x03")
_BEHIND = ChecksumSettings(rule="xor", place="behind_end")
_HEX = ChecksumSettings(rule="sum8", written="hex")
_BY_LENGTH = FramingSettings(start="\\xaa", length=8)
_GAP, _CRC = FramingSettings(gap=0.05), ChecksumSettings(rule="crc16-modbus")
_NMEA = (b"$GPGLL,4916.45,N,12311.12,W,225444,A*31\r\n", b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\r\n")
SERIAL = (
    _line("lines", [b"21.5\r\n22.0\r\n", b"t=1;h=2\n"]),
    _line("lines, nmea", _NMEA, checksum="nmea"),
    _line("lines, latin-1", [b"21.5 \xb0C\r\n"], encoding="latin-1"),
    _line("stx etx, bcc", [b"\x02ab\x03\x00\x02c\x03\x60"], framing=_STX, checksum=_BEHIND),
    _line("stx etx, hex", [b"\x02123456789DD\x03", b"\x021D31\x0212E3\x03"], framing=_STX, checksum=_HEX),
    _line("length", [b"1234567" * 3], framing=FramingSettings(length=7), encoding="binary"),
    _line("start, length", [b"\xaa5123456" * 3], framing=_BY_LENGTH, encoding="binary"),
    _line("gap, crc", [bytes.fromhex("02074112")], framing=_GAP, checksum=_CRC, encoding="binary"),
)


# Recordings and advertisements


def _unlocked(mac: bytes, nonce: bytes, sealed: bytes) -> bytes | None:
    del mac
    try:
        return AESCCM(bytes.fromhex(KEY), tag_length=4).decrypt(nonce, sealed, None)
    except Exception:  # noqa: BLE001  # an open key here, since only the parser is looked at
        return sealed[:-4]


_ADVERTISEMENTS = [
    bytes.fromhex("0201060B094449592D73656E736F720A16D2FC4002C40903BF13"),
    bytes.fromhex("0201061BFF9904057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F"),
    bytes.fromhex("02010611FF990403291A1ECE1EFC18F94202CA0B53"),
]
_BTHOME = [bytes.fromhex("40" + payload) for payload, *_ in DOCUMENTED]
_BTHOME += [bytes.fromhex(SEALED), bytes.fromhex("3C0103")]
_CAYENNE = [bytes.fromhex(payload) for payload, _ in CAYENNE]
_EVENTS = [SNOOP[40:68], SNOOP[122:181]]


def _advertised(data: bytes) -> bool:
    return structures(data)[1] and Kinds(BleSettings()).of(data) is not None


def _bthome(data: bytes) -> bool:
    return bool(advertised(data, bytes(6), _unlocked).values)


def _ruuvi(data: bytes) -> bool:
    return bool(manufacturer_data(data, 0x0499))


RADIO = (
    Parser("btsnoop", _each(lambda data: bool(list(Btsnoop().feed(data)))), [SNOOP], (RecordInvalid,)),
    Parser("hex lines", _each(lambda data: bool(list(HexLines().feed(data)))), [LINES], (RecordInvalid,)),
    Parser("hci reports", _each(lambda data: bool(reports(data, NOW))), _EVENTS),
    Parser("advertisements", _each(_advertised), _ADVERTISEMENTS),
    Parser("manufacturer data", _each(_ruuvi), _ADVERTISEMENTS[1:], _REFUSED),
    Parser("bthome", _each(_bthome), _BTHOME, _REFUSED),
    Parser("cayenne", _each(lambda data: bool(values_of(data))), _CAYENNE, _REFUSED),
)


# Formats, as a node reads them


@cache
def profiles() -> Sequence[Profile]:
    """Every format and preset."""
    with tempfile.TemporaryDirectory() as folder:
        more = Path(folder) / "more.yaml"
        more.write_text("profiles: {points: {topic: 'points/{device}', format: points}}")
        return [*all_profiles(Path(folder)), *load_profiles([more])]


def _format(
    name: str, topics: Sequence[str], corpus: Iterable[bytes], retained: Mapping[str, bytes] = MappingProxyType({})
) -> Parser:
    def make() -> Parse:
        decoder = Decoder(profiles(), Catalogue(), "gw")
        decoder.learn(retained)

        def parse(data: bytes) -> bool:
            decoded = [decoder.decode([Run(topic, [data, data], NOW)]) for topic in topics]
            assert all(len(rejection.detail) <= 200 for one in decoded for rejection in one.rejected)
            return any(not one.rejected for one in decoded)

        return parse

    return Parser(f"format {name}", make, list(corpus), most_s=2.0, most=64 * MIB)


_OBJECT: dict[str, Any] = {"t": 21.5, "a": {"b": 3}, "flag": True, "word": "on", "list": [1, 2.5, None]}
_DEVICE = "urn:dev:mac:0024befffe804ff1/"
_SENML = [{"bn": _DEVICE, "bt": 1_795_187_000, "n": "t", "u": "Cel", "v": 21.5}, {"n": "h", "u": "%RH", "v": 40}]
_SENML_CBOR = [{-2: _DEVICE, -3: 1_795_187_000, 0: "t", 1: "Cel", 2: 21.5}, {0: "h", 2: 40}]
_VALUES = [{"n": "t", "v": 21.5, "u": "Cel"}, {"n": "f", "v": None, "q": "offline"}]
_POINTS = {"ts": 1_795_187_068_123, "points": _VALUES}
_INFLUX = b'm,host=a,room=b t=21.5,n=3i,on=t,w="x y" 1795187068000000000\nm t=1\n'
_FILE = descriptor_pb2.FileDescriptorProto(
    name="a", dependency=["b"], message_type=[descriptor_pb2.DescriptorProto(name="c")]
)
_HEARD = {"data": _ADVERTISEMENTS[0].hex(), "rssi": -60, "ts": 1_795_187_068.5}
OWN = (
    _format("json", ["tele/a/SENSOR", "zigbee2mqtt/a"], [json.dumps(_OBJECT).encode()]),
    _format("cbor", ["cbor/a", "cborf/a"], [cbor2.dumps(_OBJECT), cbor2.dumps([1.5, {"x": b"y"}])]),
    _format("msgpack", ["mp/a", "mpf/a"], [msgspec.msgpack.encode(_OBJECT)]),
    _format("csv", ["csv/a"], [b"t,h\n21.5,40\n22,41\n", b't;"h"\r\n1;2\r\n']),
    _format("influx", ["influx/a", "influxt/x"], [_INFLUX]),
    _format("senml", ["senml/a"], [json.dumps(_SENML).encode(), cbor2.dumps(_SENML_CBOR)]),
    _format("binary", ["bin/a"], [bytes(range(12)), b"\x01\x02\x03\x04"]),
    _format("protobuf", ["pb/a"], [_FILE.SerializeToString()]),
    _format("text", ["text/a/t"], [b"21.5", b"on", "°".encode()]),
    _format("points", ["points/a"], [json.dumps(_POINTS).encode()]),
    _format("bthome", ["bthome/hall/54:48:E6:8F:80:A5"], [json.dumps(_HEARD).encode()]),
)


def _presets() -> Iterable[Parser]:
    """What devices of each preset send, on their own topics."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    retained: dict[str, bytes] = {}
    for case in lines(HERE / "presets.jsonl"):
        found.setdefault(PRESETS[case["protocol"]], []).append((topic_of(case), payload_of(case)))
        said = case.get("context", {}).get("retained", ())
        retained |= {one["topic"]: str(one["payload"]).encode() for one in said}
    for preset, cases in sorted(found.items()):
        topics = list(dict.fromkeys(topic for topic, _ in cases if not topic.startswith("senml")))[:4]
        if topics:
            yield _format(f"of preset {preset}", topics, [payload for _, payload in cases if payload], retained)


def _uplinks() -> Parser:
    cases = [make(b"\x03\x67\x01\x10") for make in (the_things, chirpstack, chirpstack_3, helium, thing_park)]
    return Parser("lorawan uplinks", _each(lambda data: bool(read_uplink(data, NOW))), cases, (UplinkInvalid,))


# Between nodes


_BATCH = encode_readings(header([2, 1]), [batch([0, 1], [1, 2], [1.5, 2.5]), batch([0], [3], [float("nan")])])
_ROWS = batch([0, 1], [1, 2], [1.5, float("nan")])
_TWO = (Series("gw", "a", "t", "Cel", Kind.FLOAT), Series("gw", "a", "h", "%RH", Kind.FLOAT))
_ANSWER = encode_answer(RemoteAnswer(AnswerHeader("ask-1"), _TWO, _ROWS))
_REPLY = encode_reply(CallHeader("call-1", 200), b'{"devices": []}')


def _within(name: str, whole: bytes, read: Callable[[bytes], object]) -> Parser:
    """What stands inside a frame, which Arrow and zstd would otherwise refuse for us."""
    head, content = unseal(whole, 65_536, MIB)

    def parse(data: bytes) -> bool:
        return bool(read(seal(head, data or b" ", Effort.QUICK)))

    return Parser(f"{name}, within", _each(parse), [bytes(content)], (WireError,), most=128 * MIB)


def _batch_of(body: bytes) -> object:
    return decode(body, Limits())


WIRE = (
    Parser("sync frame", _each(lambda data: bool(unseal(data, 65_536, MIB))), [_BATCH], (WireError,)),
    Parser("sync batch", _each(lambda data: bool(_batch_of(data))), [_BATCH], (WireError,), most=128 * MIB),
    _within("sync batch", _BATCH, _batch_of),
    Parser("remote answer", _each(lambda data: bool(decode_answer(data))), [_ANSWER], (WireError,), most=128 * MIB),
    _within("remote answer", _ANSWER, decode_answer),
    Parser("child's reply", _each(lambda data: bool(decode_reply(data))), [_REPLY], (WireError,), most=128 * MIB),
)

PARSERS: tuple[Parser, ...] = (
    *(_server(version) for version in (4, 5)),
    *(_client(version) for version in (4, 5)),
    _websocket(),
    *SERIAL,
    *RADIO,
    *OWN,
    *_presets(),
    _uplinks(),
    *polled.PARSERS,
    *models.PARSERS,
    *WIRE,
)
