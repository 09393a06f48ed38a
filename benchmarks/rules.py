"""The engine alone, one core: `python -m benchmarks.rules [--seconds 50] [--only plain,like,…]`.

plain:     1 rule over 1,000 series
like:      1,000 threshold rules that differ in limit only, beside 1 rule: (a) each for one device, (b) each for all
different: 1,000 rules of other metrics, aggregates, windows and expressions, on 500 messages a second
sessions:  10,000 devices with a session each, where that window is there
detectors: each detector over 1,000 series that have 600 readings behind them, beside a threshold over each of them

Everything that is compared runs by turns in one process; CPU time of the process, medians over rounds.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.detectors.catalogue import KINDS
from holdfast.stream.engine import Engine
from holdfast.stream.language.loading import load_rules
from holdfast.stream.rules import CompiledRule

S = 1_000_000_000
START = 1_700_000_000 * S
METRICS = 10
AGGREGATES = ("avg", "max", "min", "sum", "stddev", "count", "first", "last")


class Fleet:
    """Devices that send `metrics` values a message, by turns, one millisecond apart."""

    def __init__(self, rules: list[CompiledRule], devices: int, metrics: int, step_ns: int = S // 1000) -> None:
        catalogue = Catalogue()
        self.engine = Engine(rules, catalogue, "edge")
        names = [[f"m{m}.value" for m in range(metrics)] for _ in range(devices)]
        self._ids = np.array(
            [
                [catalogue.intern(Series("edge", f"d{i:05}", m, "", Kind.FLOAT)) for m in row]
                for i, row in enumerate(names)
            ],
            np.int32,
        )
        self._sent, self._step, self._random = 0, step_ns, np.random.default_rng(7)

    def batch(self, messages: int) -> Batch:
        """The next messages."""
        at = np.arange(self._sent, self._sent + messages)
        self._sent += messages
        devices, metrics = self._ids.shape
        ts = np.repeat(START + at * self._step, metrics)
        total = messages * metrics
        value = np.round(self._random.normal(20.0, 5.0, total), 2)
        return Batch(self._ids[at % devices].ravel(), ts, value, np.zeros(total, np.uint8))

    def cost(self, messages: int, batches: int) -> float:
        """CPU seconds of the engine for so many batches."""
        made = [self.batch(messages) for _ in range(batches)]
        begin = time.process_time()
        for one in made:
            self.engine.evaluate(one, int(one.ts[-1]))
        return time.process_time() - begin


def compiled(lines: list[str]) -> list[CompiledRule]:
    """Rules of these lines of YAML."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_text("rules:\n" + "\n".join(lines) + "\n", encoding="utf-8")
        return load_rules([path])


def one_rule() -> list[str]:
    """A window of ten samples and a hold."""
    return ["  one: {select: avg(m0.value) as t, window: sliding 10 samples, when: t > 29, for: 3 samples}"]


def like_shaped(count: int, *, each_its_own: bool) -> list[str]:
    """Thresholds from 29 up: the first alone is `one_rule`."""
    rule = "select: avg(m0.value) as t, window: sliding 10 samples, for: 3 samples"
    return [
        f"  like{i}: {{{rule}, when: t > {29 + i * 0.01:.2f}"
        + (f", from: \"readings where device = 'd{i:05}'\"}}" if each_its_own else "}")
        for i in range(count)
    ]


def different(count: int) -> list[str]:
    """Every rule another metric, aggregate, window or expression: no two share a stage."""
    lines = []
    for i in range(count):
        metric, aggregate, width = f"m{i % METRICS}.value", AGGREGATES[i // METRICS % 8], 2 + i // (METRICS * 8)
        column = f"{aggregate}({metric})" if i % 3 else f"{aggregate}({metric}) * 1.8 + 32"
        lines.append(f"  r{i}: {{select: {column} as v, window: sliding {width} samples, when: v > {9000 + i}}}")
    return lines


def rounds(seconds: float, subjects: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Each subject by turns until the time is over; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for subject in subjects.values():
        subject()
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(next(iter(found.values()))) < 3:
        for name, subject in subjects.items():
            found[name].append(subject())
    return found


def plain(seconds: float) -> Iterator[str]:
    """Readings a second of one rule."""
    fleet = Fleet(compiled(one_rule()), 1000, 1)
    for size in (2000, 10_000):
        median = statistics.median(rounds(seconds / 2, {"": lambda size=size: fleet.cost(size, 10)})[""])  # type: ignore[misc]
        yield f"1 rule x 1,000 series, batches of {size:,}: {size * 10 / median / 1e6:.2f} M readings/s"


def like(seconds: float) -> Iterator[str]:
    """What 1,000 like-shaped rules cost beside one."""
    fleets = {
        "1 rule": Fleet(compiled(one_rule()), 1000, 1),
        "1,000 rules of a device each": Fleet(compiled(like_shaped(1000, each_its_own=True)), 1000, 1),
        "1,000 rules of all devices": Fleet(compiled(like_shaped(1000, each_its_own=False)), 1000, 1),
    }
    for size in (2000, 10_000):
        found = rounds(seconds / 2, {n: lambda f=f, size=size: f.cost(size, 5) for n, f in fleets.items()})  # type: ignore[misc]
        for name, costs in found.items():
            ratio = statistics.median(c / b for c, b in zip(costs, found["1 rule"], strict=True))
            us = statistics.median(costs) / 5 * 1e6
            yield f"{name}, batches of {size:,}: {us:,.0f} us/batch, x{ratio:.2f} of one ({len(costs)} rounds)"


def various(seconds: float) -> Iterator[str]:
    """Evaluations a second of 1,000 different rules: every message is one of every tenth of them per metric."""
    fleet = Fleet(compiled(different(1000)), 500, METRICS, S // 500)
    for messages in (500, 50, 5, 1):
        count = max(1, 50 // messages)
        median = statistics.median(rounds(seconds / 4, {"": lambda m=messages, c=count: fleet.cost(m, c)})[""]) / count  # type: ignore[misc]
        rate = messages * 1000 / median / 1e6
        yield (
            f"1,000 different rules, batches of {messages} x {METRICS} readings: {median * 1e3:.1f} ms/batch, "
            f"{median * 1e3:.1f} us/rule, {rate:.2f} M evaluations/s, {messages / median:,.0f} messages/s"
        )


def sessions(seconds: float) -> Iterator[str]:
    """10,000 devices with a session each."""
    try:
        rules = compiled(["  s: {select: avg(m0.value) as t, window: session 30s, when: t > 99}"])
    except SettingsInvalid:
        yield "10,000 keyed sessions: this release has no session windows"
        return
    fleet = Fleet(rules, 10_000, 1)
    median = statistics.median(rounds(seconds, {"": lambda: fleet.cost(10_000, 3)})[""])
    state = sum(line.stage.state.nbytes for line in fleet.engine.lines)
    yield f"10,000 keyed sessions: {30_000 / median / 1e6:.2f} M readings/s, state {state / 2**20:.1f} MiB"


def detectors(seconds: float) -> Iterator[str]:
    """Readings a second of every detector of one column."""
    rules = {"value > 99 by series": "  r: {select: value, by: series, when: value > 99}"}
    rules |= {
        f"detect: {name}": f"  r: {{detect: {name}, select: '*'}}" for name, k in KINDS.items() if k.columns[0] == 1
    }
    fleets = {name: Fleet(compiled([rule]), 100, METRICS) for name, rule in rules.items()}
    for fleet in fleets.values():
        fleet.cost(100, 600)
    for messages in (100, 50, 10, 1):
        count = max(1, 100 // messages)
        subjects: dict[str, Callable[[], float]] = {n: partial(f.cost, messages, count) for n, f in fleets.items()}
        for name, costs in rounds(seconds / 4, subjects).items():
            rate = messages * METRICS * count / statistics.median(costs)
            (cost,) = fleets[name].engine.costs()
            yield (
                f"{name}, 1,000 series, batches of {messages * METRICS:,}: {rate:,.0f} readings/s, "
                f"{cost.state_bytes / 1000:,.0f} B a series ({len(costs)} rounds)"
            )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--only", default="plain,like,different,sessions")
    options = parser.parse_args()
    parts = {"plain": plain, "like": like, "different": various, "sessions": sessions, "detectors": detectors}
    chosen = options.only.split(",")
    for name in chosen:
        for line in parts[name](options.seconds / len(chosen)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
