"""Errors of listening to Bluetooth.

HoldfastError
└── BleError            the adapter tries again
    ├── RadioUnusable   there's no radio, or it may not be used; the hint says what to do
    └── RecordInvalid   a recording isn't one; it can't be read on from there
"""

from holdfast.kernel.errors import HoldfastError


class BleError(HoldfastError):
    """The root of this room's errors."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(f"{sentence}. {hint}" if hint else sentence)
        self.hint = hint


class RadioUnusable(BleError):
    """The radio can't be listened to."""


class RecordInvalid(BleError):
    """A recording can't be read, or not any further."""
