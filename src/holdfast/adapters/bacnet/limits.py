"""How much one peer may send: a token bucket each for the devices that are known, one for all strangers. Pure."""

from collections.abc import Iterable

_BURST_S = 2.0
STRANGERS_SHARE = 5
"""Strangers, all together, may send a fifth of what one device may: they only say who they are."""


class Bucket:
    """So many a second, and twice that at once."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: float) -> None:
        self._rate, self._left, self._at = rate, rate * _BURST_S, 0.0

    def takes(self, now: float) -> bool:
        """One more, now?"""
        self._left = min(self._rate * _BURST_S, self._left + max(0.0, now - self._at) * self._rate)
        self._at = max(now, self._at)
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Limits:
    """Of one socket."""

    def __init__(self, per_s: float) -> None:
        """per_s: datagrams of one device."""
        self._per_s = per_s
        self._known: dict[tuple[str, int], Bucket] = {}
        self._strangers = Bucket(max(1.0, per_s / STRANGERS_SHARE))
        self.dropped = 0

    def know(self, addresses: Iterable[tuple[str, int]]) -> None:
        """These are the devices; each keeps what it had."""
        self._known = {one: self._known.get(one) or Bucket(self._per_s) for one in addresses}

    def takes(self, address: tuple[str, int], now: float) -> bool:
        """May this datagram be read? What may not is counted."""
        if (self._known.get(address) or self._strangers).takes(now):
            return True
        self.dropped += 1
        return False
