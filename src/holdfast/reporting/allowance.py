"""How much of the log and the traces may go up: so much a day, some of it at once. Pure.

A bucket of bytes that fills at an even pace: a flood uses up what is in it and goes on at that pace, so the day's end
is heard of as well as its begin. Half of it is kept for warnings and errors. Its level is stored with what was sent, so
that a node which starts again and again has no more than one that runs.
"""

from holdfast.kernel.clock import NS_PER_S

DAY_S = 86_400
AT_ONCE = 1 / 8
"""The bucket's size as a share of a day's bytes."""
RESERVED = 1 / 2
"""The share of the bucket that only warnings and errors may use."""


class Allowance:
    """One node's. left: bytes that may go now."""

    def __init__(self, per_day: int, now_ns: int, stored: str = "") -> None:
        """stored: as `stored` gave it, of an earlier run; empty, or anything else = a full bucket."""
        self._pace, self.most = per_day / DAY_S, per_day * AT_ONCE
        self.left, self._at_ns = self.most, now_ns
        left, _, at_ns = stored.partition(" ")
        if left.isdecimal() and at_ns.isdecimal():
            self.left, self._at_ns = min(self.most, float(left)), int(at_ns)
            self._fill(now_ns)

    def take(self, size: int, now_ns: int, *, is_urgent: bool) -> bool:
        """May so many bytes go? Then they are taken."""
        self._fill(now_ns)
        if self.left - size < (0.0 if is_urgent else self.most * RESERVED):
            return False
        self.left -= size
        return True

    @property
    def stored(self) -> str:
        """For the next run."""
        return f"{int(self.left)} {self._at_ns}"

    def _fill(self, now_ns: int) -> None:
        """A clock that was set back fills nothing, and doesn't stop the filling from there on."""
        self.left = min(self.most, self.left + max(0, now_ns - self._at_ns) / NS_PER_S * self._pace)
        self._at_ns = now_ns
