"""Errors of listening to Bluetooth.

AdapterError
├── RadioUnusable   there's no radio, or it may not be used; the hint says what to do
└── RecordInvalid   a recording isn't one; it can't be read on from there
"""

from holdfast.adapters.errors import AdapterError


class RadioUnusable(AdapterError):
    """The radio can't be listened to."""


class RecordInvalid(AdapterError):
    """A recording can't be read, or not any further."""
