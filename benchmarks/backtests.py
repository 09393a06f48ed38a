"""What a backtest costs the hot path: python -m benchmarks.backtests [--seconds 10] [--rounds 3] [--rate 500].

One node under a steady MQTT load, QoS 1, 50 connections; in turn alone, and with backtests of its rules asked for over
the API one after the other. Prints the acks' latency of both halves, their ratio at p99 (goal 1.2), what the node's own
process grew by, and how many backtests were done, of how many readings.
"""

import argparse
import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.options import Figures, percentiles
from benchmarks.processes import free_port, python, running, wait_for_port
from benchmarks.viewers import SETTINGS, Load

RULE = """rules:
  close:
    select: avg(air.temperature) as t, max(air.co2) as c
    window: sliding 20 samples
    when: t > 21 and c > 500
    for: 3 samples
    clear_when: t < 20
"""


class Asking(threading.Thread):
    """Asks for one backtest after the other until it's told to end."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._at = f"http://127.0.0.1:{port}/api/v1/rules/backtest"
        self._over = threading.Event()
        self.readings: list[int] = []

    def run(self) -> None:
        with httpx.Client(trust_env=False, timeout=30) as http:
            while not self._over.is_set():
                run: dict[str, Any] = http.post(self._at, json={"text": RULE, "from": "-1h"}).json()
                while run["state"] == "running" and not self._over.is_set():
                    time.sleep(0.3)
                    run = http.get(f"{self._at}/{run['id']}").json()
                if run["state"] == "running":
                    http.delete(f"{self._at}/{run['id']}")
                elif run["state"] == "done":
                    self.readings.append(run["readings"])
                else:
                    raise SystemExit(f"a backtest failed: {run['error']}")

    def end(self) -> None:
        self._over.set()
        self.join(60)


@contextlib.contextmanager
def asking(port: int, done: list[int]) -> Iterator[None]:
    """Backtests run beside the block."""
    one = Asking(port)
    one.start()
    try:
        yield
    finally:
        one.end()
        done += one.readings


def measure(folder: Path, seconds: float, rounds: int, rate: float) -> Figures:
    mqtt, api = free_port(), free_port()
    (folder / "gw.yaml").write_text(SETTINGS % (mqtt, api))
    with running(*python("holdfast.node", str(folder / "gw.yaml")), log=folder / "log") as node:
        wait_for_port(mqtt)
        load = Load(mqtt, rate)
        load.run(seconds)  # series, files and a past are there from here on
        took: dict[str, list[float]] = {"alone": [], "beside": []}
        rss = {"alone": 0.0, "beside": 0.0}
        done: list[int] = []
        for _ in range(rounds):
            for half in ("alone", "beside"):
                with asking(api, done) if half == "beside" else contextlib.nullcontext():
                    took[half] += load.run(seconds)
                    rss[half] = max(rss[half], _rss(node.pid))
        assert load.acked == load.sent, "not everything was acknowledged"
    figures: Figures = {"messages": load.sent, "rate": rate, "backtests": len(done), "readings": sum(done)}
    figures |= percentiles(took["alone"], "alone_ms") | percentiles(took["beside"], "beside_ms")
    figures["p99_ratio"] = round(figures["beside_ms_p99"] / figures["alone_ms_p99"], 2)
    figures["rss_grew_mib"] = round(rss["beside"] - rss["alone"], 1)
    return figures


def _rss(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / (1 << 20)


if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("--seconds", type=float, default=10)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--rate", type=float, default=500)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(measure(Path(place), asked.seconds, asked.rounds, asked.rate), indent=1))
