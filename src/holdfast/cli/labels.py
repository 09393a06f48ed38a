"""When something was wrong, as users wrote it down: windows of time, by series where they say so.

CSV with columns `start` and `end`, or with one column of times (the moments around which something was wrong); as they
like `device` and `metric`. JSON: a list of [start, end], or NAB's object of such lists by file.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from holdfast.cli.node_api import Misused
from holdfast.cli.reading_files import TIMES, read_file, times_of

HELP = "a CSV with columns start,end (and device, metric), or JSON as [[start, end], …]"
SHARE = 0.1
"""Of the time looked at: what windows around moments have together, as NAB's rules have it."""


@dataclass(frozen=True, slots=True)
class Label:
    """One window in ns, both ends inside. device, metric: empty = whichever."""

    start: int
    end: int
    device: str = ""
    metric: str = ""

    def is_of(self, device: str, metrics: Sequence[str]) -> bool:
        """Whether it's about this subject."""
        return self.device in ("", device) and (not self.metric or self.metric in metrics)


def read_labels(path: Path, source: str, span: tuple[int, int]) -> list[Label]:
    """source: the name of the file that they are about; span: of the readings, ns. By time.

    Raises:
        Misused: when there are none in it.
    """
    found = _of_json(path, source) if path.suffix == ".json" else _of_csv(path, span)
    if not found:
        raise Misused(f"{path} holds no label", HELP)
    return sorted(found, key=lambda one: (one.start, one.end))


def of_flags(ts: NDArray[Any], flags: NDArray[Any], device: str) -> list[Label]:
    """Windows of a column that is 1 where something was wrong."""
    is_on = np.concatenate([[0], (flags > 0).astype(np.int8), [0]])
    edges = np.diff(is_on)
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return [Label(int(ts[a]), int(ts[b]), device) for a, b in zip(begins, ends, strict=True)]


def _of_json(path: Path, source: str) -> list[Label]:
    try:
        held = json.loads(path.read_bytes())
        if isinstance(held, dict):
            name = source.removesuffix(".gz")
            held = next(windows for file, windows in held.items() if file.rpartition("/")[2] == name)
        starts, ends = ([str(window[i]) for window in held] for i in range(2))
        return _windows(path, pa.table({"start": starts, "end": ends}))
    except StopIteration:
        raise Misused(f"{path} has no labels for {source}", "its keys are files' names, as in NAB") from None
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise Misused(f"{path} can't be read as labels: {error}", HELP) from error


def _of_csv(path: Path, span: tuple[int, int]) -> list[Label]:
    try:
        table = read_file(path)
    except Misused as error:
        raise Misused(str(error), HELP) from error
    table = table.rename_columns([name.lower() for name in table.column_names])
    if {"start", "end"} <= set(table.column_names):
        return _windows(path, table)
    name = next((name for name in TIMES if name in table.column_names), None)
    if name is None:
        raise Misused(f"{path} has columns {', '.join(table.column_names[:10])}", HELP)
    moments = times_of(table.column(name))[0]
    half = int(SHARE * (span[1] - span[0]) / max(len(moments), 1) / 2)
    names = [_words(table, column) for column in ("device", "metric")]
    return [Label(int(m) - half, int(m) + half, *about) for m, *about in zip(moments, *names, strict=True)]


def _windows(path: Path, table: pa.Table) -> list[Label]:
    starts, ends = (times_of(table.column(name))[0] for name in ("start", "end"))
    late = np.flatnonzero(ends < starts)
    if len(late):
        raise Misused(f"{path}: label {late[0] + 1} ends before it starts", HELP)
    names = [_words(table, column) for column in ("device", "metric")]
    return [Label(int(a), int(b), *about) for a, b, *about in zip(starts, ends, *names, strict=True)]


def _words(table: pa.Table, column: str) -> list[str]:
    if column not in table.column_names:
        return [""] * len(table)
    return [word or "" for word in table.column(column).cast(pa.string()).to_pylist()]
