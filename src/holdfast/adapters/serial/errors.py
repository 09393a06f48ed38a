"""Errors of serial lines.

HoldfastError
└── SerialError         the adapter tries again
    ├── PortUnusable    it can't be opened; the hint says what to change
    ├── LineLost        it was open, and isn't any more
    └── LineSilent      nothing came for too long, or no answer did
"""

from holdfast.kernel.errors import HoldfastError


class SerialError(HoldfastError):
    """The root of this room's errors."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(f"{sentence}. {hint}" if hint else sentence)
        self.hint = hint


class PortUnusable(SerialError):
    """The port can't be opened."""


class LineLost(SerialError):
    """The port was open, and isn't any more: unplugged, or the serial server went away."""


class LineSilent(SerialError):
    """Nothing came for too long."""
