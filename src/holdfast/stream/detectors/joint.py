"""`joint` and `turn`: several columns of one machine that runs otherwise than usual, and when that begins and ends.

Both compare short means with longer ones in each column's own deviations, and trust a column the less the more it
wanders by itself (see `columns`). The column farthest off decides. `joint` keeps what is usual as it was while its
alarm lasts, and ends it lower than it began (hysteresis); means are exponentially weighted (Roberts 1959). Lengths are
in readings. A column that is NaN counts for nothing and teaches nothing; the others go on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.columns import ByRow, Columns
from holdfast.stream.detectors.ports import THRESHOLD, Kind, Option, Scope, Scores, scored

Array = NDArray[Any]
_CLIP = 30.0  # deviations: a single reading moves a mean as if it were no farther
_TRUST = 30.0  # readings before that


class _Means:
    """The columns, and a short and a long mean of each."""

    def __init__(self, scope: Scope, columns: int, learn: float, *, lagging: bool) -> None:
        """lagging: the long mean follows the short one, not the readings, so a slow onset reaches it later."""
        self.columns = Columns(scope, columns, learn)
        self._state, self._learn, self._lagging = scope, learn, lagging
        for name in ("short", "long"):
            scope.declare(name, float, 0.0, columns)

    def move(self, slots: Array, x: Array, there: Array, lengths: tuple[float, Array | float]) -> tuple[Array, Array]:
        """Both means with these offsets in them. lengths: readings that they remember; infinite: it stays."""
        seen = self._state["seen"][slots] + 1
        long = self._state["long"][slots]
        far = np.where(seen > _TRUST, _CLIP * self.columns.deviation(slots), np.inf)
        x = np.where(there, np.clip(x, long - far, long + far), 0.0)
        short = self._follow(slots, "short", x, there, np.maximum(1 / lengths[0], 1 / seen))
        rate = np.where(np.isinf(lengths[1]), 0.0, np.maximum(1 / np.asarray(lengths[1]), 1 / seen))
        return short, self._follow(slots, "long", short if self._lagging else x, there, rate)

    def _follow(self, slots: Array, name: str, x: Array, there: Array, rate: Array) -> Array:
        mean = self._state[name][slots]
        mean = np.where(there, mean + rate * (x - mean), mean)
        self._state[name][slots] = mean
        return mean

    def ready(self, slots: Array) -> Array:
        """Which columns have been learnt."""
        ready: Array = self._state["seen"][slots] >= self._learn
        return ready

    def show(self, out: Scores, at: Array, slots: Array, far: Array, means: tuple[Array, Array]) -> None:
        """The column farthest off, in its own unit."""
        column, rows = far.argmax(axis=1), np.arange(len(at))
        origin = self._state["origin"][slots]
        out.aspect[at] = column
        out.seen[at] = (means[0] + origin)[rows, column]
        out.expected[at] = (means[1] + origin)[rows, column]
        out.deviations[at] = far[rows, column]


def _told(names: Sequence[str], scores: Scores, row: int) -> str:
    name, seen, usual = names[int(scores.aspect[row])], scores.seen[row], scores.expected[row]
    return f"{name} is about {seen:.6g} of late, {usual:.6g} is usual: {scores.deviations[row]:.1f} of its deviations"


class Joint(ByRow):
    """The state: a score of 0.5 and more as long as the machine runs otherwise than usual."""

    def __init__(self, scope: Scope, options: Mapping[str, float], columns: Sequence[str]) -> None:
        self._state, self._options, self.aspects = scope, options, columns
        self._means = _Means(scope, len(columns), options["learn"], lagging=True)
        scope.declare("on", float, 0.0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return _told(self.aspects, scores, row)

    def _round(self, slots: Array, values: Array, at: Array, out: Scores) -> None:
        """One reading per series."""
        k, columns = self._options, self._means.columns
        x, there = columns.offsets(slots, values)
        on = self._state["on"][slots] > 0
        ready = self._means.ready(slots)
        relearns = self._state["on"][slots] >= k["relearn"]
        keep = np.where(on & ~relearns, np.inf, k["memory"])[:, None]
        short, long = self._means.move(slots, x, there, (k["span"], keep))
        trust = np.sqrt(columns.smoothness(slots))
        far = np.where(ready, np.abs(short - long) * trust / columns.block_deviation(slots), 0.0)
        total = far.max(axis=1)
        limit = np.where(on, k["release"], 1.0) * k["alarm"]
        now = total > limit
        out.score[at] = scored(total, limit)
        self._state["on"][slots] = np.where(now, self._state["on"][slots] + 1, 0)
        self._means.show(out, at, slots, far, (short, long))
        columns.learn(slots, x, there & (~ready | relearns[:, None]))


class Turn(ByRow):
    """The change: a score of 0.5 and more at the reading where the machine begins to run otherwise."""

    def __init__(self, scope: Scope, options: Mapping[str, float], columns: Sequence[str]) -> None:
        self._state, self._options, self.aspects = scope, options, columns
        self._means = _Means(scope, len(columns), options["learn"], lagging=False)
        scope.declare("rest", float, 0.0)
        scope.declare("square", float, 0.0, len(columns))

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return _told(self.aspects, scores, row)

    def _round(self, slots: Array, values: Array, at: Array, out: Scores) -> None:
        """One reading per series."""
        k, columns = self._options, self._means.columns
        x, there = columns.offsets(slots, values)
        means = self._means.move(slots, x, there, (k["span"], k["memory"]))
        apart = np.abs(means[0] - means[1])
        ready = self._means.ready(slots)
        square = self._state["square"][slots]
        usual = np.maximum(np.sqrt(square), columns.deviation(slots) / (2 * np.sqrt(k["span"])))
        far = np.where(ready, apart * np.sqrt(columns.smoothness(slots)) / usual, 0.0)
        total = far.max(axis=1)
        rest = np.maximum(self._state["rest"][slots] - 1, 0)
        score = np.where(rest > 0, 0.0, scored(total, k["alarm"]))
        self._state["rest"][slots] = np.where(score >= THRESHOLD, k["rest"], rest)
        out.score[at] = score
        self._means.show(out, at, slots, far, means)
        self._take(slots, apart, there & ~ready)
        columns.learn(slots, x, there & ~ready)

    def _take(self, slots: Array, apart: Array, there: Array) -> None:
        """How far apart the two means usually are; the long one has to have settled before."""
        n = self._state["seen"][slots] + 1 - self._options["memory"]
        rate = 1 / np.clip(n, 1, self._options["learn"])
        square = self._state["square"][slots]
        taken = np.where(there & (n >= 1), square + rate * (apart * apart - square), square)
        self._state["square"][slots] = taken


_LEARN = Option(
    "learn", 400, "readings", "how many the deviations are learnt from, once, before the first score", 60, 1e6
)

JOINT = Kind(
    name="joint",
    make=Joint,
    options=(
        _LEARN,
        Option("span", 20, "readings", "of the short mean", 1, 1e5),
        Option("memory", 100, "readings", "of the long mean, outside alarms", 2, 1e6),
        Option("alarm", 4.7, "deviations", "of the worst column, from where the alarm begins", 0.5, 1e3),
        Option("release", 0.7, "of alarm", "below which the alarm ends", 0.05, 1),
        Option("relearn", 3600, "readings", "of an alarm, after which the new state is learnt as usual", 1, 1e9),
    ),
    finds="a machine of several sensors that runs otherwise than usual, while that lasts; which sensor says so",
    blind="slow changes, faults that keep each column's mean, states there from the beginning, noise that grew later",
    cost="O(columns) per reading; 96 bytes a column and 8 a series, 776 at 8 columns",
    reference="EWMA: Roberts 1959; smoothness: von Neumann 1941; hysteresis and the rest are ours",
    columns=(2, 64),
)

TURN = Kind(
    name="turn",
    make=Turn,
    options=(
        _LEARN,
        Option("span", 5, "readings", "of the short mean", 1, 1e5),
        Option("memory", 60, "readings", "of the long mean", 2, 1e6),
        Option("alarm", 6, "deviations", "between the two means of the worst column", 0.5, 1e3),
        Option("rest", 30, "readings", "without another alarm after one", 1, 1e6),
    ),
    finds="when a machine of several sensors begins to run otherwise, and when it goes back",
    blind="changes slower than the long mean, two within the rest; deviations are learnt once, from the first readings",
    cost="O(columns) per reading; 104 bytes a column and 8 a series, 840 at 8 columns",
    reference="two EWMAs: Roberts 1959; smoothness: von Neumann 1941; the rest is ours",
    columns=(2, 64),
)
