"""NAB's files as they lie in a folder: data/, with labels/combined_windows.json beside it.

Windows are only for scoring; no detector sees them.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.auto import Auto, Constants
from holdfast.stream.detectors.benches.nab import Labelled
from holdfast.stream.detectors.ports import Scope
from holdfast.stream.state import State

Array = NDArray[Any]
WINDOWS = "labels/combined_windows.json"


class CorpusUnreadable(Exception):
    """A folder isn't NAB's, or a file of it isn't as it should be."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, why
        self.hint = f"give the folder that holds data/ and {WINDOWS}, as in numenta/NAB"
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
    cpu_s: float
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


def run_auto(files: Mapping[str, File], constants: Constants | None = None) -> Run:
    """Every file through one `Auto`, row by row in order, all files side by side."""
    state = State()
    auto = Auto(Scope(state), constants)
    state.grow(len(files))
    names = sorted(files, key=lambda name: -len(files[name].ts))
    scores = {name: np.zeros(len(files[name].ts)) for name in names}
    lengths = np.array([len(files[name].ts) for name in names])
    started = process_time()
    for row in range(lengths.max(initial=0)):
        going = names[: int((lengths > row).sum())]
        ts = np.array([files[name].ts[row] for name in going])
        values = np.array([files[name].values[row] for name in going])
        for name, score in zip(going, auto.update(np.arange(len(going)), ts, values).score, strict=True):
            scores[name][row] = score
    scored = {name: Labelled(scores[name], file.windows) for name, file in files.items()}
    return Run(scored, int(lengths.sum()), process_time() - started, state.nbytes / max(state.capacity, 1))


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
