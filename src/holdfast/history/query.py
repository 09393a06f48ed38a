"""Answers `series, from, to, step`: raw points, or count, min, max, mean and last per step. Blocking, any thread.

Bounds: at most `limit` raw points (the oldest are kept, `truncated` says so), at most `MAX_CELLS` steps in all series
together, and at most `SCAN_ROWS` stored rows read for one question.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.history.answers import AGGREGATES, Aggregate, Answer, pointed, stepped
from holdfast.history.downsample import Cells, Grid
from holdfast.history.errors import QueryInvalid
from holdfast.history.names import select
from holdfast.history.ports import Groups
from holdfast.history.rows import Scan
from holdfast.model.batch import Batch, concatenate
from holdfast.model.series import Catalogue

MAX_CELLS = 500_000
MAX_SERIES = 2_000
MAX_POINTS = 100_000
SCAN_ROWS = 50_000_000
# Rows gathered before they are aggregated or cut: large enough that numpy does the work, small enough for a gateway.
_CHUNK = 1 << 17


class History:
    """The past of one node. Keeps nothing between questions."""

    def __init__(self, groups: Groups, catalogue: Catalogue) -> None:
        self._groups, self._catalogue = groups, catalogue

    def query(
        self,
        patterns: Sequence[str],
        from_ns: int,
        to_ns: int,
        step_ns: int | None = None,
        aggregates: Sequence[Aggregate] = AGGREGATES,
        limit: int = 10_000,
    ) -> Answer:
        """The readings of every series that `patterns` mean, in [from_ns, to_ns).

        Series without any row in that time are part of the answer, empty, so that a typo differs from silence.

        Raises:
            QueryInvalid: when a pattern is no name or the answer would be too large.
            StorageError, JournalError: when the rows can't be read.
        """
        if from_ns >= to_ns:
            raise QueryInvalid("`from` is not before `to`", "give a time span, as in from=-1h&to=now")
        ids = select(self._catalogue, patterns)
        if len(ids) > MAX_SERIES:
            raise QueryInvalid(f"{len(ids)} series match; at most {MAX_SERIES} may", "narrow the pattern")
        series = [self._catalogue[int(i)] for i in ids]
        scan = self._scan(ids, from_ns, to_ns)
        if step_ns is None:
            kept, truncated = self._oldest(scan, min(limit, MAX_POINTS))
            return Answer(from_ns, to_ns, None, pointed(series, kept, scan.texts), truncated or scan.is_cut)
        cells = self._cells(scan, len(ids), _grid(from_ns, to_ns, step_ns, len(ids)))
        return Answer(from_ns, to_ns, step_ns, stepped(series, cells, scan.texts, aggregates), scan.is_cut)

    def _scan(self, ids: NDArray[np.int32], from_ns: int, to_ns: int) -> Scan:
        is_text = self._catalogue.is_text.copy()
        place_of = np.full(len(is_text), -1, np.int64)
        place_of[ids] = np.arange(len(ids))
        return Scan(place_of, is_text, from_ns, to_ns)

    def _cells(self, scan: Scan, series: int, grid: Grid) -> Cells:
        cells = Cells(series, grid)
        for rows in chunked(scan, self._groups):
            cells.add(rows.series.astype(np.int64), rows.ts, rows.value, rows.quality)
        return cells

    def _oldest(self, scan: Scan, limit: int) -> tuple[Batch, bool]:
        kept, truncated = Batch.empty(), False
        for rows in chunked(scan, self._groups):
            kept = concatenate([kept, rows])
            if len(kept) > limit:
                kept = kept.take(np.argsort(kept.ts, kind="stable")[:limit])
                truncated = True
                scan.before = int(kept.ts[-1]) + 1 if limit else scan.before
        order = np.lexsort((kept.ts, kept.series))
        return kept.take(order), truncated


def chunked(scan: Scan, groups: Groups) -> Iterator[Batch]:
    """The scan's rows in batches of about `_CHUNK`."""
    gathered: list[Batch] = []
    count = 0
    for batch in scan.rows(groups, SCAN_ROWS):
        gathered.append(batch)
        count += len(batch)
        if count >= _CHUNK:
            yield concatenate(gathered)
            gathered, count = [], 0
    if gathered:
        yield concatenate(gathered)


def _grid(from_ns: int, to_ns: int, step_ns: int, series: int) -> Grid:
    if step_ns <= 0:
        raise QueryInvalid("`step` is not above zero", "give a duration, as in step=10s")
    grid = Grid.over(from_ns, to_ns, step_ns)
    if grid.buckets * max(1, series) > MAX_CELLS:
        raise QueryInvalid(
            f"{series} series in {grid.buckets} steps are more than {MAX_CELLS} values",
            "take a longer step, a shorter time or fewer series",
        )
    return grid
