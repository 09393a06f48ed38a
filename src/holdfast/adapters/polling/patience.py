"""How long to wait for a device's answer: longer than it usually takes, never longer than the operator says. Pure.

Retransmission timers of TCP (RFC 6298: smoothed round trip plus four times its deviation), doubled after each timeout.
"""

_GAIN, _VARIATION_GAIN = 1 / 8, 1 / 4
_LEAST_S = 0.1
_MARGIN = 2.0
_DOUBLE_EVERY, _FULL_EVERY = 4, 64
"""Of the tries of a dead device those that wait longer: it may have come back slow."""


class AnswerTime:
    """Of one device, or of all of a bus."""

    __slots__ = ("_backoff", "_deviation", "_most", "_smoothed")

    def __init__(self, most_s: float) -> None:
        """most_s: the operator's timeout."""
        self._most = most_s
        self._smoothed: float | None = None
        self._deviation = 0.0
        self._backoff = 1.0

    def timeout_s(self, others: "AnswerTime") -> float:
        """For the next question. others: of the same bus, for a device of which nothing is known."""
        long = others.long_s if self.long_s is None else self.long_s
        return self._most if long is None else min(self._most, long * self._backoff)

    def try_s(self, nth: int, others: "AnswerTime") -> float:
        """For the nth question of a device taken for dead, while others wait: short, and rarely as long as may be."""
        long = others.long_s if self.long_s is None else self.long_s
        if long is None or nth % _FULL_EVERY == 0:
            return self._most
        return min(self._most, long * (2 if nth % _DOUBLE_EVERY == 0 else 1))

    @property
    def long_s(self) -> float | None:
        """What would be a long wait; None = nothing is known."""
        if self._smoothed is None:
            return None
        return max(_LEAST_S, _MARGIN * (self._smoothed + 4 * self._deviation))

    def answered(self, took_s: float) -> None:
        """An answer came."""
        if self._smoothed is None:
            self._smoothed, self._deviation = took_s, took_s / 2
        else:
            self._deviation += _VARIATION_GAIN * (abs(took_s - self._smoothed) - self._deviation)
            self._smoothed += _GAIN * (took_s - self._smoothed)
        self._backoff = 1.0

    def timed_out(self) -> None:
        """None came: it may have become slow."""
        self._backoff = min(self._backoff * 2, 1e6)
