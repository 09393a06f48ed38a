"""Two models on the same rows: where they agree, who is right, how far their numbers are apart, what each costs."""

import tempfile
from collections.abc import Mapping, Sequence
from math import comb, erfc, sqrt
from pathlib import Path

import msgspec
import numpy as np

from holdfast.inference.optimising.benching import asked
from holdfast.inference.optimising.errors import ModelUnusable
from holdfast.inference.optimising.given import Array, Given, Task
from holdfast.inference.optimising.jobs import Race, Raced, Weigh, Weighed
from holdfast.inference.optimising.samples import Samples
from holdfast.inference.optimising.scores import Judged, Said, confusion, guess, judge, said, wilson

_Times = list[list[list[float]]]
_EXACT = 1000
"""Disagreements; of more, McNemar's test is worked out by the normal distribution."""


class Side(msgspec.Struct, frozen=True):
    """One of the two. value: of the metric, low to high with 95 % confidence where it is a share."""

    model: str
    size: int
    memory: int
    load_ms: float
    p50_ms: float
    p99_ms: float
    batch_p50_ms: float
    value: float | None = None
    low: float | None = None
    high: float | None = None


class Apart(msgspec.Struct, frozen=True):
    """How far the two's numbers are from each other, in their own unit; rmse as a share of A's deviation, too."""

    mean: float
    p50: float
    p99: float
    largest: float
    rmse_share: float


class Compared(msgspec.Struct, frozen=True):
    """The report.

    agreement: share of rows with the same class (None = the models say numbers), with its 95 % interval
    confusion: rows: what A says, columns: what B says
    only_a, only_b: rows that only one of them has right; p: McNemar's test that this is chance
    loss:      A's figure less B's, with its 95 % interval
    quicker:   A's CPU time over B's with one row: median of rounds, and their 95 % interval
    """

    task: str
    metric: str
    rows: int
    labelled: bool
    labels: list[str]
    a: Side
    b: Side
    agreement: float | None
    agreement_low: float | None
    agreement_high: float | None
    confusion: list[list[int]]
    apart: Apart | None
    only_a: int | None
    only_b: int | None
    p: float | None
    loss: float
    loss_low: float
    loss_high: float
    quicker: float
    quicker_low: float
    quicker_high: float
    batch: int


def compare(
    pair: tuple[Given, Given], data: tuple[Samples, Samples], *, batch: int, seconds: float, limit_s: float = 300.0
) -> Compared:
    """Both models on the same rows; data: as each of them takes them.

    Raises:
        ModelUnusable: one of them doesn't run on these rows, or they are for different tasks.
        DataUnusable: the labels don't suit the task.
    """
    a, b = pair
    with tempfile.TemporaryDirectory(prefix="holdfast-compare-") as folder:
        costs, outputs = zip(
            *(_run(one, rows, Path(folder), f"{at}", batch, limit_s) for at, (one, rows) in
              enumerate(zip(pair, data, strict=True))), strict=True
        )  # fmt: skip
        times = _times(pair, data, Path(folder), batch, seconds, limit_s)
    tasks = [guess(one, out, rows.y) for one, out, rows in zip(pair, outputs, data, strict=True)]
    if _kind(tasks[0]) != _kind(tasks[1]):
        raise ModelUnusable(f"{a.title} is for {tasks[0]}, {b.title} for {tasks[1]}", "compare models of one task")
    says = [said(one, tasks[0], out, rows.x) for one, out, rows in zip(pair, outputs, data, strict=True)]
    return _told(pair, data, tasks[0], says, list(costs), times, batch)


def _told(
    pair: tuple[Given, Given], data: tuple[Samples, Samples], task: Task, says: Sequence[Said],
    costs: Sequence[Weighed], times: tuple[_Times, _Times], batch: int,
) -> Compared:  # fmt: skip
    y = data[0].y
    threshold = pair[0].card.get("threshold")
    first = judge(task, says[0], says[0], y, threshold)
    second = judge(task, says[1], says[0], y, threshold)
    sides = [_side(*each, len(data[0]), labelled=y is not None)
             for each in zip(pair, costs, times[0], (first, second), strict=True)]  # fmt: skip
    same, matrix = _together(says)
    shares = (None, None, None) if same is None else (float(same.mean()), *wilson(int(same.sum()), len(same)))
    only = _only(says, y)
    ratio, low, high = _quicker(times[1][0][0], times[1][1][0])
    labels = list(pair[0].labels) or [str(i) for i in range(len(matrix))]
    return Compared(
        task=task,
        metric=second.metric,
        rows=len(data[0]),
        labelled=y is not None,
        labels=labels,
        a=sides[0],
        b=sides[1],
        agreement=shares[0],
        agreement_low=shares[1],
        agreement_high=shares[2],
        confusion=matrix.tolist(),
        apart=_apart(says),
        only_a=only and only[0],
        only_b=only and only[1],
        p=only and mcnemar(*only),
        loss=second.loss,
        loss_low=second.low,
        loss_high=second.high,
        quicker=ratio,
        quicker_low=low,
        quicker_high=high,
        batch=batch,
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """The chance of so uneven a split of the rows that only one has right, were both as good (two-sided)."""
    count, least = only_a + only_b, min(only_a, only_b)
    if count == 0:
        return 1.0
    if count <= _EXACT:
        return float(min(1.0, 2 * sum(comb(count, i) for i in range(least + 1)) / 2**count))
    return erfc(abs(only_a - only_b) / sqrt(2 * count))


def _run(
    given: Given, rows: Samples, folder: Path, name: str, batch: int, limit_s: float
) -> tuple[Weighed, Mapping[str, Array]]:
    at, out = folder / f"{name}.npy", folder / f"{name}.npz"
    np.save(at, rows.x)
    weighed = asked(Weigh(str(given.path), str(at), str(out), batch), limit_s)
    if not isinstance(weighed, Weighed):
        raise ModelUnusable(f"{given.path} gave no answer")
    with np.load(out, allow_pickle=False) as file:
        return weighed, {key: file[key] for key in file.files}


def _times(
    pair: tuple[Given, Given], data: tuple[Samples, Samples], folder: Path, batch: int, seconds: float, limit_s: float
) -> tuple[_Times, _Times]:
    """By turns in one process where both take the same rows, else one after the other."""
    paths, rows = [str(one.path) for one in pair], [str(folder / f"{i}.npy") for i in range(2)]
    together = data[0].x.shape == data[1].x.shape and data[0].x.dtype == data[1].x.dtype
    jobs = (
        [Race(paths, rows[0], [1, batch], 1, seconds)]
        if together
        else [Race([path], at, [1, batch], 1, seconds / 2) for path, at in zip(paths, rows, strict=True)]
    )
    answers = [asked(job, limit_s) for job in jobs]
    raced = [answer for answer in answers if isinstance(answer, Raced)]
    return [ms for answer in raced for ms in answer.ms], [ms for answer in raced for ms in answer.cpu_ms]


def _side(
    given: Given, cost: Weighed, ms: Sequence[Sequence[float]], judged: Judged, rows: int, *, labelled: bool
) -> Side:
    p50, p99 = (float(np.percentile(ms[0], q)) for q in (50, 99))
    value = judged.value if labelled else None
    share = wilson(round(judged.value * rows), rows) if labelled and judged.metric == "accuracy" else (None, None)
    size = given.path.stat().st_size
    return Side(
        given.title, size, cost.memory_bytes, 1e3 * cost.load_s, p50, p99, float(np.median(ms[1])), value, *share
    )


def _together(says: Sequence[Said]) -> tuple[Array | None, Array]:
    ours, theirs = says[0].label, says[1].label
    if ours is None or theirs is None:
        return None, np.zeros((0, 0), np.int64)
    size = int(max(ours.max(), theirs.max())) + 1
    return ours == theirs, confusion(ours, theirs, size)


def _only(says: Sequence[Said], y: Array | None) -> tuple[int, int] | None:
    ours, theirs = says[0].label, says[1].label
    if y is None or ours is None or theirs is None:
        return None
    return int(((ours == y) & (theirs != y)).sum()), int(((ours != y) & (theirs == y)).sum())


def _apart(says: Sequence[Said]) -> Apart | None:
    ours, theirs = says[0].score, says[1].score
    if ours is None or theirs is None:
        return None
    far = np.abs(ours - theirs)
    p50, p99 = (float(np.percentile(far, q)) for q in (50, 99))
    rmse = float(np.sqrt((far**2).mean()))
    return Apart(float((theirs - ours).mean()), p50, p99, float(far.max()), rmse / max(float(ours.std()), 1e-12))


def _quicker(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Ratios of medians of blocks that ran next to each other."""
    blocks = max(1, min(len(ours), len(theirs)) // 12)
    a, b = (np.array_split(np.asarray(ms), blocks) for ms in (ours, theirs))
    ratios = [float(np.median(x) / np.median(y)) for x, y in zip(a, b, strict=True)]
    random = np.random.default_rng(1)
    drawn = [float(np.median(random.choice(ratios, len(ratios)))) for _ in range(500)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


def _kind(task: Task) -> str:
    return "classification" if task == "image-classification" else task
