"""Who has which messages in hand. Pure; in memory only: after a restart of the node every message is free again.

A source (one application's stream at one node) is with one lease at a time, and a lease has a run of its messages: so
a source's messages take effect in its order, while other sources go on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from holdfast.journal.queued import Queued


@dataclass(slots=True)
class Lease:
    """Messages in one consumer's hand. held: place -> source, in order; until: monotonic seconds."""

    token: str
    app: str
    until: float
    held: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Leases:
    """One queue's leases. term_s: from one ack to the next."""

    term_s: float
    _leases: dict[str, Lease] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(lease.held) for lease in self._leases.values())

    def busy(self) -> list[str]:
        """The sources that are with somebody."""
        return sorted({source for lease in self._leases.values() for source in lease.held.values()})

    def open(self, token: str, app: str, messages: Iterable[Queued], now: float) -> Lease:
        """Hand out messages of sources that aren't busy."""
        lease = Lease(token, app, now + self.term_s, {one.place: one.source for one in messages})
        self._leases[token] = lease
        return lease

    def held(self, token: str, app: str, places: Sequence[int], now: float) -> bool:
        """Are these all in this lease? Then it's prolonged."""
        lease = self._leases.get(token)
        if lease is None or lease.app != app or lease.until <= now or not lease.held.keys() >= set(places):
            return False
        lease.until = now + self.term_s
        return True

    def done(self, token: str, places: Sequence[int]) -> None:
        """These are acked, durably."""
        lease = self._leases.get(token)
        if lease is None:
            return
        for place in places:
            lease.held.pop(place, None)
        if not lease.held:
            del self._leases[token]

    def give_back(self, token: str, place: int) -> None:
        """One message came to nothing: its source's others are free, too, as none may overtake it."""
        lease = self._leases.get(token)
        if lease is not None:
            source = lease.held.get(place)
            self.done(token, [p for p, s in lease.held.items() if s == source])

    def expired(self, now: float) -> list[Lease]:
        """Take away what ran out."""
        over = [lease for lease in self._leases.values() if lease.until <= now]
        for lease in over:
            del self._leases[lease.token]
        return over

    def next_end(self) -> float | None:
        """When the first lease runs out, monotonic; None without any."""
        return min((lease.until for lease in self._leases.values()), default=None)


def culprits(lease: Lease) -> list[int]:
    """Of each source the first message that wasn't acked: in order, so it's the one that was being worked on."""
    first: dict[str, int] = {}
    for place, source in lease.held.items():
        first.setdefault(source, place)
    return list(first.values())
