"""How devices are: from when they were heard last and how often they send. Pure."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from holdfast.devices.settings import DevicesSettings
from holdfast.devices.tally import Longs
from holdfast.kernel.clock import NS_PER_S

UNLEARNED_S = 3600.0
"""A device whose interval isn't known yet is silent after an hour."""


class State(IntEnum):
    """How a device is, best first."""

    ONLINE = 0
    LATE = 1
    SILENT = 2
    NEVER = 3


def states(
    settings: DevicesSettings, seen_boot: Longs, interval_s: NDArray[np.float64], now_boot: int
) -> NDArray[np.uint8]:
    """Each device's state, shape (devices,).

    seen_boot: when it was heard last, ns since boot, 0 = never; interval_s: NaN = not known
    """
    quiet_s = (now_boot - seen_boot) / NS_PER_S
    unknown = np.isnan(interval_s)
    usual = np.where(unknown, 0.0, interval_s)
    late_s = np.where(unknown, UNLEARNED_S, np.maximum(settings.late_after * usual, settings.patience))
    silent_s = np.where(unknown, UNLEARNED_S, np.maximum(settings.silent_after * usual, 2 * settings.patience))
    found = np.full(len(seen_boot), State.ONLINE, np.uint8)
    found[quiet_s > late_s] = State.LATE
    found[quiet_s > silent_s] = State.SILENT
    found[seen_boot == 0] = State.NEVER
    return found


def overlap_ns(begin_ns: int, end_ns: int, spans: list[tuple[int, int]]) -> int:
    """How much of a time lies in some other, disjoint times."""
    return sum(max(0, min(end_ns, end) - max(begin_ns, begin)) for begin, end in spans)
