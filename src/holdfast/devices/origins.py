"""From where each device's messages came lately: source and topic. Pure.

The hot path pays a look into one array a micro-batch: only the first message of a device in a minute is noted.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

AGAIN_NS = 60 * 10**9
_FEW = 16
"""Messages that are looked at one by one more quickly than at once."""
MOST_EACH = 8
"""Sources and topics remembered of one device; the one unheard longest goes."""


class Heard(Protocol):
    """A run of messages; `adapters.port.Arrival`."""

    @property
    def source(self) -> str:
        """Who handed it over."""
        ...

    @property
    def topic(self) -> str:
        """On what."""
        ...

    @property
    def payloads(self) -> Sequence[bytes]:
        """One a message."""
        ...

    @property
    def received_ns(self) -> int:
        """When, ns UTC."""
        ...


class Origin(NamedTuple):
    """A way on which a device's messages came. heard_ns: when one was noted last, ns UTC; within a minute."""

    source: str
    topic: str
    heard_ns: int


class Origins:
    """Of the followed devices, by number; as many as the registry follows. Loop thread only."""

    def __init__(self) -> None:
        self._of: dict[int, dict[tuple[str, str], int]] = {}
        self._due = bytearray(1)  # a place a device; the last one stands for those not followed, and is never due
        self._view = np.frombuffer(self._due, np.bool_)
        self._since_ns = 0

    def heard(self, devices: NDArray[np.int32], runs: Sequence[Heard]) -> None:
        """devices: of each message of the runs, in order; -1 = not followed."""
        if not len(devices):
            return
        if abs(runs[-1].received_ns - self._since_ns) > AGAIN_NS:  # the clock may be set back
            self._since_ns = runs[-1].received_ns
            self._view[:-1] = True
        elif len(devices) <= _FEW and not self._is_any_due(devices.tolist()):
            return
        if (highest := int(devices.max())) >= len(self._due) - 1:
            self._grow(highest)
        due = np.flatnonzero(self._view[devices])
        if not len(due):
            return
        numbers, first = np.unique(devices[due], return_index=True)
        ends = np.cumsum([len(run.payloads) for run in runs])
        places = np.searchsorted(ends, due[first], side="right")
        for number, place in zip(numbers.tolist(), places.tolist(), strict=True):
            self._note(number, runs[place])
        self._view[numbers] = False

    def _is_any_due(self, numbers: list[int]) -> bool:
        due, end = self._due, len(self._due) - 1
        return any(number >= end or due[number] for number in numbers)

    def _grow(self, highest: int) -> None:
        """New devices are due."""
        known = self._due[:-1]
        self._due = known + b"\1" * (max(2 * len(known), highest + 1) - len(known)) + b"\0"
        self._view = np.frombuffer(self._due, np.bool_)

    def _note(self, number: int, run: Heard) -> None:
        known = self._of.setdefault(number, {})
        key = run.source, run.topic
        known.pop(key, None)
        known[key] = run.received_ns
        if len(known) > MOST_EACH:
            del known[next(iter(known))]

    def of(self, number: int) -> list[Origin]:
        """Of one device, the latest first; none = nothing of it was heard since the node started."""
        return [Origin(*key, at) for key, at in reversed(self._of.get(number, {}).items())]
