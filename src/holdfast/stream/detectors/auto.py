"""`auto`: how unusual a reading is, for any series, without settings.

Each view (see `views`) is compared with its own long-run mean and deviation; the logarithm of that surprise is then
compared with the greatest surprises of earlier stretches of the same series (block maxima, as in extreme value theory)
and with the record, which fades. So a series with a spike every night learns that spikes are its way. Views that agree
add up. One strong score, then quiet: a level that was reached isn't reported again until it has faded, over a share of
the series' length. Scores of 0.5 and more are alarms.

Sees the past only. O(1) per reading, `State.nbytes` per series whatever the history's length. It can't see: what was
there from the beginning, changes slower than some thousand readings, an unusual order of usual values, and dates
(public holidays). Block maxima: Gumbel 1958; running variance: Welford 1962.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors import views
from holdfast.stream.detectors.ports import Kind, Scope, Scores, rounds, told

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Constants:
    """What `auto` was built with; one set for every series, not settings for users. Lengths in readings."""

    memory: float = 5000.0  # of the views' means and deviations
    patience: float = 270.0  # readings before the first score: a block, and some
    learning: float = 20.0  # readings before surprises are remembered
    clip: float = 12.0  # deviations: a greater one moves mean and variance no more than this
    least: float = 0.02  # of the range seen: the smallest deviation that counts as unusual
    least_season: float = 1.0  # of the value's own deviation: the same for what is left after a cycle
    least_log: float = 0.2  # the same for the variances' logarithms
    calm: float = 1.0  # deviations: differences well below it don't matter
    block: float = 256.0
    spread: float = 0.3  # of the logarithms of block maxima, at least
    doubt: float = 4.0  # how much wider the spread is while blocks are few
    record: float = 0.4  # weight of the record; the block maxima have the rest
    fade: float = 2.0  # of the series' length: time in which the record halves
    agree: float = 2.5  # order of the norm over the views: small = agreement counts, large = the strongest view
    alarm: float = 0.83  # the norm at which the score is 0.5
    rest: float = 0.05  # of the series' length: how long an alarm keeps the next one of its level away
    least_rest: float = 60.0
    edge: float = 0.75  # the norm at which a level begins: what creeps past it to `alarm` doesn't raise one
    level: float = 1.6  # ratio of two neighbouring levels


class Auto:
    """The detector over many series; everything it remembers is in `state`, by slot."""

    aspects = views.NAMES

    def __init__(self, state: Scope, constants: Constants | None = None) -> None:
        self._state = state
        self._is = constants or Constants()
        views.declare(state)
        width = len(views.NAMES)
        for name, of, fill in (("seen", float, 0), ("low", float, np.inf), ("high", float, -np.inf)):
            state.declare(name, of, fill)
        for name in ("centre", "variance"):
            state.declare(name, float, 0.0, width)
        for name in ("record", "peak", "peak_mean", "peak_variance"):
            state.declare(name, np.float32, 0.0, width)
        for name in ("blocks", "held"):
            state.declare(name, float, 0.0)

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:
        """See `Detector`."""
        out = Scores.none(len(slots))
        for at in rounds(slots, np.isfinite(values)):
            self._round(slots[at], ts[at], values[at], at, out)
        return out

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told(views.NAMES[int(scores.aspect[row])], scores, row)

    def _round(self, slots: Array, ts: Array, values: Array, at: Array, out: Scores) -> None:
        """One reading per series."""
        state, k = self._state, self._is
        seen = state["seen"][slots] + 1
        state["seen"][slots] = seen
        state["origin"][slots] = origin = np.where(seen == 1, values, state["origin"][slots])
        x = values - origin
        low, high = np.minimum(state["low"][slots], x), np.maximum(state["high"][slots], x)
        state["low"][slots], state["high"][slots] = low, high
        least = k.least * (high - low) + 1e-12
        centre, variance = state["centre"][slots], state["variance"][slots]
        deviation = np.sqrt(variance)
        seen_views = views.look(state, slots, ts, x, seen, (centre[:, 0], np.maximum(deviation[:, 0], least)))
        floor = np.repeat(least[:, None], len(views.NAMES), axis=1)
        floor[:, views.VARIANCES] = k.least_log
        floor[:, views.DAY.start :] = np.maximum(least, k.least_season * deviation[:, 0])[:, None]
        deviation = np.maximum(deviation, floor)
        off = seen_views - centre
        z = np.minimum(np.abs(off) / deviation, 1e3)
        surprise = np.log(z + k.calm)
        strength = np.maximum(self._against_past(slots, surprise), 0.0)
        total = _norm(strength, k.agree) * (seen > k.patience)
        out.score[at] = self._quiet(slots, total, seen)
        view = strength.argmax(axis=1)
        self._show(out, at, view, (seen_views, centre, z), origin)
        self._learn(slots, off, z, seen, (centre, variance))
        self._remember(slots, surprise, seen)

    def _against_past(self, slots: Array, surprise: Array) -> Array:
        """How far surprises are above those of earlier blocks and above the record, in spreads."""
        state, k = self._state, self._is
        doubt = 1 + k.doubt / np.maximum(state["blocks"][slots], 1)
        spread = np.sqrt(state["peak_variance"][slots] + (k.spread**2 * doubt)[:, None])
        over_blocks = (surprise - state["peak_mean"][slots]) / spread
        over_record = (surprise - state["record"][slots]) / k.spread
        return k.record * over_record + (1 - k.record) * over_blocks

    def _quiet(self, slots: Array, total: Array, seen: Array) -> Array:
        """The score in [0, 1], 0 where as high a level was reached not long ago."""
        state, k = self._state, self._is
        held = state["held"][slots]
        held -= held / np.maximum(k.rest * seen, k.least_rest)
        new = _level(total, k) > _level(held, k)
        state["held"][slots] = np.maximum(held, total)
        return np.where(new & (total > 0), total / (total + k.alarm), 0.0)

    def _learn(self, slots: Array, off: Array, z: Array, seen: Array, moments: tuple[Array, Array]) -> None:
        """Means and variances of the views, to which a far outlier counts as a near one."""
        k, (centre, variance) = self._is, moments
        rate = 1 / np.minimum(seen, k.memory)[:, None]
        held = np.where((seen < k.learning)[:, None], off, off * (np.minimum(z, k.clip) / np.maximum(z, 1e-9)))
        self._state["centre"][slots] = centre + rate * held
        self._state["variance"][slots] = variance + rate * (held * held * (1 - rate) - variance)

    def _remember(self, slots: Array, surprise: Array, seen: Array) -> None:
        """The greatest surprises: of this block, of blocks before, ever."""
        state, k = self._state, self._is
        taken = seen > k.learning
        fade = (np.log(2) / (k.fade * np.maximum(seen, 100)))[:, None]
        now = np.where(taken[:, None], surprise, 0.0)
        state["record"][slots] = np.maximum(state["record"][slots] - fade, now)
        state["peak"][slots] = np.maximum(state["peak"][slots], now)
        ended = seen % k.block == 0
        if not ended.any():
            return
        which = slots[ended]
        blocks = state["blocks"][which] + 1
        state["blocks"][which] = blocks
        rate = 1 / np.minimum(blocks, 100)[:, None]
        mean, variance = state["peak_mean"][which].astype(float), state["peak_variance"][which].astype(float)
        off = state["peak"][which] - mean
        state["peak_mean"][which] = mean + rate * off
        state["peak_variance"][which] = variance + rate * (off * off * (1 - rate) - variance)
        state["peak"][which] = 0

    def _show(self, out: Scores, at: Array, view: Array, seen: tuple[Array, Array, Array], origin: Array) -> None:
        """The evidence, in the value's own terms."""
        rows = np.arange(len(view))
        value, usual = seen[0][rows, view], seen[1][rows, view]
        from_origin = np.where((view == 0) | (view == 2) | (view == 3), origin, 0.0)
        squared = (view >= views.VARIANCES.start) & (view < views.VARIANCES.stop)
        out.aspect[at] = view
        out.seen[at] = np.where(squared, np.exp(np.where(squared, value, 0)), value + from_origin)
        out.expected[at] = np.where(squared, np.exp(np.where(squared, usual, 0)), usual + from_origin)
        out.deviations[at] = seen[2][rows, view]


def _norm(strength: Array, order: float) -> Array:
    summed: Array = (strength**order).sum(axis=1)
    return summed ** (1 / order)


def _level(total: Array, k: Constants) -> Array:
    level: Array = np.floor(np.log(np.maximum(total, 1e-9) / k.edge) / np.log(k.level))
    return level


KIND = Kind(
    name="auto",
    make=lambda scope, _options, _columns: Auto(scope),
    options=(),
    finds="what a series didn't do before: spikes, shifts, changed noise, a missing daily or weekly rhythm",
    blind="what was there from the beginning, changes over some thousand readings, an unusual order of usual values",
    cost="O(1) per reading, 1,584 bytes a series",
    reference="block maxima: Gumbel 1958; running variance: Welford 1962; the rest is ours",
)
