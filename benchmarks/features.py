"""Feature sets in the engine, one core: `python -m benchmarks.features [--seconds 20] [--json FILE]`.

1,000 series at 10 Hz as 125 devices of 8 metrics each (1,250 messages a second), in batches of 2, 20 and 200 ms; and as
1,000 devices of 8 (10,000 messages a second).

raw+moving: 8 last values and 8 means of the last 10 samples
samples:    `samples(m0, …, m7, 60)`: 480 numbers a row
nothing:    the same set where no device matches
rule:       beside it, a rule with the same 16 columns and no alert

CPU time of the process for `Engine.evaluate`, as rows a second and as the share of a core at that rate; by turns in one
run, medians over rounds.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.language.featuring import compile_features, load_features
from holdfast.stream.language.loading import load_rules
from holdfast.stream.rules import CompiledRule

METRICS = 8
HZ = 10
START_NS = 1_795_000_000_000_000_000
_NAMES = [f"m{i}" for i in range(METRICS)]
_COLUMNS = {name: name for name in _NAMES} | {f"mean_{name}": f"avg({name})" for name in _NAMES}


def lines(folder: Path) -> dict[str, list[CompiledRule]]:
    """What is measured, by name."""
    document = {
        "features": {
            "raw-moving": {"select": _COLUMNS, "window": "sliding 10 samples"},
            "samples": {"select": {"raw": f"samples({', '.join(_NAMES)}, 60)"}, "window": "sliding 60 samples"},
        }
    }
    (folder / "features.yaml").write_text(json.dumps(document))
    select = ", ".join(f"{expression} as c_{name}" for name, expression in _COLUMNS.items())
    rules = {"rules": {"same": {"select": select, "window": "sliding 10 samples", "do": []}}}
    (folder / "rules.yaml").write_text(json.dumps(rules))
    moving, samples = load_features([folder / "features.yaml"])
    return {
        "raw+moving": [compile_features(moving, "bench")],
        "samples": [compile_features(samples, "bench")],
        "nothing": [compile_features(moving, "bench", "readings where device = 'none'")],
        "rule": load_rules([folder / "rules.yaml"]),
    }


class Plant:
    """An engine and what its devices send."""

    def __init__(self, rules: list[CompiledRule], devices: int, batch_s: float) -> None:
        self._catalogue, self._rng = Catalogue(), np.random.default_rng(7)
        self.engine = Engine(rules, self._catalogue, "bench")
        series = [[Series("bench", f"d{d}", m, "", Kind.FLOAT) for m in _NAMES] for d in range(devices)]
        self._ids = np.array([[self._catalogue.intern(one) for one in some] for some in series], np.int32)
        self._step = max(1, round(devices * HZ * batch_s))
        self._sent = 0

    def run(self, messages: int) -> tuple[int, float]:
        """Rows made, and CPU seconds."""
        rows, spent, devices = 0, 0.0, len(self._ids)
        for _ in range(max(1, messages // self._step)):
            number = np.arange(self._sent, self._sent + self._step)
            self._sent += self._step
            series = self._ids[number % devices].ravel()
            ts = np.repeat(START_NS + number * (1_000_000_000 // (devices * HZ)), METRICS)
            value = self._rng.normal(20.0, 5.0, len(series))
            batch = Batch(series, ts, value, np.zeros(len(series), np.uint8))
            begin = time.process_time()
            found = self.engine.evaluate(batch)
            spent += time.process_time() - begin
            rows += sum(map(len, found.features))
        return rows, spent


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        made = lines(Path(folder))
    cases = [(125, 0.002), (125, 0.02), (125, 0.2), (1000, 0.02)]
    plants = {
        (name, devices, batch_s): Plant(rules, devices, batch_s)
        for name, rules in made.items()
        for devices, batch_s in cases
    }
    spent: dict[Any, list[float]] = {key: [] for key in plants}
    rows = dict.fromkeys(plants, 0)
    for plant in plants.values():
        plant.run(plant.engine.limits.keys or 20_000)  # windows fill, keys are known
    rounds = max(3, round(options.seconds / (len(plants) * 0.4)))
    for _ in range(rounds):
        for key, plant in plants.items():
            messages = min(key[1] * HZ, 2_500)
            done = plant.run(messages)
            rows[key] += done[0]
            spent[key].append(done[1] / max(1, messages))
    for key, each in spent.items():
        name, devices, batch_s = key
        per = statistics.median(each)
        rate = devices * HZ
        one = {"what": name, "devices": devices, "batch_ms": 1000 * batch_s, "messages_per_s": rate}
        one |= {"us_a_message": 1e6 * per, "rows_per_s": 1 / per, "core_share": per * rate, "rows": rows[key]}
        found.append(one)
        print(
            f"{name:<11} {devices:>5} devices, batches of {1000 * batch_s:>5.0f} ms: {1e6 * per:>8.2f} us a message, "
            f"{1 / per:>10,.0f} messages/s, {per * rate:>7.2%} of a core at {rate:,}/s"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
