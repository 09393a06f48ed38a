"""Which messages came, and what they were answered, for when they come once more (RFC 7252 §4.5). Pure, bounded.

aiocoap keeps an entry, a timer and the whole exchange for 247 s a message, whatever comes: a gateway that takes 2,000
messages a second would need some 2 GB for it. Here it's one entry of some 0.5 kB, at most `limit` of them: when there
are more, the oldest is forgotten first. A device retransmits after 2 to 3 s, then 4 to 6 s, at last after 45 s.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
LIFETIME_S = 247.0
"""EXCHANGE_LIFETIME (§4.8.2)."""


class Memory(Generic[T]):
    """What each message was answered, None = nothing yet."""

    def __init__(self, limit: int, lifetime_s: float = LIFETIME_S) -> None:
        self._limit, self._lifetime_s = limit, lifetime_s
        self._answers: dict[Hashable, T | None] = {}
        self._order: deque[tuple[float, Hashable]] = deque()
        self.repeats = 0
        self.forgotten = 0
        """Entries that had to go before their time."""

    def __len__(self) -> int:
        return len(self._answers)

    def is_repeat(self, key: Hashable, now: float) -> bool:
        """Did this message come before? If not, it's remembered from now on."""
        while self._order and self._order[0][0] <= now:
            del self._answers[self._order.popleft()[1]]
        if key in self._answers:
            self.repeats += 1
            return True
        if len(self._order) >= self._limit:
            del self._answers[self._order.popleft()[1]]
            self.forgotten += 1
        self._answers[key] = None
        self._order.append((now + self._lifetime_s, key))
        return False

    def answered(self, key: Hashable, answer: T) -> None:
        """A message was answered so; one that is forgotten stays so."""
        if key in self._answers:
            self._answers[key] = answer

    def answer(self, key: Hashable) -> T | None:
        """What it was answered."""
        return self._answers.get(key)
