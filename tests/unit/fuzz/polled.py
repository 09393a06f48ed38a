"""Rows of the table: what the plant's devices answer (Modbus, OPC UA, BACnet/IP, CoAP)."""

import json
from collections.abc import Callable

import cbor2
from tests.unit.adapters.bacnet.test_services import AI1, ANSWER, NOTICE
from tests.unit.adapters.opcua.test_binary import SOUND
from tests.unit.fuzz.harness import MIB, Parse, Parser

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.errors import FrameInvalid
from holdfast.adapters.bacnet.frames import Function, everywhere, unconfirmed
from holdfast.adapters.bacnet.frames import read as read_datagram
from holdfast.adapters.coap.values import read as read_resource
from holdfast.adapters.errors import DeviceFaulted
from holdfast.adapters.modbus.frames import READ_HOLDING, RtuFrames, TcpFrames, data_of, rtu_frame
from holdfast.adapters.modbus.frames import read as question_of
from holdfast.adapters.opcua import answers
from holdfast.adapters.opcua.errors import Malformed

NOW = 1_795_187_068_000_000_000
_ASKED = question_of(READ_HOLDING, 0, 3)
_GOOD = bytes([3, 6, 1, 2, 3, 4, 5, 6])
_I_AM = services.i_am(7)
_SERVICES: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {
    "reads": (services.multiple_read, [ANSWER]),
    "introductions": (services.introduction, [_I_AM]),
    "who-is": (services.asked_who, [services.who_is(5, 9)]),
    "notices": (lambda data: services.notice(data, confirmed=True), [NOTICE]),
    "one read": (lambda data: services.property_read(data, AI1), [bytes.fromhex("0c00000001 1955 3e 4440600000 3f")]),
}
_DATAGRAMS = [everywhere(unconfirmed(0, _I_AM), Function.BROADCAST)]
_SENML = [{"bn": "a/", "bt": 1_795_187_000, "n": "t", "v": 21.5}, {"n": "h", "v": 40}]
_RESOURCES: dict[str, tuple[int | None, dict[str, str], list[bytes]]] = {
    "text": (None, {"t": ""}, [b"21.5", b"true", b"on"]),
    "json": (50, {"t": "air.t", "all": ""}, [b'{"air": {"t": 21.5}}', b"21.5"]),
    "cbor": (60, {"t": "air.t"}, [cbor2.dumps({"air": {"t": 21.5}}), cbor2.dumps(21.5)]),
    "senml json": (110, {"t": "t", "h": "a/h"}, [json.dumps(_SENML).encode()]),
    "senml cbor": (112, {"t": "t"}, [cbor2.dumps([{-2: "a/", 0: "t", 2: 21.5}])]),
}


def _each(parse: Parse) -> Callable[[], Parse]:
    return lambda: parse


def _tcp(data: bytes) -> bool:
    found = TcpFrames().feed(data)
    return any(data_of(_ASKED, pdu) for _, _, pdu in found)


def _rtu(data: bytes) -> bool:
    frames = RtuFrames(17, _ASKED)
    pdu = frames.feed(data[: len(data) // 2]) or frames.feed(data[len(data) // 2 :])
    return pdu is not None and bool(data_of(_ASKED, pdu))


def _resource(name: str) -> Parser:
    kind, records, corpus = _RESOURCES[name]
    refused = (DeviceFaulted,)
    parse = _each(lambda data: bool(read_resource(data, kind, records, NOW)))
    return Parser(f"coap resource, {name}", parse, corpus, refused)


def _service(name: str) -> Parser:
    read, corpus = _SERVICES[name]
    return Parser(f"bacnet {name}", _each(lambda data: bool(read(data))), corpus, (DeviceFaulted,))


def _datagram(data: bytes) -> bool:
    return read_datagram(data, "10.0.0.9", 47_808) is not None


PARSERS = (
    Parser("modbus tcp", _each(_tcp), [b"\0\1\0\0\0\x09\x11" + _GOOD], (DeviceFaulted,), most=4 * MIB),
    Parser("modbus rtu", _each(_rtu), [rtu_frame(17, _GOOD)], (DeviceFaulted,), most=4 * MIB),
    Parser("bacnet datagrams", _each(_datagram), _DATAGRAMS, (FrameInvalid,)),
    *(_service(name) for name in _SERVICES),
    Parser("opc ua binary", _each(lambda data: answers.published(data) is not None), SOUND, (Malformed,)),
    *(_resource(name) for name in _RESOURCES),
)
