"""When a script may run, and on which workers. Pure: no clock, no processes.

A script that costs too much three times in a row, or throws a hundred times in a row, is switched off for a minute; if
it fails again at once, for twice as long, up to an hour. Afterwards one call is let through to try it.
"""

from dataclasses import dataclass

from holdfast.codecs.lorawan.calls import COSTLY, Fault

COSTLY_IN_A_ROW = 3
THROWN_IN_A_ROW = 100
FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3600.0
_CREDIT_LOST = 20
_CREDIT_AT_MOST = 20


@dataclass(slots=True)
class Breaker:
    """One script's record.

    credit: above 0 the script is proven and may use any worker; a costly failure must be earned back by good calls
    reason: why it's off; empty while it may run
    """

    credit: int = 0
    reason: str = ""
    until: float = 0.0
    _costly: int = 0
    _thrown: int = 0
    _pause: float = FIRST_PAUSE_S

    @property
    def is_proven(self) -> bool:
        """May it have any worker, rather than the one for newcomers?"""
        return self.credit > 0

    @property
    def is_off(self) -> bool:
        """Is it switched off, or on trial?"""
        return bool(self.reason)

    def allowed(self, wanted: int, now: float) -> int:
        """How many of `wanted` calls may be made now: all, none while it's off, one to try it afterwards."""
        if not self.reason:
            return wanted
        return min(wanted, 1) if now >= self.until else 0

    def succeeded(self) -> bool:
        """A call came back good. True if that switches the script on again."""
        was_off, self.reason = self.is_off, ""
        self._costly = self._thrown = 0
        self._pause = FIRST_PAUSE_S
        self.credit = min(self.credit + 1, _CREDIT_AT_MOST)
        return was_off

    def failed(self, fault: Fault, detail: str, now: float) -> bool:
        """A call failed. True if that switches the script off."""
        if fault in COSTLY:
            self._costly += 1
            self.credit = -_CREDIT_LOST
        else:
            self._thrown += 1
        was_off = self.is_off
        if not was_off and self._costly < COSTLY_IN_A_ROW and self._thrown < THROWN_IN_A_ROW:
            return False
        if was_off:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        self.reason = f"{self._costly or self._thrown} failures in a row, the last: {detail}"
        self.until = now + self._pause
        return True
