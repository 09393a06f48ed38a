"""A site's play: everything its devices show, in the order of time. Pure: no clock, no socket.

Each group's plant is stepped once in `every`; each device shows that step's values at its own moment within it (its
number by the golden ratio, so that neighbours are spread). What happens at one moment goes by group, then number.
"""

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from holdfast.kernel.clock import NS_PER_MS, NS_PER_S
from holdfast.sim.ends.port import SOUND, DevicePlan, End, Faults, Scalar
from holdfast.sim.plant.port import Plant
from holdfast.sim.site.faults import MOST_TIMES, DeviceFaults

_GOLDEN = (math.sqrt(5) - 1) / 2


class Showing(NamedTuple):
    """One device's state goes on the wire. offset_ns: since the start; at_ns: the device's own time, ns UTC."""

    offset_ns: int
    group: str
    device: str
    at_ns: int
    frames: Sequence[bytes]
    faults: Faults


@dataclass(frozen=True, slots=True)
class Group:
    """A group, ready to play. devices: by name, in the order of their numbers."""

    name: str
    every_ns: int
    together: bool
    longest_s: float
    plant: Plant
    end: End
    devices: Mapping[str, DevicePlan]
    faults: Mapping[str, DeviceFaults]


class _Due(NamedTuple):
    """Sorted by its first three: unique, so no more is compared."""

    offset_ns: int
    place: int
    number: int
    device: str
    row: tuple[Scalar, ...]


class Play:
    """Play it once: plants, ends and stuck sensors remember."""

    def __init__(self, groups: Sequence[Group], start_ns: int) -> None:
        """start_ns: when it begins, ns UTC."""
        self._groups, self._start_ns = groups, start_ns
        self._late: dict[str, list[Sequence[bytes]]] = {}

    def showings(self, until_ns: int | None = None) -> Iterator[Showing]:
        """Everything before `until_ns` after the start, in order; None = for ever."""
        streams = [self._dues(place, group) for place, group in enumerate(self._groups)]
        for due in heapq.merge(*streams):
            if until_ns is not None and due.offset_ns >= until_ns:
                return
            yield from self._shown(due)

    def _dues(self, place: int, group: Group) -> Iterator[_Due]:
        steps = max(1, math.ceil(group.every_ns / NS_PER_S / group.longest_s))
        dt_s = group.every_ns / NS_PER_S / steps
        phases = sorted((phase_ns(group, plan.number), plan.number, name) for name, plan in group.devices.items())
        names = tuple(next(iter(group.devices.values())).points)
        tick_ns = 0
        while True:
            for i in range(steps):
                group.plant.step((self._start_ns + tick_ns) / NS_PER_S + i * dt_s, dt_s)
            columns = group.plant.values()
            rows = list(zip(*(columns[name].tolist() for name in names), strict=True))
            yield from _tick(place, group, phases, tick_ns, rows)
            tick_ns += group.every_ns

    def _shown(self, due: _Due) -> Iterator[Showing]:
        group, device, offset = self._groups[due.place], due.device, due.offset_ns
        values: dict[str, Scalar] = dict(zip(group.devices[device].points, due.row, strict=True))
        faults = group.faults[device]
        at_ns = self._start_ns + offset
        if not faults.any:
            yield Showing(offset, group.name, device, at_ns, group.end.frames(device, at_ns, values), SOUND)
            return
        at_ns += faults.clock_off_ns(offset)
        faults.spoil(offset, values)
        frames = group.end.frames(device, at_ns, values)
        on_wire, sending = faults.on_wire(offset), faults.sending(offset)
        held = self._late.pop(device, [])
        if sending.is_late and not held:
            self._late[device] = [frames] * sending.copies
            return
        for each in [frames] * sending.copies + held:
            yield Showing(offset, group.name, device, at_ns, each, on_wire)


def _tick(
    place: int, group: Group, phases: list[tuple[int, int, str]], tick_ns: int, rows: list[tuple[Scalar, ...]]
) -> list[_Due]:
    """What a group shows within one step, in order."""
    dues: list[_Due] = []
    stormy = False
    for phase, number, device in phases:
        offset, row = tick_ns + phase, rows[number]
        dues.append(_Due(offset, place, number * MOST_TIMES, device, row))
        faults = group.faults[device]
        times = faults.messages(offset) if faults.any else 1
        left_ns = tick_ns + group.every_ns - offset  # a storm's messages come before the next step
        for k in range(1, times):
            stormy = True
            extra = k * left_ns // times // NS_PER_MS * NS_PER_MS
            dues.append(_Due(offset + extra, place, number * MOST_TIMES + k, device, row))
    if stormy:
        dues.sort()
    return dues


def phase_ns(group: Group, number: int) -> int:
    """When in its period a device shows its values, whole ms."""
    if group.together:
        return 0
    part = (number * _GOLDEN) % 1.0
    return int(part * (group.every_ns // NS_PER_MS)) * NS_PER_MS
