"""Rates from counters: what a node counts since its start, as so many a second over the last minutes. Pure."""

from collections import deque
from collections.abc import Sequence

from holdfast.kernel.clock import NS_PER_S
from holdfast.web.answers import Status

MOST = 300
"""Points kept of each rate: five minutes at one a second."""
_BARS = "▁▂▃▄▅▆▇█"
_REFUSED = "messages_rejected."


class Trends:
    """Rates of one node, fed with each status. A restarted node begins anew, and what was before stays drawn."""

    def __init__(self) -> None:
        self.messages: deque[float] = deque(maxlen=MOST)
        self.readings: deque[float] = deque(maxlen=MOST)
        self.refused: deque[float] = deque(maxlen=MOST)
        self.sent_bps: deque[float] = deque(maxlen=MOST)
        self.backlog: deque[float] = deque(maxlen=MOST)
        self._last: Status | None = None

    def feed(self, status: Status) -> None:
        """Take a status. One that was seen already, or of another life of the node, gives no rate."""
        last = self._last
        if last is not None and status.now_ns <= last.now_ns and status.incarnation == last.incarnation:
            return
        self._last = status
        self.backlog.append(float(sum(status.backlog)))
        if last is None or last.incarnation != status.incarnation:
            return
        seconds = (status.now_ns - last.now_ns) / NS_PER_S
        before, now = last.counters, status.counters
        self.messages.append(_rate("messages_received", before, now, seconds))
        self.readings.append(_rate("readings_accepted", before, now, seconds))
        self.refused.append(max(refused(status) - refused(last), 0) / seconds)
        sent = 0 if last.link is None or status.link is None else status.link.sent_bytes - last.link.sent_bytes
        self.sent_bps.append(8 * max(sent, 0) / seconds)


def refused(status: Status) -> int:
    """Messages refused since the journal began; a repeat isn't one, it was taken before."""
    return sum(n for name, n in status.counters.items() if name.startswith(_REFUSED) and name != f"{_REFUSED}duplicate")


def _rate(name: str, before: dict[str, int], now: dict[str, int], seconds: float) -> float:
    return max(now.get(name, 0) - before.get(name, 0), 0) / seconds


def latest(rates: Sequence[float], over: int = 5) -> float | None:
    """The mean of the last few; None = nothing is known yet."""
    shown = list(rates)[-over:]
    return sum(shown) / len(shown) if shown else None


def sparkline(values: Sequence[float], width: int) -> str:
    """The latest values as blocks of eight heights, from nought to the highest of them; a zero is the lowest."""
    shown = list(values)[-max(width, 0) :] if width > 0 else []
    top = max(shown, default=0.0)
    if top <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(round(7 * value / top), 7)] for value in shown)
