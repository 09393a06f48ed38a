"""Clean data as plants have it: noise that remembers, days and nights, weeks; and what may go wrong with it.

A row a minute of each device. Every feature has a spread of about 1 besides its daily swing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.drift.findings import Finding
from holdfast.inference.lifecycle.drift.monitor import Monitor
from holdfast.inference.lifecycle.settings import DriftSettings

Array = NDArray[Any]
DAY = 1_440
MINUTE_NS = 60 * 10**9
FIRST_DAY = 1_700_006_400 // 86_400
START = FIRST_DAY * 86_400 * 10**9


class Process(NamedTuple):
    """memory: minutes after which noise has forgotten itself (1/e); swing: of day and night; shape: of values."""

    name: str
    memory: float
    swing: float
    shape: str = "normal"


PROCESSES = (
    Process("independent", 0, 0),
    Process("independent, days", 0, 1.5),
    Process("10 min", 10, 0),
    Process("1 h, days", 60, 1.5),
    Process("6 h, days", 360, 1.5),
    Process("24 h, days", 1_440, 1.5),
    Process("on and off, workdays", 0, 0, "on"),
    Process("30 min, skewed", 30, 0.75, "skewed"),
)
Plant = Callable[[Array, Array], None]


def clean(random: np.random.Generator, devices: int, days: int, processes: tuple[Process, ...] = PROCESSES) -> Array:
    """Values, shape (minutes, devices, processes)."""
    n = days * DAY
    t = np.arange(n)
    out = np.empty((n, devices, len(processes)))
    for at, one in enumerate(processes):
        if one.shape == "on":
            hour, day = t / 60 % 24, (t // DAY + FIRST_DAY + 3) % 7
            share = np.where((hour > 8) & (hour < 18) & (day < 5), 0.8, 0.02)
            out[:, :, at] = random.random((n, devices)) < share[:, None]
            continue
        x = remembering(random, n, devices, one.memory)
        x = np.exp(0.7 * x) if one.shape == "skewed" else x
        out[:, :, at] = x + one.swing * np.sin(2 * np.pi * t / DAY)[:, None]
    return out


def remembering(random: np.random.Generator, n: int, devices: int, memory: float) -> Array:
    """Autoregressive noise of spread 1, shape (n, devices)."""
    noise = random.standard_normal((n, devices))
    if not memory:
        return noise
    phi = float(np.exp(-1 / memory))
    noise[1:] *= np.sqrt(1 - phi * phi)
    for at in range(1, n):
        noise[at] += phi * noise[at - 1]
    return noise


def run(
    values: Array,
    names: tuple[str, ...],
    settings: DriftSettings | None = None,
    seed: int = 1,
) -> tuple[Monitor, list[tuple[float, Finding]]]:
    """Watch them hour by hour; findings with the day on which they came."""
    n, devices, _ = values.shape
    monitor = Monitor(
        "pump", [(name, 1) for name in names], 0, settings or DriftSettings(), {}, lambda seat: ("gw", f"d{seat}"),
        np.random.default_rng(seed),
    )  # fmt: skip
    found = []
    flags, seat = np.zeros(60 * devices, np.uint8), np.tile(np.arange(devices, dtype=np.int32), 60)
    for hour in range(n // 60):
        minutes = np.arange(60 * hour, 60 * hour + 60)
        ts = START + np.repeat(minutes, devices) * MINUTE_NS
        end = START + 60 * (hour + 1) * MINUTE_NS
        monitor.saw(seat, ts, values[minutes].reshape(len(ts), -1), flags, end)
        found += [(hour / 24, one) for one in monitor.tick(end + 11 * MINUTE_NS)]
    return monitor, found


def alarms(found: list[tuple[float, Finding]], device: str | None = None) -> list[tuple[float, Finding]]:
    """Those raised; of one device, or of every single one (None)."""
    return [
        one
        for one in found
        if one[1].state == "raised" and (one[1].device == device or (device is None and one[1].device))
    ]
