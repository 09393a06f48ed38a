"""Modbus devices that others wrote (npm: jsmodbus, modbus-serial) in front of a real gateway."""

import json
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.system.npm import NODE, fetched
from tests.system.test_gateway import Gateway

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

    def last(self, series: str) -> dict[str, object]:
        """The newest reading of `device/metric`; empty while there's none."""
        found = self.gateway.get(f"/api/v1/last?match={series}")["series"]
        assert isinstance(found, list)
        return found[0] if found else {}

    def readings(self, series: str) -> list[tuple[int, object, str]]:
        """Time, value and quality of all."""
        found: dict[str, object] = self.gateway.get(f"/api/v1/query?series={series}&from=-10m&to=now&limit=10000")
        raise AssertionError(json.dumps(found)[:2000])

    def state(self, device: str, link: str = "modbus:hall") -> dict[str, object]:
        found = self.gateway.get(f"/api/v1/adapters/{link}/devices")["devices"]
        assert isinstance(found, list)
        return next(one for one in found if one["device"] == device)


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetched(HERE, tmp_path_factory.mktemp("modbusjs"))


def test_a_meter_s_values_are_canonical(scripts: Path, tmp_path: Path) -> None:
    device = Device(scripts, "device.mjs")
    hall = Hall(tmp_path, f"  hall: {{address: '127.0.0.1:{device.port}', every: 200ms, devices: {{meter-1: {{map: meter.yaml}}}}}}\n")
    time.sleep(2)
    print(hall.last("meter-1/*"))
    print(hall.gateway.get("/api/v1/last?match=*"))
    print(hall.gateway.get("/api/v1/adapters"))
    print(hall.gateway.get("/api/v1/adapters/modbus:hall/devices"))
    print(hall.gateway.log())
    hall.readings("meter-1/power")
