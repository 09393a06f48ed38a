"""Pretend Modbus devices, many in one process, on real sockets: `holdfast sim` and the proofs of the adapter use them.

A device's registers are the same in the holding and the input table: floats as f32, whole numbers as i64, booleans as
a register of 0 or 1, texts as 32 bytes, one after the other in the model's order. What is written stays until the
device's next values.
"""

import asyncio
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, cast

import msgspec
from msgspec import Meta, Struct

from holdfast.adapters.modbus.errors import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, Malformed
from holdfast.adapters.modbus.frames import (
    MOST_BYTES,
    MOST_REGISTERS,
    READ_HOLDING,
    READ_INPUT,
    WRITE_REGISTER,
    WRITE_REGISTERS,
    TcpFrames,
    crc16,
)
from holdfast.adapters.modbus.settings import Transport
from holdfast.adapters.modbus.values import Form, form_of
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan, Scalar
from holdfast.transport.addresses import Address, parse_listen
from holdfast.transport.errors import AddressInvalid

_TEXT = 32
_ENCODINGS = {"float": "f32", "int": "i64", "bool": "bool", "text": "text"}
_NOTHING: Mapping[str, Scalar] = {"float": float("nan"), "int": 0, "bool": False, "text": ""}


class ModbusEndSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where they listen.

    address: of the first; units: devices at one address, then the port counts on; 1 = each has a port of its own
    every:   how often a node reads them, in the settings that `--node` writes
    """

    address: str = "127.0.0.1:5020"
    transport: Transport = "tcp"
    units: Annotated[int, Meta(ge=1, le=247)] = 247
    every: str = "1s"

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself."""
        try:
            parse_listen(self.address)
        except AddressInvalid as error:
            yield ("address",), str(error)


class CantListen(HoldfastError):
    """An address isn't free."""

    def __init__(self, address: Address, said: str) -> None:
        super().__init__(f"{address}: {said}. {self.hint}")

    hint = "does another program listen there? `ss -ltnp` shows who"


class _Unit:
    """A device. registers: its image."""

    __slots__ = ("device", "faults", "registers", "said")

    def __init__(self, device: str) -> None:
        self.device = device
        self.registers = bytearray()
        self.faults = SOUND
        self.said = 0

    def answer(self, pdu: bytes) -> bytes:
        """The answer's PDU (Application Protocol V1.1b3 §6)."""
        function = pdu[0]
        if function not in (READ_HOLDING, READ_INPUT, WRITE_REGISTER, WRITE_REGISTERS):
            return bytes([function | 0x80, ILLEGAL_FUNCTION])
        if len(pdu) < 5:
            return bytes([function | 0x80, ILLEGAL_VALUE])
        start, count = struct.unpack_from(">HH", pdu, 1)
        first = 2 * start
        if function in (READ_HOLDING, READ_INPUT):
            if not 1 <= count <= MOST_REGISTERS:
                return bytes([function | 0x80, ILLEGAL_VALUE])
            found = self.registers[first : first + 2 * count]
            if len(found) < 2 * count:
                return bytes([function | 0x80, ILLEGAL_ADDRESS])
            return bytes([function, 2 * count]) + found
        data = pdu[3:5] if function == WRITE_REGISTER else pdu[6:]
        if function == WRITE_REGISTERS and (len(data) != 2 * count or not data):
            return bytes([function | 0x80, ILLEGAL_VALUE])
        if first + len(data) > len(self.registers):
            return bytes([function | 0x80, ILLEGAL_ADDRESS])
        self.registers[first : first + len(data)] = data
        return pdu[:5]


class _Conversation(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, door: "_Door") -> None:
        self._door = door
        self._frames, self._rest = TcpFrames(), b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._door.open.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._door.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        try:
            if self._door.transport == "tcp":
                for number, unit, pdu in self._frames.feed(data):
                    self._asked(number, unit, pdu)
            else:
                self._rest += data
                while (found := _rtu_request(self._rest)) is not None:
                    size, unit, pdu = found
                    self._rest = self._rest[size:]
                    self._asked(0, unit, pdu)
                self._rest = self._rest[-MOST_BYTES:]
        except Malformed:
            self.transport.abort()

    def _asked(self, number: int, unit: int, pdu: bytes) -> None:
        found = self._door.units.get(unit)
        if found is None:
            return
        self._door.heard(found.device)
        if (
            not found.registers or found.faults.dropout or found.faults.half_open
        ):  # silent until it has something to show
            return
        answer = found.answer(pdu)
        if self._door.transport == "tcp":
            frame = struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer
        else:
            body = bytes([unit]) + answer
            frame = body + crc16(body)
        if found.faults.garbage:
            found.said += 1
            frame = _SPOILT[found.said % len(_SPOILT)](frame)
        if found.faults.slow_s:
            asyncio.get_running_loop().call_later(found.faults.slow_s, self._send, frame)
        else:
            self._send(frame)

    def _send(self, frame: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(frame)


_SPOILT: tuple[Callable[[bytes], bytes], ...] = (
    lambda frame: frame[:-2],  # too short
    lambda frame: bytes(byte ^ 0x5A for byte in frame),  # nothing is right
    lambda frame: frame[:-1] + bytes([frame[-1] ^ 0xFF]) if len(frame) < 8 else frame[:7] + b"\x55" * (len(frame) - 7),
    lambda frame: bytes([frame[0] ^ 1]) + frame[1:],  # another question's answer, or another unit's
    lambda frame: frame[:2] + b"\x00\x09" + frame[4:],  # another protocol
)


def _rtu_request(data: bytes) -> tuple[int, int, bytes] | None:
    """(bytes up to its end, unit, PDU) of the first whole request in `data`."""
    for at in range(len(data) - 7):
        size = 9 + data[at + 6] if data[at + 1] in (15, WRITE_REGISTERS) else 8
        frame = data[at : at + size]
        if len(frame) == size and crc16(frame[:-2]) == frame[-2:]:
            return at + size, frame[0], frame[1:-2]
    return None


class _Door:
    """An address, and the units behind it."""

    def __init__(self, address: Address, transport: Transport) -> None:
        self.address, self.transport = address, transport
        self.units: dict[int, _Unit] = {}
        self.open: set[asyncio.Transport] = set()
        self.heard: Callable[[str], None] = lambda device: None  # noqa: ARG005  # nobody listens
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Raises CantListen."""
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Conversation(self), self.address.host, self.address.port, reuse_address=True
            )
        except OSError as error:
            raise CantListen(self.address, error.strerror or str(error)) from None

    def close(self) -> None:
        """Nobody listens any more; connections break."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self.open):
            transport.abort()


class ModbusEnd:
    """Implements `sim.ends.port.End`.

    dropout: an address with one device doesn't listen; of several, the unit's silent. half_open: it listens, and is
    silent. garbage: answers are cut short, spoilt, numbered wrong, and another protocol's, in turn.
    """

    def __init__(self, name: str, settings: ModbusEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        self._name, self._settings, self._devices = name, settings, devices
        self._units: dict[str, _Unit] = {}
        self._doors: dict[str, _Door] = {}
        by_port: dict[int, _Door] = {}
        first = parse_listen(settings.address)
        for device, plan in devices.items():
            port = first.port + plan.number // settings.units
            door = by_port.setdefault(port, _Door(Address(first.host, port), settings.transport))
            unit = _Unit(device)
            door.units[plan.number % settings.units + 1] = unit
            self._units[device], self._doors[device] = unit, door
        self._forms = {device: [(key, one, _form(one)) for key, one in plan.points.items()]
                       for device, plan in devices.items()}  # fmt: skip

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """The device's registers, big-endian as they go. A point without a value is a NaN, 0 or empty."""
        del at_ns  # Modbus has no times
        said = (form.encode(values.get(key, _NOTHING[one.type])) for key, one, form in self._forms[device])
        return [b"".join(said)]

    def on_question(self, heard: Callable[[str], None]) -> None:
        """Have every question told, by the device it's for: for proofs that measure on the wire."""
        for door in self._doors.values():
            door.heard = heard

    async def start(self) -> None:
        """Listen.

        Raises:
            CantListen: an address isn't free.
        """
        try:
            for door in self._doors.values():
                await door.listen()
        except CantListen:
            await self.stop()
            raise

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        """Make it what is read next."""
        del at_ns
        unit, door = self._units[device], self._doors[device]
        if frames:
            unit.registers[:] = frames[-1]
        unit.faults = faults
        if len(door.units) == 1:
            if faults.dropout:
                door.close()
            else:
                await door.listen()

    async def stop(self) -> None:
        """Close all."""
        for door in self._doors.values():
            door.close()

    def map_yaml(self) -> str:
        """A link, and maps: one for each list of points."""
        files: dict[str, object] = {}
        stems: dict[str, str] = {}
        links: dict[str, object] = {}
        for device, plan in self._devices.items():
            points = _points(plan)
            stem = stems.setdefault(repr(points), f"sim-{self._name}" + (f"-{len(stems) + 1}" if stems else ""))
            files[f"{stem}.yaml"] = {"source": "holdfast sim", "table": "input", "points": points}
            links[device] = {
                "address": str(self._doors[device].address),
                "unit": plan.number % self._settings.units + 1,
                "map": f"{stem}.yaml",
            }
        link = {"transport": self._settings.transport, "every": self._settings.every, "devices": links}
        said = {"modbus": {f"sim-{self._name}": link}, "files": files}
        return msgspec.yaml.encode(said).decode()


def _form(point: PointPlan) -> Form:
    return form_of(_ENCODINGS[point.type], "ABCD", _TEXT if point.type == "text" else 0, None)


def _points(plan: DevicePlan) -> dict[str, dict[str, object]]:
    at, found = 0, dict[str, dict[str, object]]()
    for key, one in plan.points.items():
        said: dict[str, object] = {"at": at, "as": _ENCODINGS[one.type], "metric": one.metric}
        if one.unit:
            said["unit"] = one.unit
        if one.type == "int":
            said["type"] = "int"
        if one.type == "text":
            said["length"] = _TEXT
        found[key] = said
        at += _form(one).registers
    return found
