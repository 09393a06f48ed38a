"""Open questions to the model above: bounded a minute and in number, one for rows that are the same, each for a while.

Pure. Nothing of it must survive a restart: an answer says itself what it's about.
"""

from dataclasses import dataclass

from holdfast.wire.hybrid import Said


@dataclass(frozen=True, slots=True)
class Question:
    """One of them. key: of the row, see `cache.key_of`; asked, until: CLOCK_MONOTONIC, s."""

    id: str
    deployment: str
    node: str
    device: str
    ts: int
    key: bytes
    said: Said
    asked: float
    until: float


class Book:
    """Of one deployment."""

    def __init__(self, per_minute: int, most_open: int = 1_000) -> None:
        self._rate, self._most_open = per_minute / 60.0, most_open
        self._level, self._most_level, self._at = float(per_minute), float(per_minute), 0.0
        self._open: dict[str, Question] = {}
        self._keys: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._open)

    def has(self, question: str) -> bool:
        """Is it open?"""
        return question in self._open

    def waits_for(self, key: bytes) -> bool:
        """Is a row like this asked about already?"""
        return key in self._keys

    def may_begin(self, now: float) -> bool:
        """Is there room for one more?"""
        self._fill(now)
        return self._level >= 1.0 and len(self._open) < self._most_open

    def begin(self, question: Question) -> None:
        """It's asked."""
        self._fill(question.asked)
        self._level -= 1.0
        self._open[question.id] = question
        self._keys.add(question.key)

    def end(self, question: str) -> Question | None:
        """It's answered; None = it isn't open (any more)."""
        found = self._open.pop(question, None)
        if found is not None:
            self._keys.discard(found.key)
        return found

    def expire(self, now: float) -> list[Question]:
        """Those whose time is over."""
        over = [one for one in self._open.values() if now >= one.until]
        for one in over:
            self.end(one.id)
        return over

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._level = min(self._most_level, self._level + (now - self._at) * self._rate)
            self._at = now
