"""What history needs from where the rows lie."""

from collections.abc import Iterator
from typing import Protocol

from holdfast.journal.records import Group
from holdfast.model.lane import Lane


class Between(Protocol):
    """Stored groups by time. Called from worker threads."""

    def between(self, from_ns: int, to_ns: int, lane: Lane) -> Iterator[Group]:
        """Groups whose event times overlap [from_ns, to_ns], in seq order."""
        ...


class Latest(Protocol):
    """The end of the log. Called from worker threads, several at once."""

    def latest_events(self, lane: Lane, limit: int) -> list[Group]:
        """The last `limit` groups of events in a lane, newest first; damaged ones are passed over."""
        ...
