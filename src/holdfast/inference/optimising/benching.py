"""How quick a model is: times and rows a second by batch size and threads, memory, time to the first answer."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from holdfast.inference.optimising import workshop
from holdfast.inference.optimising.errors import ModelUnusable
from holdfast.inference.optimising.given import Array, Given
from holdfast.inference.optimising.jobs import Answer, Failed, Job, Race, Raced, Weigh, Weighed


class Pace(msgspec.Struct, frozen=True):
    """One batch size with one number of threads."""

    batch: int
    threads: int
    p50_ms: float
    p99_ms: float
    rows_per_s: float


class Bench(msgspec.Struct, frozen=True):
    """A model's figures; random: the rows were made up, since none were given."""

    model: str
    size: int
    memory: int
    load_ms: float
    random: bool
    paces: list[Pace]


def bench(
    given: Given,
    x: Array | None,
    batches: Sequence[int],
    threads: Sequence[int],
    seconds: float,
    limit_s: float = 300.0,
) -> Bench:
    """Run the model in child processes; x: rows as it takes them, None = made up.

    Raises:
        ModelUnusable: it doesn't run on these rows, or not in time.
    """
    rows = made_up(given, max(batches)) if x is None else x
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        at = Path(folder, "rows.npy")
        np.save(at, rows)
        job = Weigh(str(given.path), str(at), str(Path(folder, "said.npz")), max(batches))
        weighed = asked(job, limit_s)
        if not isinstance(weighed, Weighed):
            raise ModelUnusable(f"{given.path} gave no answer")
        paces = []
        for count in threads:
            raced = asked(Race([str(given.path)], str(at), list(batches), count, seconds / len(threads)), limit_s)
            if not isinstance(raced, Raced):
                raise ModelUnusable(f"{given.path} gave no times")
            paces += [_pace(batch, count, ms) for batch, ms in zip(batches, raced.ms[0], strict=True)]
    size = given.path.stat().st_size
    return Bench(given.title, size, weighed.memory_bytes, 1e3 * weighed.load_s, x is None, paces)


def asked(job: Job, limit_s: float) -> Answer:
    """A child's answer.

    Raises:
        ModelUnusable: there is none.
    """
    answer = workshop.run(job, limit_s)
    if isinstance(answer, Failed):
        raise ModelUnusable(f"the model doesn't run: {answer.why}", "are the rows such as it takes?")
    return answer


def made_up(given: Given, rows: int, seed: int = 1) -> Array:
    """Rows of the model's shape: standard normal, or small whole numbers."""
    random = np.random.default_rng(seed)
    shape = (rows, *(side or 1 for side in given.input.shape))
    if given.input.dtype.startswith("float"):
        return random.normal(0, 1, shape).astype(given.input.dtype)
    return random.integers(0, 2, shape).astype(given.input.dtype)


def _pace(batch: int, threads: int, ms: Sequence[float]) -> Pace:
    p50, p99 = (float(np.percentile(ms, q)) for q in (50, 99))
    return Pace(batch, threads, p50, p99, 1e3 * batch / p50)
