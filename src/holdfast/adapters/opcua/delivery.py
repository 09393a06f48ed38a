"""Hands what the server told to the node: points by device, with each value's own time and quality.

The time is the SourceTimestamp, else the ServerTimestamp, else now. A value that was true already when we came back
after a gap has an old time, and would stand before the mark that says `offline`: it's told as of when the server knows
it to be true (ServerTimestamp, Part 4 §7.11.4), else now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.adapters.feed import Feed
from holdfast.adapters.opcua.binary import DataValue
from holdfast.adapters.opcua.items import Device, Item
from holdfast.adapters.opcua.values import overflowed, points
from holdfast.adapters.points import Point, offline, points_payload, values_payload
from holdfast.kernel.clock import Clock
from holdfast.model.points import Scalar


@dataclass(slots=True)
class Counts:
    """Since the start. lost: values that the server's queues lost, at least; gaps: times that something was missed."""

    values: int = 0
    bad: int = 0
    lost: int = 0
    gaps: int = 0
    skipped: int = 0


class Delivery:
    """Values of one server. Loop thread only."""

    def __init__(self, items: Sequence[Item], devices: Mapping[str, Device], feed: Feed, clock: Clock) -> None:
        self._items, self._devices, self._feed, self._clock = items, devices, feed, clock
        self.counts = Counts()
        self.is_silent = False
        """All devices were said to be offline, and nothing has come since."""
        self._mark_ns = 0
        self._unheard: set[int] = set()
        """Handles whose next value is what was true already, not a change."""

    def anew(self, handles: Iterable[int]) -> None:
        """These have a new monitored item: the first value of each is its state."""
        self._unheard.update(handles)

    def changes(self, values: Iterable[tuple[int, DataValue]], *, is_state: bool = False) -> bool:
        """Values came. is_state: they were read, and aren't changes. False = the inbox is full, some were not taken."""
        now, items, unheard = self._clock.wall_ns(), self._items, self._unheard
        piles: dict[str, list[Point]] = {}
        for handle, value in values:
            if not 0 <= handle < len(items):
                continue
            item = items[handle]
            ts = value.source_ns or value.server_ns or now
            if (is_state or handle in unheard) and ts <= self._mark_ns:
                ts = value.server_ns if value.server_ns > self._mark_ns else now
            if unheard:
                unheard.discard(handle)
            if isinstance(value.value, list) and not item.has_elements:
                value = self._unwanted(item, value)  # noqa: PLW2901  # it stands for it
            found = points(item.names, item.node.type, value, ts, item.enum)
            self._count(item, value, found)
            piles.setdefault(item.device, []).extend(found)
        self.is_silent = self.is_silent and not piles
        taken = [self._put(self._devices[name], pile, now) for name, pile in piles.items()]
        return all(taken)

    def _count(self, item: Item, value: DataValue, found: Sequence[Point]) -> None:
        counts, device = self.counts, self._devices[item.device]
        counts.values += 1
        device.values += 1
        if overflowed(value.code):
            counts.lost += 1
            device.lost += 1
        if found[0].quality != "good":
            counts.bad += 1

    def _unwanted(self, item: Item, value: DataValue) -> DataValue:
        """An array where the map doesn't want one: no value, and a bad one."""
        self.counts.skipped += 1
        item.error = "its value is an array: `array: first`, or how many of its elements are wanted"
        return value._replace(value=None, code=value.code | 0x80000000)

    def _put(self, device: Device, pile: Sequence[Point], now: int) -> bool:
        device.last_ns = now
        together = _together(pile)
        if together is not None:
            return self._feed.put(device.map.topic, values_payload(device.name, pile[0].ts_ns or now, together))
        return self._feed.put(f"{device.map.topic}/q", points_payload(device.name, pile))

    def silent(self, since_ns: int) -> None:
        """The server is gone: each point of each device is offline, said once; in a full inbox at the next call."""
        if self.is_silent:
            return
        self._mark_ns = since_ns
        self.is_silent = self._mark_all(since_ns)

    def gap(self) -> None:
        """Something was missed, and nobody knows of which node: until the next value none is known."""
        self.counts.gaps += 1
        self._mark_ns = self._clock.wall_ns()
        self._mark_all(self._mark_ns)

    def _mark_all(self, at_ns: int) -> bool:
        taken = True
        for device in self._devices.values():
            marks = [one._replace(ts_ns=at_ns) for one in offline(device.map.points)]
            taken = self._feed.put(f"{device.map.topic}/q", points_payload(device.name, marks)) and taken
        return taken

    def unreadable(self, item: Item, why: str) -> None:
        """A node isn't there, or may not be read: its readings are bad."""
        is_news, item.error = item.error != why, why
        if is_news:
            device, now = self._devices[item.device], self._clock.wall_ns()
            bad = [Point(name, None, "bad", now) for name in item.names]
            self._feed.put(f"{device.map.topic}/q", points_payload(device.name, bad))


def _together(pile: Sequence[Point]) -> dict[str, Scalar] | None:
    """The values, when all are good, of one time, and one a name: the fast way; else None."""
    ts = pile[0].ts_ns
    found: dict[str, Scalar] = {}
    for name, value, quality, at in pile:
        if at != ts or quality != "good" or value is None:
            return None
        found[name] = value
    return found if len(found) == len(pile) and not found.keys() & {"device", "ts"} else None
