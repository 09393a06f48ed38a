"""Errors of serial lines.

AdapterError
├── PortUnusable        it can't be opened; the hint says what to change
├── LineLost            it was open, and isn't any more
├── LineSilent          nothing came for too long, or no answer did
└── DeviceUnreachable
    └── NotOpen         nothing was sent
"""

from holdfast.adapters.errors import AdapterError, DeviceUnreachable


class PortUnusable(AdapterError):
    """The port can't be opened."""


class LineLost(AdapterError):
    """The port was open, and isn't any more: unplugged, or the serial server went away."""


class LineSilent(AdapterError):
    """Nothing came for too long."""


class NotOpen(DeviceUnreachable):
    """The port isn't open: nothing was sent."""
