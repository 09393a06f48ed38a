"""What the uplink says; on change only."""

from holdfast.telemetry.happenings import Happening, Level


class UplinkConnected(Happening, frozen=True):
    """The parent welcomed this node."""

    metric = "uplink_connects"
    parent: str
    session: int
    backlog_rows: int


class UplinkLost(Happening, frozen=True):
    """The parent can't be reached or refuses; rows wait in the journal."""

    level = Level.WARNING
    metric = "uplink_losses"
    parent: str
    cause: str


class UplinkDiverged(Happening, frozen=True):
    """The parent holds another history of this node: was a disk image restored or cloned? Nothing is overwritten."""

    level = Level.ERROR
    metric = "uplink_divergences"
    parent: str
    detail: str
