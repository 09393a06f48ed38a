"""What a file takes beside its rows: little where the rows are few; a second one only where it saves its own cost."""

import itertools
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from holdfast.history.lake.files import FEW_ROWS, Values
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.scanning import rows_of
from holdfast.history.lake.writing import Target, by_layout, write_rows
from holdfast.journal.pieces import RAW, PieceFile
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.storage.folder import DiskFolder

NS = 10**9
DAY = 19_700
START = DAY * 86_400 * NS


def rows(*values: NDArray[np.float64], period_s: float = 300.0) -> Batch:
    """A series each, all at one pace."""
    count = [len(one) for one in values]
    ts = np.concatenate([START + (np.arange(n) * period_s * NS).astype(np.int64) for n in count])
    series = np.repeat(np.arange(len(values), dtype=np.int32), count)
    return Batch(series, ts, np.concatenate(values), np.zeros(len(ts), np.uint8))


def write(folder: Path, batch: Batch) -> tuple[Target, PieceFile]:
    catalogue = Catalogue()
    for number in np.unique(batch.series).tolist():
        catalogue.intern(Series("gw", f"d{number}", "temperature", "Cel", Kind.FLOAT))
    names = (f"{n:032x}" for n in itertools.count())
    target = Target(DiskFolder(folder), catalogue, lambda: next(names))
    (piece,) = write_rows(target, DAY, "*", batch)
    file = piece.file(RAW)
    assert file is not None
    target.folder.rename(f".new/{Path(file.name).name}", file.name)
    return target, file


def with_statistics(path: Path) -> set[str]:
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    return {column.path_in_schema for column in columns if column.statistics is not None}


def test_a_small_day_takes_little_beside_its_rows_and_every_reader_reads_it(tmp_path: Path) -> None:
    batch = rows(np.round(20 + np.random.default_rng(7).normal(0, 1, 288), 1))
    target, file = write(tmp_path, batch)
    assert file.size < 2_600  # 3,900 with statistics and dictionaries for every column
    assert with_statistics(tmp_path / file.name) == {"ts", "device"}
    lake = Lake(target.folder)
    with lake.reader(file) as reader:
        found = list(rows_of(reader, np.array([0], np.int32), START, START + 86_400 * NS, target.catalogue.is_text))
    lake.close()
    assert found[0].value.tolist() == batch.value.tolist()
    assert found[0].ts.tolist() == batch.ts.tolist()
    glob, total = f"{tmp_path}/readings/**/*.parquet", float(batch.value.sum())
    day = duckdb.read_parquet(glob, hive_partitioning=True).filter("day = '2023-12-09'")
    columns = "node, device, metric, unit, kind, quality, reason"
    ((*words, count, texts, added),) = day.aggregate(f"{columns}, count(*), count(text), sum(value)").fetchall()
    assert words == ["gw", "d0", "temperature", "Cel", "float", "good", "none"]
    assert (count, texts) == (288, 0)
    assert abs(added - total) < 1e-6
    table = pl.scan_parquet(glob, hive_partitioning=True).filter(pl.col("device") == "d0").collect()
    assert abs(float(table["value"].sum()) - total) < 1e-6


def test_a_file_of_many_rows_keeps_statistics_of_every_column(tmp_path: Path) -> None:
    _, file = write(tmp_path, rows((np.arange(FEW_ROWS + 1) % 50).astype(np.float64), period_s=1.0))
    assert {"ts", "device", "node", "metric", "value", "quality"} <= with_statistics(tmp_path / file.name)


def test_numbers_share_a_piece_unless_a_second_one_saves_what_it_costs() -> None:
    random = np.random.default_rng(7)

    def layouts(n: int) -> list[Values]:
        rounded = np.round(20 + random.normal(0, 1, n).cumsum() / 50, 1)
        return [values for values, _part in by_layout(rows(rounded, 20 + random.normal(0, 1, n)))]

    assert layouts(288) == [Values.SPLIT]
    assert layouts(40_000) == [Values.PLAIN, Values.SPLIT]
    assert [values for values, _ in by_layout(rows(np.round(random.normal(0, 1, 50_000), 1)))] == [Values.PLAIN]


def test_the_parts_of_a_day_with_two_layouts_hold_every_row_in_order() -> None:
    random = np.random.default_rng(7)
    rounded = [np.round(20 + random.normal(0, 1, 9000).cumsum() / 50, 1) for _ in range(3)]
    batch = rows(*(one for part in rounded for one in (part, 20 + random.normal(0, 1, 9000))))
    parts = dict(by_layout(batch))
    assert set(parts[Values.PLAIN].series.tolist()) == {0, 2, 4}
    assert set(parts[Values.SPLIT].series.tolist()) == {1, 3, 5}
    assert sum(map(len, parts.values())) == len(batch)
    assert all((np.diff(part.series) >= 0).all() for part in parts.values())
