"""What the registry tells the log and the metrics: on change only, and one line for many devices at once."""

from holdfast.telemetry.happenings import Happening, Level


class DevicesFound(Happening, frozen=True):
    """Devices that were never seen before. names: some of them."""

    metric = "devices_found"
    devices: int
    names: str
    waiting: int


class DevicesWentSilent(Happening, frozen=True):
    """Devices have sent nothing for many times their interval. names: some of them."""

    level = Level.WARNING
    metric = "devices_silences"
    devices: int
    names: str


class DevicesReturned(Happening, frozen=True):
    """Devices that were silent send again. names: some of them."""

    metric = "devices_returns"
    devices: int
    names: str


class DevicesOverBudget(Happening, frozen=True):
    """Of these devices more messages were refused in 24 h than they may. names: some of them."""

    level = Level.WARNING
    metric = "devices_budgets_spent"
    devices: int
    names: str


class DevicesNotFollowed(Happening, frozen=True):
    """More devices have sent than are followed; raise `devices.limit`, or find out who makes up names."""

    level = Level.WARNING
    metric = "devices_limits_reached"
    limit: int


class DevicesUntold(Happening, frozen=True):
    """The parent can't be told how this node's devices are; what it knows of them grows old."""

    level = Level.WARNING
    metric = "devices_tellings_failed"
    detail: str


class DevicesTold(Happening, frozen=True):
    """The parent is told again."""


class DeviceChanged(Happening, frozen=True):
    """Somebody accepted, renamed, replaced, labelled or retired a device."""

    metric = "devices_changes"
    done: str
    device: str
    detail: str
