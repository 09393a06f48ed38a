"""NAB's files as they lie in a folder: data/, with labels/combined_windows.json beside it.

Windows are only for scoring; no detector sees them.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors import trials
from holdfast.stream.detectors.benches.nab import Labelled, probation
from holdfast.stream.detectors.ports import THRESHOLD
from holdfast.stream.detectors.trials import Subject, Verdict, judge

Array = NDArray[Any]
WINDOWS = "labels/combined_windows.json"


class CorpusUnreadable(Exception):
    """A folder isn't NAB's, or a file of it isn't as it should be."""

    def __init__(self, path: Path, why: str, hint: str = "") -> None:
        self.path, self.why = path, why
        self.hint = hint or f"give the folder that holds data/ and {WINDOWS}, as in numenta/NAB"
        super().__init__(f"{path}: {why}")


@dataclass(frozen=True, slots=True)
class File:
    """One series. ts: ns UTC, as written, so not always ascending; windows: rows, both ends inside."""

    ts: Array
    values: Array
    windows: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Run:
    """What a detector said, and what it took."""

    scored: Mapping[str, Labelled]
    rows: int
    us_per_row: float
    bytes_per_series: float


def read(folder: Path) -> dict[str, File]:
    """All labelled files, plain or gzipped. Raises: CorpusUnreadable."""
    try:
        windows = json.loads((folder / WINDOWS).read_text())
    except OSError as error:
        raise CorpusUnreadable(folder / WINDOWS, error.strerror or "can't be read") from None
    except ValueError as error:
        raise CorpusUnreadable(folder / WINDOWS, str(error)) from None
    return {name: _file(folder / "data" / name, spans) for name, spans in windows.items()}


def halves(names: Iterable[str]) -> dict[str, list[str]]:
    """The files that `auto` was made with, and those it was checked on: in each category every second one by name."""
    categories = dict[str, list[str]]()
    for name in sorted(names):
        categories.setdefault(name.partition("/")[0], []).append(name)
    parts = categories.values()
    return {
        "development": [name for part in parts for name in part[0::2]],
        "confirmation": [name for part in parts for name in part[1::2]],
    }


def run(files: Mapping[str, File], name: str = "auto", tell: Callable[[int], object] = lambda _: None) -> Run:
    """Every file through one detector as it ships, each row seeing only those before it. tell: rows so far."""
    subjects = [Subject(file, ("value",), one.ts, one.values) for file, one in files.items()]
    ran = trials.run(name, {}, subjects, tell)
    scored = {
        subject.name: Labelled(scores.score, files[subject.name].windows)
        for subject, scores in zip(subjects, ran.scores, strict=True)
    }
    return Run(scored, sum(len(subject.ts) for subject in subjects), ran.us, ran.nbytes)


def alarms_of(files: Mapping[str, File], run: Run) -> Verdict:
    """Alarms and windows as a user counts them (see `trials`), at the shipped threshold, after the probation."""
    subjects, scores = [], []
    for name, file in files.items():
        first = probation(len(file.ts))
        order = first + np.argsort(file.ts[first:], kind="stable")
        windows = [(int(file.ts[a]), int(file.ts[b])) for a, b in file.windows]
        subjects.append(Subject(name, ("value",), file.ts[order], file.values[order], windows))
        scores.append(run.scored[name].scores[order])
    return judge(subjects, scores, THRESHOLD)


def _file(path: Path, spans: Sequence[tuple[str, str]]) -> File:
    packed = path.with_name(path.name + ".gz")
    try:
        text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else path.read_text()
        rows = list(csv.reader(io.StringIO(text)))[1:]
        ts = np.array([_ns(row[0]) for row in rows])
        values = np.array([float(row[1]) for row in rows])
        windows = [(int(np.argmax(ts == _ns(a))), len(ts) - 1 - int(np.argmax(ts[::-1] == _ns(b)))) for a, b in spans]
    except OSError as error:
        raise CorpusUnreadable(path, error.strerror or "can't be read") from None
    except (ValueError, IndexError) as error:
        raise CorpusUnreadable(path, f"not rows of timestamp,value: {error}") from None
    return File(ts, values, windows)


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000
