"""Follows one subscription's numbers: what was missed, what can be asked for again, what is to be acknowledged. Pure.

Messages are numbered from 1 without gaps, up to 2**32 - 1 and then 1 again; a keep-alive tells the next number without
using it (Part 4 §5.13.1.1, §5.13.1.4).
"""

from collections.abc import Collection
from typing import NamedTuple

_LAST = 2**32 - 1
_MOST_MISSED = 1_000
"""More missing messages than this aren't asked for: a server keeps fewer, and something else is wrong."""


class Turn(NamedTuple):
    """What is owed after a message, in this order.

    republish: numbers to ask for again, before what came is handed on
    lost:      messages that nobody has any more
    is_new:    hand on what came, and acknowledge it; else it's a repeat
    """

    republish: tuple[int, ...] = ()
    lost: int = 0
    is_new: bool = True


class Following:
    """The numbers of a subscription."""

    def __init__(self) -> None:
        self.expected = 1
        """The number of the next message that hasn't come."""

    def take(self, number: int, available: Collection[int], *, is_quiet: bool) -> Turn:
        """A message came. available: what the server could send again; is_quiet: it's a keep-alive."""
        if not 0 < number <= _LAST:
            return Turn(is_new=not is_quiet)  # it doesn't number them: nothing can be known
        missed = (number - self.expected) % _LAST
        if missed > _LAST // 2:  # a number from before
            return Turn(is_new=False)
        self.expected = number if is_quiet else number % _LAST + 1
        if not missed:
            return Turn(is_new=not is_quiet)
        if missed > _MOST_MISSED:
            return Turn((), missed, not is_quiet)
        wanted = [(number - missed + i - 1) % _LAST + 1 for i in range(missed)]
        kept = tuple(one for one in wanted if one in available)
        return Turn(kept, missed - len(kept), not is_quiet)
