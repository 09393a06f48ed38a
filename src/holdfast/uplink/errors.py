"""What can go wrong on the way to the parent.

UplinkError
├── RowsMissing   journal: the rows the parent needs next are not there any more
├── KindUnknown   parent: it is older than events of this kind, and would refuse the batch
└── LaneClosed    a bug here: rows that must stay were about to be offered
"""

from holdfast.kernel.errors import HoldfastError
from holdfast.model.lane import Lane
from holdfast.wire.errors import LinkRefused


class UplinkError(HoldfastError):
    """Something about the uplink."""


class RowsMissing(UplinkError):
    """The rows after `after` are not in the journal."""

    def __init__(self, lane: Lane, after: int) -> None:
        super().__init__(f"rows after {after} of lane {int(lane)} are not in the journal any more")
        self.lane = lane
        self.after = after


class KindUnknown(UplinkError):
    """The parent would refuse the lane's next rows until it's upgraded."""

    def __init__(self, lane: Lane, kind: str) -> None:
        super().__init__(f"the parent is of an older version, which doesn't know events of the kind {kind}")
        self.lane = lane


class LaneClosed(UplinkError):
    """The parent must not have this lane's rows."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(f"rows of the {lane.name.lower()} lane must not go to this parent")
        self.lane = lane


def asked_pause_s(error: HoldfastError) -> float:
    """The pause that a refusal asks for."""
    return error.retry_after_s if isinstance(error, LinkRefused) else 0.0
