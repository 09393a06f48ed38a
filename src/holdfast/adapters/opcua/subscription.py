"""One subscription with its monitored items: made, carried over to another session, and followed. Loop thread only."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from math import ceil
from struct import Struct
from typing import Any

from asyncua import ua

from holdfast.adapters.errors import DeviceFaulted, DeviceUnreachable
from holdfast.adapters.opcua import answers, binary
from holdfast.adapters.opcua.answers import Published
from holdfast.adapters.opcua.binary import Change
from holdfast.adapters.opcua.errors import Malformed, ServerSaid
from holdfast.adapters.opcua.following import Following
from holdfast.adapters.opcua.items import Item
from holdfast.adapters.opcua.link import Link, node_id
from holdfast.adapters.opcua.settings import NodePoint, OpcuaSettings
from holdfast.adapters.opcua.words import NO_SUBSCRIPTION, NOT_AVAILABLE, TIMED_OUT, TOO_MANY_PUBLISHES
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError

PUBLISHES = 3
"""Requests that wait at the server: one that is answered is on its way while the next ones can be."""
_MOST_AT_ONCE = 5_000
"""Values in one message; the server sends the rest in the next."""
_MOST_AGAIN = 1_000
_FULL_S = 0.05
_PERCENT = "%"


class Taken(Exception):  # no error: it ends the tasks
    """The server took the subscription away; the next one is made at once."""


class Subscription:
    """What the server holds for us. number: its name there; quiet_s: between two messages when nothing changes."""

    def __init__(self, link: Link, settings: OpcuaSettings, clock: Clock) -> None:
        self._link, self._settings, self._clock = link, settings, clock
        self.number = 0
        self.quiet_s = settings.keep_alive
        self.following = Following()
        self.heard = clock.monotonic()
        self._acks: list[tuple[int, int]] = []
        self._in_order = asyncio.Lock()

    async def make(self) -> None:
        """A new one."""
        s = self._settings
        quiet = max(1, round(s.keep_alive / s.publish_every))
        wanted = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=s.publish_every * 1_000,
            RequestedLifetimeCount=max(3 * quiet, ceil(s.resume / s.publish_every)),
            RequestedMaxKeepAliveCount=quiet,
            MaxNotificationsPerPublish=_MOST_AT_ONCE,
        )
        request = ua.CreateSubscriptionRequest()
        request.Parameters = wanted
        found = await self._link.ask(request, _subscription_made)
        self.number, every_ms, count = found
        self.quiet_s = max(every_ms / 1_000 * count, s.publish_every)
        self.following, self._acks = Following(), []
        self.heard = self._clock.monotonic()

    async def carry_over(self) -> bool:
        """Take it from the session of before to this one (Part 4 §5.13.7); False = the server has none."""
        wanted = ua.TransferSubscriptionsParameters([self.number], False)
        try:
            (found,) = await self._link.call(lambda c: c.uaclient.transfer_subscriptions(wanted))
        except (HoldfastError, ValueError):
            return False
        return bool(found.StatusCode.is_good())

    async def catch_up(self, take: Callable[[Change], None]) -> bool:
        """Ask for what was sent and didn't arrive (Part 4 §5.13.6); False = the server doesn't know us any more."""
        for _ in range(_MOST_AGAIN):
            result, change = await self._again(self.following.expected)
            if result >> 30 == 2:  # bad
                return result == NOT_AVAILABLE
            self.following.take(change.number, (), is_quiet=False)
            self._acks.append((self.number, change.number))
            take(change)
        return True

    async def _again(self, number: int) -> tuple[int, Change]:
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = self.number
        request.Parameters.RetransmitSequenceNumber = number
        try:
            return 0, await self._link.ask(request, answers.republished)
        except ServerSaid as error:
            return error.code, Change(0, ())

    async def watch(self, items: Sequence[Item], handles: Iterable[int]) -> list[tuple[int, int]]:
        """Have these watched; (handle, StatusCode) of each."""
        wanted = list(handles)
        found: list[tuple[int, int]] = []
        for i in range(0, len(wanted), self._link.most_items):
            part = wanted[i : i + self._link.most_items]
            request = ua.CreateMonitoredItemsRequest()
            request.Parameters.SubscriptionId = self.number
            request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            request.Parameters.ItemsToCreate = [self._wanted(items[handle], handle) for handle in part]
            told = await self._link.ask(request, answers.items_made)
            if len(told) != len(part):
                msg = f"{self._settings.where} answers {len(told)} of {len(part)} monitored items"
                raise DeviceFaulted(msg)
            found += [(handle, one.code) for handle, one in zip(part, told, strict=True)]
        return found

    def _wanted(self, item: Item, handle: int) -> Any:
        node, s = item.node, self._settings
        address = item.address.resolved(self._link.spaces)
        if address is None:
            msg = f"the server has no namespace {item.address.space}"
            raise DeviceFaulted(msg)
        sampling = s.sampling if node.sampling is None else node.sampling
        parameters = ua.MonitoringParameters(
            ClientHandle=handle,
            SamplingInterval=sampling * 1_000,
            QueueSize=node.queue or s.queue,
            DiscardOldest=True,
            Filter=_filter(node),
        )
        return ua.MonitoredItemCreateRequest(
            ua.ReadValueId(NodeId=node_id(address), AttributeId=ua.AttributeIds.Value),
            ua.MonitoringMode.Reporting,
            parameters,
        )

    async def follow(
        self, take: Callable[[Change], None], lost: Callable[[], None], is_full: Callable[[], bool]
    ) -> None:
        """Wait for messages for ever. take: gets each in order; lost: some are gone; is_full: ask for no more now."""
        while True:
            await self._room(is_full)
            acks, self._acks = self._acks, []
            try:
                found = await self._link.publish(acks)
            except ServerSaid as error:
                await self._refused(error)
                continue
            self.heard = self._clock.monotonic()
            if found.subscription == self.number:  # else: the last words of one that is gone
                async with self._in_order:  # messages wait while one that is missing is asked for
                    await self._room(is_full)
                    await self._take(found, take, lost)

    async def _room(self, is_full: Callable[[], bool]) -> None:
        """Wait until the inbox takes more; silence isn't the server's fault meanwhile."""
        while is_full():
            self.heard = self._clock.monotonic()
            await asyncio.sleep(_FULL_S)

    async def _take(self, found: Published, take: Callable[[Change], None], lost: Callable[[], None]) -> None:
        change = found.change
        turn = self.following.take(change.number, found.available, is_quiet=found.is_quiet)
        is_lost = turn.lost > 0
        for number in turn.republish:
            result, again = await self._again(number)
            if result:
                is_lost = True
            else:
                self._acks.append((self.number, number))
                take(again)
        if is_lost:
            lost()
        if turn.is_new:
            self._acks.append((self.number, change.number))
            take(change)
        if change.status >> 30:
            raise Taken

    @staticmethod
    async def _refused(error: ServerSaid) -> None:
        """A request to publish was refused: by a server that takes fewer of them, or has none of our subscriptions."""
        if error.code == NO_SUBSCRIPTION:
            raise Taken from error
        if error.code == TOO_MANY_PUBLISHES:
            await asyncio.sleep(1.0)
        elif error.code != TIMED_OUT:
            raise error

    async def guard(self) -> None:
        """End with an error when nothing comes any more, not even that nothing has changed."""
        longest = 2 * self.quiet_s + min(self._settings.timeout, max(1.0, self.quiet_s))
        while True:
            silence = self._clock.monotonic() - self.heard
            if silence > longest:
                msg = f"{self._settings.where} has said nothing for {silence:.1f} s"
                raise DeviceUnreachable(msg, "Does it hang? Its connection is still open")
            await asyncio.sleep(min(1.0, longest / 4))


_CREATED = 790
_MADE = Struct("<IdII")


def _subscription_made(data: bytes) -> tuple[int, tuple[int, float, int]]:
    reader = binary.Reader(data)
    number, result = reader.header()
    if result >> 30 == 2:  # bad
        return result, (0, 0.0, 0)
    if number != _CREATED:
        msg = f"an answer of the kind {number} came, not {_CREATED}"
        raise Malformed(msg)
    at = reader.at
    reader.skip(_MADE.size)
    subscription, every_ms, _, quiet = _MADE.unpack_from(data, at)
    if not (0 <= every_ms < 86_400_000):  # a day; a NaN isn't, either
        every_ms = 0.0
    return result, (subscription, every_ms, min(quiet, 10_000))


def _filter(node: NodePoint) -> Any:
    """The deadband, absolute or in per cent of EURange (Part 8 §7.2)."""
    if node.deadband is None:
        return None
    text = str(node.deadband).strip()
    is_share = text.endswith(_PERCENT)
    return ua.DataChangeFilter(
        Trigger=ua.DataChangeTrigger.StatusValue,
        DeadbandType=ua.DeadbandType.Percent if is_share else ua.DeadbandType.Absolute,
        DeadbandValue=float(text.removesuffix(_PERCENT)),
    )
