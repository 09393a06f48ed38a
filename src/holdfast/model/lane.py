"""Lanes: priority classes, each with its own dense sequence, and how far each one's rows may go."""

from collections.abc import Sequence
from enum import IntEnum


class Lane(IntEnum):
    """Smaller goes first on every bounded resource (G4). Append only: the numbers are stored and travel.

    Rows that don't leave have lanes of their own, because a row taken out of a lane that syncs would be a hole in its
    dense sequence and its hash chain. REGION goes to a parent of the same region, SITE must not go anywhere; LOCAL need
    not: a filter keeps raw readings here and sends summaries of them, its rows and names are no secret (ADR 21).
    """

    CRITICAL = 0
    NORMAL = 1
    BULK = 2
    REGION = 3
    SITE = 4
    LOCAL = 5

    @property
    def stays(self) -> bool:
        """Is there somewhere that its rows don't go?"""
        return self >= Lane.REGION

    @property
    def is_secret(self) -> bool:
        """Is there somewhere that its rows must not go, by a residency rule?"""
        return self in (Lane.REGION, Lane.SITE)


OPEN_LANES = (Lane.CRITICAL, Lane.NORMAL, Lane.BULK)
"""What any parent is offered."""
SYNCED_LANES = (*OPEN_LANES, Lane.REGION)
"""What some parent may be offered."""
STAY_LANES = (Lane.BULK, Lane.REGION, Lane.SITE)
"""Where a node's own readings are committed by how far they may go (`Stay`)."""
READING_LANES = (*STAY_LANES, Lane.LOCAL)
"""Where a node's own readings are committed. Append only: how far each is read is stored in this order."""


def padded(ends: Sequence[int]) -> tuple[int, ...]:
    """How far each of READING_LANES is read, from a record that may be older than the last of them."""
    return (*ends, *(0 for _ in READING_LANES[len(ends) :]))


class Stay(IntEnum):
    """How far a series may go. Append only: the numbers are stored and travel."""

    ANYWHERE = 0
    REGION = 1
    SITE = 2

    @property
    def word(self) -> str:
        """As in node.yaml: anywhere, region, site."""
        return self.name.lower()

    @property
    def lane(self) -> Lane:
        """Where its readings are committed."""
        return STAY_LANES[self]
