"""Drift monitors, one core: `python -m benchmarks.drift [--devices 20] [--days 120] [--seeds 3] [--json FILE]`.

cost:    µs a row of a whole lifecycle (route, saw, told with a shadow, tick), 8 features, 1,000 devices, batches of
         1,000 and of 100; and of the monitors alone. CPU time of the process, medians over rounds
alarms:  false alarms in a device's month of clean data, by feature: independent noise, noise that remembers 10 min to
         24 h, days and nights, workdays; from the day on which alarms begin. Beside: what a PSI above 0.2 by the hour
         against the first week, all hours together, would have alarmed
delays:  hours until an offset, another scale, a ramp or a stuck sensor is alarmed, planted when limits have settled;
         medians over devices, "-" = not within 30 days
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.unit.inference.lifecycle.plant import DAY, PROCESSES, START, alarms, clean, run

from holdfast.inference.lifecycle.comparing import Facts
from holdfast.inference.lifecycle.drift.bins import edges_of, psi
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.settings import LifeSettings
from holdfast.inference.lifecycle.states import Command
from holdfast.model.features import FeatureRows, no_flags
from holdfast.model.predictions import Predictions, Results

Array = NDArray[Any]
NAMES = tuple(one.name for one in PROCESSES)
FEATURES = 8
DEVICES = 1_000
PLANTED = 40


def cost(batch: int, rounds: int, *, whole: bool) -> float:
    """µs a row."""
    random = np.random.default_rng(1)
    columns = [(f"f{n}", 1) for n in range(FEATURES)]
    facts = {ref: Facts(labels=("a", "b")) for ref in ("m@1", "m@2")}
    life = Lifecycle("d", columns, facts, LifeSettings(), random, node="gw")
    for wish in (Command("add", "m@1"), Command("promote", "m@1", force=True), Command("add", "m@2")):
        life.adopt(life.act(wish, START))
    if whole:
        life.adopt(life.act(Command("shadow", "m@2"), START))
    places = [("gw", f"d{n}") for n in range(DEVICES)]
    spent, at, now = [], 0, START
    for hour in range(24 + rounds):  # the first day lays bins
        used, rows = 0.0, 0
        for second in range(30 * 1_000 // batch):
            key = (at + np.arange(batch, dtype=np.int32)) % DEVICES
            at = (at + batch) % DEVICES
            now = START + (3_600 * hour * 1_000 + 100 * batch * second) * 10**6
            values = random.normal(0, 1, (batch, FEATURES))
            made = FeatureRows("f@0", "d", places, key, np.full(batch, now), values, no_flags(batch), 0.0)
            begin = time.process_time()
            life.saw(made)
            if whole:
                routed = life.route(made)
                said = Predictions(values[:, 0], (values[:, 0] > 0).astype(np.int32), values[:, 1])
                for one in (*routed.acting, *routed.shadows):
                    version = one.version.removeprefix("m@")
                    life.told(
                        Results(
                            "d", "m", version, one.role, ("a", "b"), places, key, made.ts, said, no_flags(batch),
                            made.flags, 0.001, values[:, 2],
                        )
                    )  # fmt: skip
            if second % max(1, 10_000 // batch) == 0:  # once a second, at 1,000 devices and 10 Hz
                life.tick(now)
            used += time.process_time() - begin
            rows += batch
        spent.append(1e6 * used / rows)
    return statistics.median(spent[24:])


def false_alarms(devices: int, days: int, seeds: int) -> dict[str, Any]:
    """By feature, in a device's month; and of the deployment as a whole."""
    by, whole, naive, months = dict.fromkeys(NAMES, 0), 0, dict.fromkeys(NAMES, 0.0), 0.0
    for seed in range(seeds):
        values = clean(np.random.default_rng(seed), devices, days)
        _, found = run(values, NAMES)
        months += devices * (days - 8) / 30
        for _, one in alarms(found):
            by[one.feature] += 1
        whole += len(alarms(found, ""))
        for at, name in enumerate(NAMES):
            naive[name] += (
                sum(hourly(values[:, device, at]) for device in range(min(3, devices))) * devices / min(3, devices)
            )
    return {
        "device-months": months,
        "of all features": sum(by.values()) / months,
        "by feature": {name: n / months for name, n in by.items()},
        "of the deployment, in its month": whole / (months / devices),
        "PSI > 0.2 by the hour against a week": {name: n / months for name, n in naive.items()},
    }


def hourly(values: Array) -> int:
    """Alarms (each begin) of what tutorials do."""
    week = values[: 7 * DAY]
    edges = edges_of(week)
    reference = np.bincount(np.searchsorted(edges, week, "right"), minlength=12)
    rest = values[8 * DAY :]
    counts = np.stack([np.bincount(np.searchsorted(edges, one, "right"), minlength=12) for one in rest.reshape(-1, 60)])
    above = psi(counts, reference) > 0.2
    return int((above[1:] & ~above[:-1]).sum() + above[0])


def offset(size: float) -> Callable[[Array], None]:
    """So many spreads more."""

    def plant(x: Array) -> None:
        x += size

    return plant


def ramp(size: float) -> Callable[[Array], None]:
    """So many spreads more a day."""

    def plant(x: Array) -> None:
        x += (size * np.arange(len(x)) / DAY)[:, None, None]

    return plant


def scale(size: float) -> Callable[[Array], None]:
    """So many times as much."""

    def plant(x: Array) -> None:
        x *= size

    return plant


def stuck(x: Array) -> None:
    """The first value for ever."""
    x[:] = x[0]


PLANTS: dict[str, Callable[[Array], None]] = {
    "offset 0.5": offset(0.5), "offset 1": offset(1), "offset 2": offset(2), "offset 3": offset(3),
    "scale 0.5": scale(0.5), "scale 2": scale(2), "stuck": stuck,
    "ramp 0.05/day": ramp(0.05), "ramp 0.1/day": ramp(0.1), "ramp 0.25/day": ramp(0.25), "ramp 0.5/day": ramp(0.5),
}  # fmt: skip


def delays(devices: int) -> dict[str, dict[str, float | None]]:
    """Hours until the first alarm, median over devices, by what is planted and feature."""
    out: dict[str, dict[str, float | None]] = {}
    for what, plant in PLANTS.items():
        values = clean(np.random.default_rng(5), devices, PLANTED + 30)
        plant(values[PLANTED * DAY :])
        _, found = run(values, NAMES)
        out[what] = {}
        for name in NAMES:
            hours = [
                min(
                    (
                        24 * (day - PLANTED) + 1
                        for day, one in alarms(found, f"d{n}")
                        if one.feature == name and day >= PLANTED
                    ),
                    default=9e9,
                )
                for n in range(devices)
            ]
            middle = statistics.median(hours)
            out[what][name] = round(middle, 1) if middle < 9e8 else None
    return out


def main() -> None:
    """As said above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    figures: dict[str, Any] = {
        "cost_us": {
            "monitors, batches of 1,000": cost(1_000, 12, whole=False),
            "monitors, batches of 100": cost(100, 12, whole=False),
            "all with a shadow, batches of 1,000": cost(1_000, 12, whole=True),
            "all with a shadow, batches of 100": cost(100, 12, whole=True),
        }
    }
    print(json.dumps(figures["cost_us"], indent=1))
    figures["alarms"] = false_alarms(asked.devices, asked.days, asked.seeds)
    print(json.dumps(figures["alarms"], indent=1))
    figures["delays_h"] = delays(5)
    for what, row in figures["delays_h"].items():
        print(f"{what:14}", "  ".join(f"{name}: {'-' if x is None else x}" for name, x in row.items()))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
