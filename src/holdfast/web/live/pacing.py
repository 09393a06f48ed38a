"""When a viewer may be sent the next frame. Pure: time is an argument.

Two frames may be unseen: one on its way and one being drawn. Beyond that nothing is sent, and what changes meanwhile
goes into one later frame: a slow viewer gets fewer frames, not older ones.
"""

UNSEEN = 2
BEAT_S = 10.0
"""A frame goes out at least so often, an empty one if need be: a page can't see a WebSocket's own pings."""
PATIENCE_S = 60.0
"""A viewer that has left a frame unseen for so long is gone."""


class Pace:
    """One viewer's. Numbers begin at 1."""

    def __init__(self, now: float) -> None:
        self.n = 0
        self._seen = 0
        self._sent_at = self._heard_at = now

    def may_send(self) -> bool:
        """Are few enough frames unseen?"""
        return self.n - self._seen < UNSEEN

    def needs_beat(self, now: float) -> bool:
        """Has nothing been sent for long?"""
        return now - self._sent_at >= BEAT_S

    def is_gone(self, now: float) -> bool:
        """Has the viewer left frames unseen for too long?"""
        return self._seen < self.n and now - self._heard_at > PATIENCE_S

    def sent(self, now: float) -> None:
        """A frame went out."""
        if self._seen == self.n:
            self._heard_at = now  # from here on it owes an answer
        self.n += 1
        self._sent_at = now

    def seen(self, n: int, now: float) -> None:
        """The viewer has handled all up to `n`; what was never sent can't have been seen."""
        n = min(n, self.n)
        if n > self._seen:
            self._seen, self._heard_at = n, now
