"""A batch's rows as rules want them: only those that a rule reads, grouped by key, as messages of several columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.quality import is_usable
from holdfast.model.series import Catalogue

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Arrived:
    """The rows of a batch that at least one rule reads, grouped by device. All of shape (n,).

    row:     position in the batch
    usable:  False where the quality is bad or the value isn't a number; None when all are usable
    quality: `model.quality` byte
    metric:  the catalogue's number of the series' metric
    """

    row: Array
    series: Array
    ts: Array
    value: Array
    quality: Array
    usable: Array | None
    metric: Array
    parts: "dict[tuple[int, ...], Arrived | None]" = field(default_factory=dict, compare=False)
    """By metrics; for those that all rows are of, there's none but a mark in `whole`."""
    whole: set[tuple[int, ...]] = field(default_factory=set, compare=False)

    def of(self, metrics: tuple[int, ...]) -> "Arrived | None":
        """The rows of these metrics, None for none: looked for once for all stages that read them."""
        if metrics in self.whole:
            return self
        if metrics not in self.parts:
            part = self._part(metrics)
            if part is self:
                self.whole.add(metrics)
                return self
            self.parts[metrics] = part
        return self.parts[metrics]

    def _part(self, metrics: tuple[int, ...]) -> "Arrived | None":
        mask = self.metric == metrics[0]
        for metric in metrics[1:]:
            mask |= self.metric == metric
        return self.taken(mask.nonzero()[0])

    def taken(self, at: Array) -> "Arrived | None":
        """The rows at these positions, None for none."""
        if len(at) == len(self.row):
            return self
        if not len(at):
            return None
        usable = None if self.usable is None else self.usable[at]
        if usable is not None and usable.all():
            usable = None
        return Arrived(
            self.row[at], self.series[at], self.ts[at], self.value[at], self.quality[at], usable, self.metric[at]
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """One stage's messages, grouped by key, within a key in order of arrival. M messages, K keys.

    row:     position in the batch of the message's last row, shape (M,)
    ts:      event time, ns, shape (M,)
    key:     0..K-1, ascending, shape (M,)
    firsts:  each key's first message, shape (K,)
    slots:   each key's slot in the stage's state, shape (K,)
    columns: the values as known at the message, each of shape (M,), NaN where nothing is known yet
    fresh:   per column which messages brought a usable value of it, shape (M,); None: all of them
    live:    which messages count, shape (M,): the others only say what time it is; None: all count
    quality: per input column the newest value's quality byte, -1 unknown; None unless the plan wants it
    told:    per input column which messages brought a value of it, usable or not, and passed `where`; as `quality`
    is_good: whether it's known that every value told is of good quality, for no reason worth a word (byte 0)
    """

    row: Array
    ts: Array
    key: Array
    firsts: Array
    slots: Array
    columns: tuple[Array, ...]
    fresh: tuple[Array | None, ...]
    live: Array | None = None
    quality: tuple[Array, ...] | None = None
    told: tuple[Array, ...] | None = None
    is_good: bool = False

    def __len__(self) -> int:
        return len(self.row)

    def with_column(self, column: Array, fresh: Array | None) -> "Rows":
        """The same messages with one column more."""
        return replace(self, columns=(*self.columns, column), fresh=(*self.fresh, fresh))

    def with_columns(self, made: Sequence[tuple[Array, Array | None]]) -> "Rows":
        """The same messages with more columns, each with which messages bring it."""
        columns, fresh = zip(*made, strict=True)
        return replace(self, columns=self.columns + columns, fresh=self.fresh + fresh)

    def only(self, mask: Array) -> "Rows":
        """The same messages, of which only those in `mask` count any more."""
        live = mask if self.live is None else self.live & mask
        fresh = tuple(live if f is None else f & live for f in self.fresh)
        told = None if self.told is None else tuple(t & mask for t in self.told)
        return replace(self, live=live, fresh=fresh, told=told)

    def counting(self) -> "Rows | None":
        """The messages that count, None when none does."""
        return self if self.live is None else self.take(np.flatnonzero(self.live))

    def take(self, at: Array) -> "Rows | None":
        """The messages at these positions (ascending), None for none."""
        if len(at) == len(self.row):
            return self
        if not len(at):
            return None
        key, firsts, slots = grouped(self.slots[self.key[at]])
        return Rows(
            self.row[at],
            self.ts[at],
            key,
            firsts,
            slots,
            tuple(c[at] for c in self.columns),
            tuple(None if f is None else f[at] for f in self.fresh),
            None if self.live is None else self.live[at],
            None if self.quality is None else tuple(q[at] for q in self.quality),
            None if self.told is None else tuple(t[at] for t in self.told),
            self.is_good,
        )


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows left out, by slot and position in the batch. Shape (k,)."""

    slot: Array
    row: Array


def arrive(batch: Batch, wanted: Array, catalogue: Catalogue) -> Arrived | None:
    """The rows of series that are `wanted` (by series id), or None when there are none."""
    device_of = catalogue.device_of
    chosen = wanted[batch.series].nonzero()[0]
    if not len(chosen):
        return None
    device = device_of[batch.series[chosen]]
    if len(device_of) <= 1 << 16:
        device = device.astype(np.uint16)  # numpy sorts 16-bit numbers by radix: ten times faster
    row = chosen[device.argsort(kind="stable")]
    value, quality = batch.value[row], batch.quality[row]
    usable = is_usable(quality) & (value == value)  # noqa: PLR0124 - NaN is not equal to itself
    is_all = np.count_nonzero(usable) == len(usable)
    series = batch.series[row]
    return Arrived(row, series, batch.ts[row], value, quality, None if is_all else usable, catalogue.metric_of[series])


_ZERO = np.zeros(1, np.intp)
_ZERO.flags.writeable = False


def grouped(slot: Array) -> tuple[Array, Array, Array]:
    """Rows whose equal slots are neighbours: each row's key, each key's first row, each key's slot."""
    if len(slot) == 1:
        return _ZERO, _ZERO, slot
    starts = np.empty(len(slot), np.bool_)
    starts[0] = True
    np.not_equal(slot[1:], slot[:-1], out=starts[1:])
    firsts = starts.nonzero()[0]
    return starts.cumsum() - 1, firsts, slot[firsts]


def filled(values: Array, fresh: Array, firsts: Array, key: Array, known: Array) -> Array:
    """Each message's newest value: its own where `fresh`, else the one before it of its key, else `known[key]`."""
    at = np.where(fresh, np.arange(len(values)), -1)
    np.maximum.accumulate(at, out=at)
    own = at >= firsts[key]
    return np.where(own, values[at], known[key])
