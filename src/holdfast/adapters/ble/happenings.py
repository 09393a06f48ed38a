"""What the listener says beside what every adapter does (`adapters.supervised`); on change only."""

from holdfast.telemetry.happenings import Happening


class BleRecordingPlayed(Happening, frozen=True):
    """A recording of advertisements has been played to its end."""

    metric = "ble_recordings_played"
    adapter: str
    advertisements: int
