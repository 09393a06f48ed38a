"""The checkout exercise: 10,000 orders an hour through a link that fails for minutes, kills included.

    python -m tests.system.shop.exercise SECONDS [SEED]

Customers come at random (Poisson) whether or not the shop answers; an order's latency counts from when it came.
"""

import json
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.system.shop.shop import Shop, Verdict, judge

PER_HOUR = 10_000
GOOD_S = 0.050


@dataclass(frozen=True)
class Trial:
    """How long, how often something is killed and the link cut (mean seconds between), for how long it's cut."""

    seconds: float
    kill_every_s: float
    cut_every_s: float
    cut_s: float
    seed: int = 1
    per_hour: int = PER_HOUR


@dataclass(frozen=True)
class Report:
    """What came of it. Times in seconds."""

    orders: int
    within_50_ms: float
    p50: float
    p99: float
    p999: float
    worst: float
    caught_up_s: float
    cut_share: float
    kills: dict[str, int]
    verdict: Verdict


def run(shop: Shop, trial: Trial) -> Report:
    """Open the shop, let customers and trouble come, wait until everything is booked."""
    rng = random.Random(trial.seed)
    latencies: dict[str, float] = {}
    stop = threading.Event()
    kills: dict[str, int] = {}
    cut = [0.0]
    shop.open()
    try:
        killing = threading.Thread(target=_kill, args=(shop, random.Random(rng.random()), trial, stop, kills))
        cutting = threading.Thread(target=_cut, args=(shop, random.Random(rng.random()), trial, stop, cut))
        killing.start()
        cutting.start()
        _customers(shop, rng, trial, latencies)
        stop.set()
        killing.join()
        cutting.join()
        ended = time.monotonic()
        shop.wait_booked(120)
        caught_up = time.monotonic() - ended
    finally:
        stop.set()
        shop.close()
    return _report(latencies, caught_up, cut[0] / trial.seconds, kills, judge(shop, set(latencies)))


def _report(
    latencies: dict[str, float], caught_up_s: float, cut_share: float, kills: dict[str, int], verdict: Verdict
) -> Report:
    ordered = sorted(latencies.values())

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)

    good = sum(1 for one in ordered if one <= GOOD_S) / len(ordered)
    return Report(
        len(ordered),
        round(good, 5),
        at(0.5),
        at(0.99),
        at(0.999),
        round(ordered[-1], 4),
        round(caught_up_s, 1),
        round(cut_share, 2),
        kills,
        verdict,
    )


def _customers(shop: Shop, rng: random.Random, trial: Trial, latencies: dict[str, float]) -> None:
    began = at = time.monotonic()
    number = 0
    with ThreadPoolExecutor(16) as customers:
        while at - began < trial.seconds:
            at += rng.expovariate(trial.per_hour / 3600)
            number += 1
            time.sleep(max(0.0, at - time.monotonic()))
            customers.submit(_order, shop, f"o-{number}", number, at, latencies)


def _order(shop: Shop, name: str, first: int, came: float, latencies: dict[str, float]) -> None:
    shop.order(name, first)
    latencies[name] = time.monotonic() - came


def _kill(shop: Shop, rng: random.Random, trial: Trial, stop: threading.Event, kills: dict[str, int]) -> None:
    while not stop.wait(rng.expovariate(1 / trial.kill_every_s)):
        name = rng.choice(("till-0", "till-1", "books", "gw", "hub"))
        if name.startswith("till"):
            shop.wait_till("till-0" if name == "till-1" else "till-1")
        shop.restart(name)
        kills[name] = kills.get(name, 0) + 1


def _cut(shop: Shop, rng: random.Random, trial: Trial, stop: threading.Event, cut: list[float]) -> None:
    while not stop.wait(rng.expovariate(1 / trial.cut_every_s)):
        began = time.monotonic()
        shop.link.cut()
        stop.wait(trial.cut_s * rng.uniform(0.5, 1.5))
        shop.link.restore()
        cut[0] += time.monotonic() - began


def main() -> None:
    seconds = float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(seconds, kill_every_s=5.0, cut_every_s=seconds / 6, cut_s=seconds / 6, seed=seed)
        print(json.dumps(asdict(run(Shop(Path(folder)), trial)), indent=2))


if __name__ == "__main__":
    main()
