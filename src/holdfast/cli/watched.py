"""Readings of the past on their way through rules or detectors, with a bar where somebody looks."""

from collections.abc import Iterator

import numpy as np

from holdfast.backtesting.readings import Readings
from holdfast.cli.progress import is_shown, progress
from holdfast.cli.words import many
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.batch import Batch

_SEEN_ROWS = 262_144


def watched(readings: Readings, doing: str, *, json: bool) -> Readings:
    """The same readings, with a bar by time as they're taken; large batches in pieces then, so that it moves."""
    if is_shown(json=json):
        readings.batches = _watched(readings, readings.batches, doing)
    return readings


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
