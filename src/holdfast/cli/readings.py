"""Readings of the past in order of time that lie elsewhere: at another node, in a CSV or a Parquet file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from holdfast.backtesting.readings import Readings
from holdfast.cli.node_api import Api, Misused
from holdfast.cli.progress import progress, waiting
from holdfast.cli.reading_files import batch_of, read_file
from holdfast.client import Client
from holdfast.model.series import Catalogue


@contextmanager
def of_api(where: Api, patterns: Sequence[str], start: str, end: str) -> Iterator[Readings]:
    """Of a node elsewhere: fetched as a whole first."""
    client = Client.over(where.host, where.port, where.tls, where.token)
    parts = list[pa.RecordBatch]()
    with progress(f"fetching from {where}", unit="rows") as tell:
        rows = 0

        def take(part: pa.RecordBatch) -> None:
            nonlocal rows
            parts.append(part)
            rows += len(part)
            tell(rows)

        client.pour(take, patterns, start, end)
    if not parts:
        raise Misused(f"{where} has no reading of {', '.join(patterns)} in that time", "look with `holdfast series`")
    yield _of_table(pa.Table.from_batches(parts), str(where), "", {})


@contextmanager
def of_file(
    path: Path, device: str, names: dict[str, str], from_ns: int | None, to_ns: int | None
) -> Iterator[Readings]:
    """Of a CSV or Parquet file."""
    table = waiting(partial(read_file, path), f"reading {path.name}")
    found = _of_table(table, path.name, device or path.name.partition(".")[0], names)
    batch = next(found.batches)
    low = 0 if from_ns is None else int(np.searchsorted(batch.ts, from_ns))
    high = len(batch) if to_ns is None else int(np.searchsorted(batch.ts, to_ns))
    found.batches = iter([batch.take(np.arange(low, high))])
    found.from_ns = found.from_ns if from_ns is None else from_ns
    found.to_ns = found.to_ns if to_ns is None else to_ns
    yield found


def _of_table(table: pa.Table, name: str, device: str, names: dict[str, str]) -> Readings:
    catalogue = Catalogue()
    batch = batch_of(table, catalogue, device, names)
    if not len(batch):
        raise Misused(f"{name} holds no reading", "see docs/how-to/rules.md for what a file may look like")
    batch = batch.take(np.argsort(batch.ts, kind="stable"))
    return Readings(
        name, catalogue[0].node, catalogue, int(batch.ts[0]), int(batch.ts[-1]) + 1, iter([batch]), len(catalogue)
    )
