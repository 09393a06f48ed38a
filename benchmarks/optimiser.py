"""The optimiser's tables: `python -m benchmarks.optimiser [--inspection FOLDER] [--teach] [--shipped] [--json FILE]`.

--inspection: a MobileNetV2 for pictures, made before by `benchmarks.optimiser_model --out FOLDER` (needs PyTorch)
--teach:      fine-tune and distil it, too: PyTorch must be importable here; --train-seconds of training for each
--shipped:    the three models that ship, on the rows that their cards were scored on (../shared/data)

Every table is one run of `holdfast model optimise`: candidates take turns, one thread, warm. Goal for the MobileNet:
1.8 times quicker or 3.5 times smaller at a loss of one point of accuracy at most.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.cli.model_tables import optimise_lines
from holdfast.inference.optimising.given import read_given
from holdfast.inference.optimising.optimise import Wishes, optimise
from holdfast.inference.optimising.pareto import Limits
from holdfast.inference.optimising.report import Report
from holdfast.inference.optimising.samples import read_samples

Array = NDArray[Any]
SHIPPED = Path(__file__).parents[1] / "src/holdfast/inference/shipped"
SMALLER, QUICKER, LOSS = 3.5, 1.8, 0.01


def run(model: Path, calibrate: Path, evaluate: Path, wishes: Wishes) -> Report:
    """One table."""
    given = read_given(model)
    rows = read_samples(calibrate, given), read_samples(evaluate, given)

    def tell(done: float, of: float, what: str) -> None:
        print(f"{done:.0f}/{of:.0f} {what}", file=sys.stderr, flush=True)

    return optimise(given, *rows, wishes, lambda report, _: report, tell)


def shipped(data: Path, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Of each model that ships: its name, rows to calibrate by, rows to judge by."""
    from training import bearing, occupancy, pump  # noqa: PLC0415  # they read the data sets that not everybody has
    from training.sources import clips, pumps, room  # noqa: PLC0415

    train, test = room(data, "datatraining"), room(data, "datatest")
    some, skab = clips(data), pumps(data)
    windows = [bearing.windows(clip) for clip in some]
    known = np.repeat([bearing.LABELS.index(clip.fault) for clip in some], [len(part) for part in windows])
    departed = pump.of_files(skab.files)
    faulty = [skab.files[name].anomaly[-len(rows) :] for name, rows in departed.items()]
    yield _kept(folder, "occupancy", occupancy.features(train)[1::8], occupancy.features(test)[1:], test.occupied[1:])
    yield _kept(folder, "bearing-fault", bearing.rows_of(some)[0][::4], np.vstack(windows), known)
    yield _kept(
        folder, "pump-anomaly", pump.started(skab.normal)[::8], np.vstack(list(departed.values())),
        np.concatenate(faulty).astype(np.int64),
    )  # fmt: skip


def _kept(folder: Path, name: str, teach: Array, x: Array, y: Array) -> tuple[str, Path, Path]:
    paths = folder / f"{name}-calibrate.npz", folder / f"{name}-evaluate.npz"
    np.savez(paths[0], x=teach)
    np.savez(paths[1], x=x, y=y)
    return name, *paths


def goal(report: Report) -> str:
    """Is there one on the table?"""
    first = report.candidates[0]
    good = [row for row in report.candidates[1:] if not row.why and row.loss <= LOSS]
    smaller = max((first.size / row.size, row.name) for row in good)
    quicker = max((first.batch_cpu_ms / row.batch_cpu_ms, row.name) for row in good)
    one = max((first.cpu_ms / row.cpu_ms, row.name) for row in good)
    reached = smaller[0] >= SMALLER or quicker[0] >= QUICKER
    return (
        f"goal (at most 1 point lost): {smaller[0]:.2f} times smaller ({smaller[1]}), {one[0]:.2f} times quicker with "
        f"one row ({one[1]}), {quicker[0]:.2f} with {report.batch} ({quicker[1]}): {'reached' if reached else 'MISSED'}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inspection", type=Path)
    parser.add_argument("--teach", action="store_true")
    parser.add_argument("--train-seconds", type=float, default=120)
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seconds", type=float, default=20, help="of each race")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    reports = []
    if args.inspection:
        teacher, student = (
            f"benchmarks.optimiser_model:{which}" if args.teach else "" for which in ("teacher", "student")
        )
        os.environ["HOLDFAST_INSPECTION"] = str(args.inspection)
        wishes = Wishes(Limits(LOSS), race_s=args.seconds, train_s=args.train_seconds, teacher=teacher, student=student)
        calibrate = args.inspection / ("train.npz" if args.teach else "calibrate.npz")
        reports.append(run(args.inspection, calibrate, args.inspection / "evaluate.npz", wishes))
        print("\n".join(optimise_lines(reports[-1])), goal(reports[-1]), "", sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        for name, calibrate, evaluate in shipped(args.data, Path(folder)) if args.shipped else ():
            wishes = Wishes(Limits(LOSS), race_s=args.seconds, batch=128, calibration_rows=2000)
            reports.append(run(SHIPPED / name, calibrate, evaluate, wishes))
            print("\n".join(optimise_lines(reports[-1])), "", sep="\n")
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(reports)))


if __name__ == "__main__":
    main()
