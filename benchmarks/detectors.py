"""Detectors, one core: `python -m benchmarks.detectors [--seconds 40] [--only auto,zscore] [--json FILE]`.

rate:    readings/s on 1,000 series, a reading of each at a time, and batches of ten of each; once warmed up
bytes:   of state a series
history: CPU per reading after 1,000, 2,000, 4,000 and 8,000 readings of a series: O(1) stays level
beside:  a z-score over a deque of 100 values in plain Python, and river's MinMaxScaler and HalfSpaceTrees where
         HOLDFAST_RIVER_PYTHON names a Python that has river; each a reading at a time, one model a series, 100 series

All by turns in one run; CPU time of the process, medians over rounds.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.stream.detectors.catalogue import KINDS, make
from holdfast.stream.detectors.ports import Detector, Scope
from holdfast.stream.state import State

SERIES = 1000
STEP_NS = 60_000_000_000
START = 1_767_571_200_000_000_000
LENGTHS = (1000, 2000, 4000, 8000)
FEW = 100
_ROWS = 50

RIVER = """
import json, sys, time, random
from river import anomaly, preprocessing
rng = random.Random(7)
models = [preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1) for _ in range({few})]
rows = [[{{"value": rng.gauss(20, 5)}} for _ in models] for _ in range({rows} + 20)]
def feed(rows):
    for row in rows:
        for model, x in zip(models, row):
            model.score_one(x)
            model.learn_one(x)
feed(rows[:20])
began = time.process_time()
feed(rows[20:])
print(json.dumps({{"cpu_s": time.process_time() - began, "readings": {few} * {rows}}}))
"""


class Fed:
    """A detector with its series."""

    def __init__(self, name: str, series: int = SERIES) -> None:
        columns = KINDS[name].columns[0]
        self.state = State()
        self._detector: Detector = make(name, Scope(self.state), None, columns)
        self.state.grow(series)
        self._slots, self._columns, self._sent = np.arange(series), columns, 0
        self._random = np.random.default_rng(7)

    def cost(self, rows: int, per_batch: int = 1) -> float:
        """CPU seconds for so many readings of every series, given `per_batch` at a time."""
        series = len(self._slots)
        shape = (per_batch * series,) if self._columns == 1 else (per_batch * series, self._columns)
        made = [self._random.normal(20.0, 5.0, shape) for _ in range(rows // per_batch)]
        slots, spent = np.tile(self._slots, per_batch), 0.0
        for values in made:
            ts = START + np.repeat(np.arange(self._sent, self._sent + per_batch), series) * STEP_NS
            begin = time.process_time()
            self._detector.update(slots, ts, values)
            spent += time.process_time() - begin
            self._sent += per_batch
        return spent


class WindowedZScore:
    """The usual few lines: mean and deviation of the last hundred values, summed anew for each."""

    def __init__(self) -> None:
        self._past: deque[float] = deque(maxlen=100)

    def score(self, x: float) -> float:
        """Deviations from the mean of the last hundred."""
        past = self._past
        z = 0.0
        if len(past) > 1:
            mean = sum(past) / len(past)
            deviation = math.sqrt(sum((p - mean) ** 2 for p in past) / len(past))
            z = abs(x - mean) / deviation if deviation else 0.0
        past.append(x)
        return z


def windowed() -> Callable[[], float]:
    """CPU seconds per reading of the deque, its windows full."""
    rng = np.random.default_rng(7)
    models = [WindowedZScore() for _ in range(FEW)]

    def feed(rows: int) -> float:
        made = rng.normal(20.0, 5.0, (rows, FEW)).tolist()
        begin = time.process_time()
        for row in made:
            for model, x in zip(models, row, strict=True):
                model.score(x)
        return (time.process_time() - begin) / (rows * FEW)

    feed(100)
    return lambda: feed(10)


def river(python: str) -> Callable[[], float]:
    """CPU seconds per reading of river's half-space trees, in a process of its own."""
    script = RIVER.format(few=FEW, rows=10)

    def feed() -> float:
        done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise SystemExit(f"HOLDFAST_RIVER_PYTHON={python}: {done.stderr[-500:]}")
        told = json.loads(done.stdout)
        return float(told["cpu_s"]) / float(told["readings"])

    return feed


def rates(names: list[str], seconds: float) -> dict[str, dict[str, float]]:
    """Readings a second of each, and of what stands beside them."""
    fed = {name: Fed(name) for name in names}
    subjects: dict[str, Callable[[], float]] = {}
    for name, one in fed.items():
        one.cost(300)  # past learning, rings filled
        subjects[name] = lambda one=one: one.cost(_ROWS) / (_ROWS * SERIES)  # type: ignore[misc]
        subjects[f"{name}, ten at a time"] = lambda one=one: one.cost(_ROWS, 10) / (_ROWS * SERIES)  # type: ignore[misc]
    subjects["windowed z-score, a Python deque"] = windowed()
    python = os.environ.get("HOLDFAST_RIVER_PYTHON", "")
    if python:
        subjects["river HalfSpaceTrees"] = river(python)
    else:
        print("river is left out: HOLDFAST_RIVER_PYTHON names no Python that has it")
    costs: dict[str, list[float]] = {name: [] for name in subjects}
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(costs[next(iter(costs))]) < 3:
        for name, subject in subjects.items():
            costs[name].append(subject())
    told = {name: {"readings_per_s": 1 / statistics.median(of)} for name, of in costs.items()}
    for name, one in fed.items():
        told[name]["bytes_per_series"] = one.state.nbytes / one.state.capacity
    return told


def history(name: str) -> list[float]:
    """Microseconds a reading after each of the lengths, and the state's bytes, which may not grow."""
    one, costs, at = Fed(name, 200), [], 0
    before = one.state.nbytes
    for length in LENGTHS:
        one.cost(length - at - _ROWS)
        costs.append(1e6 * one.cost(_ROWS) / (_ROWS * 200))
        at = length
    assert one.state.nbytes == before, f"{name}: the state grew"
    return costs


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--only", default=",".join(KINDS), help="detectors")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name]
    told: dict[str, Any] = {"rates": rates(names, options.seconds), "history_us": {}}
    for name, one in told["rates"].items():
        held = f", {one['bytes_per_series']:,.0f} bytes a series" if "bytes_per_series" in one else ""
        print(f"{name}: {one['readings_per_s']:,.0f} readings/s{held}", flush=True)
    for name in names:
        told["history_us"][name] = history(name)
        said = ", ".join(f"{us:.2f}" for us in told["history_us"][name])
        print(f"{name}: us a reading after {', '.join(f'{n:,}' for n in LENGTHS)} of each series: {said}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
