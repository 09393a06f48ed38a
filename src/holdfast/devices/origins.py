"""From where each device's messages came lately: source and topic. Pure.

The hot path pays a look into one array a micro-batch: only the first message of a device in a minute is noted.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

AGAIN_NS = 60 * 10**9
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
        self._is_due = np.zeros(1, np.bool_)
        self._since_ns = 0

    def heard(self, devices: NDArray[np.int32], runs: Sequence[Heard]) -> None:
        """devices: of each message of the runs, in order; below 0 = not followed."""
        if not len(devices):
            return
        self._turn(int(devices.max()), runs[-1].received_ns)
        due = np.flatnonzero(self._is_due[devices])  # below 0 is the last place, which is never due
        if not len(due):
            return
        numbers, first = np.unique(devices[due], return_index=True)
        ends = np.cumsum([len(run.payloads) for run in runs])
        places = np.searchsorted(ends, due[first], side="right")
        for number, place in zip(numbers.tolist(), places.tolist(), strict=True):
            self._note(number, runs[place])
        self._is_due[numbers] = False

    def _turn(self, highest: int, now_ns: int) -> None:
        if highest >= len(self._is_due) - 1:
            grown = np.ones(max(2 * len(self._is_due), highest + 2), np.bool_)
            grown[: len(self._is_due) - 1] = self._is_due[:-1]
            self._is_due = grown
        elif abs(now_ns - self._since_ns) > AGAIN_NS:  # the clock may be set back
            self._is_due[:] = True
            self._since_ns = now_ns
        self._is_due[-1] = False

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
