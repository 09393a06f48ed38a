"""Hands what an adapter read to the inbox, for sources that can't send it again (polls, notifications).

What comes within one turn of the loop on one topic is one arrival: the hot path works on batches. While the inbox is
full nothing is taken: what's read then is skipped and counted, never queued. Loop thread only.
"""

import asyncio

from holdfast.adapters.port import Arrival, Inbox
from holdfast.kernel.clock import Clock

MOST_PILED = 1_000


class _Counted:
    """The receipt of a run: nobody waits for it, but it's counted."""

    __slots__ = ("_feed", "_size")

    def __init__(self, feed: "Feed", size: int) -> None:
        self._feed, self._size = feed, size

    def settle(self) -> None:
        """It's on disk."""
        self._feed.settled += self._size

    def refuse(self) -> None:
        """It isn't, and is gone."""
        self._feed.refused += self._size


class Feed:
    """One adapter's way into the node. Messages: received = settled + refused + unsettled; skipped never came in."""

    def __init__(self, source: str, inbox: Inbox, clock: Clock, gather_s: float = 0.0) -> None:
        """source: who sends, for the quarantine and the devices' page; the adapter's name.

        gather_s: how long messages may wait for others, where many devices are polled one after the other; 0 = for
        what comes within the same turn of the loop
        """
        self._source, self._inbox, self._clock, self._gather_s = source, inbox, clock, gather_s
        self._piles: dict[str, list[bytes]] = {}
        self._piled = 0
        self.is_full = False
        self.received = self.settled = self.refused = self.skipped = 0

    @property
    def unsettled(self) -> int:
        """Messages whose commit isn't over."""
        return self.received - self.settled - self.refused

    def put(self, topic: str, payload: bytes) -> bool:
        """Take a message; False = the inbox is full, and it was not."""
        if self.is_full:
            self.skipped += 1
            return False
        if not self._piled:
            self._later(asyncio.get_running_loop())
        self._piles.setdefault(topic, []).append(payload)
        self._piled += 1
        if self._piled >= MOST_PILED:
            self.flush()
        return True

    def _later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._gather_s:
            loop.call_later(self._gather_s, self.flush)
        else:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand over what is gathered, now."""
        piles, self._piles, self._piled = self._piles, {}, 0
        now = self._clock.wall_ns()
        room = True
        for topic, payloads in piles.items():
            self.received += len(payloads)
            receipt = _Counted(self, len(payloads))
            room = self._inbox.offer(Arrival(self._source, topic, payloads, now, receipt)) and room
        if not room and not self.is_full:
            self.is_full = True
            self._inbox.when_drained(self._drained)

    def _drained(self) -> None:
        self.is_full = False
