"""What devices' commands need of the stream of messages: looked at before the intake takes it. Loop thread only.

A tap may hold a message's receipt: it's settled once the intake has stored the message *and* the tap has stored what
came of it, so that word of a command's end isn't acknowledged before that end is on disk (G1).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from holdfast.adapters.port import Answering, Arrival, Inbox, Receipt


class Tap(Protocol):
    """Looks at arrivals; quick, as it's asked about each."""

    def look(self, arrival: Arrival) -> "Hold | None":
        """What must be stored before this arrival is acknowledged; None = nothing."""
        ...


class Diversion(Protocol):
    """Takes messages that aren't readings, such as pictures: the intake never sees them."""

    def claims(self, topic: str) -> bool:
        """Are this topic's messages its own? Quick, as it's asked about each."""
        ...

    def take(self, arrival: Arrival) -> None:
        """Take one; its receipt is settled, refused or turned away by the taker. Bounded by what it turns away."""
        ...


class Way(Protocol):
    """How to publish where a device's messages came from."""

    def is_open(self, origin: "Origin", topic: str, about: "About") -> bool:
        """Would `publish` reach somebody now?

        Raises:
            Undeliverable: there is no such way, and waiting won't make one.
        """
        ...

    def publish(self, origin: "Origin", topic: str, payload: bytes, about: "About") -> bool:
        """Publish once; False = there is no connection, and nothing was sent."""
        ...


class Origin(msgspec.Struct, frozen=True):
    """Where a device's messages come from: who handed them over, and the way back it gave."""

    source: str
    answers: Answering | None = None


class About(msgspec.Struct, frozen=True):
    """What is published. owner: how a device's own subscription begins; number: the command's; left_s: to its end."""

    owner: str
    number: str
    left_s: float


class Hold:
    """What a tap stores; `over` is called for each of `parts` when it's on disk."""

    def __init__(self, parts: int) -> None:
        self._left = parts + 1
        self._receipt: Receipt | None = None
        self._is_refused = False

    def on(self, receipt: Receipt) -> "Hold":
        """Hold this receipt; the intake settles us instead."""
        self._receipt = receipt
        return self

    def settle(self) -> None:
        """The intake has stored the message."""
        self.over()

    def refuse(self) -> None:
        """The intake won't."""
        if self._receipt is not None and not self._is_refused:
            self._is_refused = True
            self._receipt.refuse()

    def over(self) -> None:
        """One part is on disk."""
        self._left -= 1
        if not self._left and self._receipt is not None and not self._is_refused:
            self._receipt.settle()


class TapInbox:
    """Stands before another inbox."""

    def __init__(self, inner: Inbox) -> None:
        self._inner = inner
        self._taps: Sequence[Tap] = ()
        self._diversion: Diversion | None = None

    def divert(self, diversion: Diversion) -> None:
        """What it claims is its from now on."""
        self._diversion = diversion

    def tap(self, tap: Tap) -> None:
        """Let it look, too."""
        self._taps = (*self._taps, tap)

    def is_diverted(self, topic: str) -> bool:
        """Do a topic's messages go to somebody else than the intake?"""
        return self._diversion is not None and self._diversion.claims(topic)

    def offer(self, arrival: Arrival) -> bool:
        """See `Inbox`."""
        if self._diversion is not None and self._diversion.claims(arrival.topic):
            self._diversion.take(arrival)
            return True
        for tap in self._taps:
            hold = tap.look(arrival)
            if hold is not None:
                arrival = msgspec.structs.replace(arrival, receipt=hold.on(arrival.receipt))
        return self._inner.offer(arrival)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """See `Inbox`."""
        self._inner.when_drained(callback)
