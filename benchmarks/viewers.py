"""What people who look cost the hot path: python -m benchmarks.viewers [--seconds 10] [--rounds 3] [--rate 500].

One node under a steady MQTT load, QoS 1, 50 connections; in turn without and with five live viewers, each watching
status, alerts, 1,000 newest values and 20 series' readings. Prints the acks' latency of both halves, their ratio at p99
(goal 1.2), how far the node's memory grew from the first half to the last (goal 20 MiB), and what viewers were sent.
"""

import argparse
import contextlib
import json
import os
import selectors
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from tests.websocket import WebSocket

from benchmarks.messages import connect_packet, make_device
from benchmarks.options import Figures, percentiles
from benchmarks.processes import cpu_s, free_port, python, running, wait_for_port

DEVICES, VIEWERS, SERIES = 50, 5, 20
SETTINGS = """node: gw
data: data
mqtt: {listen: '127.0.0.1:%d', anonymous: true}
api: {listen: '127.0.0.1:%d'}
profiles: ['builtin:rooms']
rules: ['builtin:rooms']
"""


class Load:
    """Evenly spaced messages, the devices in turn; each ack's latency in ms."""

    def __init__(self, port: int, rate: float) -> None:
        self._rate, self._rng = rate, np.random.default_rng(1)
        self._fleet = [make_device(n) for n in range(DEVICES)]
        self._sockets = []
        self._wait = selectors.DefaultSelector()
        for n in range(DEVICES):
            one = socket.create_connection(("127.0.0.1", port), timeout=20)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.sendall(connect_packet(f"viewers-{n}"))
            one.recv(4, socket.MSG_WAITALL)
            self._sockets.append(one)
            self._wait.register(one, selectors.EVENT_READ, n)
        self._pending: list[list[float]] = [[] for _ in range(DEVICES)]
        self._rest = [0] * DEVICES
        self.sent = self.acked = 0

    def run(self, seconds: float) -> list[float]:
        """Send for so long; returns the latencies of what was sent in it, once all acks are in."""
        took: list[float] = []
        begun, first = time.monotonic(), self.sent
        while (passed := time.monotonic() - begun) < seconds:
            if self.sent - first < passed * self._rate:
                turn = self.sent % DEVICES
                block = self._fleet[turn].block(1, time.time_ns() // 1_000_000, self._rng).tobytes()
                self._pending[turn].append(time.monotonic())
                self._sockets[turn].sendall(block)
                self.sent += 1
            else:
                self._acks(max(0.0002, (self.sent - first) / self._rate - passed), took)
        until = time.monotonic() + 20
        while self.acked < self.sent and time.monotonic() < until:
            self._acks(0.05, took)
        return took

    def _acks(self, timeout: float, took: list[float]) -> None:
        for key, _ in self._wait.select(timeout):
            turn = int(key.data)
            count, self._rest[turn] = divmod(self._rest[turn] + len(self._sockets[turn].recv(65536)), 4)
            now = time.monotonic()
            took += [(now - at) * 1000 for at in self._pending[turn][:count]]
            del self._pending[turn][:count]
            self.acked += count


def look(port: int) -> None:
    """Five viewers, until SIGTERM; twice a second it's printed what each was sent: frames, readings, skipped."""
    os.sched_setscheduler(
        0, os.SCHED_IDLE, os.sched_param(0)
    )  # people look from other machines: not on the node's cores
    names = [row["name"] for row in _get(port, "series?limit=1000")["series"]]
    sent = [[0, 0, 0] for _ in range(VIEWERS)]

    def view(number: int) -> None:
        live = WebSocket(port)
        live.say(do="watch", id="s", topic="status")
        live.say(do="watch", id="a", topic="alerts")
        live.say(do="watch", id="l", topic="last", limit=1000)
        live.say(do="watch", id="r", topic="readings", series=[n for n in names if "air.temp" in n][:SERIES])
        while True:
            frame = live.frame()
            told = frame.get("data", {}).get("r", {"series": {}, "skipped": 0})
            sent[number][0] += 1
            sent[number][1] += sum(len(one["ts"]) for one in told["series"].values())
            sent[number][2] += told["skipped"]

    for number in range(VIEWERS):
        threading.Thread(target=view, args=(number,), daemon=True).start()
    while True:
        time.sleep(0.5)
        print(json.dumps(sent), flush=True)


@contextlib.contextmanager
def viewers(port: int, log: Path) -> Iterator[None]:
    with log.open("w") as out, running(*python("benchmarks.viewers", "--look", str(port)), stdout=out):
        until = time.monotonic() + 30
        while _viewers(port) < VIEWERS:
            if time.monotonic() > until:
                raise SystemExit("the viewers don't come")
            time.sleep(0.1)
        yield


def measure(folder: Path, seconds: float, rounds: int, rate: float) -> Figures:
    mqtt, api = free_port(), free_port()
    (folder / "gw.yaml").write_text(SETTINGS % (mqtt, api))
    with running(*python("holdfast.node", str(folder / "gw.yaml")), log=folder / "log") as node:
        wait_for_port(mqtt)
        load = Load(mqtt, rate)
        load.run(seconds / 2)  # series, files and caches are there from here on
        took: dict[str, list[float]] = {"alone": [], "viewed": []}
        cpu = {"alone": 0.0, "viewed": 0.0}
        rss = {"alone": 0.0, "viewed": 0.0}
        told: list[Any] = []
        for n in range(rounds):
            for half in ("alone", "viewed"):
                shown = folder / f"viewers-{n}"
                with viewers(api, shown) if half == "viewed" else contextlib.nullcontext():
                    before = cpu_s(node.pid)
                    took[half] += load.run(seconds)
                    cpu[half] += cpu_s(node.pid) - before
                    rss[half] = max(rss[half], _rss(node.pid)) if half == "viewed" or not n else rss[half]
                if half == "viewed":
                    told += json.loads(shown.read_text().splitlines()[-2])
        assert load.acked == load.sent, "not everything was acknowledged"
    figures = {"messages": load.sent, "rate": rate, "viewers": VIEWERS}
    figures |= percentiles(took["alone"], "alone_ms") | percentiles(took["viewed"], "viewed_ms")
    figures["p99_ratio"] = round(figures["viewed_ms_p99"] / figures["alone_ms_p99"], 2)
    figures["rss_alone_mib"], figures["rss_grew_mib"] = round(rss["alone"], 1), round(rss["viewed"] - rss["alone"], 1)
    figures |= {f"{half}_cpu_share": round(spent / (rounds * seconds), 3) for half, spent in cpu.items()}
    figures |= {name: sum(one[i] for one in told) for i, name in enumerate(("frames", "readings", "skipped"))}
    return figures


def _get(port: int, path: str) -> Any:
    return httpx.get(f"http://127.0.0.1:{port}/api/v1/{path}", trust_env=False, timeout=20).json()


def _viewers(port: int) -> int:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=20).text
    return int(float(next(line.split()[1] for line in text.splitlines() if line.startswith("holdfast_live_viewers "))))


def _rss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("--seconds", type=float, default=10)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--rate", type=float, default=500)
    words.add_argument("--look", type=int, default=0)
    asked = words.parse_args()
    if asked.look:
        look(asked.look)
    with tempfile.TemporaryDirectory() as folder:
        json.dump(measure(Path(folder), asked.seconds, asked.rounds, asked.rate), sys.stdout, indent=1)
        print()
