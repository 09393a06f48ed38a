"""Which sources wait for a receipt before they send more? Pure: time is an argument.

A commit costs the same for one message as for a hundred, so at a low rate commits gather for some milliseconds. That
costs a device nothing that sends whenever it has something to say; one that sends its next message when the last is
acknowledged would be slowed down. It's known by what it does: after a receipt it sends at once, and until then nothing.
"""

from collections.abc import Iterable

from holdfast.adapters.port import Arrival

_SURE, _MOST, _DOUBT = 8, 16, 4
_SOURCES = 20_000


class _Source:
    __slots__ = ("heard", "pending", "score", "settled")

    def __init__(self) -> None:
        self.pending = 0
        self.score = 0
        self.heard = 0.0
        self.settled: float | None = None


class Waiting:
    """Follows the sources by what they send and when it was settled.

    One that sent promptly eight times more often than four times as often not is believed to wait. At most `_SOURCES`
    are followed; then all are forgotten and come back as they send.
    """

    def __init__(self, within_s: float) -> None:
        """within_s: sooner after a receipt than this is at once."""
        self._within_s = within_s
        self._sources: dict[str, _Source] = {}

    def arrived(self, arrivals: Iterable[Arrival], now: float) -> bool:
        """Take what came; does any of its sources wait?"""
        found = False
        for arrival in arrivals:
            one = self._sources.get(arrival.source) or self._follow(arrival.source)
            if one.settled is not None:
                self._judge(one, now - one.settled)
                one.settled = None
            one.heard = now
            one.pending += 1
            found = found or one.score >= _SURE
        return found

    def settled(self, arrivals: Iterable[Arrival], now: float) -> None:
        """The receipts of these were settled."""
        for arrival in arrivals:
            one = self._sources.get(arrival.source)
            if one is not None and one.pending:
                one.pending -= 1
                one.settled = now

    def _judge(self, one: _Source, answered_in: float) -> None:
        """A source with more under way may only send often: it waits if it was silent for longer than it is now."""
        is_prompt = answered_in < self._within_s
        if is_prompt and one.pending and one.settled is not None:
            is_prompt = answered_in < one.settled - one.heard
        one.score = min(_MOST, one.score + 1) if is_prompt else max(0, one.score - _DOUBT)

    def _follow(self, source: str) -> _Source:
        if len(self._sources) >= _SOURCES:
            self._sources.clear()
        one = self._sources[source] = _Source()
        return one
