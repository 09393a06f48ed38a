"""Pretend machines behind OPC UA servers: `holdfast sim` and the proofs of the adapter use them.

A device is an object with a variable a point, `nsu=urn:holdfast:sim:NAME;s=DEVICE.POINT`; floats are Double, whole
numbers Int64. Its frames are the DataValues in OPC UA's binary encoding (Part 6 §5.2.2.17), each with the device's time
as SourceTimestamp. Each server stands behind a gate of its own, where what goes wrong on the wire is done.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from struct import pack
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct

from holdfast.adapters.opcua.binary import BOOL, DOUBLE, INT64, STRING, TICKS_1970
from holdfast.kernel.errors import HoldfastError
from holdfast.kernel.scalars import Duration
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, Scalar
from holdfast.transport.addresses import Address, parse_listen
from holdfast.transport.errors import AddressInvalid

_TYPES = {"float": DOUBLE, "int": INT64, "bool": BOOL, "text": STRING}
_FORMATS = {DOUBLE: "<Bd", INT64: "<Bq", BOOL: "<B?"}
_NO_COMMUNICATION = 0x80310000
_NO_DATA = 0x809B0000
_VALUE, _STATUS, _SOURCE_TIME = 1, 2, 4
_CHUNK = 65_536


class OpcuaEndSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where they listen.

    address:       of the first server; units: devices at one server, then the port counts on
    publish_every: how often a node is told, in the settings that `--node` writes
    """

    address: str = "127.0.0.1:4840"
    units: Annotated[int, Meta(ge=1, le=1_000)] = 100
    publish_every: Duration = 0.5

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself."""
        try:
            parse_listen(self.address)
        except AddressInvalid as error:
            yield ("address",), str(error)


class CantListen(HoldfastError):
    """An address isn't free."""

    hint = "does another program listen there? `ss -ltnp` shows who"

    def __init__(self, address: Address, said: str) -> None:
        super().__init__(f"{address}: {said}. {self.hint}")


def encoded(type_: int, value: Scalar | None, at_ns: int) -> bytes:
    """A DataValue; without a value its status is BadNoData."""
    time = pack("<q", at_ns // 100 + TICKS_1970)
    if value is None:
        return pack("<BI", _STATUS | _SOURCE_TIME, _NO_DATA) + time
    if type_ == STRING:
        text = str(value).encode()
        body = pack("<Bi", STRING, len(text)) + text
    else:
        body = pack(_FORMATS[type_], type_, float(value) if type_ == DOUBLE else int(value))
    return bytes((_VALUE | _SOURCE_TIME,)) + body + time


class _Server:
    """asyncua's server, and the gate before it."""

    def __init__(self, address: Address, space: str) -> None:
        self.address, self.space = address, space
        self.faults: dict[str, Faults] = {}
        self._inner: Any = None
        self._gate: asyncio.Server | None = None
        self._inner_port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._talks: set[asyncio.Task[None]] = set()
        self._index = 0

    async def start(self, points: Mapping[str, Mapping[str, int]]) -> None:
        """points: device to its points' types."""
        from asyncua import Server, ua  # noqa: PLC0415  # of an extra

        with self._telling():
            self._gate = await asyncio.start_server(
                self._arrived, self.address.host, self.address.port, start_serving=False
            )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._inner_port = probe.getsockname()[1]
        self._inner = server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://{self.address}")
        server.socket_address = ("127.0.0.1", self._inner_port)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self._index = await server.register_namespace(self.space)
        for device, types in points.items():
            folder = await server.nodes.objects.add_object(ua.NodeId(device, self._index), device)
            for point, type_ in types.items():
                kind = ua.VariantType(type_)
                node = ua.NodeId(f"{device}.{point}", self._index)
                initial = ua.Variant(None if type_ == STRING else kind_zero(type_), kind)
                await folder.add_variable(node, f"{self._index}:{point}", initial)
                nothing = ua.DataValue(StatusCode=ua.StatusCode(_NO_DATA))  # until it's shown something
                await server.write_attribute_value(node, nothing)
        await server.start()
        with self._telling():  # nobody is let in before there is somebody to talk to
            await self._gate.start_serving()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CantListen(self.address, error.strerror or str(error)) from None

    async def write(self, device: str, point: str, data: bytes) -> None:
        """Make it what is told next."""
        from asyncua import ua  # noqa: PLC0415  # of an extra
        from asyncua.ua.ua_binary import struct_from_binary  # noqa: PLC0415  # as above

        value = struct_from_binary(ua.DataValue, ua.utils.Buffer(data))
        if self.faults.get(device, SOUND).dropout:  # what a controller says of a machine that it doesn't reach
            value = ua.DataValue(StatusCode=ua.StatusCode(_NO_COMMUNICATION), SourceTimestamp=value.SourceTimestamp)
        if self._inner is not None:
            await self._inner.write_attribute_value(ua.NodeId(f"{device}.{point}", self._index), value)

    async def obey(self) -> None:
        """Cut what is open, where the wire is to fail."""
        if self._is_gone() or self._is_mute():
            for writer in list(self._open):
                writer.transport.abort()

    def _is_gone(self) -> bool:
        return bool(self.faults) and all(one.dropout for one in self.faults.values())

    def _is_mute(self) -> bool:
        return any(one.half_open for one in self.faults.values())

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        self._open.add(writer)
        try:
            if self._gate is None or self._is_gone():  # closed in the moment between being met and being heard
                return
            if self._is_mute():
                while await reader.read(_CHUNK):
                    pass
                return
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._inner_port)
            self._open.add(there_writer)
            try:
                ways = (
                    self._carry(reader, there_writer, is_answer=False),
                    self._carry(there_reader, writer, is_answer=True),
                )
                await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._open.discard(there_writer)
                there_writer.transport.abort()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if is_answer and any(one.garbage for one in self.faults.values()):
                    data = bytes(byte ^ 0x5A if i % 7 == 5 else byte for i, byte in enumerate(data))
                slow_s = max((one.slow_s for one in self.faults.values()), default=0.0) if is_answer else 0.0
                if slow_s:
                    await asyncio.sleep(slow_s)
                writer.write(data)
                await writer.drain()

    async def stop(self) -> None:
        """Close all. No connection may begin any more: the library waits until every one of its own has ended."""
        gate, inner, self._gate, self._inner = self._gate, self._inner, None, None
        if gate is not None:
            gate.close()
        for writer in list(self._open):
            writer.transport.abort()
        if self._talks:
            await asyncio.wait(list(self._talks), timeout=2)
        if inner is not None:
            await inner.stop()


def kind_zero(type_: int) -> float | int | bool:
    """What a variable holds before its first value."""
    return {DOUBLE: 0.0, INT64: 0, BOOL: False}[type_]


class OpcuaEnd:
    """Implements `sim.ends.port.End`.

    dropout: the device's values are BadNoCommunication; if all devices of a server drop out, it takes no connections.
    slow_s, half_open and garbage are the whole server's, as is its connection: answers late, none, or spoilt.
    """

    def __init__(self, name: str, settings: OpcuaEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        self._name, self._settings, self._devices = name, settings, devices
        self._servers: dict[int, _Server] = {}
        self._of: dict[str, _Server] = {}
        first = parse_listen(settings.address)
        for device, plan in devices.items():
            port = first.port + plan.number // settings.units
            server = self._servers.get(port)
            if server is None:
                server = self._servers[port] = _Server(Address(first.host, port), f"urn:holdfast:sim:{name}")
            self._of[device] = server
            server.faults[device] = SOUND
        self._types = {
            device: {point: _TYPES[one.type] for point, one in plan.points.items()} for device, plan in devices.items()
        }
        self._late: set[asyncio.Task[None]] = set()

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """A DataValue for each point, in the model's order."""
        return [encoded(type_, values.get(point), at_ns) for point, type_ in self._types[device].items()]

    async def start(self) -> None:
        """Listen.

        Raises:
            CantListen: an address isn't free.
        """
        from holdfast.adapters.opcua.guards import quiet  # noqa: PLC0415  # of an extra

        quiet()
        try:
            for server in self._servers.values():
                mine = {device: self._types[device] for device, one in self._of.items() if one is server}
                await server.start(mine)
        except BaseException:
            await self.stop()
            raise

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        """Make it what is told next."""
        del at_ns
        server = self._of[device]
        if server.faults[device] != faults:
            server.faults[device] = faults
            await server.obey()
        for point, data in zip(self._types[device], frames, strict=False):
            await server.write(device, point, data)

    async def stop(self) -> None:
        """Close all."""
        for server in self._servers.values():
            await server.stop()

    def map_yaml(self) -> str:
        """A link a server, with its devices' nodes."""
        links: dict[str, object] = {}
        for i, (port, server) in enumerate(self._servers.items()):
            devices = {
                device: {"nodes": self._nodes(device, plan)}
                for device, plan in self._devices.items()
                if self._of[device] is server
            }
            name = f"sim-{self._name}" + (f"-{i + 1}" if i else "")
            links[name] = {
                "url": f"opc.tcp://{server.address.host}:{port}",
                "publish_every": f"{round(self._settings.publish_every * 1_000)}ms",
                "devices": devices,
            }
        return msgspec.yaml.encode({"opcua": links}).decode()

    def _nodes(self, device: str, plan: DevicePlan) -> dict[str, object]:
        found: dict[str, object] = {}
        for point, one in plan.points.items():
            said = {"id": f"nsu={self._of[device].space};s={device}.{point}", "metric": one.metric}
            said |= {"unit": one.unit} if one.unit else {}
            said |= {"type": one.type} if one.type != "float" else {}
            found[point] = cast("object", said)
        return found
