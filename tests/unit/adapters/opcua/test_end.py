"""The simulator's end: its bytes, and what it says when it can't listen."""

import asyncio
import contextlib
import socket
import struct
from datetime import UTC, datetime

import msgspec
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from tests.ports import free_port

from holdfast.adapters.opcua.binary import DataValue, Reader
from holdfast.sim.ends.opcua import CantListen, OpcuaEnd, OpcuaEndSettings
from holdfast.sim.ends.port import DevicePlan, PointPlan, Scalar

POINTS = {"force": PointPlan("press.force", "N"), "strokes": PointPlan("press.strokes", "", "int"),
          "on": PointPlan("press.on", "", "bool"), "mode": PointPlan("press.mode", "", "text")}  # fmt: skip
VALUES: dict[str, Scalar] = {"force": 1.5, "strokes": 2**62 + 1, "on": True, "mode": "grün"}
AT, TIME = 1_767_323_045_678_000_000, datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def end(address: str = "127.0.0.1:4840", units: int = 2) -> OpcuaEnd:
    plans = {f"press-{i}": DevicePlan(i, POINTS) for i in range(3)}
    return OpcuaEnd("hall", OpcuaEndSettings(address=address, units=units), plans)


def test_frames_are_the_same_bytes_each_time_and_what_asyncua_would_write() -> None:
    first = end().frames("press-0", AT, VALUES)
    assert first == end().frames("press-0", AT, VALUES)
    types = ua.VariantType.Double, ua.VariantType.Int64, ua.VariantType.Boolean, ua.VariantType.String
    wanted = [
        ua.DataValue(ua.Variant(value, type_), None, TIME) for value, type_ in zip(VALUES.values(), types, strict=True)
    ]
    assert first == [struct_to_binary(one) for one in wanted]
    nothing = end().frames("press-0", AT, {})[0]
    assert Reader(nothing).data_value() == DataValue(0, None, ua.StatusCodes.BadNoData, AT)


def test_the_settings_that_read_it_have_a_link_a_server_and_each_devices_nodes() -> None:
    links = msgspec.yaml.decode(end().map_yaml())["opcua"]
    assert {name: (link["url"], list(link["devices"])) for name, link in links.items()} == {
        "sim-hall": ("opc.tcp://127.0.0.1:4840", ["press-0", "press-1"]),
        "sim-hall-2": ("opc.tcp://127.0.0.1:4841", ["press-2"]),
    }
    assert links["sim-hall"]["devices"]["press-1"]["nodes"]["strokes"] == {
        "id": "nsu=urn:holdfast:sim:hall;s=press-1.strokes", "metric": "press.strokes", "type": "int",
    }  # fmt: skip


def test_an_address_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        one = end(f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(CantListen, match="ss -ltnp"):
            asyncio.run(one.start())


def test_it_closes_whatever_moment_a_client_comes_in_and_stays() -> None:
    async def go() -> None:
        ends = {port: end(f"127.0.0.1:{port}", units=3) for port in (free_port() for _ in range(3))}
        for one in ends.values():
            await one.start()
        staying = []
        for port in ends:  # each has come a turn of the loop less far when all are closed
            staying.append(socket.create_connection(("127.0.0.1", port)))
            await asyncio.sleep(0)
        for _ in range(2):  # later than a connection that asyncio itself loses (Python 3.11)
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await asyncio.gather(*(one.stop() for one in ends.values()))
        for client in staying:
            client.close()

    asyncio.run(go())


def test_nobody_is_let_in_before_there_is_somebody_to_talk_to() -> None:
    async def go() -> None:
        port = free_port()
        one = end(f"127.0.0.1:{port}", units=3)
        starting = asyncio.create_task(one.start())
        url = f"opc.tcp://127.0.0.1:{port}".encode()
        hello = struct.pack("<4sIIIIIIi", b"HELF", 32 + len(url), 0, 65_536, 65_536, 0, 0, len(url)) + url
        try:
            async with asyncio.timeout(20):
                while (connected := await connection(port)) is None:  # noqa: ASYNC110  # a port tells nobody
                    await asyncio.sleep(0)
                reader, writer = connected
                writer.write(hello)
                assert await reader.readexactly(4) == b"ACKF"
                writer.close()
        finally:
            await starting
            await one.stop()

    asyncio.run(go())


async def connection(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    with contextlib.suppress(ConnectionRefusedError):
        return await asyncio.open_connection("127.0.0.1", port)
    return None
