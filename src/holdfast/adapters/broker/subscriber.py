"""Subscribes to one foreign broker; acknowledges what it sent only after our commit.

    broker ──PUBLISH──▶ chunk ──offer──▶ inbox ──commit──▶ receipt ──▶ PUBACK (QoS 1), PUBREC (QoS 2)

A chunk is acknowledged when all of its topics' receipts are settled, its identifiers in the order they came (MQTT 5
§4.6). What isn't acknowledged when a connection ends, the broker sends again on the next one: at least once. At QoS 2
identifiers taken and not released yet are remembered for as long as this process lives, so that only a restart makes
repeats; those, as QoS 1's, are recognised by the profile's message id.

Backpressure: the broker has at most Receive Maximum messages on the way to us, and the socket isn't read while the
inbox is full.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from holdfast.adapters.broker import packets
from holdfast.adapters.broker.errors import BrokerError, BrokerUnreachable
from holdfast.adapters.broker.happenings import BrokerConnected, BrokerReadingPaused
from holdfast.adapters.broker.link import Door, Link, connect
from holdfast.adapters.broker.packets import FAILED, PUBACK, PUBCOMP, PUBREC, PUBREL, Granted, Welcome
from holdfast.adapters.broker.reader import Chunk, Item, TopicRun
from holdfast.adapters.broker.settings import BrokerSettings
from holdfast.adapters.mqtt import fields
from holdfast.adapters.mqtt.reader import AckRun
from holdfast.adapters.port import Arrival, Inbox, Unwanted
from holdfast.adapters.supervised import AdapterStatus, Supervised, Worked
from holdfast.kernel.clock import Clock
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff

_SUBSCRIBE_PID = 1


class _Share:
    """The receipt of a chunk's topics: the last one settled acknowledges the whole chunk."""

    __slots__ = ("_left", "_owner", "chunk", "link", "session", "size")

    def __init__(
        self, owner: "BrokerSubscriber", link: Link, session: int, chunk: Chunk, runs: Sequence[TopicRun]
    ) -> None:
        self._owner, self._left = owner, len(runs)
        self.link, self.session, self.chunk = link, session, chunk
        self.size = sum(len(run.payloads) for run in runs)

    def settle(self) -> None:
        """One of the topics is on disk."""
        self._left -= 1
        if not self._left:
            self._owner.settled(self)

    def turn_away(self, _unwanted: Mapping[int, Unwanted]) -> None:
        """Some of a topic's aren't taken. They're let go: to keep them, the broker would keep all behind them, too."""
        self.settle()

    def refuse(self) -> None:
        """One of them won't be: nothing of the chunk is ever acknowledged, so the broker keeps it."""
        if self._left > 0:
            self._left = -1
            self._owner.refused(self)


class BrokerSubscriber:
    """Subscribes to one broker. `run` is its only task's body; everything happens on the loop's thread."""

    def __init__(
        self, name: str, settings: BrokerSettings, door: Door, inbox: Inbox, clock: Clock, telemetry: Telemetry
    ) -> None:
        self.name = name
        self._settings, self._door, self._inbox = settings, door, inbox
        self._clock, self._telemetry = clock, telemetry
        self._source = f"broker:{name}"
        self._link: Link | None = None
        self._over: asyncio.Future[BrokerError] | None = None
        self._granted: asyncio.Future[None] | None = None
        self._pending: set[bytes] = set()  # QoS 2 identifiers on their way to the disk
        self._taken: set[bytes] = set()  # those on disk that the broker hasn't released
        self._session = 0  # counts the broker's sessions of ours: identifiers mean nothing in another
        self._asked: Mapping[str, int] | None = None
        backoff = Backoff(settings.backoff_min, settings.backoff_max, Random())
        self._health = Supervised((self._source, "broker", str(settings.address)), clock, telemetry, backoff)
        self._granted_less = ""
        self._is_stopping = False
        self._received = self._unsettled = 0
        self._quiet = asyncio.Event()

    async def run(self) -> None:
        """Connect, subscribe, receive, and connect again, for ever."""
        await self._health.run(self._once)

    async def stop(self, deadline_s: float) -> None:
        """Read no more; what is under way is acknowledged within the deadline. Cancel `run` afterwards."""
        self._is_stopping = True
        if self._link is not None:
            self._link.hold(on=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self._unsettled:
                    self._quiet.clear()
                    await self._quiet.wait()
        if self._link is not None:
            self._link.close()

    def answer(self, topic: str, payload: bytes) -> bool:
        """Publish once on the connection that messages come by. Implements `adapters.port.Answering`."""
        if self._link is None:
            return False
        self._link.write(packets.publish(self._link.version, fields.text(topic), b"", payload))
        return True

    @property
    def is_connected(self) -> bool:
        """Can anything be published now?"""
        return self._link is not None

    def status(self) -> AdapterStatus:
        """The broker as an operator sees it."""
        filters = len(self._settings.subscribe)
        what = f"{filters} filter{'s' if filters > 1 else ''}, {self._received} messages received"
        detail = f"{what}; {self._granted_less}" if self._granted_less else what
        return self._health.status(detail, self._received, self._unsettled)

    async def _once(self, worked: Worked) -> None:
        loop = asyncio.get_running_loop()
        self._over, self._granted = loop.create_future(), loop.create_future()
        settings = self._settings
        hello = self._door.hello(round(settings.session_expiry), settings.receive_maximum)
        link, welcome = await connect(self._door, hello, self)
        try:
            await self._subscribe(link)
            worked()
            self._telemetry.emit(BrokerConnected(broker=self.name, url=str(settings.address), resumed=welcome.present))
            raise await self._over
        finally:
            link.close()
            self._link = None

    async def _subscribe(self, link: Link) -> None:
        wanted = self._settings.subscribe
        if self._asked == wanted:
            return
        link.write(packets.subscribe(link.version, _SUBSCRIBE_PID, list(wanted.items())))
        granted, over = self._granted, self._over
        if granted is None or over is None:
            return
        either: list[asyncio.Future[Any]] = [granted, over]
        await asyncio.wait(either, timeout=self._settings.timeout, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            raise over.result()
        if not granted.done():
            raise BrokerUnreachable("the broker didn't answer SUBSCRIBE")
        granted.result()
        self._asked = wanted

    # Owner

    def greeted(self, link: Link, welcome: Welcome) -> None:
        """The broker took us in; without our session, identifiers and subscriptions begin anew."""
        self._link = link
        if not welcome.present:
            self._session += 1
            self._pending.clear()
            self._taken.clear()
            self._asked = None

    def received(self, items: Sequence[Item]) -> None:
        """Packets came."""
        for item in items:
            if isinstance(item, Chunk):
                self._offer(item)
            elif isinstance(item, AckRun) and item.kind == PUBREL and self._link is not None:
                self._taken.difference_update(item.pids)
                self._link.write(packets.acks(PUBCOMP, item.pids))
            elif isinstance(item, Granted):
                self._on_granted(item)

    def lost(self, error: BrokerError) -> None:
        """The connection is gone."""
        if self._over is not None and not self._over.done():
            self._over.set_result(error)

    def keeps_up(self, *, yes: bool) -> None:
        """Acknowledgements are few; the socket's buffer holds them."""

    # Receipts

    def settled(self, share: _Share) -> None:
        """A chunk is on disk. QoS 1 isn't acknowledged on a connection that is gone: it comes again on the next."""
        self._done(share)
        if share.link is self._link:
            share.link.write(packets.acks(PUBACK, share.chunk.acks))
        recs = share.chunk.recs
        if recs and share.session == self._session:
            self._taken.update(recs)
            if self._link is not None:
                self._link.write(packets.acks(PUBREC, recs))

    def refused(self, share: _Share) -> None:
        """A chunk won't be on disk: the broker has to keep it."""
        self._done(share)
        if share.link is self._link:
            share.link.fail(BrokerError("the journal takes nothing", "See the node's status"))

    def _done(self, share: _Share) -> None:
        self._unsettled -= share.size
        if share.session == self._session:
            self._pending.difference_update(share.chunk.recs)
        self._quiet.set()

    def _on_granted(self, item: Granted) -> None:
        if self._granted is None or self._granted.done():
            return
        self._granted_less = ""
        for (topic_filter, qos), code in zip(self._settings.subscribe.items(), item.codes, strict=False):
            if code >= FAILED:
                self._granted.set_exception(packets.refused(code, f"filter {topic_filter}"))
                return
            if code < qos:
                self._granted_less = f"{topic_filter}: QoS {code} was granted, not {qos}"
        self._granted.set_result(None)

    def _offer(self, chunk: Chunk) -> None:
        link = self._link
        if link is None or self._is_stopping:
            return
        if chunk.recs:
            self._leave_repeats(link, chunk)
        runs = [run for run in chunk.runs.values() if run.payloads]
        share, now = _Share(self, link, self._session, chunk, runs), self._clock.wall_ns()
        self._received += share.size
        self._unsettled += share.size
        room = True
        for run in runs:
            room = self._inbox.offer(Arrival(self._source, run.topic, run.payloads, now, share, answers=self)) and room
        if not room:
            self._telemetry.emit(BrokerReadingPaused(broker=self.name))
            link.hold(on=True)
            self._inbox.when_drained(self._read_on)

    def _leave_repeats(self, link: Link, chunk: Chunk) -> None:
        """QoS 2: an identifier that was taken before and not released is the same message once more (§4.3.3).

        One that is still on its way to the disk is acknowledged when it's there.
        """
        repeats = (self._taken | self._pending).intersection(chunk.recs)
        link.write(packets.acks(PUBREC, [pid for pid in chunk.recs if pid in self._taken]))
        chunk.recs = [pid for pid in chunk.recs if pid not in repeats]
        self._pending.update(chunk.recs)
        if not repeats:
            return
        for run in chunk.runs.values():
            if run.qos == 2:
                kept = [i for i, pid in enumerate(run.pids) if pid not in repeats]
                run.payloads = [run.payloads[i] for i in kept]

    def _read_on(self) -> None:
        if self._link is not None and not self._is_stopping:
            self._link.hold(on=False)
