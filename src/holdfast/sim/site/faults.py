"""Faults of one device: what they make of its values, its clock and its messages. Pure.

Whether a fault is on depends on the time since the start, the seed and the device only; so does what befalls a message.
Stuck values alone are remembered.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from holdfast.kernel.clock import NS_PER_S
from holdfast.sim.ends.port import SOUND, Faults, PointPlan, Scalar
from holdfast.sim.plant.chance import share_of
from holdfast.sim.site.settings import (
    ClockSkew,
    Drift,
    Dropout,
    Duplicates,
    FaultBase,
    FaultSettings,
    Garbage,
    HalfOpen,
    MessageFault,
    Noise,
    Reordered,
    Slow,
    Storm,
    Stuck,
    ValueFault,
)

_NS_PER_H = 3600 * NS_PER_S
_DIGITS = 6
MOST_TIMES = 1000
"""Most messages a storm makes of one."""


class Sending(NamedTuple):
    """What becomes of a message. copies: how often it's sent; is_late: after the device's next one."""

    copies: int = 1
    is_late: bool = False


_ONCE = Sending()


class _Mine(NamedTuple):
    """A fault of this device. key: what its chance hangs on; points: those it spoils."""

    fault: FaultSettings
    key: str
    points: tuple[str, ...]


class DeviceFaults:
    """One device's faults."""

    def __init__(
        self, seed: int, device: str, points: Mapping[str, PointPlan], faults: Sequence[FaultSettings], *, pushed: bool
    ) -> None:
        """pushed: it sends of its own accord; duplicates, reordering and storms befall no others."""
        self._mine = [
            _Mine(fault, f"{seed}/{place}/{device}", _spoiled(fault, points))
            for place, fault in enumerate(faults)
            if fnmatchcase(device, fault.devices) and (pushed or not getattr(fault, "PUSHED", False))
        ]
        self._types = {name: plan.type for name, plan in points.items()}
        self._held: dict[tuple[str, str], tuple[int, Scalar]] = {}

    @property
    def any(self) -> bool:
        """Has it any?"""
        return bool(self._mine)

    def clock_off_ns(self, offset_ns: int) -> int:
        """How wrong its clock is at `offset_ns` after the start, ns."""
        total = 0
        for fault, key, _ in self._mine:
            if isinstance(fault, ClockSkew) and (began := _began(fault, key, offset_ns)) is not None:
                total += round(fault.seconds * NS_PER_S) + round(fault.ppm * (offset_ns - began) / 1e6)
        return total

    def messages(self, offset_ns: int) -> int:
        """How many messages it sends instead of one."""
        times = 1
        for fault, key, _ in self._mine:
            if isinstance(fault, Storm) and _began(fault, key, offset_ns) is not None:
                times *= fault.times
        return min(times, MOST_TIMES)

    def spoil(self, offset_ns: int, values: dict[str, Scalar]) -> None:
        """Make of the true values what its sensors say."""
        for mine in self._mine:
            if isinstance(mine.fault, ValueFault):
                began = _began(mine.fault, mine.key, offset_ns)
                for point in mine.points:
                    values[point] = self._spoiled(mine, began, offset_ns, point, values[point])

    def on_wire(self, offset_ns: int) -> Faults:
        """What is wrong with it on the wire."""
        dropout = half_open = garbage = False
        slow_s = 0.0
        for fault, key, _ in self._mine:
            if not isinstance(fault, Dropout | HalfOpen | Garbage | Slow) or not _befalls(fault, key, offset_ns):
                continue
            dropout |= isinstance(fault, Dropout)
            half_open |= isinstance(fault, HalfOpen)
            garbage |= isinstance(fault, Garbage)
            slow_s += fault.by if isinstance(fault, Slow) else 0.0
        if not (dropout or half_open or garbage or slow_s):
            return SOUND
        return Faults(dropout=dropout, slow_s=slow_s, half_open=half_open, garbage=garbage)

    def sending(self, offset_ns: int) -> Sending:
        """What becomes of the message."""
        copies, is_late = 1, False
        for fault, key, _ in self._mine:
            if isinstance(fault, Duplicates | Reordered) and _befalls(fault, key, offset_ns):
                copies += fault.times if isinstance(fault, Duplicates) else 0
                is_late |= isinstance(fault, Reordered)
        return _ONCE if copies == 1 and not is_late else Sending(copies, is_late)

    def _spoiled(self, mine: _Mine, began: int | None, offset_ns: int, point: str, value: Scalar) -> Scalar:
        fault, key, _ = mine
        if isinstance(fault, Stuck):
            return self._stuck(key, began, point, value)
        if began is None or isinstance(value, str):
            return value
        wrong = float(value)
        if isinstance(fault, Drift):
            wrong += fault.step + fault.per_hour * (offset_ns - began) / _NS_PER_H
        elif isinstance(fault, Noise):
            total = sum(share_of(key, point, offset_ns, i) for i in range(3))
            wrong += fault.deviation * (total - 1.5) * 2.0
        return round(wrong) if self._types[point] == "int" else round(wrong, _DIGITS)

    def _stuck(self, key: str, began: int | None, point: str, value: Scalar) -> Scalar:
        """The value as of the first message of the fault's time."""
        if began is None:
            self._held.pop((key, point), None)
            return value
        since, held = self._held.get((key, point), (-1, value))
        if since != began:
            self._held[key, point] = began, value
            return value
        return held


def _spoiled(fault: FaultSettings, points: Mapping[str, PointPlan]) -> tuple[str, ...]:
    """The points of a value fault: every kind sticks, only numbers drift."""
    if not isinstance(fault, ValueFault):
        return ()
    types = ("float", "int", "bool", "text") if isinstance(fault, Stuck) else ("float", "int")
    return tuple(name for name, plan in points.items() if plan.type in types and fnmatchcase(name, fault.points))


def _began(fault: FaultBase, key: str, offset_ns: int) -> int | None:
    """When the time began in which the fault is on now, ns since the start; None = it's off."""
    since = offset_ns - round(fault.from_ * NS_PER_S)
    if since < 0:
        return None
    lasts = None if fault.for_ is None else round(fault.for_ * NS_PER_S)
    if fault.each is None:
        return offset_ns - since if lasts is None or since < lasts else None
    slot_ns = round(fault.each * NS_PER_S)
    slot = since // slot_ns
    for each in (slot, slot - 1):  # what began late in the slot before may still go on
        begins = each * slot_ns + int(share_of(key, "each", each) * slot_ns)
        if each >= 0 and begins <= since and (lasts is None or since < begins + lasts):
            return offset_ns - since + begins
    return None


def _befalls(fault: FaultSettings, key: str, offset_ns: int) -> bool:
    """Does it befall the message sent at `offset_ns`?"""
    if _began(fault, key, offset_ns) is None:
        return False
    if isinstance(fault, MessageFault) and fault.share < 1.0:
        return share_of(key, "share", offset_ns) < fault.share
    return True
