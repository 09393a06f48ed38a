"""Models served: `python -m benchmarks.serving [--seconds 4] [--rounds 5] [--hidden 64,16,64] [--json FILE]`.

An autoencoder over windows of 60 samples of 8 channels (480 → 64 → 16 → 64 → 480; its answer is the error), one thread:

bare:      onnxruntime's session.run in a loop, float32 rows ready in memory, batches as large as serving's
predict:   the same through `Model.predict` (float64 in, checks, the score): what serving hands its batches to
serving:   through `Serving` on a loop, saturated: offers of 1,000 rows (one of each device), and of 50
per call:  as tutorials do: one row, one session.run, on the loop
paced:     1,000 devices at 10 Hz in offers of 50: p50 and p99 of the results' latency, CPU; per call beside it
stuck:     the loop's own p99 delay while a model spins in an endless ONNX loop, and while none does
worker:    a batch through a pipe and through shared memory to another process and back, instead of a thread; and what
           that process takes in memory

All by turns in one run; medians over rounds.
"""

import argparse
import asyncio
import json
import multiprocessing
import multiprocessing.shared_memory
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
from onnx import helper
from tests.unit.inference import making
from tests.unit.inference.serving.of_models import ModelScorer

from holdfast.inference.door import open_model
from holdfast.inference.serving.ports import Assignment, ByRule, Deployment
from holdfast.inference.serving.service import Serving
from holdfast.inference.serving.settings import ServingSettings
from holdfast.kernel.clock import SystemClock
from holdfast.model.features import FeatureRows, no_flags
from holdfast.model.predictions import Predictions, Results

WIDTH = 480
HIDDEN = "64,16,64"
DEVICES, HERTZ = 1000, 10
CLOCK = SystemClock()
PLACES = [("gw", f"pump-{n}") for n in range(DEVICES)]
VALUES = np.random.default_rng(1).normal(size=(DEVICES, WIDTH))
KEYS = np.arange(DEVICES, dtype=np.int32)
TO = (Assignment("pump", "active", "m"),)


def autoencoder(hidden: str = HIDDEN) -> bytes:
    """Dense, tanh between; `score` is the mean squared error of the reconstruction."""
    random = np.random.default_rng(2)
    sizes = (WIDTH, *map(int, hidden.split(",")), WIDTH)
    nodes, constants, before = [], {}, "x"
    for at, (wide, narrow) in enumerate(pairwise(sizes)):
        constants[f"w{at}"] = random.normal(0, wide**-0.5, (wide, narrow)).astype("f")
        constants[f"b{at}"] = np.zeros(narrow, "f")
        nodes.append(helper.make_node("Gemm", [before, f"w{at}", f"b{at}"], [f"l{at}"]))
        before = f"l{at}"
        if at < len(sizes) - 2:
            nodes.append(helper.make_node("Tanh", [before], [f"t{at}"]))
            before = f"t{at}"
    nodes += [
        helper.make_node("Sub", [before, "x"], ["d"]),
        helper.make_node("Mul", ["d", "d"], ["q"]),
        helper.make_node("ReduceMean", ["q"], ["score"], axes=[1], keepdims=1),
    ]
    return making.saved(nodes, [making.tensor("x", "n", WIDTH)], [making.tensor("score", "n", 1)], constants)


def loaded(folder: Path, data: bytes, name: str, shape: int, output: str) -> ModelScorer:
    """A model through the door."""
    outputs = f"{{score: {{name: {output}, index: 0}}}}"
    inputs = f"{{features: pump, shape: [{shape}]}}"
    made = making.folder(folder / name, data, model=name, task="regression", inputs=inputs, outputs=outputs)
    return ModelScorer(open_model(made))


def bare_session(data: bytes) -> Any:
    """Onnxruntime as it comes, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def rows(first: int, n: int, turn: int) -> FeatureRows:
    """Of n devices."""
    at = slice(first, first + n)
    return FeatureRows("pump@1", "pump", PLACES, KEYS[at], np.full(n, turn), VALUES[at], no_flags(n), CLOCK.monotonic())


def rate(of: Callable[[], Any], n: int, seconds: float) -> float:
    """Rows a second."""
    began, runs = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        of()
        runs += 1
    return runs * n / took


class Served:
    """A serving that counts what it tells."""

    def __init__(self, budget_s: float = 0.05, **models: Any) -> None:
        self.rows, self.latencies = 0, [np.zeros(0)]
        self.told = asyncio.Event()
        self.serving = Serving(ServingSettings(), CLOCK, tell=self._tell, emit=lambda one: print(f"  {one}"))
        rule = ByRule(lambda given: Predictions.none(len(given)))
        works = [Deployment("pump", [("active", "m")], budget_s)]
        works += [Deployment("fan", [("active", "s")], fallback=[rule])] if "s" in models else []
        self.serving.adopt(works, models)

    def _tell(self, results: Results) -> None:
        self.rows += len(results)
        self.latencies.append(results.latency)
        self.told.set()

    async def warm(self) -> None:
        """Wait for it."""
        while not all(post.state == "ok" for post in self.serving.status().posts):  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.01)


async def saturated(scorer: ModelScorer, per_offer: int, seconds: float) -> tuple[float, float]:
    """Rows a second, and rows a batch; as much waits as makes two batches."""
    served = Served(budget_s=10.0, m=scorer)  # nothing is passed over for being late
    await served.warm()
    lane = served.serving.schedule.roster.lanes["m"]
    runs, run_rows, turn = lane.runs, lane.run_rows, 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        while lane.rows < max(3 * lane.limit, 2 * per_offer):
            served.serving.offer(rows(turn * per_offer % DEVICES, per_offer, turn), TO)
            turn += 1
        served.told.clear()
        await served.told.wait()
    took, done = time.perf_counter() - began, served.rows
    batch = (lane.run_rows - run_rows) / max(lane.runs - runs, 1)
    await served.serving.stop()
    return done / took, batch


async def paced(offer: Callable[[int, int, int], None], seconds: float, per_offer: int = 50) -> float:
    """Offer 10,000 rows a second; the share of a core that the process took."""
    cpu, began = time.process_time(), time.perf_counter()
    for turn in range(round(seconds * DEVICES * HERTZ / per_offer)):
        offer(turn * per_offer % DEVICES, per_offer, turn)
        if (left := began + (turn + 1) * per_offer / (DEVICES * HERTZ) - time.perf_counter()) > 0:
            await asyncio.sleep(left)
    return (time.process_time() - cpu) / (time.perf_counter() - began)


async def paced_served(scorer: ModelScorer, seconds: float) -> dict[str, float]:
    """Latency and CPU at 10,000 rows a second."""
    served = Served(m=scorer)
    await served.warm()
    cpu = await paced(lambda first, n, turn: served.serving.offer(rows(first, n, turn), TO), seconds)
    await served.serving.stop()
    took = 1000 * np.concatenate(served.latencies)
    post = served.serving.status().posts[0]
    assert post.scored + post.skipped == post.offered
    p50, p99 = np.quantile(took, (0.5, 0.99))
    return {"p50_ms": p50, "p99_ms": p99, "cores": cpu, "batch": post.batch, "skipped": float(post.skipped)}


async def paced_per_call(session: Any, seconds: float) -> dict[str, float]:
    """The same rows, one session.run each, on the loop; from the moment a row should have come."""
    took: list[float] = []
    began = time.perf_counter()

    def offer(first: int, n: int, turn: int) -> None:
        due = began + turn * n / (DEVICES * HERTZ)
        for at in range(first, first + n):
            session.run(None, {"x": VALUES[at : at + 1].astype(np.float32)})
            took.append(1000 * (time.perf_counter() - due))

    cpu = await paced(offer, seconds)
    p50, p99 = np.quantile(took, (0.5, 0.99))
    return {"p50_ms": p50, "p99_ms": p99, "cores": cpu}


async def loop_delay(scorer: ModelScorer, stuck: ModelScorer, seconds: float, *, hangs: bool) -> float:
    """p99 of how late the loop's timers are, ms, at 10,000 rows a second."""
    served = Served(m=scorer, s=stuck)
    await served.warm()
    delays: list[float] = []

    async def listen() -> None:
        while True:
            due = time.perf_counter() + 0.002
            await asyncio.sleep(0.002)
            delays.append(1000 * (time.perf_counter() - due))

    listener = asyncio.ensure_future(listen())
    if hangs:
        values = np.full((1, 4), 2.0**60)
        far = FeatureRows("fan@1", "fan", PLACES, KEYS[:1], KEYS[:1] + 1, values, no_flags(1), CLOCK.monotonic())
        served.serving.offer(far, (Assignment("fan", "active", "s"),))
    await paced(lambda first, n, turn: served.serving.offer(rows(first, n, turn), TO), seconds)
    listener.cancel()
    await served.serving.stop()
    return float(np.quantile(delays, 0.99))


def worker(pipe: Any, folder: str, shared: str, n: int) -> None:
    """The other process: batches by the pipe (bytes) or in shared memory (None)."""
    model = open_model(Path(folder))
    memory = multiprocessing.shared_memory.SharedMemory(shared)
    room = np.ndarray((n, WIDTH), np.float64, memory.buf)
    while (asked := pipe.recv()) != "end":
        values = np.frombuffer(pipe.recv_bytes()).reshape(-1, WIDTH) if asked == "pipe" else room[:asked]
        said = model.predict(values)
        pipe.send((said.score, said.label, said.confidence))
    pipe.send(psutil.Process().memory_info().rss)
    del room
    memory.close()


@contextmanager
def in_a_process(folder: Path, n: int) -> Iterator[tuple[Callable[[], Any], Callable[[], Any], Callable[[], float]]]:
    """A batch by the pipe, one by shared memory, and the process' resident bytes at its end."""
    context = multiprocessing.get_context("spawn")
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=n * WIDTH * 8)
    room, (here, there) = np.ndarray((n, WIDTH), np.float64, memory.buf), context.Pipe()
    process = context.Process(target=worker, args=(there, str(folder), memory.name, n))
    process.start()

    def by_pipe() -> Any:
        here.send("pipe")
        here.send_bytes(VALUES[:n].tobytes())
        return here.recv()

    def by_memory() -> Any:
        np.copyto(room, VALUES[:n])
        here.send(n)
        return here.recv()

    def end() -> float:
        here.send("end")
        return float(here.recv())

    try:
        yield by_pipe, by_memory, end
    finally:
        process.join(5)
        process.kill()
        memory.unlink()


def throughput(folder: Path, scorer: ModelScorer, session: Any, seconds: float, rounds: int) -> dict[str, float]:
    """Rows a second of everything, by turns."""
    told: dict[str, list[float]] = {}
    _, batch = asyncio.run(saturated(scorer, 1000, 0.5))
    n = round(batch)
    ready, one = VALUES[:n].astype(np.float32), VALUES[:1].astype(np.float32)
    with in_a_process(folder, n) as (by_pipe, by_memory, end):
        by_pipe(), by_memory()
        subjects: dict[str, Callable[[], float]] = {
            "bare": lambda: rate(lambda: session.run(None, {"x": ready}), n, seconds),
            "predict": lambda: rate(lambda: scorer.predict(VALUES[:n]), n, seconds),
            "serving, 1,000 a time": lambda: asyncio.run(saturated(scorer, 1000, seconds))[0],
            "serving, 50 a time": lambda: asyncio.run(saturated(scorer, 50, seconds))[0],
            "per call": lambda: rate(lambda: session.run(None, {"x": one}), 1, seconds),
            "worker process, pipe": lambda: rate(by_pipe, n, seconds),
            "worker process, shared memory": lambda: rate(by_memory, n, seconds),
        }
        for _ in range(rounds):
            for name, subject in subjects.items():
                told.setdefault(name, []).append(subject())
        held = end()
    return {"batch": n, "worker process, MiB": held / 2**20} | {k: statistics.median(v) for k, v in told.items()}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hidden", default=HIDDEN, help="neurons of the layers between")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sys.setswitchinterval(0.0002)  # as the node does
    with tempfile.TemporaryDirectory() as made:
        folder, data = Path(made), autoencoder(options.hidden)
        scorer = loaded(folder, data, "pump", WIDTH, "score")
        stuck = loaded(folder, making.stuck(), "stuck", 4, "y")
        session = bare_session(data)
        told: dict[str, Any] = {
            "rows_per_s": throughput(folder / "pump", scorer, session, options.seconds, options.rounds)
        }
        bare = told["rows_per_s"]["bare"]
        for name, one in told["rows_per_s"].items():
            share = f" ({100 * one / bare:.0f} % of bare)" if one > 1000 else ""
            print(f"{name}: {one:,.0f}{share}", flush=True)
        told["paced"], told["paced_per_call"], told["delay"], told["delay_stuck"] = [], [], [], []
        for _ in range(options.rounds):
            told["paced"].append(asyncio.run(paced_served(scorer, 2 * options.seconds)))
            told["paced_per_call"].append(asyncio.run(paced_per_call(session, 2 * options.seconds)))
            told["delay"].append(asyncio.run(loop_delay(scorer, stuck, 2 * options.seconds, hangs=False)))
            told["delay_stuck"].append(asyncio.run(loop_delay(scorer, stuck, 2 * options.seconds, hangs=True)))
        for name in ("paced", "paced_per_call"):
            medians = {key: statistics.median(one[key] for one in told[name]) for key in told[name][0]}
            print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in medians.items()), flush=True)
        calm, busy = statistics.median(told["delay"]), statistics.median(told["delay_stuck"])
        print(f"loop's p99 delay: {calm:.2f} ms; with a stuck model {busy:.2f} ms", flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
