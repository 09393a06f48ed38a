"""A request's path as a topic: `coap://gateway/senml/press-1` is `senml/press-1`. Pure.

Nothing is rewritten silently: a path that is no good topic is refused with the reason (RFC 7252 §5.5.2, a diagnostic
payload), so that whoever programs the device sees it there.
"""

from collections.abc import Sequence

from holdfast.adapters.mqtt.topics import matches

LONGEST = 1_024
"""Bytes of a topic; a path of 255 segments of 255 bytes would be a nuisance in every table."""
KEPT_BACK = "points/#"
"""Topics of the node's own adapters: what is said there has a map, and nobody from outside may pretend to be it."""


class Paths:
    """What paths are taken, and which topics they are."""

    def __init__(self, prefix: str, topics: Sequence[str]) -> None:
        """prefix: put before every path; topics: filters, one of which a topic must match."""
        self._prefix = f"{prefix}/" if prefix else ""
        self._topics = tuple(topics)

    def topic(self, segments: Sequence[str]) -> tuple[str, str]:
        """(topic, ""), or ("", what's wrong with the path)."""
        if not segments or segments == ("",):
            return "", "name a topic as the path: /senml/press-1"
        for segment in segments:
            fault = _fault(segment)
            if fault:
                return "", fault
        topic = self._prefix + "/".join(segments)
        if len(topic.encode()) > LONGEST:
            return "", f"the path makes a topic of more than {LONGEST} bytes"
        return topic, ""

    def takes(self, topic: str) -> bool:
        """Is there a resource of this name?"""
        return not matches(KEPT_BACK, topic) and any(matches(one, topic) for one in self._topics)

    def core(self) -> str:
        """What `/.well-known/core` tells (RFC 6690): where devices may PUT and POST to."""
        found = dict.fromkeys(
            one.split("+")[0].split("#")[0].strip("/").removeprefix(self._prefix) for one in self._topics
        )
        return ",".join(f'</{path}>;if="holdfast.push";ct="0 42 50 60 110 112"' for path in found)


def _fault(segment: str) -> str:
    if not segment:
        return "a segment of the path is empty: write no double slash and none at the end"
    if set(segment) & set("/+#"):
        return f"the segment {segment!r} of the path has one of / + #"
    if not segment.isprintable():
        return "a segment of the path has characters that can't be printed"
    return f"no path begins with $, as {segment!r} does" if segment[0] == "$" else ""
