"""Real sensor data as batches: the UCI occupancy rooms and the NAB series, from HOLDFAST_DATA or /work/shared/data.

Where that folder is missing, the occupancy rows that ship with `holdfast demo` stand in for both files of it.
"""

import csv
import gzip
import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.series import Kind, Series

FOLDER = Path(os.environ.get("HOLDFAST_DATA", "/work/shared/data"))
NODE = "gw"
ROOM = (
    ("Temperature", "air.temperature", "Cel", Kind.FLOAT),
    ("Humidity", "air.humidity", "%RH", Kind.FLOAT),
    ("Light", "light.illuminance", "lx", Kind.FLOAT),
    ("CO2", "air.co2", "ppm", Kind.FLOAT),
    ("Occupancy", "room.occupied", "", Kind.BOOL),
)
RATIO = ("HumidityRatio", "air.humidity_ratio", "kg/kg", Kind.FLOAT)
_PERIOD_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings in the order a gateway would have committed them, and the series their numbers stand for."""

    series: tuple[Series, ...]
    batch: Batch

    def __len__(self) -> int:
        return len(self.batch)


def occupancy(*, ratio: bool = False) -> Rows:
    """Both occupancy files as two rooms, one after the other in time, as they stand (whole seconds)."""
    columns = (*ROOM, RATIO) if ratio else ROOM
    tables = [_room(name, columns) for name in ("datatraining", "datatest")]
    series = tuple(
        Series(NODE, f"room-{d}", metric, unit, kind) for d in range(len(tables)) for _, metric, unit, kind in columns
    )
    ids = np.concatenate(
        [np.tile(np.arange(len(columns)) + d * len(columns), len(t)) for d, (t, _) in enumerate(tables)]
    )
    ts = np.concatenate([np.repeat(t, len(columns)) for t, _ in tables])
    value = np.concatenate([v.reshape(-1) for _, v in tables])
    order = np.argsort(ts, kind="stable")
    return Rows(series, _batch(ids[order], ts[order], value[order]))


def nab() -> Rows:
    """All NAB series side by side: row i of every series, then row i + 1, as if all were read at one pace."""
    files = sorted((FOLDER / "nab" / "data").rglob("*.csv.gz"))
    if not files:
        return occupancy(ratio=True)
    series, ids, ts, value, turn = [], [], [], [], []
    for number, path in enumerate(files):
        with gzip.open(path, "rt") as text:
            rows = list(csv.reader(text))[1:]
        series.append(Series(NODE, path.name.removesuffix(".csv.gz"), "value", "1", Kind.FLOAT))
        ids.append(np.full(len(rows), number))
        ts.append(_times([r[0] for r in rows]))
        value.append(np.array([float(r[1]) for r in rows]))
        turn.append(np.arange(len(rows)))
    order = np.argsort(np.concatenate(turn), kind="stable")
    return Rows(
        tuple(series), _batch(np.concatenate(ids)[order], np.concatenate(ts)[order], np.concatenate(value)[order])
    )


class Site:
    """Many rooms that replay the occupancy file, each from another place in it and at its own phase of the minute.

    A round is one message (five readings) of every room; each message comes up to 250 ms late, to the millisecond.
    """

    def __init__(self, rooms: int, end_ns: int, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        _, self._values = _room("datatraining", ROOM)
        self._rooms = rooms
        self._place = self._rng.integers(0, len(self._values), rooms)
        self._phase = np.sort(self._rng.integers(0, 60_000, rooms)) * 1_000_000
        self._end = end_ns
        self.series = tuple(
            Series(NODE, f"room-{d:04d}", metric, unit, kind) for d in range(rooms) for _, metric, unit, kind in ROOM
        )

    def rounds(self, first: int, count: int, total: int) -> Batch:
        """`count` rounds from `first` on, of `total` that end at `end_ns`."""
        width = len(ROOM)
        number = np.repeat(np.arange(first, first + count), self._rooms)
        room = np.tile(np.arange(self._rooms), count)
        late = self._rng.integers(0, 250, len(room)) * 1_000_000
        ts = self._end - (total - number) * _PERIOD_NS + self._phase[room] + late
        value = self._values[(self._place[room] + number) % len(self._values)]
        ids = (room * width)[:, None] + np.arange(width)
        return _batch(ids.reshape(-1), np.repeat(ts, width), value.reshape(-1))


def _batch(ids: NDArray[np.int64], ts: NDArray[np.int64], value: NDArray[np.float64]) -> Batch:
    return Batch(ids.astype(np.int32), ts.astype(np.int64), value.astype(np.float64), np.zeros(len(ids), np.uint8))


def _room(name: str, columns: tuple[tuple[str, str, str, Kind], ...]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    path = FOLDER / "occupancy" / f"{name}.csv.gz"
    packed = path.read_bytes() if path.exists() else _shipped()
    with gzip.open(io.BytesIO(packed), "rt") as text:
        rows = list(csv.DictReader(text))
    names = [column for column, *_ in columns]
    return _times([r["date"] for r in rows]), np.array([[float(r[n]) for n in names] for r in rows])


def _shipped() -> bytes:
    return (resources.files("holdfast.sim") / "data" / "occupancy.csv.gz").read_bytes()


def _times(texts: list[str]) -> NDArray[np.int64]:
    """`2015-02-04 17:51:00` as ns UTC."""
    seconds = [datetime.fromisoformat(t).replace(tzinfo=UTC).timestamp() for t in texts]
    return (np.array(seconds) * 1e9).astype(np.int64)
