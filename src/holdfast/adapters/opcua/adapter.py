"""A server and its devices, for as long as the node runs: connects, subscribes, follows, and comes back by itself."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from holdfast.adapters.errors import DeviceFaulted, DeviceUnreachable, WriteRefused
from holdfast.adapters.feed import Feed
from holdfast.adapters.opcua import enums
from holdfast.adapters.opcua.binary import Change
from holdfast.adapters.opcua.delivery import Delivery
from holdfast.adapters.opcua.items import Device, Item
from holdfast.adapters.opcua.link import Link, node_id
from holdfast.adapters.opcua.settings import OpcuaSettings
from holdfast.adapters.opcua.subscription import PUBLISHES, Subscription, Taken
from holdfast.adapters.opcua.words import hint_of, status_words
from holdfast.adapters.opcua.writing import write
from holdfast.adapters.port import DeviceState, Inbox
from holdfast.adapters.supervised import AdapterStatus, Supervised, Worked, in_words
from holdfast.kernel.clock import Clock
from holdfast.model.points import PointMap, Scalar
from holdfast.telemetry.happenings import Happening, Level, Telemetry
from holdfast.transport.backoff import Backoff

KIND = "opcua"
_MOST_TOLD = 3


class OpcuaValuesMissed(Happening, frozen=True):
    """Messages of a server were lost for good: what changed meanwhile isn't known; values were read anew."""

    level = Level.WARNING
    metric = "opcua_values_missed"
    adapter: str


class OpcuaNodesUnreadable(Happening, frozen=True):
    """Nodes of a server can't be read; the others are. They are tried again every `look_again`."""

    level = Level.WARNING
    adapter: str
    nodes: int
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What an adapter is made of."""

    settings: OpcuaSettings
    items: Sequence[Item]
    devices: Mapping[str, Device]


class OpcuaAdapter:
    """One server of `opcua:`. Implements `adapters.port.EdgeAdapter`."""

    kind = KIND

    def __init__(
        self, name: str, parts: Parts, link: Link, inbox: Inbox, clock: Clock, telemetry: Telemetry, rng: Random
    ) -> None:
        """name: its key in node.yaml."""
        self.name = f"{KIND}:{name}"
        self._settings, self._items, self._devices = parts.settings, parts.items, parts.devices
        self._link, self._clock, self._telemetry = link, clock, telemetry
        self.feed = Feed(self.name, inbox, clock)
        self.delivery = Delivery(self._items, self._devices, self.feed, clock)
        backoff = Backoff(self._settings.backoff_min, self._settings.backoff_max, rng)
        self._supervised = Supervised((self.name, KIND, self._settings.where), clock, telemetry, backoff)
        self._subscription: Subscription | None = None
        self._unread: dict[int, str] = {}
        """Handles of nodes that can't be read, and why."""
        self._lost_ns = 0
        self._is_stopping = False
        self._refreshing: asyncio.Task[None] | None = None
        self._writes = asyncio.Lock()

    async def run(self) -> None:
        """See `EdgeAdapter`."""
        await self._supervised.run(self._attempt)

    async def _attempt(self, worked: Worked) -> None:
        while not self._is_stopping:
            try:
                is_same = await self._link.open()
            except Exception:
                if self._is_stopping:
                    return
                self.delivery.silent(self._lost_ns or self._clock.wall_ns())
                raise
            try:
                await self._work(worked, is_same=is_same)
            except* Taken:
                self._subscription = None
                self.delivery.gap()
                await asyncio.sleep(self._settings.backoff_min)  # some would take the next one away, too
            except* Exception as group:  # noqa: BLE001  # of the tasks' errors the first one says why
                if not self._is_stopping:
                    raise group.exceptions[0] from None
            finally:
                self._lost_ns = self._clock.wall_ns()
                if self._refreshing is not None:
                    self._refreshing.cancel()
                await self._link.cut()

    async def _work(self, worked: Worked, *, is_same: bool) -> None:
        before = self._subscription
        subscription = await self._subscribed(is_same=is_same)
        if self.delivery.is_silent and subscription is before:  # a new one tells every value by itself
            await self._refresh()
        worked()
        async with asyncio.TaskGroup() as group:
            for _ in range(PUBLISHES):
                group.create_task(subscription.follow(self._take, self._missed, lambda: self.feed.is_full))
            group.create_task(subscription.guard())
            group.create_task(self._link.renew())
            group.create_task(self._look_again(subscription))

    async def _subscribed(self, *, is_same: bool) -> Subscription:
        """The subscription of before, where the server still has it, with what it couldn't deliver; else a new one."""
        before = self._subscription
        if before is not None and (is_same or await before.carry_over()):
            before.heard = self._clock.monotonic()
            if await before.catch_up(self._take):
                return before
        if before is not None:
            self.delivery.counts.gaps += 1
            self.delivery.silent(self._lost_ns)
        self._subscription = None
        made = Subscription(self._link, self._settings, self._clock)
        await made.make()
        await enums.learn(self._link, self._items)
        self._unread.clear()
        await self._watch(made, range(len(self._items)))
        self._subscription = made
        return made

    async def _watch(self, subscription: Subscription, handles: Sequence[int]) -> None:
        """Have nodes watched; those that can't be are told, once."""
        spaces, unknown = self._link.spaces, {}
        known = [i for i in handles if self._items[i].address.resolved(spaces) is not None]
        for i in set(handles) - set(known):
            unknown[i] = f"the server has no namespace {self._items[i].address.space}"
        hint = "" if not unknown else "`holdfast opcua browse URL` shows its namespaces"
        self.delivery.anew(known)
        for i, code in await subscription.watch(self._items, known):
            if code >> 30 == 2:  # bad
                unknown[i], hint = status_words(code), hint_of(code)
            elif self._unread.pop(i, None):
                self._items[i].error = ""
        news = [i for i in unknown if self._unread.get(i) != unknown[i]]
        self._unread.update(unknown)
        for i in news:
            self.delivery.unreadable(self._items[i], unknown[i])
        if news:
            told = "; ".join(f"{self._items[i].device}.{self._items[i].name}: {unknown[i]}" for i in news[:_MOST_TOLD])
            said = OpcuaNodesUnreadable(adapter=self.name, nodes=len(unknown), detail=told, hint=hint)
            self._telemetry.emit(said)

    async def _look_again(self, subscription: Subscription) -> None:
        while True:
            await asyncio.sleep(self._settings.look_again)
            if self._unread:
                await self._watch(subscription, list(self._unread))

    def _take(self, change: Change) -> None:
        self.delivery.changes(change.values)
        self._supervised.worked()

    def _missed(self) -> None:
        self.delivery.gap()
        self._telemetry.emit(OpcuaValuesMissed(adapter=self.name))
        self._refreshing = asyncio.create_task(self._refresh_quietly())

    async def _refresh_quietly(self) -> None:
        try:
            await self._refresh()
        except Exception as error:  # noqa: BLE001  # whatever it is: the connection's own tasks see it, too
            self._telemetry.emit(OpcuaNodesUnreadable(self.name, len(self._items), *in_words(error)))

    async def _refresh(self) -> None:
        """Read every node: what they are now."""
        handles = [i for i in range(len(self._items)) if i not in self._unread]
        found = [self._items[i].address.resolved(self._link.spaces) for i in handles]
        values = await self._link.read([node_id(one) for one in found if one is not None])
        kept = [i for i, one in zip(handles, found, strict=True) if one is not None]
        self.delivery.changes(zip(kept, values, strict=True), is_state=True)

    async def stop(self, deadline_s: float) -> None:
        """See `EdgeAdapter`."""
        self._is_stopping = True
        await self._link.close(deadline_s)

    def status(self) -> AdapterStatus:
        """See `EdgeAdapter`."""
        counts, feed = self.delivery.counts, self.feed
        nodes = len(self._items) - len(self._unread)
        said = [f"{nodes} of {len(self._items)} nodes"] if self._subscription else []
        said += [f"{counts.values} values"] if counts.values else []
        said += [f"{counts.gaps} gaps"] if counts.gaps else []
        said += [f"{counts.lost} times values lost in the server's queues"] if counts.lost else []
        said += ["held back: the inbox is full"] if feed.is_full else []
        return self._supervised.status(", ".join(said), feed.received, feed.unsettled)

    def devices(self) -> list[DeviceState]:
        """See `EdgeAdapter`."""
        status = self._supervised.status()
        errors: dict[str, list[str]] = {name: [] for name in self._devices}
        for item in self._items:
            if item.error:
                errors[item.device].append(f"{item.name}: {item.error}")
        return [self._state(one, errors[one.name], status) for one in self._devices.values()]

    def _state(self, device: Device, errors: Sequence[str], status: AdapterStatus) -> DeviceState:
        is_up = self._link.is_open and status.state == "working"
        state: Literal["waiting", "working", "failing"] = "working" if is_up and device.last_ns else "waiting"
        if status.state == "failing" or (len(errors) == len(device.items) and is_up):
            state = "failing"
        error = status.error if status.state == "failing" else "; ".join(errors[:_MOST_TOLD])
        if len(errors) > _MOST_TOLD and status.state != "failing":
            error += f"; and {len(errors) - _MOST_TOLD} more"
        where = self._settings.where
        return DeviceState(device.name, where, state, 0.0, device.last_ns, skipped=device.lost, error=error)

    async def try_once(self) -> str:
        """See `EdgeAdapter`."""
        try:
            await self._link.open()
            found = [(item, item.address.resolved(self._link.spaces)) for item in self._items]
            nodes = [node_id(one) for _, one in found if one is not None]
            values = await self._link.read(nodes)
            known = [item for item, one in found if one is not None]
            bad = [(item, one.code) for item, one in zip(known, values, strict=True) if one.code >> 30 > 1]
            lacking = [f"{item.name}: no namespace {item.address.space}" for item, one in found if one is None]
            lacking += [f"{item.name}: {status_words(code)}" for item, code in bad]
            if lacking:
                hint = hint_of(bad[0][1]) if bad else "`holdfast opcua browse URL` shows its namespaces"
                said = f"it answers, and {len(lacking)} of {len(found)} nodes can't be read: {'; '.join(lacking[:3])}"
                raise DeviceFaulted(said, hint)
            return f"{self._settings.where} took us in, {len(values)} nodes read"
        finally:
            await self._link.close(self._settings.timeout)

    def writes(self, device: str) -> bool:
        """See `EdgeAdapter`."""
        found = self._devices.get(device)
        return found is not None and any(one.writable for one in found.map.points.values())

    def map_of(self, device: str) -> PointMap | None:
        """See `EdgeAdapter`."""
        found = self._devices.get(device)
        return None if found is None else found.map

    async def write(self, device: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """See `EdgeAdapter`."""
        items = {item.name: item for item in self._items if item.device == device}
        for name in values:
            if name not in items or not items[name].node.writable:
                raise WriteRefused(f"`{name}` of {device} may not be written", "`writable: true` in its map allows it")
        if not self._link.is_open:
            raise DeviceUnreachable(f"{self._settings.where}: there is no connection")
        async with self._writes:
            return await write(self._link, {items[name]: value for name, value in values.items()}, self._settings)
