"""Modbus devices that others wrote (npm: jsmodbus, modbus-serial) in front of a real gateway."""

import asyncio
import contextlib
import json
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port
from tests.system.npm import NODE, fetched
from tests.system.test_gateway import Gateway
from tests.waiting import wait_until

from holdfast.model.quality import quality_of
from holdfast.sim.ends.modbus import ModbusEnd, ModbusEndSettings
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan

pytestmark = pytest.mark.system

HERE = Path(__file__).parent / "modbusjs"
MAP = """
table: input
points:
  l1: {at: 0, as: f32, metric: voltage.l1, unit: V, decimals: 3}
  l2: {at: 2, as: f32, metric: voltage.l2, unit: V}
  power: {at: 4, as: f32, metric: power, unit: kW}
  outside: {at: 6, as: i16, metric: temperature.outside, unit: Cel, scale: 0.1}
  energy: {at: 7, as: u32, metric: energy, unit: Wh}
  count: {at: 10, as: f32, metric: count, unit: count}
"""


class Device:
    """A foreign device: a process that speaks Modbus on a port."""

    def __init__(self, folder: Path, script: str, *words: str, port: int = 0) -> None:
        self.port = port or free_port()
        command = [str(NODE), str(folder / script), str(self.port), *words]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Hall:
    """A gateway and its Modbus settings."""

    def __init__(self, folder: Path, modbus: str, maps: dict[str, str] | None = None) -> None:
        for name, text in {"meter": MAP, **(maps or {})}.items():
            (folder / f"{name}.yaml").write_text(text)
        self.gateway = Gateway(folder, f"modbus:\n{modbus}")
        self.gateway.start()

    def stop(self) -> None:
        assert self.gateway.stop() == 0, self.gateway.log()
        for word in ("Traceback", "Exception"):
            assert word not in self.gateway.log(), self.gateway.log()

    def last(self, series: str) -> dict[str, object]:
        """The newest reading of `device/metric`; empty while there's none."""
        found = self.gateway.get(f"/api/v1/last?match={series}")["series"]
        assert isinstance(found, list)
        return found[0] if found else {}

    def qualities(self, series: str) -> list[str]:
        """Of all its readings, oldest first, without repeats in a row."""
        asked = f"/api/v1/query?series={series}&from=-10m&to=now&limit=10000"
        found = self.gateway.get(asked)["series"]
        assert isinstance(found, list)
        said = [quality_of(code).name.lower() for one in found for code in one["quality"]]
        return [now for before, now in zip(["", *said], said, strict=False) if now != before]

    def state(self, device: str, link: str = "modbus:hall") -> dict[str, Any]:
        found: Any = self.gateway.get(f"/api/v1/adapters/{link}/devices")
        return next(one for one in found if one["device"] == device)

    def is_fresh(self, series: str) -> bool:
        """Has a good reading come within the last second?"""
        last = self.last(series)
        return last.get("quality") == "good" and time.time_ns() - int(str(last["ts"])) < 1_000_000_000


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetched(HERE, tmp_path_factory.mktemp("modbusjs"))


def command(one: Hall, device: str, name: str, params: dict[str, object]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{one.gateway.api}/api/v1/devices/{device}/commands"
    body = json.dumps({"name": name, "params": params, "deadline": 10}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # http, as it says
        number = json.load(answer)["id"]
    found: dict[str, Any] = one.gateway.get(f"/api/v1/devices/{device}/commands/{number}?wait=8")
    return found


@contextlib.contextmanager
def hall(folder: Path, modbus: str, maps: dict[str, str] | None = None, *devices: Device) -> Iterator[Hall]:
    one = Hall(folder, modbus, maps)
    try:
        yield one
    finally:
        if one.gateway.process is not None and one.gateway.process.poll() is None:
            one.stop()
        for device in devices:
            if device.process.poll() is None:
                device.kill()


def link(device: Device, rest: str) -> str:
    quick = "every: 100ms, timeout: 500ms, retry_max: 1s, trouble_share: 50%"
    return f"  hall: {{address: '127.0.0.1:{device.port}', {quick}, {rest}}}\n"


@pytest.mark.parametrize("framing", ["tcp", "rtu-over-tcp"])
def test_jsmodbus_values_are_canonical_with_unit_and_quality(scripts: Path, tmp_path: Path, framing: str) -> None:
    device = Device(scripts, "device.mjs", *(["rtu"] if framing != "tcp" else []))
    with hall(
        tmp_path, link(device, f"transport: {framing}, devices: {{m: {{map: meter.yaml}}}}"), None, device
    ) as one:
        wait_until(lambda: one.is_fresh("m/energy"))
        found = {key: one.last(f"m/{key}") for key in ("voltage.l1", "power", "temperature.outside", "energy", "count")}
        assert {
            key: (last["value"], last["unit"], last["quality"]) for key, last in found.items() if key != "count"
        } == {
            "voltage.l1": (230.5, "V", "good"),
            "power": (-3500.0, "W", "good"),
            "temperature.outside": (-4.0, "Cel", "good"),
            "energy": (123456789 * 3600.0, "J", "good"),
        }
        before = float(str(found["count"]["value"]))
        wait_until(lambda: float(str(one.last("m/count")["value"])) > before + 3)
        assert one.state("m")["failures"] == 0


def test_a_device_that_is_killed_frozen_slowed_and_dropped_comes_back_and_others_go_on(
    scripts: Path, tmp_path: Path
) -> None:
    sick, well = Device(scripts, "device.mjs"), Device(scripts, "device.mjs")
    modbus = link(
        sick, f"devices: {{sick: {{map: meter.yaml}}, well: {{map: meter.yaml, address: '127.0.0.1:{well.port}'}}}}"
    )
    with hall(tmp_path, modbus, None, sick, well) as one:
        wait_until(lambda: one.is_fresh("sick/power") and one.is_fresh("well/power"))
        sick.tell("drop")  # a connection that breaks is opened again at once
        sick.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: one.last("sick/power")["quality"] == "bad")
        assert one.last("sick/power")["reason"] == "offline"
        assert one.state("sick")["error"].startswith("no answer within")
        sick.process.send_signal(signal.SIGCONT)
        wait_until(lambda: one.is_fresh("sick/power"))
        sick.kill()
        wait_until(lambda: one.last("sick/power")["quality"] == "bad")
        assert "Connect" in one.state("sick")["error"] or "connection" in one.state("sick")["error"]
        assert one.is_fresh("well/power")
        again = Device(scripts, "device.mjs", port=sick.port)
        wait_until(lambda: one.is_fresh("sick/power"))
        # what is shown last may not be committed yet
        wait_until(lambda: one.qualities("sick/power") == ["good", "bad", "good", "bad", "good"])
        assert one.qualities("well/power") == ["good"]
        assert one.state("well")["failures"] == 0
        again.kill()


def test_units_behind_a_modbus_serial_gateway_fall_silent_and_return_each_for_itself(
    scripts: Path, tmp_path: Path
) -> None:
    gateway = Device(scripts, "line.mjs")
    unit = (
        "points: {half: {at: 0, as: f32, metric: half}, ghost: {at: 200, table: holding, metric: ghost}}\ntable: input"
    )
    with hall(
        tmp_path, link(gateway, "devices: {'u{1..5}': {unit: '{1..5}', map: unit.yaml}}"), {"unit": unit}, gateway
    ) as one:
        wait_until(lambda: all(one.is_fresh(f"u{n}/half") for n in range(1, 6)))
        assert [one.last(f"u{n}/half")["value"] for n in range(1, 6)] == [1.5, 2.5, 3.5, 4.5, 5.5]
        assert one.last("u1/ghost")["quality"] == "bad"
        gateway.tell("mute 3")
        wait_until(lambda: one.last("u3/half")["quality"] == "bad")
        wait_until(lambda: all(one.is_fresh(f"u{n}/half") for n in (1, 2, 4, 5)))
        gateway.tell("slow 60")
        gateway.tell("speak 3")
        wait_until(lambda: all(one.is_fresh(f"u{n}/half") for n in range(1, 6)))
        assert [one.last(f"u{n}/half")["value"] for n in range(1, 6)] == [1.5, 2.5, 3.5, 4.5, 5.5]
        wait_until(lambda: one.qualities("u3/half") == ["good", "bad", "good"])
        assert [one.qualities(f"u{n}/half") for n in (1, 2)] == [["good"], ["good"]]


PLC = """
points:
  setpoint: {at: 20, as: i16, metric: setpoint, unit: Cel, scale: 0.1, min: -5, max: 30, writable: true}
  limit: {at: 30, as: f32, order: CDAB, metric: limit, writable: true}
  valve: {at: 4, table: coil, metric: valve, writable: true}
  stubborn: {at: 50, metric: stubborn, writable: true}
"""


def test_commands_write_to_modbus_serial_and_are_answered_with_what_it_shows(scripts: Path, tmp_path: Path) -> None:
    plc = Device(scripts, "line.mjs")
    with hall(tmp_path, link(plc, "devices: {plc: {map: plc.yaml}}"), {"plc": PLC}, plc) as one:
        wait_until(lambda: one.is_fresh("plc/setpoint"))
        done = command(one, "plc", "write", {"setpoint": 21.54, "limit": -2.5, "valve": True})
        assert done["state"] == "done", done
        assert json.loads(plc.tell("show")) == {"1/20": 215, "1/30": 0, "1/31": 0xC020, "1/coil4": True}
        wait_until(lambda: one.last("plc/setpoint")["value"] == 21.5)
        assert "outside of -5 to 30" in str(command(one, "plc", "setpoint", {"value": 40}))
        assert command(one, "plc", "stubborn", {"value": 5})["state"] == "failed"


def test_mbpoll_reads_and_writes_the_simulator_s_devices_and_meets_their_faults(tmp_path: Path) -> None:
    def mbpoll(*words: str) -> str:
        command = ["mbpoll", "-1", "-0", "-q", "-o", "0.3", "-p", str(port), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout

    port = free_port()
    plan = DevicePlan(0, {"a": PointPlan("a"), "n": PointPlan("n", type="int")})
    end = ModbusEnd("x", ModbusEndSettings(address=f"127.0.0.1:{port}"), {"d": plan})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(what: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(what, loop).result(5)

    def show(faults: Faults) -> None:
        do(end.show("d", 0, end.frames("d", 0, {"a": 230.5, "n": -7}), faults))

    do(end.start())
    show(SOUND)
    try:
        assert "[0]: \t230.5" in mbpoll("-t", "3:float", "-B", "-r", "0", "-c", "1", "127.0.0.1")
        assert "65529" in mbpoll("-t", "4", "-r", "2", "-c", "4", "127.0.0.1")
        mbpoll("-t", "4", "-r", "5", "127.0.0.1", "9")
        assert "[5]: \t9" in mbpoll("-t", "4", "-r", "5", "-c", "1", "127.0.0.1")
        for faults in (Faults(dropout=True), Faults(half_open=True), Faults(garbage=True), Faults(slow_s=1.0)):
            show(faults)
            assert "230.5" not in mbpoll("-t", "3:float", "-B", "-r", "0", "-c", "1", "127.0.0.1"), faults
        show(SOUND)
        assert "[0]: \t230.5" in mbpoll("-t", "3:float", "-B", "-r", "0", "-c", "1", "127.0.0.1")
    finally:
        do(end.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
