"""What the room adds to a bare runtime: `Model.predict` beside `session.run`, at batches of 1 to 1,024; and its costs.

python -m benchmarks.inference [--rounds 400]

A small autoencoder (8 features, 16-3-16) and a larger one (64 features, 512-3-512), one thread. In turns in one
process, medians: the runtime alone (float32 in, float32 out: nobody's use of it), the same with what anybody adds who
uses it (standardise in float64, cast, mean squared error), and `Model.predict`, which is that and checks every number.
Before that what loading costs: the trial in a process of its own, the load after it, and memory with and without an
arena, each in a process of its own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import helper
from tests.unit.inference.making import folder, saved, tensor

from holdfast.inference.door import open_model
from holdfast.inference.runtimes.port import Options
from holdfast.inference.trials import Trials

BATCHES = (1, 16, 128, 1024)
KEPT = """
import statistics, sys, time
from pathlib import Path
import numpy as np
from holdfast.inference.door import open_model, resident
from holdfast.inference.runtimes.onnx import settle
from holdfast.inference.runtimes.port import Options
settle()
options, kept, took = Options(arena=sys.argv[2] == "True"), [], []
values = np.random.default_rng(1).normal(size=(1024, 64))
open_model(Path(sys.argv[1])).predict(values)
before = resident()
for _ in range(8):
    kept.append(open_model(Path(sys.argv[1]), options))
    kept[-1].predict(values)
grew = (resident() - before) / 8e6
for _ in range(200):
    began = time.perf_counter()
    kept[0].predict(values)
    took.append(time.perf_counter() - began)
print(grew, statistics.median(took) * 1e6)
"""


def autoencoder(f: int, hidden: int) -> bytes:
    random, nodes, constants, name = np.random.default_rng(1), list[Any](), dict[str, Any](), "x"
    widths = [(f, hidden), (hidden, 3), (3, hidden), (hidden, f)]
    for at, (a, b) in enumerate(widths):
        constants[f"w{at}"] = (random.normal(size=(a, b)) / a**0.5).astype("f")
        constants[f"b{at}"] = np.zeros(b, "f")
        last = at == len(widths) - 1
        nodes.append(helper.make_node("Gemm", [name, f"w{at}", f"b{at}"], ["xhat" if last else f"g{at}"]))
        nodes += [] if last else [helper.make_node("Tanh", [f"g{at}"], [f"t{at}"])]
        name = f"t{at}"
    return saved(nodes, [tensor("x", "n", f)], [tensor("xhat", "n", f)], constants)


def medians(rounds: int, *ways: Callable[[], object]) -> list[float]:
    """Microseconds of each way, taken in turns."""
    took: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for one, way in zip(took, ways, strict=True):
            began = time.perf_counter()
            way()
            one.append(time.perf_counter() - began)
    return [statistics.median(one) * 1e6 for one in took]


def speeds(name: str, data: bytes, f: int, place: Path, rounds: int) -> None:
    mean, std = np.linspace(1, 2, f), np.linspace(2, 3, f)
    inputs = f"{{features: press, shape: [{f}], mean: {mean.tolist()}, std: {std.tolist()}}}"
    model = open_model(folder(place, data, inputs=inputs))
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    bare = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])

    def by_hand(values: NDArray[Any]) -> NDArray[Any]:
        fed = ((values - mean) / std).astype("f")
        score: NDArray[Any] = ((bare.run(None, {"x": fed})[0] - fed) ** 2).mean(axis=1)
        return score

    print(
        f"\n{name}: {len(data):,} bytes\n{'batch':>6} {'bare µs':>9} {'by hand':>9} {'predict':>9}  of bare  of by hand"
    )
    for n in BATCHES:
        values = np.random.default_rng(n).normal(size=(n, f)) * 2 + 1
        fed = values.astype("f")
        assert np.allclose(model.predict(values).score, by_hand(values), atol=1e-6)
        ways = (partial(bare.run, None, {"x": fed}), partial(by_hand, values), partial(model.predict, values))
        a, b, c = medians(rounds, *ways)
        print(f"{n:>6} {a:>9.1f} {b:>9.1f} {c:>9.1f}  {a / c:>6.0%}  {b / c:>9.0%}")


def costs(data: bytes, f: int, at: Path) -> None:
    inputs = f"{{features: press, shape: [{f}]}}"
    place, trials = folder(at / "cost", data, inputs=inputs), Trials()
    began = time.perf_counter()
    first = open_model(place, Options(), trials)
    tried = time.perf_counter() - began
    again = statistics.median([open_model(place, Options(), trials).load_s for _ in range(20)])
    print(f"\nfirst load, with its trial: {tried * 1e3:.0f} ms; later loads: {again * 1e3:.1f} ms")
    print(f"memory, measured in the trial: {first.memory_bytes / 1e6:.2f} MB for a file of {len(data) / 1e6:.2f} MB")
    for arena in (False, True):
        told = subprocess.run([sys.executable, "-c", KEPT, str(place), str(arena)], check=True, capture_output=True)
        grew, took = told.stdout.decode().split()
        print(f"arena {arena!s:<5}: {float(grew):.2f} MB a model after batches of 1,024, {float(took):.0f} µs for one")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as at:
        small, large = autoencoder(8, 16), autoencoder(64, 512)
        costs(large, 64, Path(at))
        speeds("small autoencoder", small, 8, Path(at) / "small", rounds)
        speeds("larger autoencoder", large, 64, Path(at) / "large", rounds)


if __name__ == "__main__":
    main()
