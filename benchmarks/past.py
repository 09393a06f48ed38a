"""The past that three stores are asked about in `benchmarks.history`: made an hour at a time, the same rows for all.

fast:   one series, a reading a second
site:   many series, a reading each `period_s`
last:   5,000 series, a reading an hour on the last day
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.series import Kind, Series

DAY_S, HOUR_S = 86_400, 3_600
NODE, METRIC = "gw", "value"
_CSV = pcsv.WriteOptions(include_header=False, quoting_style="none")
Int64s = NDArray[np.int64]


@dataclass
class Group:
    """Series of one kind: random walks in hundredths. names: devices."""

    key: str
    names: list[str]
    period_s: int
    hundredths: Int64s = field(init=False)

    def __post_init__(self) -> None:
        self.hundredths = np.full(len(self.names), 2_000, np.int64)


@dataclass(frozen=True)
class Part:
    """An hour's rows of a group by time. series: place in the group's names; ts: s."""

    group: Group
    series: Int64s
    ts: Int64s
    value: NDArray[np.float64]

    @property
    def names(self) -> pa.Array:
        return pa.array(self.group.names).take(pa.array(self.series))


class Past:
    """Whole days up to `end_s`."""

    def __init__(self, end_s: int, days: int, series: int, period_s: int, last: int) -> None:
        self.begin_s, self.end_s, self.days = end_s - days * DAY_S, end_s, days
        self.groups = {
            "fast": Group("fast", ["fast"], 1),
            "site": Group("site", [f"m{n:03d}" for n in range(series)], period_s),
            "last": Group("last", [f"t{n:04d}" for n in range(last)], HOUR_S),
        }
        self.series = tuple(
            Series(NODE, name, METRIC, "Cel", Kind.FLOAT) for g in self.groups.values() for name in g.names
        )

    def hours(self) -> Iterator[list[Part]]:
        """Hour after hour, what each group has of it."""
        rng = np.random.default_rng(7)
        for begin in range(self.begin_s, self.end_s, HOUR_S):
            is_last_day = begin >= self.end_s - DAY_S
            yield [_part(g, begin, rng) for g in self.groups.values() if g.key != "last" or is_last_day]

    def batch(self, parts: list[Part], ids: dict[str, NDArray[np.int32]]) -> Batch:
        """An hour as a gateway would have committed it. ids: catalogue ids of each group."""
        series = np.concatenate([ids[part.group.key][part.series] for part in parts])
        ts = np.concatenate([part.ts for part in parts]) * 10**9
        value = np.concatenate([part.value for part in parts])
        order = np.argsort(ts, kind="stable")
        return Batch(series[order], ts[order], value[order], np.zeros(len(ts), np.uint8))


def _part(group: Group, begin: int, rng: np.random.Generator) -> Part:
    ticks = np.arange(begin, begin + HOUR_S, group.period_s)
    shape = (len(ticks), len(group.names))
    walk = group.hundredths + np.cumsum(rng.integers(-5, 6, shape), axis=0)
    group.hundredths = walk[-1]
    series = np.tile(np.arange(shape[1]), shape[0])
    return Part(group, series, np.repeat(ticks, shape[1]), walk.ravel() / 100)


class CsvFiles:
    """A folder a group, a file a day, three columns: series, time in s, value."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, part: Part) -> None:
        folder = self.folder / part.group.key
        folder.mkdir(parents=True, exist_ok=True)
        columns = [part.names, pa.array(part.ts), pa.array(part.value)]
        with (folder / f"{part.ts[0] // DAY_S}.csv").open("ab") as file:
            pcsv.write_csv(pa.Table.from_arrays(columns, ["s", "ts", "v"]), file, _CSV)

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*.csv"))
