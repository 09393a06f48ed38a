"""How many rows the next batch should have. Pure.

Aim: a body that takes `batch_time` (or two round trips, if that's longer) at the measured goodput, in bytes; the
lane's own bytes per row (EWMA of its answered batches) make rows of it.

- **Slow start.** Nothing is known of a new link: the first body aims at `min_body`, and the reach doubles with every
  answered body that used at least half of it, like TCP's window. A failure without an answer (a hurt link) halves it;
  so does nothing else. After a silence it starts again.
- **Floor.** `min_body`, unless that takes longer than twice `batch_time`: then less, down to `SMALLEST`.
- **Ceilings.** Half the parent's `max_body` (a body is compressed, its size is a guess until it's made), the level's,
  the budget's rest; and after a 413 half of what was refused, forgotten after `CEILING_S` because proxies get mended.
- Rows never exceed `max_rows`, ours and the parent's, and are at least 1.

The unit of sync is the journal's group (one commit): a batch has at least one, however large, so with a first group
larger than aimed at the body is larger too.
"""

import math

from holdfast.model.lane import Lane
from holdfast.uplink.settings import AdaptSettings

SMALLEST = 2_000
CEILING_S = 600.0
ROW_WEIGHT = 0.3
# Before a lane's first answer: generous, so that the first body is rather too small.
FIRST_ROW_BYTES = {Lane.CRITICAL: 200.0, Lane.NORMAL: 32.0, Lane.BULK: 32.0, Lane.REGION: 32.0}


class Sizing:
    """The state behind the next body's size. Bytes unless the name says rows."""

    def __init__(self, settings: AdaptSettings, max_rows: int) -> None:
        self._settings = settings
        self._own_max_rows = self._max_rows = max_rows
        self._max_body = math.inf
        self._reach = float(settings.min_body)
        self._row_bytes = dict(FIRST_ROW_BYTES)
        self._measured: set[Lane] = set()
        self._ceiling, self._ceiling_until = math.inf, 0.0

    def welcomed(self, max_rows: int, max_body: int) -> None:
        """The parent told its bounds."""
        self._max_rows = max(1, min(self._own_max_rows, max_rows))
        self._max_body = max(1, max_body) / 2

    def restart(self) -> None:
        """The link was away: slow start again."""
        self._reach = float(self._settings.min_body)

    def answered(self, lane: Lane, body: int, rows: int, bytes_per_s: float | None, rtt_s: float) -> None:
        """A batch was taken; the link's measures with it."""
        if body <= 0 or rows <= 0:
            return
        known, seen = self._row_bytes[lane], body / rows
        self._row_bytes[lane] = known + ROW_WEIGHT * (seen - known) if lane in self._measured else seen
        self._measured.add(lane)
        if body >= self._reach / 2:
            self._reach *= 2
        # twice what is needed is enough to grow again when the link does
        self._reach = min(self._reach, 2 * self._max_body, 2 * self._product(bytes_per_s, rtt_s))

    def hurt(self) -> None:
        """A batch got no answer."""
        self._reach = max(float(SMALLEST), self._reach / 2)

    def too_large(self, body: int, now: float) -> bool:
        """The body was refused for its size (413); is there anything smaller to try?"""
        before = min(self._ceiling, float(body or self._reach))
        self._ceiling, self._ceiling_until = max(float(SMALLEST), before / 2), now + CEILING_S
        return before > SMALLEST

    def floor(self, bytes_per_s: float | None) -> float:
        """The smallest body worth a request at this goodput."""
        least = float(self._settings.min_body)
        if bytes_per_s is None:
            return least
        return min(least, max(float(SMALLEST), 2 * self._settings.batch_time * bytes_per_s))

    def body(self, bytes_per_s: float | None, rtt_s: float, limit: float, now: float) -> float:
        """Bytes to aim at; limit: the level's or the budget's bound."""
        ceiling = self._ceiling if now < self._ceiling_until else math.inf
        return max(1.0, min(self._reach, self._product(bytes_per_s, rtt_s), limit, ceiling, self._max_body))

    def _product(self, bytes_per_s: float | None, rtt_s: float) -> float:
        """What the link carries in the time a body should take."""
        if bytes_per_s is None:
            return math.inf
        return max(bytes_per_s * max(self._settings.batch_time, 2 * rtt_s), self.floor(bytes_per_s))

    def rows(self, lane: Lane, body: float) -> int:
        """Rows of the lane that make about `body` bytes."""
        return max(1, min(self._max_rows, int(body / self._row_bytes[lane])))
