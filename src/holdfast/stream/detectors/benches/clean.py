"""False alarms on real data in which nothing is wrong, as it lies in a folder with occupancy/, skab/ and nab/.

occupancy: a room's five sensors a minute (Candanedo and Feldheim 2016); alarms count while nobody is in, and people
           are no fault but not what the nights are like: the detector sees everything, as it would on site
skab:      a pump's eight sensors a second, 2.6 hours of normal running
nab:       the five artificial series without anomaly
"""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.benches.corpus import WINDOWS, CorpusUnreadable
from holdfast.stream.detectors.benches.corpus import read as read_nab
from holdfast.stream.detectors.benches.faults import onsets
from holdfast.stream.detectors.catalogue import KINDS, make
from holdfast.stream.detectors.ports import Scope
from holdfast.stream.state import State

Array = NDArray[Any]

_WEEK_NS = 7 * 86_400 * 1_000_000_000
_ABSENT = 60  # readings without anybody, before and after, that make a night
_ROOM = ("Temperature", "Humidity", "Light", "CO2", "HumidityRatio")
_PUMP = (
    "Accelerometer1RMS",
    "Accelerometer2RMS",
    "Current",
    "Pressure",
    "Temperature",
    "Thermocouple",
    "Voltage",
    "Volume Flow RateRMS",
)


@dataclass(frozen=True, slots=True)
class Clean:
    """Columns of one device. ts: ns UTC; values: shape (rows, columns); counted: rows in which alarms count."""

    corpus: str
    ts: Array
    values: Array
    counted: Array


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """A detector on one corpus. weeks: of a series, or of a device where it looks at columns together.

    silent: it never knew enough to score anything
    """

    corpus: str
    alarms: int
    weeks: float
    silent: bool


def read(folder: Path) -> list[Clean]:
    """Everything there. Raises: CorpusUnreadable."""
    return [*_occupancy(folder / "occupancy"), *_skab(folder / "skab"), *_nab(folder / "nab")]


def false_alarms(name: str, data: Sequence[Clean]) -> list[FalseAlarms]:
    """A detector of the catalogue with its default options, by corpus; what has too few columns is left out."""
    kind = KINDS[name]
    least, most = kind.columns
    found = dict[str, FalseAlarms]()
    for clean in data:
        width = clean.values.shape[1]
        if width < least:
            continue
        scores = _apart(name, clean) if least == 1 else _together(name, clean, min(width, most))
        alarms = int(onsets(scores)[clean.counted].sum())
        weeks = float(np.diff(clean.ts, prepend=clean.ts[0])[clean.counted].sum() / _WEEK_NS) * scores.shape[1]
        before = found.get(clean.corpus, FalseAlarms(clean.corpus, 0, 0.0, silent=True))
        silent = before.silent and not scores[clean.counted].any()
        found[clean.corpus] = FalseAlarms(clean.corpus, before.alarms + alarms, before.weeks + weeks, silent)
    return list(found.values())


def _apart(name: str, clean: Clean) -> Array:
    """Scores of each column by itself."""
    width = clean.values.shape[1]
    state = State()
    detector = make(name, Scope(state))
    state.grow(width)
    slots = np.arange(width)
    times = np.repeat(clean.ts, width).reshape(-1, width)
    return np.array([detector.update(slots, times[row], now).score for row, now in enumerate(clean.values)])


def _together(name: str, clean: Clean, width: int) -> Array:
    """Scores of the first columns as one, rows x 1."""
    state = State()
    detector = make(name, Scope(state), None, width)
    state.grow(1)
    return detector.update(np.zeros(len(clean.ts), np.int64), clean.ts, clean.values[:, :width]).score[:, None]


def _occupancy(folder: Path) -> Iterator[Clean]:
    for name in ("datatraining", "datatest"):
        rows = _rows(folder / f"{name}.csv.gz", ",")
        ts, values = _columns(folder / f"{name}.csv.gz", rows, "date", _ROOM)
        present = np.array([row["Occupancy"] != "0" for row in rows])
        near = np.convolve(present, np.ones(2 * _ABSENT + 1), "same") > 0
        yield Clean("occupancy nights", ts, values, ~near)


def _skab(folder: Path) -> Iterator[Clean]:
    for path in sorted((folder / "data" / "anomaly-free").glob("*.csv.gz")):
        ts, values = _columns(path, _rows(path, ";"), "datetime", _PUMP)
        yield Clean("SKAB anomaly-free", ts, values, np.ones(len(ts), bool))


def _nab(folder: Path) -> Iterator[Clean]:
    for name, file in read_nab(folder).items():
        if name.startswith("artificialNoAnomaly/"):
            yield Clean("NAB no anomaly", file.ts, file.values[:, None], np.ones(len(file.ts), bool))


def _rows(path: Path, delimiter: str) -> list[Mapping[str, str]]:
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def _columns(path: Path, rows: list[Mapping[str, str]], time: str, names: Sequence[str]) -> tuple[Array, Array]:
    try:
        seconds = [int(datetime.fromisoformat(row[time]).replace(tzinfo=UTC).timestamp()) for row in rows]
        return np.array(seconds) * 1_000_000_000, np.array([[float(row[name]) for name in names] for row in rows])
    except (KeyError, ValueError) as error:
        raise _unreadable(path, f"not rows of {time} and sensors: {error}") from None


def _unreadable(path: Path, why: str) -> CorpusUnreadable:
    return CorpusUnreadable(path, why, f"give the folder that holds occupancy/, skab/ and nab/ (with {WINDOWS})")
