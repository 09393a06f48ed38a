"""How far each device's clock is from ours: the least delayed of its messages tells.

A message's lead (the device's time minus the time of receipt) is the device's skew minus the time it was under way, so
the greatest lead of a while is the best estimate, low by the shortest delay. Messages that a device kept while it was
offline have small leads and don't disturb it. Sliding window: the greater maximum of this half and of the former one.

The hot path only keeps references to a batch's columns; they are worked up together, a few times a second at most.
Bounds: devices numbered from `max_devices` on are counted, not followed; `_PILE` messages are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.decoder import Decoded
from holdfast.codecs.times import NOT_TOLD
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.series import Catalogue

# Worked up in a millisecond: while that's done an alert waits.
_PILE = 1024  # messages
_PILE_BATCHES = 64


@dataclass(frozen=True, slots=True)
class DeviceSkew:
    """A device's clock against ours. skew_s: positive = it is ahead; messages: looked at since the start."""

    node: str
    device: str
    skew_s: float
    messages: int


class SkewTable:
    """Estimates by catalogue device number. Loop thread only."""

    def __init__(self, catalogue: Catalogue, half_window_ns: int = 300 * NS_PER_S, max_devices: int = 20_000) -> None:
        self.not_followed = 0
        self._catalogue, self._half_ns, self._max = catalogue, half_window_ns, max_devices
        self._now_max = self._before_max = np.full(0, NOT_TOLD)
        self._messages = np.zeros(0, np.int64)
        self._turned_ns = 0
        self._pile: list[Decoded] = []
        self._piled = 0

    def offer(self, decoded: Decoded) -> None:
        """Take a batch's leads; cheap."""
        self._pile.append(decoded)
        self._piled += len(decoded.lead)
        if self._piled >= _PILE or len(self._pile) >= _PILE_BATCHES:
            self.work_up()

    def work_up(self) -> None:
        """Bring the estimates up to what was offered."""
        pile, self._pile, self._piled = self._pile, [], 0
        pile = [decoded for decoded in pile if len(decoded.message)]
        if not pile:
            return
        series, lead = _leads(pile)
        device = self._catalogue.device_of[series]
        taken = (device < self._max) & (lead != NOT_TOLD)
        self.not_followed += int(np.count_nonzero(device >= self._max))
        device, lead = device[taken], lead[taken]
        if len(device):
            self._make_room(int(device.max()) + 1)
            np.maximum.at(self._now_max, device, lead)
            self._messages += np.bincount(device, minlength=len(self._messages))

    def turn(self, boot_ns: int) -> None:
        """Let time pass: call about once a second."""
        self.work_up()
        if boot_ns - self._turned_ns >= self._half_ns:
            self._turned_ns = boot_ns
            self._before_max, self._now_max = self._now_max, np.full(len(self._now_max), NOT_TOLD)

    def forget(self) -> None:
        """Our own clock was set: what was known is about another clock."""
        self._pile, self._piled = [], 0
        self._now_max = np.full(len(self._now_max), NOT_TOLD)
        self._before_max = self._now_max.copy()

    def worst(self, limit: int) -> tuple[int, list[DeviceSkew]]:
        """How many devices are estimated, and those farthest from our clock, farthest first."""
        self.work_up()
        best = np.maximum(self._now_max, self._before_max)
        known = np.flatnonzero(best != NOT_TOLD)
        order = known[np.argsort(-np.abs(best[known]), kind="stable")[:limit]]
        names = self._catalogue.device_names
        rows = [
            DeviceSkew(names[d][0], names[d][1], round(int(best[d]) / NS_PER_S, 6), int(self._messages[d]))
            for d in order.tolist()
        ]
        return len(known), rows

    def _make_room(self, wanted: int) -> None:
        have = len(self._now_max)
        if wanted > have:
            more = max(wanted, min(2 * have, self._max)) - have
            unknown = np.full(more, NOT_TOLD)
            self._now_max = np.concatenate([self._now_max, unknown])
            self._before_max = np.concatenate([self._before_max, unknown])
            self._messages = np.concatenate([self._messages, np.zeros(more, np.int64)])


def _leads(pile: Sequence[Decoded]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """(a series of its device, lead) of each message that became rows, of all batches together."""
    ends = np.cumsum([len(decoded.lead) for decoded in pile])
    before = np.concatenate(([0], ends[:-1])).repeat([len(decoded.message) for decoded in pile])
    message = np.concatenate([decoded.message for decoded in pile]) + before
    first = np.empty(len(message), np.bool_)
    first[0] = True
    np.not_equal(message[1:], message[:-1], out=first[1:])
    series = np.concatenate([decoded.batch.series for decoded in pile])[first]
    return series, np.concatenate([decoded.lead for decoded in pile])[message[first]]
