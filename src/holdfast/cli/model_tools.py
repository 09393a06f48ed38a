"""`holdfast model optimise|bench|compare`: models made smaller, timed, and set beside each other.

Exit codes: 0 all is well, 1 no candidate is picked (nothing is written then), 2 wrong usage, or a model or data that
can't be used.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from holdfast.cli.core import Json, finish
from holdfast.kernel.errors import HoldfastError

if TYPE_CHECKING:
    from holdfast.inference.optimising.given import Given
    from holdfast.inference.optimising.optimise import Run, Wishes
    from holdfast.inference.optimising.pareto import Limits
    from holdfast.inference.optimising.report import Report

Source = Annotated[
    str, typer.Argument(help="model.onnx, a model's FOLDER, or one that is here, as in `list`.", metavar="MODEL")
]
MaybeRows = Annotated[
    Path | None, typer.Option("--data", help="Rows; else made up. Times of trees depend on them.", metavar="DATA")
]
Task = Annotated[
    str, typer.Option(help="classification, regression, anomaly or image-classification; else the card's.")
]
Label = Annotated[str, typer.Option(help="The column or array with the answers; else y, label, class or target.")]
Prefer = Literal["size", "latency", "balanced"]


class WrongUsage(HoldfastError):
    """An option's value can't be read."""

    def __init__(self, sentence: str, hint: str) -> None:
        self.hint = hint
        super().__init__(sentence)


def register(model: typer.Typer) -> None:
    """Put the commands into `holdfast model`."""
    for command in (optimise, bench, compare):
        model.command()(command)


def optimise(  # noqa: PLR0917  # typer calls it by keyword: each is an option
    source: Source,
    calibrate: Annotated[
        Path, typer.Option(help="Rows to calibrate INT8 and pruning by, and to train with.", metavar="DATA")
    ],
    evaluate: Annotated[Path, typer.Option(help="Held-out rows to judge by, with labels.", metavar="DATA")],
    out: Annotated[
        Path | None, typer.Option(help="Write the pick here; else it's only told.", metavar="FOLDER")
    ] = None,
    task: Task = "",
    label: Label = "",
    max_loss: Annotated[
        str, typer.Option(help="Of accuracy, R² or AUC, as in 1% (of 100 rows one more wrong).")
    ] = "1%",
    prefer: Annotated[Prefer, typer.Option(help="What the pick is to be best in.")] = "balanced",
    max_ms: Annotated[float, typer.Option(help="p99 of a call with one row, ms; 0 = any.", min=0)] = 0,
    max_size: Annotated[str, typer.Option(help="The file's, as in 300kB; empty = any.")] = "",
    batch: Annotated[int, typer.Option(help="Rows of a call in the columns of batches.", min=2, max=4096)] = 16,
    only: Annotated[list[str] | None, typer.Option(help="Only this candidate; may come several times.")] = None,
    limit: Annotated[float, typer.Option(help="Seconds for making or weighing one candidate.", min=1)] = 300,
    seconds: Annotated[float, typer.Option(help="Of the race of all candidates.", min=0.1)] = 20,
    calibration_rows: Annotated[int, typer.Option(help="At most so many of --calibrate.", min=1, max=100_000)] = 256,
    teacher: Annotated[str, typer.Option(help="The model as PyTorch: module:function.")] = "",
    student: Annotated[str, typer.Option(help="A smaller one to learn from it: module:function.")] = "",
    train_seconds: Annotated[float, typer.Option(help="Of training, for each model trained.", min=1)] = 60,
    json: Json = False,
) -> None:
    """Make smaller and quicker candidates of a model, measure all beside each other, and pick one or none."""

    def body() -> int:
        from holdfast.inference.optimising.optimise import Wishes

        wishes = Wishes(
            limits=_limits(max_loss, max_ms, max_size), prefer=prefer, only=tuple(only or ()), batch=batch,
            limit_s=limit, race_s=seconds, calibration_rows=calibration_rows, teacher=teacher, student=student,
            train_s=train_seconds,
        )  # fmt: skip
        return _optimised(source, (calibrate, evaluate), wishes, out, task=task, label=label, json=json)

    finish(body)


def bench(
    source: Source,
    data: MaybeRows = None,
    batch: Annotated[str, typer.Option(help="Rows of a call.")] = "1,16,128",
    threads: Annotated[str, typer.Option(help="Of one call.")] = "1",
    seconds: Annotated[float, typer.Option(help="Of measuring.", min=0.1)] = 5,
    json: Json = False,
) -> None:
    """A model's times, rows a second and memory, in processes of their own."""

    def body() -> int:
        from holdfast.cli.model_tables import bench_lines
        from holdfast.cli.node_api import as_json
        from holdfast.cli.progress import waiting
        from holdfast.inference.optimising import benching
        from holdfast.inference.optimising.samples import read_samples

        given = _given(source, "")
        x = None if data is None else read_samples(data, given).x
        batches, counts = _numbers(batch, "--batch", 4096), _numbers(threads, "--threads", 64)
        told = waiting(lambda: benching.bench(given, x, batches, counts, seconds), "measuring", json=json)
        typer.echo(as_json(told) if json else "\n".join(bench_lines(told)))
        return 0

    finish(body)


def compare(
    first: Annotated[str, typer.Argument(help="As MODEL of `optimise`.", metavar="A")],
    second: Annotated[str, typer.Argument(help="Another for the same task.", metavar="B")],
    data: Annotated[Path, typer.Option(help="Rows, best with labels.", metavar="DATA")],
    task: Task = "",
    label: Label = "",
    batch: Annotated[int, typer.Option(help="Rows of a call in the column of batches.", min=2, max=4096)] = 16,
    seconds: Annotated[float, typer.Option(help="Of the race.", min=0.1)] = 5,
    json: Json = False,
) -> None:
    """Two models on the same rows: where they agree, who is right, how far apart their numbers are, what each costs."""

    def body() -> int:
        from holdfast.cli.model_tables import compare_lines
        from holdfast.cli.node_api import as_json
        from holdfast.cli.progress import waiting
        from holdfast.inference.optimising import comparing
        from holdfast.inference.optimising.samples import read_samples

        pair = _given(first, task), _given(second, task)
        rows = read_samples(data, pair[0], label), read_samples(data, pair[1], label)
        told = waiting(lambda: comparing.compare(pair, rows, batch=batch, seconds=seconds), "comparing", json=json)
        typer.echo(as_json(told) if json else "\n".join(compare_lines(told)))
        return 0

    finish(body)


def _optimised(
    source: str, data: tuple[Path, Path], wishes: "Wishes", out: Path | None, *, task: str, label: str, json: bool
) -> int:
    from holdfast.cli.model_tables import optimise_lines
    from holdfast.cli.node_api import as_json
    from holdfast.cli.progress import progress
    from holdfast.inference.optimising import optimise as room
    from holdfast.inference.optimising import writing
    from holdfast.inference.optimising.samples import read_samples

    given = _given(source, task)
    if out is not None:
        writing.check_out(out)
    calibrate, evaluate = read_samples(data[0], given, label, needed=False), read_samples(data[1], given, label)

    def keep(report: "Report", run: "Run") -> "Report":
        if report.pick is None or out is None:
            return report
        return writing.write(given, report, run.file_of(report.pick), out)

    with progress("optimising", None, "candidates", json=json) as bar:
        report = room.optimise(given, calibrate, evaluate, wishes, keep, bar)
    typer.echo(as_json(report) if json else "\n".join(optimise_lines(report)))
    return 0 if report.pick else 1


def _given(source: str, task: str) -> "Given":
    from holdfast.inference.optimising.given import read_given

    return read_given(_path(source), task or None)


def _path(source: str) -> Path:
    path = Path(source)
    if path.exists() or "/" in source or path.suffix in {".onnx", ".ort", ".tflite"}:
        return path
    from holdfast.cli.models import folder_of, store_of

    return folder_of(store_of("", None, needed=False), source)


def _limits(max_loss: str, max_ms: float, max_size: str) -> "Limits":
    from holdfast.inference.optimising.pareto import Limits
    from holdfast.kernel.scalars import parse_share, parse_size

    try:
        loss = parse_share(max_loss) if "%" in max_loss else float(max_loss)
    except ValueError:
        raise WrongUsage(f"--max-loss {max_loss} is no share", "as in 1%, or 0.01") from None
    try:
        size = parse_size(max_size) if max_size else None
    except ValueError as error:
        raise WrongUsage(f"--max-size {max_size}: {error}", "as in 300kB") from None
    if not 0 <= loss <= 1:
        raise WrongUsage(f"--max-loss {max_loss} is no share", "as in 1%, or 0.01")
    return Limits(loss, max_ms or None, size)


def _numbers(text: str, option: str, most: int) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and 1 <= int(part) <= most for part in parts):
        raise WrongUsage(f"{option} {text}", f"whole numbers from 1 to {most:,}, as in 1,16,128")
    return [int(part) for part in parts]
