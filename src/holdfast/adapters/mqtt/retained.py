"""Retained messages: the last word on each topic, in memory and bounded.

Overflow: what doesn't fit isn't kept, and counted; the topic's former message then goes too, since it's no longer the
last word. A store that silently forgot other topics would lie to whoever subscribes next.
"""

from collections.abc import Iterator

from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.topics import matches

_OVERHEAD = 200  # objects around a small message, bytes, about


class RetainedStore:
    """The retained messages of the node."""

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._kept: dict[str, Publication] = {}
        self._bytes = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, message: Publication) -> bool:
        """Make a publication of one payload its topic's retained message; an empty payload clears. False when full."""
        self._forget(message.topic)
        if not message.payloads[0]:
            return True
        if self._bytes + _cost(message) > self._max_bytes or len(self._kept) >= self._max_messages:
            self.refused += 1
            return False
        self._kept[message.topic] = message
        self._bytes += _cost(message)
        return True

    def matching(self, topic_filter: str, now: float) -> Iterator[Publication]:
        """The retained messages a new subscription receives; expired ones are forgotten on the way."""
        if "+" in topic_filter or "#" in topic_filter:
            found = [message for topic, message in self._kept.items() if matches(topic_filter, topic)]
        else:
            found = [self._kept[topic_filter]] if topic_filter in self._kept else []
        for message in found:
            if message.expired(now):
                self._forget(message.topic)
            else:
                yield message

    def _forget(self, topic: str) -> None:
        before = self._kept.pop(topic, None)
        if before is not None:
            self._bytes -= _cost(before)


def _cost(message: Publication) -> int:
    return len(message.payloads[0]) + 2 * len(message.field) + _OVERHEAD
