"""What can go wrong while taking a child's rows.

IngestError
├── SeriesUnknown     peer: a row names a series that no definition came for
├── SeriesForeign     peer: a child defines a series of this very node
└── TextUnknown       peer: a row of a text series has no such text
"""

from holdfast.wire.errors import WireError


class SeriesUnknown(WireError):
    """A row names a series number beyond what the child has defined."""


class SeriesForeign(WireError):
    """A child defines a series of this very node; only the node itself writes those."""


class TextUnknown(WireError):
    """A row of a text series points outside its group's texts."""
