"""What telling people says; on change only."""

from holdfast.telemetry.happenings import Happening, Level


class ChannelLost(Happening, frozen=True):
    """A channel can't tell anybody; what it has to tell waits in the journal."""

    level = Level.ERROR
    metric = "channel_losses"
    channel: str
    where: str
    cause: str
    hint: str


class ChannelBack(Happening, frozen=True):
    """A channel that was lost tells again."""

    metric = "channel_returns"
    channel: str
    where: str
    waiting: int


class ChannelRefusal(Happening, frozen=True):
    """The other end won't take a message; it's tried by itself, alert by alert, until `retry_for` is over."""

    level = Level.ERROR
    metric = "channel_refusals"
    channel: str
    alerts: int
    cause: str
    hint: str


class ChannelGaveUp(Happening, frozen=True):
    """Nobody was told of these within `retry_for`."""

    level = Level.ERROR
    metric = "channel_surrenders"
    channel: str
    alerts: int
    first: str
    cause: str


class ChannelOdd(Happening, frozen=True):
    """A message was taken, but not for everybody."""

    level = Level.WARNING
    metric = "channel_oddities"
    channel: str
    detail: str


class AlertAcknowledged(Happening, frozen=True):
    """Somebody deals with an alert."""

    metric = "alert_acknowledgements"
    alert: int
    node: str
    device: str
    rule: str
    by: str


class AlertLabelled(Happening, frozen=True):
    """Somebody said what a detector's alert was worth: its series' threshold moves."""

    metric = "alert_labels"
    alert: int
    node: str
    device: str
    series: str
    rule: str
    label: str
    by: str


class SilenceChanged(Happening, frozen=True):
    """Somebody silenced alerts, or took that back."""

    level = Level.WARNING
    metric = "silence_changes"
    silence: int
    change: str
    by: str
    why: str


class AlertCommented(Happening, frozen=True):
    """Somebody wrote something about an alert."""

    metric = "alert_comments"
    alert: int
    node: str
    device: str
    rule: str
    by: str


class MaintenanceChanged(Happening, frozen=True):
    """Somebody planned works, or ended them."""

    level = Level.WARNING
    metric = "maintenance_changes"
    maintenance: int
    change: str
    by: str
    why: str


class AlertsUnreadable(Happening, frozen=True):
    """A group of events is damaged; it's passed over once the scrub has made it a gap."""

    level = Level.ERROR
    metric = "alerts_unreadable"
    cause: str
