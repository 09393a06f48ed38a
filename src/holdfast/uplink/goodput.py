"""How fast the link is, learned from the batches it carried. Pure.

A *body* is one batch's bytes; its time runs from the request's start to its answer.

- **Sharing.** Bodies of several lanes may be under way at once and share the link, so no body's own bytes / own time
  is the link's speed. Answers are gathered in a window; it closes when a measurable body is answered or the link falls
  idle, and gives one sample: the window's bytes / the time at least one body was under way in it (the time up to the
  previous window's end is not counted twice). A body spanning several windows counts where it ends: single
  samples may be off then, the sum of bytes and of time is right.
- **Latency.** A window that begins on an idle link contains one round trip in which nothing flows: the smallest known
  RTT is taken off, though never more than three quarters of the time.
- **What measures what.** From `MEASURABLE` bytes on, or where `LONG_RTTS` round trips (and half a second) passed, a
  window measures goodput. Between `TINY` and that it proves only a lower bound: it may raise the estimate, never lower
  it. A body under `TINY` that had the link for itself measures RTT; a hello, which may contain TCP's and TLS's
  handshakes, gives an upper bound of it.
- **Averaging.** EWMA; a sample's weight is `1 - exp(-time / MEMORY_S)` and at least `MIN_WEIGHT`: a body that took long
  says more about the link than one that took a moment, and old news are forgotten after a few bodies either way.

The parent's own work (unpack, commit) is in the times: what counts is how fast it takes rows.
"""

import math

MEASURABLE = 16_000
TINY = 2_000
LONG_RTTS = 8
LONG_S = 0.5
MEMORY_S = 2.0
MIN_WEIGHT = 0.3
RTT_WEIGHT = 0.2
# The smallest RTT is that of this and the previous period: a path that got longer is believed in the end.
RTT_PERIOD_S = 600.0
_MOST_LATENCY = 0.75
_MAX_SPANS = 64


class Goodput:
    """Estimates of one path to one parent. Times are CLOCK_MONOTONIC seconds.

    bytes_per_s: EWMA, None until something was measured
    rtt_s:       EWMA of small calls, None until there was one
    """

    def __init__(self) -> None:
        self.bytes_per_s: float | None = None
        self.rtt_s: float | None = None
        self._least = [math.inf, math.inf]
        self._period = 0.0
        self._spans: list[tuple[float, float]] = []
        self._bytes = 0
        self._closed_at = -math.inf

    @property
    def least_rtt_s(self) -> float:
        """The smallest round trip lately seen; 0 when unknown."""
        least = min(self._least)
        return 0.0 if math.isinf(least) else least

    def said_hello(self, seconds: float, now: float) -> None:
        """A hello was answered after `seconds`."""
        if seconds > 0:
            self._round_trip(seconds, now)

    def answered(self, body: int, seconds: float, now: float, *, others: bool) -> None:
        """A body of `body` bytes was answered after `seconds`; others: are bodies of other lanes still under way?"""
        if body <= 0 or seconds <= 0:
            return
        began = now - seconds
        if body < TINY and not others and not self._spans and began >= self._closed_at:
            self.rtt_s = seconds if self.rtt_s is None else self.rtt_s + RTT_WEIGHT * (seconds - self.rtt_s)
            self._round_trip(seconds, now)
        self._spans.append((began, now))
        self._bytes += body
        if body >= MEASURABLE or not others or len(self._spans) >= _MAX_SPANS:
            self._close(now)

    def forget_window(self, now: float) -> None:
        """A body failed: what it carried is unknown, so the window it was in is no sample."""
        self._spans.clear()
        self._bytes = 0
        self._closed_at = now

    def _close(self, now: float) -> None:
        busy, carried = covered(self._spans, self._closed_at), self._bytes
        from_idle = min(began for began, _ in self._spans) >= self._closed_at
        self.forget_window(now)
        if busy <= 0:
            return
        rtt = self.least_rtt_s
        speed = carried / max(busy - rtt if from_idle else busy, (1 - _MOST_LATENCY) * busy)
        is_long = busy >= LONG_S and 0 < rtt * LONG_RTTS <= busy
        if carried >= MEASURABLE or is_long or (carried >= TINY and speed > (self.bytes_per_s or math.inf)):
            self._sample(speed, busy)

    def _sample(self, speed: float, busy: float) -> None:
        weight = max(MIN_WEIGHT, 1 - math.exp(-busy / MEMORY_S))
        self.bytes_per_s = speed if self.bytes_per_s is None else self.bytes_per_s + weight * (speed - self.bytes_per_s)

    def _round_trip(self, seconds: float, now: float) -> None:
        if now - self._period >= RTT_PERIOD_S:
            self._period = now
            self._least = [self._least[1], math.inf]
        self._least[1] = min(self._least[1], seconds)


def covered(spans: list[tuple[float, float]], after: float) -> float:
    """How long at least one of the spans lasted, counted from `after` on."""
    total, upto = 0.0, after
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, upto))
        upto = max(upto, ended)
    return total
