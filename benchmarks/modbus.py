"""Modbus: a site whose devices die, registers a second by blocks and one by one, and our connection beside pymodbus'.

python -m benchmarks.modbus [site|lines|blocks|client] [--seconds 30] [--devices 1000]; prints JSON.

site:   1,000 devices with a port each, polled every second by a real node; 30 % die (half refuse, half fall silent);
        the period between questions is measured by the devices
lines:  the same behind 20 gateways with 50 units each, one question at a time, every 5 s, after those that died were
        found out
blocks: 60 points of one device, in blocks and one by one, in turn; a real node isn't needed for it
client: CPU of a question by our link and by pymodbus' client, in turn, the device in another process
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Set as AbstractSet
from pathlib import Path
from random import Random
from typing import Any, Self

import numpy as np
import uvloop
import yaml
from pymodbus.client import AsyncModbusTcpClient

from benchmarks.processes import cpu_s, free_port, python, running, wait_for_port
from holdfast.adapters.modbus.blocks import blocks
from holdfast.adapters.modbus.frames import read
from holdfast.adapters.modbus.link import Link
from holdfast.adapters.modbus.maps import MapFile, RegisterPoint, compiled
from holdfast.sim.ends.modbus import ModbusEnd, ModbusEndSettings
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan
from holdfast.transport.addresses import Address

FIRST_PORT = 20_000
POINTS = 10
DYING = 0.3
SETTLING_S = 25.0
SETTLING_LINE_S = 150.0
"""Finding out who's dead behind a shared line: three timeouts each, in a tenth of the line's time."""


def devices_of(count: int, points: int = POINTS) -> dict[str, DevicePlan]:
    plan = {f"p{i}": PointPlan(f"value.{i}", "V") for i in range(points)}
    return {f"meter-{number:04}": DevicePlan(number, plan) for number in range(count)}


class Site:
    """The devices, in a process of their own: `serve`. Lines on stdin: die, live, periods."""

    def __init__(self, settings: ModbusEndSettings, count: int, points: int = POINTS) -> None:
        self.devices = devices_of(count, points)
        self.end = ModbusEnd("load", settings, self.devices)
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.end.on_question(lambda device: self.asked[device].append(time.perf_counter()))
        self.dead: set[str] = set()

    async def run(self) -> None:
        await self.end.start()
        for device in self.devices:
            await self.show(device, SOUND)
        say({"up": len(self.devices)})
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := (await reader.readline()).decode().strip():
            say(await self.do(line))
        await self.end.stop()

    async def show(self, device: str, faults: Faults) -> None:
        values = {f"p{i}": self.devices[device].number + i / 10 for i in range(len(self.devices[device].points))}
        await self.end.show(device, 0, self.end.frames(device, 0, values), faults)

    async def do(self, line: str) -> dict[str, Any]:
        if line == "die":
            self.dead = set(Random(9).sample(sorted(self.devices), round(DYING * len(self.devices))))
            for i, device in enumerate(sorted(self.dead)):
                await self.show(device, Faults(dropout=True) if i % 2 else Faults(half_open=True))
        elif line == "live":
            for device in self.dead:
                await self.show(device, SOUND)
        elif line == "clear":
            self.asked.clear()
        return {"periods": {d: np.diff(times).tolist() for d, times in self.asked.items()} if line == "periods" else {},
                "dead": sorted(self.dead)}  # fmt: skip


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


class Process:
    """That process, spoken to."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.heard()

    def heard(self) -> dict[str, Any]:
        assert self.process.stdout
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


def site(folder: Path, count: int, seconds: float, *, units: int, every: float) -> dict[str, Any]:
    """Before, while 30 % are dead (after they were found out), and after they came back."""
    settings = ModbusEndSettings(address=f"127.0.0.1:{FIRST_PORT}", units=units, every=f"{every:g}s")
    text = json.dumps({"units": units, "every": every, "count": count})
    serving = running(*python("benchmarks.modbus", "serve", text), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with serving as process, Process(process) as devices:
        assert devices.heard()["up"] == count
        api = free_port()
        said = yaml.safe_load(ModbusEnd("load", settings, devices_of(count)).map_yaml())
        for name, file in said["files"].items():
            (folder / name).write_text(yaml.safe_dump(file))
        links = {"load": {**said["modbus"]["sim-load"], "timeout": "1s" if units == 1 else "300ms"}}
        own = {"node": "gw", "api": {"listen": f"127.0.0.1:{api}"}, "journal": {"ballast": "0MB"}}
        node = {**own, "modbus": links}
        (folder / "node.yaml").write_text(yaml.safe_dump(node))
        with running(*python("holdfast", "run", str(folder / "node.yaml")), log=folder / "node.log") as gateway:
            wait_for_port(api)
            time.sleep(10 + 2 * every)
            found = {"before": phase(devices, gateway.pid, seconds, every)}
            dead = devices.ask("die")["dead"]
            time.sleep(SETTLING_S if units == 1 else SETTLING_LINE_S)
            found["dead"] = phase(devices, gateway.pid, seconds, every, without=set(dead))
            devices.ask("live")
            time.sleep(65 + every)
            found["back"] = phase(devices, gateway.pid, seconds, every)
    before, dead_now = found["before"], found["dead"]
    found["p99_drift_grew_by_percent"] = dead_now["p99_drift_percent"] - before["p99_drift_percent"]
    return {"devices": count, "addresses": -(-count // units), "every_s": every, "points": POINTS, **found}


def phase(
    devices: Process, pid: int, seconds: float, every: float, without: AbstractSet[str] = frozenset()
) -> dict[str, Any]:
    """A stretch of time: periods by the wire, CPU and memory of the node."""
    devices.ask("clear")
    began, cpu = time.monotonic(), cpu_s(pid)
    time.sleep(seconds)
    took, spent = time.monotonic() - began, cpu_s(pid) - cpu
    periods = {d: p for d, p in devices.ask("periods")["periods"].items() if d not in without}
    all_ = np.concatenate([np.array(p) for p in periods.values()])
    drift = np.abs(all_ - every) / every * 100
    return {
        "devices_asked": len(periods),
        "polls_per_s": round(len(all_) / took, 1),
        "period_p50_ms": round(float(np.median(all_)) * 1000, 2),
        "period_p99_ms": round(float(np.quantile(all_, 0.99)) * 1000, 2),
        "p99_drift_percent": round(float(np.quantile(drift, 0.99)), 2),
        "node_cpu_percent": round(spent / took * 100, 1),
        "node_cpu_us_per_poll": round(spent / max(1, len(all_)) * 1e6, 1),
        "node_rss_mib": round(rss(pid), 1),
    }


def rss(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def by_blocks(seconds: float) -> dict[str, Any]:
    """Registers a second of one device with 60 f32: in blocks, and each point by a question of its own."""
    points = {f"p{i}": RegisterPoint(at=2 * i, as_="f32", metric="m") for i in range(60)}
    found = compiled("m", MapFile(points=points, table="input"))
    together = blocks(list(found.points.values()), found)
    apart = [block for point in found.points.values() for block in blocks([point], found)]

    async def rate(port: int) -> dict[str, list[float]]:
        link, rates = Link(Address("127.0.0.1", port), "tcp"), dict[str, list[float]]()
        for _ in range(5):
            for name, some in (("blocks", together), ("one_by_one", apart)):
                began, done = time.perf_counter(), 0
                while time.perf_counter() < began + seconds / 10:
                    for block in some:
                        block.decode(await link.ask(1, block.question, 5.0))
                    done += 120
                rates.setdefault(name, []).append(done / (time.perf_counter() - began))
        link.close()
        return rates

    rates = with_device(60, rate)
    medians = {f"{name}_registers_per_s": round(statistics.median(some)) for name, some in rates.items()}
    ratio = statistics.median(a / b for a, b in zip(rates["blocks"], rates["one_by_one"], strict=True))
    return {**medians, "questions": [len(together), len(apart)], "times": round(ratio, 1)}


def client(seconds: float) -> dict[str, Any]:
    """CPU of this process for each question of 20 registers."""

    async def spend(port: int) -> dict[str, list[float]]:
        link, other = Link(Address("127.0.0.1", port), "tcp"), AsyncModbusTcpClient("127.0.0.1", port=port)
        await other.connect()
        question, costs, each = read(4, 0, 20), dict[str, list[float]](), int(400 * seconds)
        for _ in range(5):
            began = time.process_time()
            for _ in range(each):
                await link.ask(1, question, 5.0)
            costs.setdefault("ours", []).append((time.process_time() - began) / each * 1e6)
            began = time.process_time()
            for _ in range(each):
                await other.read_input_registers(0, count=20, device_id=1)
            costs.setdefault("pymodbus", []).append((time.process_time() - began) / each * 1e6)
        link.close()
        other.close()
        return costs

    costs = with_device(POINTS, spend)
    medians = {f"{name}_cpu_us_per_question": round(statistics.median(some), 1) for name, some in costs.items()}
    ratio = statistics.median(b / a for a, b in zip(costs["ours"], costs["pymodbus"], strict=True))
    return {**medians, "times": round(ratio, 2)}


def with_device(points: int, what: Any) -> Any:
    text = json.dumps({"units": 1, "every": 1, "count": 1, "points": points})
    serving = running(*python("benchmarks.modbus", "serve", text), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with serving as process, Process(process) as devices:
        devices.heard()
        return uvloop.run(what(FIRST_PORT))


def serve(text: str) -> None:
    said = json.loads(text)
    settings = ModbusEndSettings(address=f"127.0.0.1:{FIRST_PORT}", units=said["units"])
    uvloop.run(Site(settings, said["count"], said.get("points", POINTS)).run())


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("which", nargs="?", choices=("site", "lines", "blocks", "client"))
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--devices", type=int, default=1000)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in [options.which] if options.which else ["client", "blocks", "site", "lines"]:
        if name in ("site", "lines"):
            units, every = (1, 1.0) if name == "site" else (max(1, options.devices // 20), 5.0)
            with tempfile.TemporaryDirectory() as folder:
                found[name] = site(Path(folder), options.devices, options.seconds, units=units, every=every)
        else:
            found[name] = (by_blocks if name == "blocks" else client)(min(options.seconds, 5))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
