"""Lanes: priority classes, each with its own dense sequence."""

from enum import IntEnum


class Lane(IntEnum):
    """Smaller goes first on every bounded resource (G4)."""

    CRITICAL = 0
    NORMAL = 1
    BULK = 2
