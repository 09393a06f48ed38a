"""The adapter against devices on loopback: polls, refusals, silence, writes with read-back."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from random import Random

import pytest
from tests.unit.adapters.modbus.devices import Device, Talker, device
from tests.waiting import until

from holdfast.adapters.errors import DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.adapters.modbus.adapter import ModbusAdapter
from holdfast.adapters.modbus.maps import MapFile, RegisterMap, RegisterPoint, compiled
from holdfast.adapters.modbus.settings import ModbusDevice, ModbusSettings
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.model.points import Scalar
from holdfast.telemetry.happenings import Telemetry

METER = compiled(
    "meter",
    MapFile(
        gap=20,
        points={
            "power": RegisterPoint(at=0, as_="f32", metric="power", unit="W"),
            "energy": RegisterPoint(at=2, as_="u32", metric="energy", every=0.1),
            "ghost": RegisterPoint(at=8, metric="ghost"),
            "setpoint": RegisterPoint(at=4, as_="i16", metric="setpoint", writable=True),
            "limit": RegisterPoint(at=5, as_="f32", metric="limit", writable=True),
            "mode": RegisterPoint(at=7, bits="4-7", metric="mode", writable=True),
            "valve": RegisterPoint(at=3, table="coil", metric="valve", writable=True),
            "stubborn": RegisterPoint(at=10, metric="stubborn", writable=True, write_with="multiple"),
            "sealed": RegisterPoint(at=11, metric="sealed", writable=True),
        },
    ),
)


class Meter:
    """A device with registers 0 to 7, 10 and 11, and coils 0 to 7. Register 10 stays 7, 11 can't be written."""

    def __init__(self) -> None:
        self.registers = bytearray(struct.pack(">fIhfH", 230.5, 1000, -5, 1.5, 0xABCD) + bytes(4) + b"\0\7\0\1")
        self.coils = 0b0000
        self.mood = "well"

    def __call__(self, talker: Talker, data: bytes) -> None:
        for at in range(0, len(data), 12):
            frame = data[at:]
            if self.mood == "mute":
                return
            pdu = self.answer(frame[7 : 6 + struct.unpack(">H", frame[4:6])[0]])
            talker.say(frame[:4] + struct.pack(">HB", len(pdu) + 1, frame[6]) + pdu)
            if frame[7] > 6:
                return

    def answer(self, pdu: bytes) -> bytes:
        function, start, count = struct.unpack(">BHH", pdu[:5])
        if self.mood.isdigit():
            return bytes([function | 0x80, int(self.mood)])
        if function == 1:
            return bytes([1, 1, self.coils >> start & ((1 << count) - 1)])
        if function == 3:
            if start + count > 12 or any(at in (8, 9) for at in range(start, start + count)):
                return b"\x83\2"
            return bytes([3, 2 * count]) + self.registers[2 * start : 2 * (start + count)]
        return self.write(pdu, start, count)

    def write(self, pdu: bytes, start: int, count: int) -> bytes:
        if pdu[0] == 5:
            self.coils = self.coils | 1 << start if count else self.coils & ~(1 << start)
            return pdu
        if start == 11:
            return bytes([pdu[0] | 0x80, 3])
        data = pdu[3:5] if pdu[0] == 6 else pdu[6:]
        if start != 10:
            self.registers[2 * start : 2 * start + len(data)] = data
        if self.mood == "deaf after":
            self.mood = "mute"
        return bytes([pdu[0] | 0x80, 0x0B]) if self.mood == "done in silence" else pdu[:5]


class Box:
    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        arrival.receipt.settle()
        return True

    def when_drained(self, callback: Callable[[], None]) -> None:
        raise AssertionError(callback)

    def messages(self, topic: str) -> list[dict[str, Scalar]]:
        return [json.loads(one) for a in self.arrivals if a.topic == topic for one in a.payloads]

    def qualities(self) -> list[tuple[str, str]]:
        found = [json.loads(one) for a in self.arrivals if a.topic.endswith("/q") for one in a.payloads]
        return [(point["n"], point["q"]) for message in found for point in message["points"]]


def adapter(one: Device, box: Box, found: RegisterMap = METER, **more: object) -> ModbusAdapter:
    settings: dict[str, object] = {"every": 0.03, "timeout": 0.15, "failures": 2, **more}
    devices = {"m": ModbusDevice(map="meter.yaml", unit=3)}
    made = ModbusSettings(devices=devices, address=str(one.address), **settings)  # type: ignore[arg-type]
    clock = SystemClock()
    maps: Mapping[str, RegisterMap] = {"meter.yaml": found}
    return ModbusAdapter("hall", made, maps, box, clock, Telemetry(clock, lambda _: None), Random(1))


def play(body: Callable[[ModbusAdapter, Meter, Device, Box], Awaitable[None]], *, running: bool = True) -> Box:
    box, meter = Box(), Meter()

    async def run() -> None:
        async with device(meter) as one:
            made = adapter(one, box)
            task = asyncio.create_task(made.run()) if running else None
            await body(made, meter, one, box)
            await made.stop(1.0)
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return box


def test_values_come_in_blocks_and_slower_points_less_often() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        await until(lambda: len(box.messages("points/modbus/meter")) > 30)
        assert made.status().state == "working"
        assert made.status().detail.startswith("1 of 1 devices answer; 9 values in ")
        (state,) = made.devices()
        assert (state.device, state.state, state.where) == ("m", "working", f"{one.address} unit 3")
        assert "illegal data address" in state.error or state.error == ""

    box = play(body)
    said = box.messages("points/modbus/meter")
    fast = [m for m in said if "power" in m]
    slow = [m for m in said if "energy" in m]
    assert len(fast) > 2 * len(slow) > 2
    assert {k: v for k, v in fast[0].items() if k not in ("ts", "device")} == {
        "power": 230.5, "setpoint": -5, "limit": 1.5, "mode": 0xC, "valve": False, "stubborn": 7, "sealed": 1
    }  # fmt: skip
    assert {k: v for k, v in slow[0].items() if k not in ("ts", "device")} == {"energy": 1000}


def test_a_register_that_is_not_there_is_bad_once_and_the_rest_goes_on() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        await until(lambda: len(box.messages("points/modbus/meter")) > 10)

    box = play(body)
    assert box.qualities() == [("ghost", "bad")]


def test_a_device_that_falls_silent_is_offline_once_and_comes_back_without_help() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        await until(lambda: len(box.messages("points/modbus/meter")) > 3)
        meter.mood = "mute"
        await until(lambda: ("power", "offline") in box.qualities())
        await until(lambda: made.status().state == "failing")
        assert "no answer within" in made.devices()[0].error
        before = len(box.messages("points/modbus/meter"))
        meter.mood = "well"
        await until(lambda: len(box.messages("points/modbus/meter")) > before + 3)
        await until(lambda: box.qualities()[-1] == ("ghost", "bad"))
        assert made.status().state == "working"

    box = play(body)
    assert box.qualities().count(("power", "offline")) == 1
    assert box.qualities()[-1] == ("ghost", "bad")  # and not offline: the device answers, it just has none


def test_a_stop_in_the_middle_of_a_question_is_no_fault_of_the_device() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        await until(lambda: box.messages("points/modbus/meter"))
        meter.mood = "mute"
        for _ in range(3):
            await asyncio.sleep(0.03)
            await made.stop(1.0)

    assert ("power", "offline") not in play(body).qualities()


def test_a_busy_device_lives_and_its_values_are_bad_meanwhile() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        await until(lambda: box.messages("points/modbus/meter"))
        meter.mood = "6"
        await until(lambda: ("power", "bad") in box.qualities())
        (state,) = made.devices()
        assert (state.state, "busy" in state.error) == ("working", True)
        meter.mood = "11"
        await until(lambda: ("power", "offline") in box.qualities())
        assert "gateway target device failed to respond" in made.devices()[0].error

    play(body)


def test_a_device_that_says_nothing_but_rubbish_is_offline_until_it_says_something_else() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        await until(lambda: box.messages("points/modbus/meter"))
        one.behave = lambda talker, _: talker.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await until(lambda: ("power", "offline") in box.qualities())
        assert "no Modbus TCP" in made.devices()[0].error
        one.behave = meter
        before = len(box.messages("points/modbus/meter"))
        await until(lambda: len(box.messages("points/modbus/meter")) > before)

    play(body)


def test_writes_are_read_back() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        assert made.writes("m")
        assert not made.writes("n")
        assert made.map_of("m") is METER.map
        assert await made.write("m", {"setpoint": 21.0, "limit": 2.25, "valve": True, "mode": 3}) == {
            "setpoint": 21, "limit": 2.25, "valve": True, "mode": 3
        }  # fmt: skip
        assert meter.registers[8:16] == struct.pack(">hfH", 21, 2.25, 0xAB3D)
        assert meter.coils == 0b1000
        functions = [frame[7] for frame in one.asked if frame[7] > 4]
        assert functions == [6, 16, 5, 6]

    play(body, running=False)


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"power": 1.0}, WriteRefused, "isn't `writable`"),
        ({"speed": 1.0}, WriteRefused, "has no `speed`.*writable are `setpoint`, `limit`"),
        ({"setpoint": 40_000.0}, WriteRefused, "-32768 to 32767"),
        ({"valve": 2.0}, WriteRefused, "true or false"),
        ({"mode": 16}, WriteRefused, "doesn't fit into 4 bits"),
        ({"sealed": 5}, WriteRefused, "illegal data value"),
        ({"stubborn": 5}, WriteFailed, "reads 7 afterwards"),
        ({"setpoint": 5, "sealed": 5}, WriteFailed, "`setpoint` was written; `sealed`"),
    ],
)
def test_a_write_that_can_not_be_is_refused_in_words(
    values: dict[str, Scalar], error: type[Exception], said: str
) -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        with pytest.raises(error, match=said):
            await made.write("m", values)

    play(body, running=False)


def test_what_cannot_be_said_about_a_write_is_said_to_be_in_doubt() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        meter.mood = "deaf after"
        with pytest.raises(WriteFailed, match="was written, and can't be read back"):
            await made.write("m", {"setpoint": 5})
        meter.mood = "done in silence"
        assert await made.write("m", {"setpoint": 6}) == {"setpoint": 6}
        one.behave = lambda talker, frame: talker.transport.abort() if frame[7] == 6 else meter(talker, frame)
        with pytest.raises(WriteFailed, match="`setpoint` was written, and reads 6 afterwards"):
            await made.write("m", {"setpoint": 7})
        one.behave = meter
        meter.mood = "10"
        with pytest.raises(DeviceUnreachable, match="gateway path unavailable"):
            await made.write("m", {"setpoint": 5})
        meter.mood = "6"
        with pytest.raises(DeviceUnreachable, match="busy"):
            await made.write("m", {"setpoint": 5})
        one.close()
        await asyncio.sleep(0.02)
        with pytest.raises(DeviceUnreachable):
            await made.write("m", {"setpoint": 5})

    play(body, running=False)


def test_a_try_says_what_it_found_or_what_to_do() -> None:
    async def body(made: ModbusAdapter, meter: Meter, one: Device, box: Box) -> None:
        said = await made.try_once()
        assert said.startswith(f"1 of 1 devices answer: m at {one.address} unit 3: power = 230.5 (and holding 8")
        meter.mood = "mute"
        with pytest.raises(
            DeviceUnreachable, match=r"0 of 1 devices answer; m at .* unit 3: no answer. is `unit` right"
        ):
            await made.try_once()
        one.close()
        await asyncio.sleep(0.02)
        with pytest.raises(DeviceUnreachable, match="is it on, and the address right"):
            await made.try_once()

    assert play(body, running=False).arrivals == []


def test_sample_and_maps_lie_where_the_readme_says() -> None:
    folder = Path(__file__).parents[4] / "src/holdfast/adapters/modbus"
    readme = (folder / "README.md").read_text()
    for file in (folder / "builtin").glob("*.yaml"):
        assert f"builtin:{file.stem}" in readme
