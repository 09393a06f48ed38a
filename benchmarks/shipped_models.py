"""The models that ship, as they are and in INT8: `python -m benchmarks.shipped_models [--seconds 1] [--json FILE]`.

fp32:    the file that ships
dynamic: weights in INT8, activations as they come (onnxruntime's `quantize_dynamic`)
static:  QDQ by channel, activations calibrated on training rows; matrix products and convolutions only

Of each: its size, the median time of one call with 1 and with 128 rows (one thread, taken by turns, so that a busy
machine is one for all), and how well it does its task on the rows that its card was scored on; bearing on all clips,
which it was trained on, so that column only says what INT8 costs.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime import quantization
from training import bearing, occupancy, pump
from training.cards import DATA
from training.sources import clips, pumps, room

from holdfast.stream.detectors.benches.skab import outliers

Array = NDArray[Any]
SHIPPED = Path(__file__).parents[1] / "src/holdfast/inference/shipped"
BATCHES = (1, 128)
_QUANTISED = ["MatMul", "Gemm", "Conv"]


@dataclass(frozen=True, slots=True)
class Task:
    """rows: to score; teach: to calibrate on; says: what the outputs of `rows` are worth, in words."""

    name: str
    rows: Array
    teach: Array
    says: Callable[[Array], str]


class Taught(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Rows, a hundred at a time."""

    def __init__(self, rows: Array) -> None:
        self._parts: Iterator[Array] = iter(np.array_split(rows.astype(np.float32), max(len(rows) // 100, 1)))

    def get_next(self) -> dict[str, Array] | None:
        """See onnxruntime."""
        part = next(self._parts, None)
        return None if part is None else {"x": part}


def tasks(data: Path) -> list[Task]:
    """The three."""
    train, test = room(data, "datatraining"), room(data, "datatest")
    x, y = occupancy.features(test)[1:], test.occupied[1:]
    some, skab = clips(data), pumps(data)
    windows = [bearing.windows(clip) for clip in some]
    known = np.repeat([bearing.LABELS.index(clip.fault) for clip in some], [len(part) for part in windows])
    departed = pump.of_files(skab.files)
    stacked, limit = np.vstack(list(departed.values())), _threshold()

    def flagged(said: Array) -> str:
        score = ((stacked - said) ** 2).mean(1) > limit
        flags = np.split(score, np.cumsum([len(one) for one in departed.values()])[:-1])
        out = outliers(dict(zip(departed, flags, strict=True)), skab.files)
        return f"F1 {out.f1:.3f}, FAR {out.far:.1f} %"

    return [
        Task("occupancy", x, occupancy.features(train)[1::8],
             lambda said: f"accuracy {np.mean(said.argmax(1) == y):.4f}"),
        Task("bearing-fault", np.vstack(windows), bearing.rows_of(some)[0][::4],
             lambda said: f"windows right {np.mean(said.argmax(1) == known):.4f}"),
        Task("pump-anomaly", stacked, pump.started(skab.normal)[::8], flagged),
    ]  # fmt: skip


def _threshold() -> float:
    card = (SHIPPED / "pump-anomaly" / "model.yaml").read_text()
    return float(next(line for line in card.splitlines() if line.startswith("threshold:")).split()[1])


def candidates(task: Task, folder: Path) -> dict[str, Path]:
    """fp32 and both kinds of INT8, as files."""
    plain = SHIPPED / task.name / "model.onnx"
    found = {
        "fp32": plain,
        "dynamic": folder / f"{task.name}-dynamic.onnx",
        "static": folder / f"{task.name}-static.onnx",
    }
    quantization.quantize_dynamic(plain, found["dynamic"], per_channel=True, op_types_to_quantize=_QUANTISED)
    quantization.quantize_static(
        plain, found["static"], Taught(task.teach), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        op_types_to_quantize=_QUANTISED,
    )  # fmt: skip
    return found


def session(path: Path) -> Any:
    """On one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def timed(sessions: dict[str, Any], rows: Array, seconds: float) -> dict[str, float]:
    """Median seconds of a call, by turns."""
    took: dict[str, list[float]] = {name: [] for name in sessions}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or min(map(len, took.values())) < 20:
        for name, one in sessions.items():
            began = time.perf_counter()
            one.run(None, {"x": rows})
            took[name].append(time.perf_counter() - began)
    return {name: statistics.median(some[3:]) for name, some in took.items()}


def measured(task: Task, seconds: float) -> list[dict[str, Any]]:
    """A line for each candidate."""
    with tempfile.TemporaryDirectory() as folder:
        paths = candidates(task, Path(folder))
        sessions = {name: session(path) for name, path in paths.items()}
        rows = task.rows.astype(np.float32)
        p50 = {n: timed(sessions, np.resize(rows, (n, rows.shape[1])), seconds) for n in BATCHES}
        return [
            {
                "model": task.name,
                "as": name,
                "bytes": paths[name].stat().st_size,
                **{f"p50_{n}_us": 1e6 * p50[n][name] for n in BATCHES},
                "task": task.says(np.vstack([one.run(None, {"x": part})[0] for part in np.array_split(rows, 50)])),
            }
            for name, one in sessions.items()
        ]


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=1.0)
    asked.add_argument("--data", type=Path, default=DATA)
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    lines = [line for task in tasks(given.data) for line in measured(task, given.seconds)]
    print(f"{'model':14s} {'as':8s} {'kB':>6s} {'1 row':>9s} {'128 rows':>10s} {'x 1':>5s} {'x 128':>6s}  task")
    for line in lines:
        base = next(one for one in lines if one["model"] == line["model"])
        times = [base[f"p50_{n}_us"] / line[f"p50_{n}_us"] for n in BATCHES]
        print(
            f"{line['model']:14s} {line['as']:8s} {line['bytes'] / 1000:6.1f} {line['p50_1_us']:6.0f} us "
            f"{line['p50_128_us']:7.0f} us {times[0]:5.2f} {times[1]:6.2f}  {line['task']}"
        )
    if given.json:
        given.json.write_text(json.dumps(lines, indent=2) + "\n")


if __name__ == "__main__":
    main()
