"""Lanes: priority classes, each with its own dense sequence, and how far each one's rows may go."""

from enum import IntEnum


class Lane(IntEnum):
    """Smaller goes first on every bounded resource (G4). Append only: the numbers are stored and travel.

    Rows that may not leave have lanes of their own, because a row taken out of a lane that syncs would be a hole in
    its dense sequence and its hash chain: REGION goes to a parent of the same region, SITE to nobody.
    """

    CRITICAL = 0
    NORMAL = 1
    BULK = 2
    REGION = 3
    SITE = 4

    @property
    def stays(self) -> bool:
        """Is there somewhere that its rows must not go?"""
        return self >= Lane.REGION


OPEN_LANES = (Lane.CRITICAL, Lane.NORMAL, Lane.BULK)
"""What any parent is offered."""
SYNCED_LANES = (*OPEN_LANES, Lane.REGION)
"""What some parent may be offered."""
READING_LANES = (Lane.BULK, Lane.REGION, Lane.SITE)
"""Where a node's own readings are committed."""


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
        return READING_LANES[self]
