"""A piece's readings go, its steps stay; readings of a device near one of its alerts stay as they came."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from holdfast.history.lake.files import Values
from holdfast.history.lake.index import index_of
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.scanning import rows_of
from holdfast.history.lake.table import to_table
from holdfast.history.lake.writing import SMALL, Target
from holdfast.journal.pieces import AROUND_ALERTS, MINUTES, RAW, Piece, PieceFile
from holdfast.model.batch import Batch

_MINUTE_NS = MINUTES * 10**9
Mark = tuple[int, str, str]
"""When an alert was raised (ns UTC), and the node and device it is about."""


def around_alerts(lake: Lake, piece: Piece, marks: Sequence[Mark], within_ns: int, target: Target) -> PieceFile | None:
    """A file of the piece's readings within `within_ns` of an alert on their device, whole minutes; None without any.

    Raises:
        PieceDamaged, PieceGone, StorageError: when it can't be made; nothing is left of it.
    """
    raw = piece.file(RAW)
    windows = _windows(marks, within_ns)
    if raw is None or not windows:
        return None
    writer = target.file(AROUND_ALERTS, piece.day, Values.PLAIN, SMALL)
    rows = 0
    try:
        for batch in _near(lake, raw, windows, target):
            writer.add(to_table(batch, target.catalogue), index_of(batch, target.catalogue.is_text))
            rows += len(batch)
        if rows:
            return replace(writer.close(AROUND_ALERTS), rows=rows)
    except BaseException:
        writer.abandon()
        raise
    writer.abandon()
    return None


def _windows(marks: Sequence[Mark], within_ns: int) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """[from, to) of the times to keep, a device, joined where they touch; ascending."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for ts, node, device in sorted(marks):
        low = (ts - within_ns) // _MINUTE_NS * _MINUTE_NS
        high = -(-(ts + within_ns + 1) // _MINUTE_NS) * _MINUTE_NS
        spans = found.setdefault((node, device), [])
        if spans and low <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
        else:
            spans.append((low, high))
    return found


def _near(
    lake: Lake, raw: PieceFile, windows: dict[tuple[str, str], list[tuple[int, int]]], target: Target
) -> Iterator[Batch]:
    catalogue = target.catalogue
    with lake.reader(raw) as reader:
        for one in reader.index.series.tolist():
            series = catalogue[one]
            spans = windows.get((series.node, series.device))
            if not spans:
                continue
            ids = np.array([one], np.int32)
            for batch in rows_of(reader, ids, spans[0][0], spans[-1][1], catalogue.is_text):
                kept = batch.take(_inside(batch.ts, spans))
                if len(kept):
                    yield kept


def _inside(ts: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    edges = np.array(spans, np.int64).ravel()
    inside: NDArray[np.bool_] = np.searchsorted(edges, ts, side="right") % 2 == 1
    return inside
