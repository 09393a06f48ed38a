"""A batch: many readings as columns. The unit of all hot-path work."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
Uint8s = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings as columns, all of shape (n,).

    series:  catalogue id of the series
    ts:      event time, ns UTC
    value:   the number; bools are 0/1, ints are exact to 2**53; for a text series the position in `texts`
    quality: `model.quality` byte
    texts:   the text values of this batch, empty when it has none
    """

    series: Int32s
    ts: Int64s
    value: Float64s
    quality: Uint8s
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.series)

    def take(self, rows: Int64s | NDArray[np.bool_] | NDArray[np.intp]) -> "Batch":
        """The rows selected by index or mask, in that order."""
        return Batch(self.series[rows], self.ts[rows], self.value[rows], self.quality[rows], self.texts)

    def slim(self, is_text: NDArray[np.bool_]) -> "Batch":
        """The same rows with only the texts that they use; `take` leaves all of them.

        is_text: shape (catalogue size,), True where a series holds text
        """
        if not self.texts:
            return self
        rows = is_text[self.series] & np.isfinite(self.value)
        used, place = np.unique(self.value[rows].astype(np.int64), return_inverse=True)
        if len(used) == len(self.texts):
            return self
        value = self.value.copy()
        value[rows] = place
        return Batch(self.series, self.ts, value, self.quality, tuple(self.texts[i] for i in used.tolist()))

    @staticmethod
    def empty() -> "Batch":
        """A batch of no readings."""
        return Batch(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint8))


def concatenate(batches: Sequence[Batch], text_series: NDArray[np.bool_] | None = None) -> Batch:
    """One batch of all rows in order.

    text_series: shape (catalogue size,), True where a series holds text; needed only when any batch has texts,
    because text values are positions and move when the text lists are joined.
    """
    full = [b for b in batches if len(b)]
    if len(full) == 1:
        return full[0]
    if not full:
        return Batch.empty()
    values = [b.value for b in full]
    texts: tuple[str, ...] = ()
    for i, b in enumerate(full):
        if b.texts and text_series is not None:
            values[i] = np.where(text_series[b.series], b.value + len(texts), b.value)
        texts += b.texts
    return Batch(
        np.concatenate([b.series for b in full]),
        np.concatenate([b.ts for b in full]),
        np.concatenate(values),
        np.concatenate([b.quality for b in full]),
        texts,
    )
