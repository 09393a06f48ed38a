"""What serial lines say beside what every adapter does (`adapters.supervised`); on change only."""

from holdfast.telemetry.happenings import Happening, Level

WHYS = ("checksum", "encoding", "too_long", "partial")
"""Why frames aren't taken."""


class SerialFramesRefused(Happening, frozen=True):
    """Frames of an instrument aren't taken. Said at most once a minute; begins: the last one's first bytes, in hex."""

    level = Level.WARNING
    metric = "serial_refusals_told"
    line: str
    frames: int
    begins: str
    hint: str


class SerialSilent(Happening, frozen=True):
    """An instrument has gone: nothing came for too long, or its line is closed."""

    level = Level.WARNING
    metric = "serial_silences"
    line: str
    silent_s: float


class SerialHeard(Happening, frozen=True):
    """An instrument that was gone is heard again."""

    metric = "serial_returns"
    line: str
    gone_s: float
