"""Which objects of a device are subscribed to, and when that must be done again (clause 13.1). Pure.

Devices forget subscriptions when they restart and refuse them when they have no room; what has none is polled.
"""

from collections.abc import Iterable

_AGAIN_S = 600.0
_MOST_AT_ONCE = 25
Object = tuple[int, int]


class Watch:
    """The subscriptions of one device."""

    def __init__(self, wanted: Iterable[Object], lifetime_s: float, every_s: float) -> None:
        """every_s: how often `due` is asked."""
        self._wanted = tuple(dict.fromkeys(wanted))
        self._lifetime = lifetime_s
        self._ahead = max(lifetime_s / 2, min(2 * every_s, 0.9 * lifetime_s))
        self._until: dict[Object, float] = {}
        self._not_before: dict[Object, float] = {}
        self.refused = ""
        """The last refusal, in words."""

    def __len__(self) -> int:
        return len(self._until)

    def due(self, now: float) -> list[Object]:
        """To be subscribed to now; not all at once, since each is a question."""
        soon = now + self._ahead
        found = [
            one for one in self._wanted if self._until.get(one, 0.0) <= soon and self._not_before.get(one, 0.0) <= now
        ]
        return found[:_MOST_AT_ONCE]

    def holds(self, one: Object, now: float) -> bool:
        """Will changes of it be told?"""
        return self._until.get(one, 0.0) > now

    def subscribed(self, one: Object, now: float) -> None:
        """The device took it."""
        self._until[one] = now + self._lifetime

    def refuse(self, one: Object, why: str, now: float, *, all_of_them: bool) -> None:
        """The device won't; not asked again for a while."""
        self.refused = why
        for each in self._wanted if all_of_them else (one,):
            self._not_before[each] = now + _AGAIN_S
            self._until.pop(each, None)

    def lost(self, one: Object | None = None) -> None:
        """The device may have forgotten this one, or all."""
        if one is None:
            self._until.clear()
            self._not_before.clear()
            self.refused = ""
        else:
            self._until.pop(one, None)

    def held(self, now: float) -> list[Object]:
        """What is subscribed to."""
        return [one for one, until in self._until.items() if until > now]
