"""Which notification is news (RFC 7641 §3.4), and until when the last one holds (§3.3.1). Pure."""

_HALF = 2**23
_RESET_S = 128.0
"""After so long any number counts as newer: no notification is on its way for so long (§3.4)."""
MARGIN_S = 5.0
"""A notification may be late by so much before the stream counts as lost (§3.3.1: "a short grace period")."""
DEFAULT_AGE_S = 60.0
"""Max-Age of a response without one (RFC 7252 §5.10.5)."""
LONGEST_S = 3_600.0
"""A device is asked at least so often, whatever it says of itself: one that's gone doesn't say so."""


class Fresh:
    """One registration's notifications."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._at = 0.0
        self.late = 0
        """Notifications that came after a newer one, so that they were left out."""

    def is_news(self, number: int, now: float) -> bool:
        """Is this notification newer than all before? number: its Observe option, 24 bits."""
        last = self._number
        is_newer = (
            last is None
            or (last < number and number - last < _HALF)
            or (last > number and last - number > _HALF)
            or now > self._at + _RESET_S
        )
        if is_newer:
            self._number, self._at = number, now
        else:
            self.late += 1
        return is_newer


def holds_s(max_age: float | None) -> float:
    """Seconds after which the stream counts as lost if nothing more came."""
    return min(DEFAULT_AGE_S if max_age is None else max_age, LONGEST_S) + MARGIN_S
