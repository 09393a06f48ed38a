"""What can go wrong while taking a child's rows.

IngestError
└── SeriesUnknown     peer: a row names a series that no definition came for
"""

from holdfast.wire.errors import WireError


class SeriesUnknown(WireError):
    """A row names a series number beyond what the child has defined."""
