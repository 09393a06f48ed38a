"""Every aggregate of the language over samples that are sorted by time: windows are pieces of one long column.

Each window's numbers come of its own samples alone, so they have the same bits wherever the samples lie and whatever
else is computed beside them. Cost: O(samples in the windows), those in two windows twice; sorting for `median`,
`percentile`, `distinct`, `mode`, `top`.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.quality import QUALITY_MASK, Quality
from holdfast.stream.aggregates import raw, vibrations
from holdfast.stream.plans import Call

Array = NDArray[Any]
_QUALITIES = {quality.name.lower(): int(quality) for quality in Quality}
_AT_ONCE = 1 << 20
"""Samples that are laid out anew at once."""
NS = 1e9


class Segments:
    """W windows over samples; `get` gives one number per window, NaN where SQL says NULL.

    Below, v are a window's values in order of time (of equal times: of arrival), t their times in seconds, n how many.
    """

    def __init__(
        self, ts: Array, value: Array, lo: Array, hi: Array, start: Array | None = None, end: Array | None = None
    ) -> None:
        """Window w holds the samples lo[w]:hi[w], none if they are equal; windows may overlap.

        ts, value: all samples, those of a window sorted by (time, arrival), ns; no value is NaN
        start, end: the windows' bounds, ns; None where windows aren't cut by time
        """
        self._ts, self._value, self._lo, self._hi, self._start, self._end = ts, value, lo, hi, start, end
        self._n = hi - lo
        self._diagnoses = vibrations.Diagnoses()

    def get(self, call: Call) -> Array:
        """One number per window."""
        direct = _DIRECT.get(call.kind)
        if direct is not None:
            return direct(self)
        if call.kind in vibrations.KINDS:
            return vibrations.of_windows(call, self._ts, self._value, np.array((self._lo, self._hi)), self._diagnoses)
        maker = _MAKERS[call.kind]
        ends = np.cumsum(self._n)
        if not len(ends) or ends[-1] <= _AT_ONCE:
            return maker(self, call)
        cuts = np.searchsorted(ends, np.arange(_AT_ONCE, ends[-1], _AT_ONCE), side="right")
        parts = np.split(np.arange(len(ends)), np.unique(cuts))
        return np.concatenate([maker(self._part(at), call) for at in parts if len(at)])

    def _part(self, at: Array) -> "Segments":
        start, end = (None if bound is None else bound[at] for bound in (self._start, self._end))
        return Segments(self._ts, self._value, self._lo[at], self._hi[at], start, end)

    # Of the samples where they are

    def count(self) -> Array:
        """`count`: n; 0 for none."""
        return self._n.astype(np.float64)

    def total(self) -> Array:
        """`sum`: Σv."""
        return self._reduce(np.add)

    def average(self) -> Array:
        """`avg`: Σv / n."""
        return np.asarray(self._reduce(np.add) / self._n)

    def smallest(self) -> Array:
        """`min`."""
        return self._reduce(np.minimum)

    def largest(self) -> Array:
        """`max`."""
        return self._reduce(np.maximum)

    def spread(self) -> Array:
        """`range`: max - min."""
        return self.largest() - self.smallest()

    def first(self) -> Array:
        """`first`: by time."""
        return self._at(self._value, self._lo)

    def last(self) -> Array:
        """`last`: by time."""
        return self._at(self._value, self._hi - 1)

    def derivative(self) -> Array:
        """`derivative`: (v[-1] - v[0]) / (t[-1] - t[0]); unknown when no time passes."""
        return _ratio(self.last() - self.first(), self._seconds())

    def _seconds(self) -> Array:
        """Between a window's first and last sample."""
        if not len(self._ts):
            return np.full(len(self._n), np.nan)
        last = np.maximum(self._hi - 1, 0)
        first = np.minimum(self._lo, len(self._ts) - 1)
        return np.asarray((self._ts[last] - self._ts[first]) / NS)

    def _at(self, column: Array, place: Array) -> Array:
        out = np.full(len(self._n), np.nan)
        some = self._n > 0
        out[some] = column[place[some]]
        return out

    def _reduce(self, operator: np.ufunc) -> Array:
        out = np.full(len(self._n), np.nan)
        some = np.flatnonzero(self._n)
        if len(some):
            out[some] = _reduced(operator, self._value, self._lo[some], self._hi[some])
        return out

    # Of the samples of each window, one window after the other

    @cached_property
    def _some(self) -> Array:
        """The windows that aren't empty."""
        return np.flatnonzero(self._n)

    @cached_property
    def _owner(self) -> Array:
        """Each sample's place in `_some`."""
        return np.repeat(np.arange(len(self._some)), self._n[self._some])

    @cached_property
    def _firsts(self) -> Array:
        counts = self._n[self._some]
        return np.asarray(np.cumsum(counts) - counts)

    @cached_property
    def _index(self) -> Array:
        shift = self._lo[self._some] - self._firsts
        return np.asarray(np.arange(len(self._owner)) + shift[self._owner])

    @cached_property
    def _v(self) -> Array:
        if len(self._some) == 1:  # where it lies
            return self._value[self._lo[self._some[0]] : self._hi[self._some[0]]]
        return np.asarray(self._value[self._index])

    @cached_property
    def _qualities(self) -> Array:
        """The values, which are quality bytes, without their reasons."""
        return np.asarray(self._v.astype(np.int64) & QUALITY_MASK)

    @cached_property
    def _t(self) -> Array:
        """Seconds since the window's first sample."""
        if len(self._some) == 1:
            ts = self._ts[self._lo[self._some[0]] : self._hi[self._some[0]]]
            return np.asarray((ts - ts[0]) / NS)
        ts = self._ts[self._index]
        return np.asarray((ts - ts[self._firsts][self._owner]) / NS)

    @cached_property
    def _ranked(self) -> Array:
        """The values of each window, ascending."""
        return np.asarray(self._v[np.lexsort((self._v, self._owner))])

    def _sum(self, column: Array) -> Array:
        """Σ of each window that isn't empty."""
        return np.asarray(np.add.reduceat(column, self._firsts))

    def _between(self, pairs: Array) -> Array:
        """Σ over neighbours: pairs[i] is of samples i and i + 1, and left out where these are of two windows."""
        column = np.append(pairs, 0.0)
        column[self._firsts[1:] - 1] = 0.0
        return self._sum(column)

    def _filled(self, found: Array, least: int = 1, empty: float = np.nan) -> Array:
        """One number per window: `empty` for those with fewer than `least` samples."""
        out = np.full(len(self._n), empty)
        out[self._some] = found
        out[self._n < least] = empty
        return out

    def of_quality(self, call: Call) -> Array:
        """`good`, `uncertain`, `bad`: how many of the values, which are quality bytes, are so; 0 for none."""
        if not len(self._some):
            return np.zeros(len(self._n))
        is_it = self._qualities == _QUALITIES[call.kind]
        return self._filled(np.add.reduceat(is_it, self._firsts, dtype=np.int64), empty=0.0)

    def variance(self, call: Call) -> Array:
        """`var`: Σ(v - mean)² / (n - 1); `stddev`: its root; unknown for n < 2."""
        if not len(self._some):
            return self._filled(np.empty(0))
        n = self._n[self._some]
        mean = self._sum(self._v) / n
        off = self._v - mean[self._owner]
        found = self._sum(off * off) / np.maximum(n - 1, 1)
        return self._filled(np.sqrt(found) if call.kind == "stddev" else found, 2)

    def percentile(self, call: Call) -> Array:
        """`percentile(x, p)`: between the neighbours of place p·(n - 1) of the sorted values, as SQL's PERCENTILE_CONT.

        `median` is p = 0.5; `approx_percentile` is exact here, where the samples are at hand.
        """
        if not len(self._some):
            return self._filled(np.empty(0))
        share = 0.5 if call.kind == "median" else call.args[0]
        n = self._n[self._some]
        place = share * (n - 1)
        below = np.floor(place).astype(np.intp)
        low = self._ranked[self._firsts + below]
        high = self._ranked[self._firsts + np.minimum(below + 1, n - 1)]
        return self._filled(np.where(low == high, low, low + (high - low) * (place - below)))

    def time_average(self, call: Call) -> Array:  # noqa: ARG002 - all makers take it
        """`time_avg`: Σ v[i]·(t[i+1] - t[i]) / (t[n] - t[0]), t[n] being the window's end, or t[n-1] where it has none.

        A value holds until the next sample; before the first nothing is known. The last value when no time passes.
        """
        if not len(self._some):
            return self._filled(np.empty(0))
        lasts = self._firsts + self._n[self._some] - 1
        until = self._t[lasts]
        if self._end is not None:
            first = self._ts[self._lo[self._some]]
            until = np.maximum((self._end[self._some] - first) / NS, until)
        held = np.append(np.diff(self._t), 0.0)
        held[lasts] = until - self._t[lasts]
        last = self._v[lasts]
        off = self._sum((self._v - last[self._owner]) * held)  # a steady value comes out as it is
        return self._filled(np.where(until > 0, last + off / np.where(until > 0, until, 1.0), last))

    def integral(self, call: Call) -> Array:  # noqa: ARG002 - all makers take it
        """`integral`: Σ (v[i] + v[i+1]) / 2 · (t[i+1] - t[i]), value·s; unknown for n < 2."""
        if not len(self._some):
            return self._filled(np.empty(0))
        return self._filled(self._between((self._v[1:] + self._v[:-1]) / 2 * np.diff(self._t)), 2)

    def slope(self, call: Call) -> Array:  # noqa: ARG002 - all makers take it
        """`slope`: Σ(t - mean t)(v - mean v) / Σ(t - mean t)², per s; unknown when no time passes."""
        if not len(self._some):
            return self._filled(np.empty(0))
        n = self._n[self._some]
        t = self._t - (self._sum(self._t) / n)[self._owner]
        v = self._v - (self._sum(self._v) / n)[self._owner]
        return self._filled(_ratio(self._sum(t * v), np.where(self._seconds()[self._some] > 0, self._sum(t * t), 0.0)))

    def increase(self, call: Call) -> Array:
        """`increase`: Σ v[i+1] - v[i], or v[i+1] where that is less than v[i]: the counter was reset to 0.

        `rate`: that / (t[-1] - t[0]), per s. Both unknown for n < 2, and the rate when no time passes.
        """
        if not len(self._some):
            return self._filled(np.empty(0))
        step = np.diff(self._v)
        found = self._filled(self._between(np.where(step < 0, self._v[1:], step)), 2)
        return _ratio(found, self._seconds()) if call.kind == "rate" else found

    def completeness(self, call: Call) -> Array:
        """`completeness(x, d)`: n / (the window's length / d s), at most 1; 0 for no samples.

        Where the window isn't cut by time: n / ((t[-1] - t[0]) / d + 1).
        """
        every = call.args[0]
        if self._start is None or self._end is None:
            expected = np.where(self._n > 0, self._seconds(), 0.0) / every + 1.0
        else:
            expected = (self._end - self._start) / NS / every
        return np.asarray(np.minimum(self._n / np.maximum(expected, np.finfo(np.float64).tiny), 1.0))

    def _new_values(self) -> Array:
        """Where another value, or another window, begins among the sorted values."""
        starts = np.ones(len(self._owner), np.bool_)
        starts[1:] = (self._owner[1:] != self._owner[:-1]) | (self._ranked[1:] != self._ranked[:-1])
        return starts

    def distinct(self, call: Call) -> Array:  # noqa: ARG002 - all makers take it
        """`distinct`: how many different values; 0 for no samples."""
        if not len(self._some):
            return self._filled(np.empty(0), 1, 0.0)
        return self._filled(self._sum(self._new_values().astype(np.float64)), 1, 0.0)

    def mode(self, call: Call) -> Array:  # noqa: ARG002 - all makers take it
        """`mode`: the most frequent value, of several the smallest."""
        if not len(self._some):
            return self._filled(np.empty(0))
        starts = np.flatnonzero(self._new_values())
        often = np.diff(np.append(starts, len(self._owner)))
        owner = self._owner[starts]
        order = np.lexsort((self._ranked[starts], -often, owner))
        best = order[np.flatnonzero(np.append(True, np.diff(owner[order]) != 0))]
        return self._filled(self._ranked[starts[best]])

    def top(self, call: Call) -> Array:
        """`top(x, k)`: the k-th largest value, equal ones counted each; unknown for n < k."""
        if not len(self._some):
            return self._filled(np.empty(0))
        k = int(call.args[0])
        place = self._firsts + self._n[self._some] - k
        return self._filled(self._ranked[np.maximum(place, self._firsts)], k)


class Arrivals:
    """As `Segments`, of samples in order of arrival: windows whose samples aren't in order of time are sorted first."""

    def __init__(self, ts: Array, value: Array, lo: Array, hi: Array, is_sorted: Array) -> None:
        """is_sorted: which windows' samples are in order of time."""
        self._ts, self._value, self._lo, self._hi, self._is_sorted = ts, value, lo, hi, is_sorted
        self._plain, odd = np.flatnonzero(is_sorted), np.flatnonzero(~is_sorted)
        self._in_order = Segments(ts, value, lo[self._plain], hi[self._plain])
        self._odd = [odd] if len(odd) <= 1 else [p for p in np.split(odd, self._cuts(hi[odd] - lo[odd])) if len(p)]

    def get(self, call: Call) -> Any:
        """One number per window; of `samples` what lays them out."""
        if call.kind == raw.KIND:
            return raw.SpanSamples(self._ts, self._value, self._lo, self._hi, self._is_sorted, int(call.args[0]))
        out = np.empty(len(self._lo))
        out[self._plain] = self._in_order.get(call)
        for part in self._odd:
            out[part] = self._sorted(part).get(call)
        return out

    def _cuts(self, counts: Array) -> Array:
        ends = np.cumsum(counts)
        return np.unique(np.searchsorted(ends, np.arange(_AT_ONCE, ends[-1], _AT_ONCE), side="right"))

    def _sorted(self, part: Array) -> Segments:
        counts = self._hi[part] - self._lo[part]
        ends = np.cumsum(counts)
        owner = np.repeat(np.arange(len(part)), counts)
        at = np.arange(len(owner)) + np.repeat(self._lo[part] - (ends - counts), counts)
        at = at[np.lexsort((self._ts[at], owner))]
        return Segments(self._ts[at], self._value[at], ends - counts, ends)


def _reduced(operator: np.ufunc, value: Array, lo: Array, hi: Array) -> Array:
    """`operator` over value[lo[i]:hi[i]], none of them empty."""
    if hi[-1] == len(value) and (lo[1:] == hi[:-1]).all():
        return np.asarray(operator.reduceat(value, lo))
    order = None
    if (lo[1:] > hi[:-1]).any():  # numpy reduces the gaps too, unless the next window is behind
        order = np.argsort(-lo)
        lo, hi = lo[order], hi[order]
    counts, top = hi - lo, int(hi.max())
    if top - hi[-1] > 2 * counts.sum():  # … and what is behind the last one: then rather lay them out anew
        firsts = np.cumsum(counts) - counts
        found = operator.reduceat(value[np.arange(counts.sum()) + np.repeat(lo - firsts, counts)], firsts)
    else:
        bounds = np.empty(2 * len(lo), np.intp)
        bounds[::2], bounds[1::2] = lo, hi
        found = operator.reduceat(value[: top + 1] if top < len(value) else np.append(value, 0.0), bounds)[::2]
    if order is None:
        return np.asarray(found)
    out = np.empty(len(lo))
    out[order] = found
    return out


def _ratio(a: Array, b: Array) -> Array:
    """A / b, unknown where b is 0."""
    return np.asarray(np.divide(a, b, out=np.full(len(a), np.nan), where=b != 0))


_DIRECT: dict[str, Callable[[Segments], Array]] = {
    "count": Segments.count,
    "sum": Segments.total,
    "avg": Segments.average,
    "min": Segments.smallest,
    "max": Segments.largest,
    "range": Segments.spread,
    "first": Segments.first,
    "last": Segments.last,
    "derivative": Segments.derivative,
}
_MAKERS: dict[str, Callable[[Segments, Call], Array]] = {
    "good": Segments.of_quality,
    "uncertain": Segments.of_quality,
    "bad": Segments.of_quality,
    "stddev": Segments.variance,
    "var": Segments.variance,
    "median": Segments.percentile,
    "percentile": Segments.percentile,
    "approx_percentile": Segments.percentile,
    "time_avg": Segments.time_average,
    "integral": Segments.integral,
    "slope": Segments.slope,
    "rate": Segments.increase,
    "increase": Segments.increase,
    "completeness": Segments.completeness,
    "distinct": Segments.distinct,
    "mode": Segments.mode,
    "top": Segments.top,
}
KINDS = frozenset(_DIRECT) | frozenset(_MAKERS) | vibrations.KINDS
"""The aggregates that `Segments` knows."""
