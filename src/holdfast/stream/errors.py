"""What can go wrong in the stream room.

HoldfastError
├── SettingsInvalid      a rule document is wrong (kernel.documents; raised by `loading.load_rules`)
└── StreamError
    └── SnapshotUnusable a stored engine state can't be read; the engine keeps what it has
"""

from holdfast.kernel.errors import HoldfastError


class StreamError(HoldfastError):
    """Something the stream room can name."""


class SnapshotUnusable(StreamError):
    """A stored engine state can't be read; the caller replays from the journal instead."""

    hint = "the engine starts from an empty state and is fed the journal again"
