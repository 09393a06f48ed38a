"""A gateway with series of every shape: states, words, gaps, single points, ends, twenty at once, a clock's change.

By hand: `python -m tests.system.pages.shapes FOLDER` runs one until it's interrupted, and prints its address.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from tests.system.pages.desk import Desk

HOUR, DAY = 3600.0, 86_400.0
PROFILE = """profiles:
  shape:
    topic: shape/{device}
    version: 2
    time: {field: at, unit: ms}
    fields:
      t: {metric: temperature, unit: Cel, optional: true, min: -40, max: 85, stuck_after: 2h}
      p: {metric: pressure, unit: bar, optional: true, min: 0}
      on: {metric: running, type: bool, optional: true}
      step: {metric: cycle.step, type: int, optional: true}
      mode: {metric: mode, type: text, optional: true}
"""
RULES = """rules:
  warm:
    select: last(temperature) as now
    when: now > 60
    severity: warning
    message: "{device} is warm: {now:.1f}"
"""
CHANGE = datetime(2026, 11, 1, 4, 30, tzinfo=UTC).timestamp()
"""In St. John's clocks go from 02:30 back to 01:30 then (02:00 NDT + 2.5 h = 04:30 UTC)."""


class Shapes(Desk):
    """Devices: press (everything), gappy, single, ended, many-00 to many-19, autumn (over a change of clocks)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "history: true\n")
        (folder / "press.yaml").write_text(PROFILE)
        (folder / "rules.yaml").write_text(RULES)
        self.settings.write_text(f"{self.settings.read_text()}rules: [rules.yaml]\n")

    def plant(self) -> None:
        """Send it all, and wait until it's there."""
        told = [*_press(time.time()), *_gaps(time.time()), *_many(time.time()), *_autumn()]
        self.tell(told)
        deadline = time.monotonic() + 30
        while self.counters().get("messages_received", 0) < len(told):
            assert time.monotonic() < deadline, self.counters()
            time.sleep(0.1)

    def charts(self, names: list[str], **more: str) -> str:
        """The address of charts of these: `device/metric`."""
        query = [*(("series", f"gw/{name}") for name in names), *more.items()]
        return str(httpx.URL(f"{self.page}/charts", params=query))


Told = tuple[str, bytes]


def _said(device: str, at: float, **values: object) -> Told:
    return f"shape/{device}", json.dumps({"at": round(at * 1000), **values}).encode()


def _press(now: float) -> Iterator[Told]:
    """The last quarter of an hour, every 10 s."""
    for n in range(90):
        words = ("idle", "heating up", "pressing", "cooling")[(n // 9) % 4]
        wave = {"t": 22 + 3 * math.sin(n / 7), "p": 2.5 + n / 300, "step": (n // 9) % 5}
        yield _said("press", now - 900 + 10 * n, **wave, on=(n // 15) % 2 == 1, mode=words)


def _gaps(now: float) -> Iterator[Told]:
    start = now - 900
    for n in range(90):
        if n % 30 < 18:
            yield _said("gappy", start + 10 * n, t=24 + math.sin(n / 5))
        if n < 40:
            yield _said("ended", start + 10 * n, t=20.0 + n / 20)
    yield from (_said("lonely", start + 10 * n, t=21.0 + n / 30) for n in (6, 30, 60))  # each alone among silence
    yield from (_said("lonely", start + 10 * n, t=22.0) for n in (40, 41, 42, 43, 44))  # as often it sends otherwise
    yield _said("single", now - 300, t=19.5)
    for n in range(0, 900, 10):  # yesterday, with another gap
        if not 400 < n < 600:
            yield _said("gappy", start - DAY + n, t=23 + math.sin(n / 60))


def _many(now: float) -> Iterator[Told]:
    for n in range(0, 90, 6):
        for many in range(20):
            yield _said(f"many-{many:02d}", now - 900 + 10 * n, t=15 + many + math.sin(n / 9 + many))


def _autumn() -> Iterator[Told]:
    for n in range(-24, 25):  # every quarter of an hour around the change
        yield _said("autumn", CHANGE + n * HOUR / 4, t=10 + n / 8, p=1 + n / 100)


@contextmanager
def shapes(folder: Path) -> Iterator[Shapes]:
    one = Shapes(folder)
    try:
        one.start()
        one.plant()
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.terminate()
            one.process.wait(60)


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    place.mkdir(parents=True, exist_ok=True)
    with shapes(place) as made:
        print(made.page, flush=True)
        while True:
            time.sleep(3600)
