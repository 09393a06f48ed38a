"""Pretend Modbus devices: what pymodbus reads there, what the adapter reads back, and faults on the wire."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from tests.ports import free_port

from holdfast.adapters.errors import AdapterError
from holdfast.adapters.modbus.frames import READ_INPUT, read
from holdfast.adapters.modbus.link import Link
from holdfast.adapters.modbus.maps import load_map
from holdfast.adapters.modbus.settings import Transport
from holdfast.sim.ends.modbus import CantListen, ModbusEnd, ModbusEndSettings
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan, Scalar
from holdfast.transport.addresses import Address

POINTS = {
    "power": PointPlan("electric.power", "W"),
    "count": PointPlan("starts", type="int"),
    "on": PointPlan("pump.on", type="bool"),
    "name": PointPlan("name", type="text"),
}
VALUES: dict[str, Scalar] = {"power": 230.5, "count": -7, "on": True, "name": "pump é"}


def end(transport: Transport = "tcp", units: int = 247, count: int = 3) -> ModbusEnd:
    settings = ModbusEndSettings(address=f"127.0.0.1:{free_port()}", transport=transport, units=units)
    return ModbusEnd("hall", settings, {f"pump-{n}": DevicePlan(n, POINTS) for n in range(count)})


def played(one: ModbusEnd, body: Callable[[int], Awaitable[None]]) -> None:
    async def run() -> None:
        await one.start()
        try:
            for device in ("pump-0", "pump-1", "pump-2"):
                await one.show(device, 0, one.frames(device, 0, VALUES), SOUND)
            link = yaml.safe_load(one.map_yaml())["modbus"]["sim-hall"]
            await body(int(link["devices"]["pump-0"]["address"].rpartition(":")[2]))
        finally:
            await one.stop()
            await one.stop()

    asyncio.run(run())


@pytest.mark.parametrize("transport", ["tcp", "rtu-over-tcp"])
def test_pymodbus_reads_and_writes_them(transport: Transport) -> None:
    one = end(transport)

    async def body(port: int) -> None:
        framer = FramerType.SOCKET if transport == "tcp" else FramerType.RTU
        client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=framer, timeout=1, retries=0)
        assert await client.connect()
        answer = await client.read_input_registers(0, count=7, device_id=2)
        assert b"".join(r.to_bytes(2, "big") for r in answer.registers) == one.frames("pump-1", 0, VALUES)[0][:14]
        assert (await client.read_holding_registers(20, count=10, device_id=2)).exception_code == 2
        assert (await client.read_coils(0, device_id=2)).exception_code == 1
        await client.write_register(6, 0, device_id=2)
        await client.write_registers(0, [1, 2], device_id=2)
        assert (await client.read_holding_registers(0, count=7, device_id=2)).registers == [
            1,
            2,
            *[0xFFFF] * 3,
            0xFFF9,
            0,
        ]
        with pytest.raises(ModbusException):
            await client.read_holding_registers(0, count=1, device_id=9)
        client.close()

    played(one, body)


def test_the_maps_it_writes_read_back_what_it_shows(tmp_path: Path) -> None:
    one = end(units=1)
    said = yaml.safe_load(one.map_yaml())
    ((name, file),) = said["files"].items()
    (tmp_path / name).write_text(yaml.safe_dump(file))
    found, _ = load_map(tmp_path / name)
    image = one.frames("pump-0", 5, VALUES)[0]
    assert {
        key: point.form.decode(image[2 * point.start : 2 * point.end]) for key, point in found.points.items()
    } == VALUES
    links = said["modbus"]["sim-hall"]["devices"]
    ports = [int(link["address"].rpartition(":")[2]) for link in links.values()]
    assert ports == [ports[0], ports[0] + 1, ports[0] + 2]
    assert one.frames("pump-0", 5, VALUES) == [image]


@pytest.mark.parametrize(
    "fault", [Faults(dropout=True), Faults(half_open=True), Faults(garbage=True), Faults(slow_s=9)]
)
@pytest.mark.parametrize("transport", ["tcp", "rtu-over-tcp"])
def test_faults_are_on_the_wire_and_a_device_s_own(fault: Faults, transport: Transport) -> None:
    one = end(transport)

    async def body(port: int) -> None:
        link, question = Link(Address("127.0.0.1", port), transport), read(READ_INPUT, 0, 7)
        sound = one.frames("pump-0", 0, VALUES)
        await one.show("pump-0", 0, sound, fault)
        for _ in range(6):
            with contextlib.suppress(AdapterError, TimeoutError):
                assert await link.ask(1, question, 0.03) != sound[0][:14]
            assert await link.ask(2, question, 1.0) == sound[0][:14]
        await one.show("pump-0", 0, sound, SOUND)
        assert await link.ask(1, question, 1.0) == sound[0][:14]
        link.close()

    played(one, body)


def test_a_port_that_is_taken_is_said() -> None:
    one = end()
    other = ModbusEnd("x", one._settings, {"d": DevicePlan(0, POINTS)})

    async def body(port: int) -> None:
        with pytest.raises(CantListen, match=f"{port}.*already in use.*ss -ltnp"):
            await other.start()

    played(one, body)
