"""Memory and times of models, in a child process: see `jobs`.

Candidates take turns in short blocks, in an order drawn anew for each round, so whatever else the machine does hits
all alike; the first calls of a block only warm it. CPU time is of the calling thread, which with one thread does all
the work: on a busy machine it tells what a call costs, while times by the clock tell how long others had the CPU, too.
"""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.inference.optimising.given import Array, session
from holdfast.inference.optimising.jobs import Race, Raced, Weigh, Weighed
from holdfast.inference.optimising.scores import as_numbers

_BLOCK, _WARM = 12, 2
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 200


def weigh(job: Weigh) -> Weighed:
    """See `jobs.Weigh`."""
    x = np.load(job.x)
    import onnxruntime  # noqa: F401  # what the library itself takes isn't the model's

    before = _rss()
    began = time.perf_counter()
    opened = session(Path(job.model))
    name, names = opened.get_inputs()[0].name, [out.name for out in opened.get_outputs()]
    opened.run(None, {name: x[:1]})
    load_s = time.perf_counter() - began
    for _ in range(3):
        opened.run(None, {name: x[: job.batch]})
    grown = _rss() - before
    np.savez(job.out, **outputs_of(opened, name, names, x, job.batch))  # type: ignore[arg-type]  # any name is a key
    return Weighed(max(grown, 0), load_s, len(x))


def outputs_of(opened: Any, name: str, names: Sequence[str], x: Array, batch: int = 64) -> dict[str, Array]:
    """All rows through a session."""
    parts = [as_numbers(opened.run(None, {name: x[at : at + batch]}), names) for at in range(0, len(x), batch)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def race(job: Race) -> Raced:
    """See `jobs.Race`; rounds are made until the seconds are over, three at least."""
    x = np.load(job.x)
    opened = [session(Path(path), job.threads) for path in job.models]
    names = [one.get_inputs()[0].name for one in opened]
    inputs = [_rows(x, batch) for batch in job.batches]
    ms: list[list[list[float]]] = [[[] for _ in job.batches] for _ in opened]
    cpu_ms: list[list[list[float]]] = [[[] for _ in job.batches] for _ in opened]
    random = np.random.default_rng(job.seed)
    began = time.perf_counter()
    for done in range(_MOST_ROUNDS):
        if done >= _LEAST_ROUNDS and time.perf_counter() - began > job.seconds:
            break
        for which in random.permutation(len(opened)):
            for at, rows in enumerate(inputs):
                walls, cpus = _block(opened[which], names[which], rows)
                ms[which][at] += walls
                cpu_ms[which][at] += cpus
    return Raced(ms, cpu_ms)


def _block(opened: Any, name: str, rows: Array) -> tuple[list[float], list[float]]:
    walls, cpus = [], []
    for _ in range(_BLOCK + _WARM):
        began, spent = time.perf_counter(), time.thread_time()
        opened.run(None, {name: rows})
        cpus.append(1e3 * (time.thread_time() - spent))
        walls.append(1e3 * (time.perf_counter() - began))
    return walls[_WARM:], cpus[_WARM:]


def _rows(x: Array, batch: int) -> Array:
    return np.ascontiguousarray(np.resize(x, (batch, *x.shape[1:])) if len(x) < batch else x[:batch])


def _rss() -> int:
    """Of this process, bytes (proc(5)); 0 where the system doesn't tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0
