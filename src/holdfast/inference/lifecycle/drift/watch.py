"""Windows of a deployment's columns, and whether they look as they did.

Two windows are judged whenever a short one (an hour) is over. The short one is compared with the same hour of former
days, the long one (the last 24) with all of them, weighted by how many rows each hour brought: so a night is never
compared with days, and neither is a day that has a gap. The deployment as a whole is compared with the card's baseline
over the long window where there is one. What each series learns, in this order: a season for laying bins, `learn`
seasons of reference, `settle` seasons of how far clean windows stray (from the second season of reference on). Alarms
begin after the reference is there.

Time is that of the rows: a window is over when rows of the next-but-one come, when half of a buffer is beyond it, or
when the clock says so. Rows that come later than that aren't counted, and are counted as late.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.drift.bins import BINS, Baseline, ks, psi, psi_by_chance
from holdfast.inference.lifecycle.drift.counting import BYTES_EACH, Counts
from holdfast.inference.lifecycle.drift.limits import KS, LONG, PSI, SHORT, Limits
from holdfast.inference.lifecycle.settings import DriftSettings
from holdfast.kernel.clock import NS_PER_S

Array = NDArray[Any]
BUFFER = 4_096
"""Rows counted together; they wait at most until the next tick."""
MOST_BYTES = 32 << 20
"""Of memory: fewer devices are watched one by one where features are many."""
SPARK = 96
SAMPLING, LEARNING, WATCHING, SETTLED = range(4)
_CARD_ROWS = 1e6
_GRACE = 1 / 6
_THURSDAY, _SATURDAY, _WEEK = 3, 5, 7  # 1970-01-01 was one; counted from Monday


class Watch:
    """Of one deployment's columns. Drift of a series' column is a bool in `alarmed`; `judged` says when."""

    def __init__(
        self,
        columns: Sequence[str],
        settings: DriftSettings,
        baselines: Mapping[str, Baseline],
        random: np.random.Generator,
        judged: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.columns, self.settings = tuple(columns), settings
        self.pane_ns = round(settings.window_s * NS_PER_S)
        self.counts = Counts(settings.panes, len(columns), random)
        self.limits = Limits(settings, len(columns))
        self.open = -1
        """Number of the window that's open: ts // pane_ns; -1 = nothing came yet."""
        self.phase, self.age = np.zeros(0, np.int8), np.zeros(0, np.int32)
        self.distance = np.full((2, 2, 0, len(columns)), np.nan)
        self.spark = np.full((len(columns), SPARK), np.nan)
        self.late = self.unwatched = 0
        self._judged = judged
        self._series = np.empty(0, np.int32)  # by seat: its series, -1 = not watched by itself
        self._used = 1
        room = MOST_BYTES // max(1, BYTES_EACH * len(columns))
        self.most = max(1, min(settings.devices, room)) if settings.devices else 0
        self._buffer: list[tuple[Array, Array, Array, Array]] = []
        self._waiting = 0
        self._grow(1)
        self._card = np.zeros((len(columns), BINS))
        self._carded = np.zeros(len(columns), bool)
        self._take(baselines)

    def _take(self, baselines: Mapping[str, Baseline]) -> None:
        for column, name in enumerate(self.columns):
            laid = baselines[name].laid() if name in baselines else None
            if laid is not None:
                self.counts.edges[:, 0, column], self._card[column] = laid[0], laid[1] * _CARD_ROWS
                self.counts.laid[0, column] = self._carded[column] = True

    def saw(self, seat: Array, ts: Array, values: Array, flags: Array, now_ns: int) -> None:
        """Rows: (n,), (n,), (n, C), (n,). Kept until there are enough to be worth counting; nothing is copied."""
        self._buffer.append((seat, ts, values, flags))
        self._waiting += len(ts)
        if self._waiting >= BUFFER:
            self.flush(now_ns)

    def tick(self, now_ns: int) -> None:
        """Count what waits, and end the open window when its time is over."""
        self.flush(now_ns)
        over = (now_ns - round(_GRACE * self.pane_ns)) // self.pane_ns
        if self.open >= 0 and self.open < over <= self.open + 2:  # else rows are of the past: they are their own clock
            self._advance(over)

    def flush(self, now_ns: int) -> None:
        """Count what waits."""
        if not self._buffer:
            return
        parts, self._buffer, self._waiting = self._buffer, [], 0
        seat, ts, values, flags = (
            parts[0] if len(parts) == 1 else [np.concatenate([part[at] for part in parts]) for at in range(4)]
        )
        series = self._series_of(seat)
        numbers = ts // self.pane_ns
        last = now_ns // self.pane_ns + 1 if now_ns else np.iinfo(np.int64).max
        first, final = int(numbers.min()), int(numbers.max())
        if first == final:
            self._count(first, last, series, values, flags)
        else:
            for number in np.unique(numbers).tolist():
                rows = numbers == number
                self._count(number, last, series[rows], values[rows], flags[rows])
        middle = int(np.median(ts)) if final > self.open else 0
        if middle >= (self.open + 1 + _GRACE) * self.pane_ns and middle // self.pane_ns <= last:
            self._advance(middle // self.pane_ns)

    def _count(self, number: int, last: int, series: Array, values: Array, flags: Array) -> None:
        if self.open < 0 and number <= last:
            self.open = number
        if number > last or number < self.open:
            self.late += len(series)
            return
        if number > self.open + 1:
            self._advance(number - 1)
        self.counts.add(number, series, values, flags)

    def _advance(self, to: int) -> None:
        """Close windows until this one is open."""
        if to - self.open > self.settings.panes + 2:  # nothing came for longer than a season
            self._close(self.open)
            for number in range(to, to + len(self.counts.ring)):
                self.counts.open(number)
            self.age += min(to - self.open, self.settings.panes)
            self.open = to
        while self.open < to:
            self._close(self.open)
            self.open += 1
            self.counts.open(self.open + 1)

    def _close(self, number: int) -> None:
        self._begin_phases()
        short, long = self._windows(number)
        for window, (counts, reference) in ((SHORT, short), (LONG, long)):
            self._judge(window, counts, reference)
        learning = self.phase == LEARNING
        self.counts.reference[self._hour(number), learning] += short[0][learning]
        self.age[: self._used] += 1
        self.spark = np.roll(self.spark, -1, axis=1)
        self.spark[:, -1] = self.distance[LONG, PSI, 0] ** 2
        self._judged(number)

    def _begin_phases(self) -> None:
        panes, settings = self.settings.panes, self.settings
        waits = (self.phase == SAMPLING) & (self.age >= panes) & self.counts.enough()
        waits |= (self.phase == SAMPLING) & self.counts.laid.all(1)
        for series in np.flatnonzero(waits).tolist():
            self.counts.lay(series)
            self.phase[series], self.age[series] = LEARNING, 0
        learned = (self.phase == LEARNING) & (self.age >= panes * settings.learn)
        self.phase[learned] = WATCHING
        self.phase[(self.phase == WATCHING) & (self.age >= panes * (settings.learn + settings.settle))] = SETTLED

    def _windows(self, number: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Counts and their reference, (S, C, BINS) each, of the short and of the long window."""
        held, panes = self.counts, self.settings.panes
        short = held.ring[number % len(held.ring)].astype(np.float64)
        total, mixed = np.zeros_like(short), np.zeros_like(short)
        everything = np.zeros_like(short)
        weight = np.zeros(short.shape[:-1])
        for back in range(panes):
            counts = held.ring[(number - back) % len(held.ring)].astype(np.float64)
            reference = held.reference[self._hour(number - back)]
            rows = reference.sum(-1)
            known = rows > 0
            total += counts * known[..., None]
            everything += counts
            mixed += reference * (counts.sum(-1) / np.maximum(rows, 1))[..., None]
            weight += rows
        mixed *= (weight / np.maximum(mixed.sum(-1), 1e-9))[..., None]
        if self._carded.any() and self._full(number):
            mixed[0, self._carded] = self._card[self._carded]
            total[0, self._carded] = everything[0, self._carded]
        return (short, held.reference[self._hour(number)].astype(np.float64)), (total, mixed)

    def _hour(self, number: int) -> int:
        """Which reference a window has: that of its hour of day, on workdays or on weekends (both UTC)."""
        day, hour = divmod(number, self.settings.panes)
        return hour + (self.settings.panes if (day + _THURSDAY) % _WEEK >= _SATURDAY else 0)

    def _full(self, number: int) -> bool:
        """Whether the long window has rows of nearly all its hours, for the card doesn't say which hour had which."""
        del number
        return int((self.counts.quality[:, 0, 0] > 0).sum()) >= self.settings.panes * 3 // 4

    def _judge(self, window: int, counts: Array, reference: Array) -> None:
        least = self.settings.least * (1 if window == SHORT else 4)
        where = (counts.sum(-1) >= least) & (reference.sum(-1) >= 2 * least)
        apart = np.maximum(psi(counts, reference) - psi_by_chance(counts, reference), 0.0)
        distance = np.stack([np.sqrt(apart), ks(counts, reference)])
        self.distance[window] = np.where(where, distance, np.nan)
        phase = self.phase[:, None]
        limit = self.limits.limit(window)
        watched = where & (phase >= WATCHING)
        clean = where & (phase < SETTLED) & (self.age[:, None] >= self.settings.panes) & (phase != SAMPLING)
        if window == LONG:  # the card needs nothing learned
            clean[0] |= where[0] & self._carded & (self.phase[0] < SETTLED)
        self.limits.judge(window, distance, watched, limit)
        usual = (distance <= self.limits.usual(window)).all(0) & ~self.limits.any()
        within = clean & ((phase < WATCHING) | usual)
        self.limits.learn(window, distance, within)

    def _series_of(self, seat: Array) -> Array:
        most = int(seat.max()) + 1
        if most > len(self._series):
            new = np.arange(len(self._series), most)
            room = self.most + 1 - self._used
            own = np.where(np.arange(len(new)) < room, self._used + np.arange(len(new)), -1).astype(np.int32)
            self._series = np.concatenate([self._series, own])
            self._used += min(len(new), room)
            self.unwatched += max(0, len(new) - room)
            if self._used > self.counts.series:
                self._grow(min(self.most + 1, max(self._used, 2 * self.counts.series)))
        found: Array = self._series[seat]
        return found

    def _grow(self, series: int) -> None:
        more = series - self.counts.series
        self.counts.grow(series)
        self.limits.grow(series)
        self.phase, self.age = np.pad(self.phase, (0, more)), np.pad(self.age, (0, more))
        self.distance = np.pad(self.distance, [(0, 0), (0, 0), (0, more), (0, 0)], constant_values=np.nan)

    def resume(self, used: int) -> None:
        """After a restored snapshot."""
        self._used = used

    @property
    def used(self) -> int:
        """Series that are in use, the deployment's included."""
        return self._used

    def seats(self) -> Array:
        """By series, from 1: the seat of its device."""
        at = np.flatnonzero(self._series >= 0)
        return at[np.argsort(self._series[at])]

    def relearn(self, series: Array) -> None:
        """Take what comes from now on as the new normal of these series."""
        self.counts.forget(series)
        self.limits.reset(series)
        self.phase[series], self.age[series] = SAMPLING, 0
        self._carded[:] = False if 0 in series else self._carded

    def quality(self, panes: int) -> Array:
        """Counts of rows, bad, filled, uncertain over the last windows closed and the open one, shape (S, 4)."""
        slots = [(self.open - back) % len(self.counts.quality) for back in range(panes)]
        total: Array = self.counts.quality[slots].sum(0, dtype=np.int64)
        return total

    @property
    def bytes(self) -> int:
        """Of memory that the windows take."""
        return sum(one.nbytes for one in (self.counts.ring, self.counts.reference, self.counts._samples))  # noqa: SLF001  # the same room


__all__ = ["KS", "LONG", "PSI", "SHORT", "Watch"]
