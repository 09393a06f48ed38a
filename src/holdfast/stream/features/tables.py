"""Feature sets over readings that are there already: the engine of a node, fed in order of time.

    sets = load_features([Path("features.yaml")])
    found = table(sets[0], moments(ts, {"air.temperature": t, "air.co2": c}, device="room-1"))
    x, y = found.values[found.usable], labels[found.usable]

What a node computes live of the same readings in the same order is equal to it, to the bit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.features import UNUSABLE, FeatureRows
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.features.sets import FeatureSet
from holdfast.stream.replaying import Replay
from holdfast.stream.rules import CompiledRule

Array = NDArray[Any]
_ROWS = 1 << 18
"""Readings handed on at once."""


class Past(Protocol):
    """Readings in order of time; `backtesting.readings.Readings` is one."""

    node: str
    catalogue: Catalogue
    from_ns: int
    to_ns: int
    batches: Iterator[Batch]


@dataclass(slots=True)
class Moments:
    """A `Past` made of arrays: see `moments`."""

    node: str
    catalogue: Catalogue
    from_ns: int
    to_ns: int
    batches: Iterator[Batch]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by time, those of one time by node and device.

    ref:     name@hash of the set; columns: what the values are called, f of them
    places:  (node, device) by key
    key:     shape (n,), int32; ts: shape (n,), ns UTC; values: shape (n, f), float64; flags: shape (n,), uint8
    """

    ref: str
    columns: tuple[str, ...]
    places: Sequence[tuple[str, str]]
    key: Array
    ts: Array
    values: Array
    flags: Array

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def usable(self) -> Array:
        """Which rows may be scored, and so learned from; shape (n,)."""
        return np.asarray((self.flags & UNUSABLE) == 0)

    @property
    def device(self) -> Array:
        """Each row's device, shape (n,)."""
        return np.array([device for _, device in self.places], object)[self.key]


def moments(
    ts: Array, columns: Mapping[str, Any], device: str | Sequence[str] = "device", *, node: str = "file"
) -> Moments:
    """Readings of a wide table: a row a moment, a column a metric.

    ts:      shape (n,), ns UTC, in any order
    columns: metric to its values, shape (n,): numbers (NaN: no reading), or texts (None: none)
    device:  whose they are, one name or one for each row
    """
    catalogue, ts = Catalogue(), np.asarray(ts, np.int64)
    order = np.argsort(ts, kind="stable")
    names = [device] * len(ts) if isinstance(device, str) else list(device)
    labels, codes = np.unique(np.array(names, object).astype(str), return_inverse=True)
    texts: list[str] = []
    parts = []
    for metric, values in columns.items():
        column = np.asarray(values)
        is_text = column.dtype.kind in "OUS"
        kind = Kind.TEXT if is_text else Kind.FLOAT
        ids = np.array([catalogue.intern(Series(node, str(one), metric, "", kind)) for one in labels], np.int32)
        parts.append((ids[codes][order], _coded(column, texts)[order] if is_text else column.astype(np.float64)[order]))
    series = np.stack([ids for ids, _ in parts], axis=1).ravel()
    value = np.stack([some for _, some in parts], axis=1).ravel()
    when = np.repeat(ts[order], len(parts))
    kept = ~np.isnan(value)
    batch = Batch(series[kept], when[kept], value[kept], np.zeros(int(kept.sum()), np.uint8), tuple(texts))
    span = (int(batch.ts[0]), int(batch.ts[-1]) + 1) if len(batch) else (0, 1)
    return Moments(node, catalogue, *span, iter([batch]))


def _coded(column: Array, texts: list[str]) -> Array:
    """Texts as places in `texts`, to which new ones are added; NaN for None."""
    known = {text: i for i, text in enumerate(texts)}
    out = np.full(len(column), np.nan)
    for i, one in enumerate(column.tolist()):
        if one is not None and one == one:  # noqa: PLR0124 - NaN, as Pandas has it, isn't equal to itself
            text = one.decode() if isinstance(one, bytes) else str(one)
            if text not in known:
                known[text] = len(texts)
                texts.append(text)
            out[i] = known[text]
    return out


def rows(line: CompiledRule, past: Past) -> Iterator[FeatureRows]:
    """What a line makes of a past, by time as far as its windows give it so; in pieces, so that memory is bounded."""
    replay = Replay([line], past.catalogue, past.node, past.from_ns, past.to_ns)
    for batch in past.batches:
        for low, high in _pieces(batch.ts):
            replay.feed(batch.take(np.arange(low, high)) if high - low < len(batch) else batch)
            yield from _taken(replay)
    replay.finish(past.to_ns)
    yield from _taken(replay)


def _pieces(ts: Array) -> Iterator[tuple[int, int]]:
    """Pieces of so many rows, none that ends between two readings of one time."""
    low = 0
    while low < len(ts):
        high = len(ts)
        if high - low > _ROWS:
            high = int(np.searchsorted(ts, ts[low + _ROWS], side="right"))
        yield low, high
        low = high


def _taken(replay: Replay) -> Iterator[FeatureRows]:
    found, replay.features = replay.features, []
    if found:
        yield by_time(found)


def by_time(found: Sequence[FeatureRows]) -> FeatureRows:
    """Rows of one line as one, by time, then by node and device. There is at least one part."""
    first = found[-1]
    key, ts, values, flags = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("key", "ts", "values", "flags")
    )
    rank = np.empty(len(first.places), np.int64)
    rank[sorted(range(len(first.places)), key=first.places.__getitem__)] = np.arange(len(first.places))
    whole = FeatureRows(first.features, first.deployment, first.places, key, ts, values, flags, 0.0)
    return whole.take(np.lexsort((rank[key], ts)))


def table(features: FeatureSet, past: Past, *, from_: str = "", rename: Mapping[str, str] | None = None) -> Table:
    """All rows of a set over a past.

    from_: which devices, in place of the set's own; rename: as in `compile_features`

    Raises:
        FeaturesUnfit: when the set can't be computed so.
    """
    from holdfast.stream.language.featuring import compile_features  # noqa: PLC0415 - sqlglot, for those who need it

    line = compile_features(features, "table", from_, rename)
    found = list(rows(line, past))
    if not found:
        empty = np.empty(0, np.int64)
        return Table(
            features.ref, features.columns, [], empty.astype(np.int32), empty, np.empty((0, features.width)),
            np.empty(0, np.uint8),
        )  # fmt: skip
    whole = by_time(found)
    return Table(features.ref, features.columns, list(whole.places), whole.key, whole.ts, whole.values, whole.flags)


def pieces_of(found: Iterable[FeatureRows], most: int) -> Iterator[FeatureRows]:
    """The same rows, at most so many at once."""
    for one in found:
        for low in range(0, len(one), most):
            yield one.take(np.arange(low, min(low + most, len(one))))
