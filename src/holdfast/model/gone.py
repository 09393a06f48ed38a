"""That a source has gone, told by who listened to it: its values are marked offline, as a death certificate marks them.

It comes as a message like any other, on a topic of its own, and in order with the source's messages. No device can say
it of another: the payload counts by identity, so bytes from outside are never it.
"""

_TOPIC = "$gone/"
MARK = b"gone"
"""The payload. Counts only as this very object."""


def gone_topic(topic: str) -> str:
    """Where it's told that what sent on `topic` has gone."""
    return _TOPIC + topic


def topic_gone(topic: str) -> str | None:
    """The topic whose source has gone; None = this tells nothing of the kind."""
    return topic[len(_TOPIC) :] if topic.startswith(_TOPIC) else None
