"""The bounded queue between adapters and intake. Pure: no loop, no clock.

Invariant: `messages` and `bytes` count every arrival from `offer` until `release`, so they bound what waits to be
decoded *and* what waits for its commit. Overflow policy: nothing is dropped; the sources are told to stop reading.
"""

from collections.abc import Callable, Sequence
from itertools import chain

from holdfast.adapters.port import Arrival


class Inbox:
    """What has arrived and is not yet settled."""

    def __init__(self, max_messages: int, max_bytes: int, wake: Callable[[], None]) -> None:
        self.messages = 0
        self.bytes = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._wake = wake
        self._queue: list[Arrival] = []
        self._waiting: list[Callable[[], None]] = []

    def offer(self, arrival: Arrival) -> bool:
        """Take an arrival; False means "taken, but full now: stop reading until `when_drained`"."""
        payloads = arrival.payloads
        self.messages += len(payloads)
        self.bytes += len(payloads[0]) if len(payloads) == 1 else sum(map(len, payloads))
        self._queue.append(arrival)
        self._wake()
        return not self.is_full

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, when half of the room is free again."""
        self._waiting.append(callback)

    def take(self) -> list[Arrival]:
        """Everything queued now, as one micro-batch."""
        taken, self._queue = self._queue, []
        return taken

    def release(self, arrivals: Sequence[Arrival]) -> None:
        """These arrivals are settled or refused; their room is free."""
        gone = [arrival.payloads for arrival in arrivals]
        self.messages -= sum(map(len, gone))
        self.bytes -= sum(map(len, chain.from_iterable(gone)))
        if self._waiting and 2 * self.messages <= self._max_messages and 2 * self.bytes <= self._max_bytes:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()

    @property
    def is_full(self) -> bool:
        """Should the sources stop reading?"""
        return self.messages >= self._max_messages or self.bytes >= self._max_bytes

    @property
    def is_filling(self) -> bool:
        """Is half of the room taken?"""
        return 2 * self.messages >= self._max_messages or 2 * self.bytes >= self._max_bytes

    @property
    def has_arrivals(self) -> bool:
        """Is anything waiting to be decoded?"""
        return bool(self._queue)
