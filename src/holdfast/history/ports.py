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


class Groups(Between, Protocol):
    """Stored groups by time and by seq. Called from worker threads, several at once."""

    def read(self, lane: Lane, after: int, max_rows: int) -> list[Group]:
        """Groups with first > after, in order, about `max_rows` rows."""
        ...
