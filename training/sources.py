"""The data sets as arrays, and what they weigh: SHA-256 over the files that were read."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.benches.skab import Experiment, read

Array = NDArray[Any]
SENSORS = ("accelerometer1", "accelerometer2", "current", "pressure", "temperature", "thermocouple", "voltage", "flow")


@dataclass(frozen=True, slots=True)
class Room:
    """ts: s since the epoch, (n,); temperature, humidity, light, co2: (n,); occupied: (n,) of 0 and 1."""

    ts: Array
    temperature: Array
    humidity: Array
    light: Array
    co2: Array
    occupied: Array


@dataclass(frozen=True, slots=True)
class Clip:
    """Raw acceleration of one recording. samples: (n,), g, 12 kHz; fault: normal, inner_race, outer_race or ball."""

    name: str
    recording: int
    load: int
    rpm: float
    fault: str
    samples: Array


@dataclass(frozen=True, slots=True)
class Pumps:
    """SKAB. normal: (rows, 8) of fault-free running at 1 Hz; files: labelled experiments by `group/number`."""

    normal: Array
    files: dict[str, Experiment]


def room(data: Path, name: str) -> Room:
    """`datatraining` or `datatest` of the UCI occupancy set."""
    times, numbers = _table(room_file(data, name), ",")
    temperature, humidity, light, co2, _ratio, occupied = numbers.T
    return Room(times, temperature, humidity, light, co2, occupied.astype(np.int64))


def room_file(data: Path, name: str) -> Path:
    """Where it lies."""
    return data / "occupancy" / f"{name}.csv.gz"


def clips(data: Path) -> list[Clip]:
    """All clips of the CWRU folder."""
    told = json.loads((data / "bearing" / "manifest.json").read_text())
    with np.load(data / "bearing" / "cwru_12k_drive_end.npz", allow_pickle=False) as arrays:
        return [
            Clip(
                one["name"], one["recording"], one["load_hp"], one["rpm"], one["fault"], np.asarray(arrays[one["name"]])
            )
            for one in told
        ]


def pumps(data: Path) -> Pumps:
    """SKAB's fault-free run and its experiments."""
    _, normal = _table(data / "skab" / "data" / "anomaly-free" / "anomaly-free.csv.gz", ";")
    return Pumps(normal, read(data / "skab"))


def digest(data: Path, paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents, hex; what a card says of the data it was trained on."""
    told = hashlib.sha256()
    for path in sorted(paths):
        told.update(f"{path.relative_to(data).as_posix()}\0".encode())
        told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()


def _table(path: Path, separator: str) -> tuple[Array, Array]:
    text = gzip.decompress(path.read_bytes()).decode()
    _head, *rows = csv.reader(io.StringIO(text), delimiter=separator)
    times = np.array([row[0] for row in rows], "datetime64[s]").astype(np.int64)
    return times, np.array([[float(cell) for cell in row[1:]] for row in rows])
