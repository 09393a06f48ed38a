"""Aggregates in parts: what a pane keeps of a column, how samples enter it, and how panes are put together.

Samples enter one after the other, in order of arrival, so how rows were batched never changes a bit. Panes are put
together in order of time; then sums are of the panes' sums.

Parts of a column, by pane: `n` samples, `sum`; `min`, `max`; `base`: the sample that came first, with `d1`, `d2`: sums
of the deviations from it and of their squares; `first`, `last` with their times; `good`, `uncertain`, `bad` messages;
and a digest (see `digests`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.quality import QUALITY_MASK, Quality
from holdfast.stream.aggregates import digests
from holdfast.stream.plans import Call

Array = NDArray[Any]
View = Mapping[str, Array]
"""Parts by name, each with one place per pane."""

_EARLIEST, _LATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_FILLS: dict[str, tuple[type, float, int]] = {
    "n": (np.float64, 0.0, 0),
    "sum": (np.float64, 0.0, 0),
    "min": (np.float64, np.inf, 0),
    "max": (np.float64, -np.inf, 0),
    "base": (np.float64, np.nan, 0),
    "d1": (np.float64, 0.0, 0),
    "d2": (np.float64, 0.0, 0),
    "first": (np.float64, np.nan, 0),
    "first_ts": (np.int64, _LATEST, 0),
    "last": (np.float64, np.nan, 0),
    "last_ts": (np.int64, _EARLIEST, 0),
    "good": (np.float64, 0.0, 0),
    "uncertain": (np.float64, 0.0, 0),
    "bad": (np.float64, 0.0, 0),
    "means": (np.float64, np.nan, digests.CENTROIDS),
    "weights": (np.float64, 0.0, digests.CENTROIDS),
    "waiting": (np.float64, np.nan, digests.WAITING),
}
_QUALITIES = {"good": Quality.GOOD, "uncertain": Quality.UNCERTAIN, "bad": Quality.BAD}
_NEEDS: dict[str, tuple[str, ...]] = {
    "count": (),
    "sum": ("sum",),
    "avg": ("sum",),
    "min": ("min",),
    "max": ("max",),
    "range": ("min", "max"),
    "var": ("base", "d1", "d2"),
    "stddev": ("base", "d1", "d2"),
    "first": ("first", "first_ts"),
    "last": ("last", "last_ts"),
    "good": ("good",),
    "uncertain": ("uncertain",),
    "bad": ("bad",),
    "approx_percentile": ("min", "max", "means", "weights", "waiting"),
}
MERGEABLE = frozenset(_NEEDS)
"""The aggregates of panes; the others need the samples."""


class Parts:
    """One column's parts. prefix: of their names in views; kinds: the aggregates wanted of it."""

    def __init__(self, prefix: str, kinds: Iterable[str]) -> None:
        wanted = {part for kind in kinds for part in _NEEDS[kind]}
        names = [part for part in _FILLS if part == "n" or part in wanted]
        self._names = {part: f"{prefix}.{part}" for part in names}
        self._sums = "sum" in wanted
        self._ends = "first" in wanted, "last" in wanted
        self._deviates, self._digests = "base" in wanted, "means" in wanted
        self._extremes = [(p, f) for p, f in (("min", np.minimum), ("max", np.maximum)) if p in wanted]
        self._qualities = {self._names[part]: int(q) for part, q in _QUALITIES.items() if part in wanted}
        self.fills = {name: _FILLS[part] for part, name in self._names.items()}
        """By name in views: type, the empty pane's value, width (0: one number)."""

    @property
    def counts_quality(self) -> bool:
        """Whether `rate` is to be called."""
        return bool(self._qualities)

    def add(self, view: View, at: Array, ts: Array, value: Array) -> None:
        """Take samples in, in order of arrival: sample i enters the pane at place at[i]."""
        names = self._names
        n = view[names["n"]]
        if self._deviates:
            self._deviate(view, at, value, n)
        if self._digests:
            digests.add(view[names["means"]], view[names["weights"]], view[names["waiting"]], n, at, value)
        np.add.at(n, at, 1.0)
        if self._sums:
            np.add.at(view[names["sum"]], at, value)
        for part, operator in self._extremes:
            operator.at(view[names[part]], at, value)
        first, last = self._ends
        if first:
            self._begin(view, at, ts, value)
        if last:
            self._end(view, at, ts, value)

    def rate(self, view: View, at: Array, quality: Array) -> None:
        """Count messages by their quality byte."""
        kinds = quality & QUALITY_MASK
        for name, kind in self._qualities.items():
            np.add.at(view[name], at[kinds == kind], 1.0)

    def _deviate(self, view: View, at: Array, value: Array, n: Array) -> None:
        base = view[self._names["base"]]
        new = n[at] == 0.0
        if new.any():
            base[at[new][::-1]] = value[new][::-1]  # of several in one pane the first is assigned last, and stays
        off = value - base[at]
        np.add.at(view[self._names["d1"]], at, off)
        np.add.at(view[self._names["d2"]], at, off * off)

    def _begin(self, view: View, at: Array, ts: Array, value: Array) -> None:
        first, known = view[self._names["first"]], view[self._names["first_ts"]]
        before = known[at]
        np.minimum.at(known, at, ts)
        mine = ((ts == known[at]) & (ts < before)).nonzero()[0][::-1]
        first[at[mine]] = value[mine]

    def _end(self, view: View, at: Array, ts: Array, value: Array) -> None:
        last, known = view[self._names["last"]], view[self._names["last_ts"]]
        np.maximum.at(known, at, ts)
        mine = (ts == known[at]).nonzero()[0]
        last[at[mine]] = value[mine]

    # Of windows

    def combine(self, view: View, at: Array, firsts: Array) -> dict[str, Array]:
        """The parts of windows: window w is put together from the panes at[firsts[w]:firsts[w + 1]], one at least.

        The answer is by part; a digest's numbers stay apart: of all centroids of a window.
        """
        out = {part: view[name][at] for part, name in self._names.items()}
        if self._digests:
            out["owner"] = np.repeat(np.arange(len(firsts)), np.diff(np.append(firsts, len(at))))
        if len(at) == len(firsts):
            return out
        if self._deviates:
            _merge(out, firsts)
        _ends(out, firsts)
        for part in ("n", "sum", "good", "uncertain", "bad"):
            if part in out:
                out[part] = np.add.reduceat(out[part], firsts)
        for part, operator in self._extremes:
            out[part] = operator.reduceat(out[part], firsts)
        return out


def _ends(out: dict[str, Array], firsts: Array) -> None:
    """`first` and `last` of windows: those of the first and the last pane that has samples."""
    some, place = out["n"] > 0, np.arange(len(out["n"]))
    for part, operator, none in (("first", np.minimum, len(place)), ("last", np.maximum, -1)):
        if part in out:
            found = operator.reduceat(np.where(some, place, none), firsts)
            out[part] = np.append(out[part], np.nan)[found]  # `none` is the place of the NaN, from either end


def finish(parts: Mapping[str, Array], call: Call) -> Array:
    """The aggregate of windows with these parts; NaN where SQL says NULL."""
    n = parts["n"]
    match call.kind:
        case "count":
            return n
        case "avg":
            return np.asarray(parts["sum"] / n)
        case "sum" | "min" | "max":
            return np.where(n > 0, parts[call.kind], np.nan)
        case "range":
            return np.where(n > 0, parts["max"] - parts["min"], np.nan)
        case "var" | "stddev":
            squares = np.maximum(parts["d2"] - parts["d1"] ** 2 / n, 0.0)
            variance = squares / np.where(n > 1, n - 1.0, np.nan)
            return np.sqrt(variance) if call.kind == "stddev" else variance
        case "approx_percentile":
            digest = parts["means"], parts["weights"], parts["waiting"]
            return digests.quantile(*digest, parts["owner"], (parts["min"], parts["max"]), call.args[0])
        case _:
            return parts[call.kind]


def _merge(out: dict[str, Array], firsts: Array) -> None:
    """`d1` and `d2` of windows about the mean of each one's panes, without cancellation (after Chan et al., 1979).

    d2 of a window = Σ of its panes' own squares + Σ n·(pane's mean - window's mean)²; d1 about the mean is 0.
    """
    n, base, d1 = out["n"], out["base"], out["d1"]
    owner = np.repeat(np.arange(len(firsts)), np.diff(np.append(firsts, len(n))))
    count = np.maximum(n, 1.0)
    mean = np.where(n > 0, base + d1 / count, 0.0)
    own = np.maximum(out["d2"] - d1 * d1 / count, 0.0)
    some = np.append(n > 0, False)
    place = np.minimum.reduceat(np.where(some[:-1], np.arange(len(n)), len(n)), firsts)
    shift = np.append(mean, 0.0)[place]  # about the window's first mean: sums of differences lose no digits
    off = np.where(n > 0, mean - shift[owner], 0.0)
    total = np.maximum(np.add.reduceat(n, firsts), 1.0)
    middle = np.add.reduceat(n * off, firsts) / total
    between = n * (off - middle[owner]) ** 2
    out["d2"] = np.add.reduceat(own, firsts) + np.add.reduceat(between, firsts)
    out["d1"] = np.zeros(len(firsts))
    out["base"] = shift + middle


def bytes_of(calls: Iterable[Call]) -> int:
    """What a pane of one key takes in memory."""
    kinds: dict[int, set[str]] = {}
    for call in calls:
        if call.kind in MERGEABLE:
            kinds.setdefault(call.column, set()).add(call.kind)
    fills = [fill for column, of in kinds.items() for fill in Parts(str(column), of).fills.values()]
    return 16 + sum(8 * max(width, 1) for _, _, width in fills)
