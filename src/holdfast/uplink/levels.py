"""How much may be sent, by measured goodput. Pure.

| level   | goodput            | lanes                                                          | bodies up to         |
|---------|--------------------|----------------------------------------------------------------|----------------------|
| wide    | else, and unknown  | all                                                            | the parent's bounds  |
| narrow  | < `narrow_below`   | all; lane 2 waits while lane 1 has a batch under way           | `narrow_body`        |
| trickle | < `trickle_below`  | 0; of 1 and 2 one small probe together, soon and then seldom   | a probe's            |

Upwards a level is left only at `hysteresis` times its threshold. Levels may be skipped both ways: a link that was
plugged in again needn't climb. The probe (1 s after the level was reached, then after twice the time each, up to
`probe_every`) is what measures a trickling link when lane 0 is quiet, so that no level is for ever, and what lets bulk
drip on meanwhile.
"""

from enum import StrEnum

from holdfast.uplink.settings import AdaptSettings


class Level(StrEnum):
    """How good the link is, as far as it was measured."""

    WIDE = "wide"
    NARROW = "narrow"
    TRICKLE = "trickle"


def next_level(level: Level, bytes_per_s: float | None, settings: AdaptSettings) -> Level:
    """The level after `level` at this goodput; None = unknown, which changes nothing."""
    if bytes_per_s is None:
        return level
    bits = 8 * bytes_per_s
    if bits < settings.trickle_below * (settings.hysteresis if level is Level.TRICKLE else 1.0):
        return Level.TRICKLE
    if bits < settings.narrow_below * (1.0 if level is Level.WIDE else settings.hysteresis):
        return Level.NARROW
    return Level.WIDE
