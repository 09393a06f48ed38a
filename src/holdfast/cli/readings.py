"""Readings of the past in order of time, whatever they lie in: a node's memory, a CSV or a Parquet file."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from holdfast.cli.node_api import Api, File, Misused
from holdfast.cli.past import Past, opened
from holdfast.cli.progress import is_shown, progress, waiting
from holdfast.cli.reading_files import batch_of, read_file
from holdfast.cli.words import many
from holdfast.client import Client
from holdfast.history.gathering import placed_points, step_points
from holdfast.history.lake.rollup import Steps
from holdfast.history.question import Question
from holdfast.history.rows import Texts
from holdfast.history.tiers import Asked
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Series

Wants = Callable[[Series], bool]
FIRST_NS = 3600 * NS_PER_S
MOST_NS = 31 * 24 * FIRST_NS
AIM_ROWS = 4_000_000
"""Rows that are sorted at once: about 200 MB while it's done."""
_SEEN_ROWS = 262_144


@dataclass(slots=True)
class Readings:
    """What was opened. name: of where it is from; series: how many; notes: what is to be known, complete at the end."""

    name: str
    node: str
    catalogue: Catalogue
    from_ns: int
    to_ns: int
    batches: Iterator[Batch]
    series: int = 0
    notes: list[str] = field(default_factory=list)


@contextmanager
def of_node(where: File, wants: Wants, from_ns: int, to_ns: int) -> Iterator[Readings]:
    """Of a node's files; it may run."""
    with opened(where) as past:
        ids = np.array([i for i, one in enumerate(past.catalogue.since(0)) if wants(one)], np.int32)
        found = Readings(
            f"{where.plan.settings.node}'s memory", where.plan.settings.node, past.catalogue, from_ns, to_ns, iter(()),
            len(ids),
        )  # fmt: skip
        found.batches = _chunks(past, ids, found)
        yield found


def _chunks(past: Past, ids: NDArray[np.int32], about: Readings) -> Iterator[Batch]:
    low, length, coarse = about.from_ns, FIRST_NS, 0
    while low < about.to_ns and len(ids):
        high = min(low + length, about.to_ns)
        texts = Texts()
        question = Question(ids, low, high)
        asked = Asked(question, texts, ("*",), 0, sites=False, parent=False)
        into, got = past.history.tiers.gather(partial(_Gatherer, question, texts), asked)
        if got.is_cut:
            about.notes.append("there was more than could be read at once: ask for a shorter time")
        batch = into.sorted()
        coarse += into.coarse
        yield batch
        length = min(2 * length, MOST_NS) if len(batch) < AIM_ROWS // 2 else length
        length = max(length // 2, FIRST_NS // 60) if len(batch) > AIM_ROWS else length
        low = high
    if coarse:
        about.notes.append(f"{coarse:,} of the readings are gone but for the mean of a step each")


class _Gatherer:
    """Takes readings as they are stored. See `history.gathering.Gathering`."""

    def __init__(self, question: Question, texts: Texts) -> None:
        self.before = question.to_ns
        self.coarse = 0
        self._question, self._texts = question, texts
        self._parts: list[Batch] = []

    def place(self, rows: Batch) -> None:
        self._parts.append(Batch(self._question.ids[rows.series], rows.ts, rows.value, rows.quality))

    def place_steps(self, steps: Steps) -> None:
        self.coarse += len(steps.ts)
        self.place(placed_points(steps))

    def grow(self, series: int) -> None:
        """Other nodes aren't asked, so there are no others' series."""

    def take(self, rows: Batch, is_text: NDArray[np.bool_]) -> None:
        value = self._texts.renumber(rows, is_text)
        self._parts.append(Batch(rows.series, rows.ts, value, rows.quality))

    def merge(self, steps: Steps, is_text: NDArray[np.bool_]) -> None:
        rows = step_points(steps, is_text, self._question.from_ns)
        self.coarse += len(rows)
        self.take(rows, is_text)

    def sorted(self) -> Batch:
        """All of it by time; rows of one time as they were stored."""
        if not self._parts:
            return Batch.empty()
        whole = Batch(
            np.concatenate([p.series for p in self._parts]),
            np.concatenate([p.ts for p in self._parts]),
            np.concatenate([p.value for p in self._parts]),
            np.concatenate([p.quality for p in self._parts]),
            tuple(self._texts.known),
        )
        self._parts.clear()
        return whole.take(np.argsort(whole.ts, kind="stable"))


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


def watched(readings: Readings, doing: str, *, json: bool) -> Iterator[Batch]:
    """Its batches, with a bar by time where somebody looks; large ones in pieces then, so that it moves."""
    return _watched(readings, readings.batches, doing) if is_shown(json=json) else readings.batches


def _watched(readings: Readings, batches: Iterator[Batch], doing: str) -> Iterator[Batch]:
    rows, span = 0, max(readings.to_ns - readings.from_ns, 1) / NS_PER_S
    with progress(doing, span, "s of data") as tell:
        for batch in batches:
            for start in range(0, max(len(batch), 1), _SEEN_ROWS):
                piece = batch.take(np.arange(start, min(start + _SEEN_ROWS, len(batch))))
                yield piece
                rows += len(piece)
                if len(piece):
                    reached = max(int(piece.ts[-1]) - readings.from_ns, 0) / NS_PER_S
                    tell(min(reached, span), doing=f"{doing}, {many(rows, 'reading')}")


def several(names: Sequence[str]) -> str:
    """Names for a sentence, the first few of many."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
