"""The MQTT server's shell: timers, and what all sockets share.

What happens is decided in `connection` and `broker`; listeners are in `doors`, who comes in is `entrance`'s to say.

All that a connection is sent in one turn of the loop, PUBACKs of many runs included, leaves in one write: settling
and routing only mark the socket as dirty, and one call at the end of the turn writes.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from holdfast.adapters.mqtt import happenings
from holdfast.adapters.mqtt.broker import Broker
from holdfast.adapters.mqtt.commanding import CommandPublisher
from holdfast.adapters.mqtt.connection import Connection
from holdfast.adapters.mqtt.door_settings import ListenerSettings
from holdfast.adapters.mqtt.doors import Door
from holdfast.adapters.mqtt.entrance import Entrance
from holdfast.adapters.mqtt.ledger import Ledger
from holdfast.adapters.mqtt.names import TopicNames
from holdfast.adapters.mqtt.reader import Reader
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.sockets import Socket
from holdfast.adapters.port import Inbox, Publisher
from holdfast.journal.journal import Journal
from holdfast.journal.mqtt_sessions import read_sessions, read_wills
from holdfast.kernel.clock import NS_PER_MS, Clock
from holdfast.telemetry.happenings import Telemetry

_TICK_S = 0.5
_LOOK_S = 5.0  # how often files are looked at that may have been renewed


@dataclass(frozen=True, slots=True)
class MqttStats:
    """The server in numbers."""

    connections: int
    sessions: int
    subscriptions: int
    retained: int
    received: int
    sent: int
    dropped: int
    queued: int
    unsettled: int
    paused: bool


class MqttServer:
    """Our MQTT server: devices publish, local clients subscribe."""

    def __init__(
        self,
        settings: MqttSettings,
        inbox: Inbox,
        clock: Clock,
        telemetry: Telemetry,
        journal: Journal | None = None,
        path: Callable[[str], Path] = Path,
    ) -> None:
        """journal: where sessions that may outlive their connections are kept, None = in memory only.

        path: makes the paths of the settings absolute
        """
        self.publisher: Publisher
        self.entrance = Entrance(settings, clock, telemetry, path)
        self._settings = settings
        self._inbox = inbox
        self._clock = clock
        self._telemetry = telemetry
        self._journal = journal
        self._ledger = None if journal is None else Ledger(journal.submit, _soon, clock)
        self._broker = self.publisher = Broker(settings, inbox, clock, self._ledger)
        self._names = TopicNames()
        self._sockets: dict[Socket, None] = {}  # in the order in which they are served when there's room again
        self._dirty: list[Socket] = []
        self._full = False
        self._stopping = False
        self._doors = [Door(each, key, self, settings.connect_timeout, path) for key, each in _listeners(settings)]
        self._looked_at = clock.monotonic()
        self._ticker: asyncio.TimerHandle | None = None
        self._quiet = asyncio.Event()
        _register(telemetry, self.stats)

    @property
    def commands(self) -> CommandPublisher:
        """Hands commands over to devices."""
        return CommandPublisher(self._broker, self._clock)

    # For the node

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            ListenFailed: an address can't be used; the hint says what to do.
            TlsUnusable, StorageUnusable, UsersUnusable, SettingsInvalid: a certificate, its key or the file of users
                or rules can't be used.
        """
        loop = asyncio.get_running_loop()
        self.entrance.load()
        try:
            for door in self._doors:
                await door.open(loop)
        except BaseException:
            for door in self._doors:
                door.close()
            raise
        self._ticker = loop.call_later(_TICK_S, self._tick, loop)
        self._tell_state(online=True)
        if self._settings.subscribers_first:
            self._full = True
            loop.call_later(self._settings.subscribers_first, self._open)
        for door in self._doors:
            self._telemetry.emit(happenings.MqttListenerStarted(str(door)))

    @property
    def doors(self) -> list[Door]:
        """Its listeners, in the order of the settings."""
        return self._doors

    @property
    def ports(self) -> list[int]:
        """Where it listens, in the order of the settings."""
        return [door.address.port for door in self._doors]

    @property
    def port(self) -> int:
        """Where the first listener listens; 0 before the start and without listeners."""
        return next(iter(self.ports), 0)

    async def stop(self, deadline_s: float) -> None:
        """Read no more, give outstanding receipts until the deadline to settle, then say goodbye and close.

        Wills aren't published: the clients didn't fail, the node is going.
        """
        self._stopping = True
        self._tell_state(online=False)
        for door in self._doors:
            door.close()
        self.entrance.credentials.close()
        for each in self._sockets:
            each.stop_reading()
        await self._await_receipts(deadline_s)
        unsettled = self._unsettled()
        for each in list(self._sockets):
            each.connection.close(Reason.SHUTTING_DOWN)
        self._flush()
        if self._ticker is not None:
            self._ticker.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._until_quiet(lambda: not self._sockets)
        for each in list(self._sockets):
            each.abort()
        if self._ledger is not None:
            self._ledger.flush()
        if self._ticker is not None:
            self._telemetry.emit(happenings.MqttListenerStopped(unsettled))

    async def recall(self) -> None:
        """Bring back stored sessions; call before anything is published, `start` included."""
        if self._journal is None or self._ledger is None:
            return
        stored = await asyncio.to_thread(read_sessions, self._journal)
        wills = await asyncio.to_thread(read_wills, self._journal)
        lost = self._broker.restore(stored, self._ledger, self._clock.monotonic(), wills)
        if stored or wills:
            messages = sum(len(one.letters) for one in stored) + len(wills)
            self._telemetry.emit(happenings.MqttSessionsRecalled(len(stored), messages - lost, lost))

    def _tell_state(self, *, online: bool) -> None:
        """Say whether this host application is there (Sparkplug 3.0.0 §5.1): edge nodes that name it wait for it."""
        host = self._settings.sparkplug_host
        if host:
            said = {"online": online, "timestamp": self._clock.wall_ns() // NS_PER_MS}
            self._broker.publish(f"spBv1.0/STATE/{host}", msgspec.json.encode(said), retain=True)

    def stats(self) -> MqttStats:
        """The server in numbers, now."""
        tally = self._broker.tally
        return MqttStats(
            connections=len(self._sockets),
            sessions=self._broker.sessions,
            subscriptions=self._broker.subscriptions,
            retained=len(self._broker.retained),
            received=self._broker.received,
            sent=tally.sent,
            dropped=tally.dropped,
            queued=self._broker.waiting,
            unsettled=self._unsettled(),
            paused=self._full,
        )

    def restore_retained(self, messages: Mapping[str, bytes]) -> None:
        """Keep retained messages that the node persisted; call before `start`."""
        self._broker.restore_retained(messages)

    def on_retained(self, callback: Callable[[str, bytes], None]) -> None:
        """Call back when a retained message changes that no `Arrival` carries; an empty payload means cleared."""
        self._broker.on_retained(callback)

    # Gate: for connections

    @property
    def full(self) -> bool:
        """The inbox takes nothing more now."""
        return self._full

    def shut(self) -> None:
        """The inbox said it is full: read no publisher until it calls back."""
        if self._full:
            return
        self._full = True
        self._telemetry.emit(happenings.MqttReadingChanged("paused"))
        for each in self._sockets:
            each.connection.gate_shut()
        self._inbox.when_drained(self._open)

    def noted(self, connection: Connection, reason: Reason, detail: str) -> None:
        """A client was turned away or broke the protocol."""
        self.entrance.noted(connection, reason, detail)

    def _open(self) -> None:
        self._full = False
        now = self._clock.monotonic()
        for each in list(self._sockets):
            if self._full:
                return  # full again: the rest stays parked, and is first in turn at the next call
            if each in self._sockets:
                self._sockets[each] = self._sockets.pop(each)
            each.connection.gate_opened(now)
        self._telemetry.emit(happenings.MqttReadingChanged("resumed"))

    # For doors

    def welcome(self, address: str) -> bool:
        """May one more come in from this address?"""
        return self.entrance.welcome(address, len(self._sockets))

    def arrived(self) -> None:
        """One that was welcome is a socket now, or gone."""
        self.entrance.arriving -= 1

    def refused_tls(self) -> None:
        """A handshake failed."""
        self.entrance.counts.refused_tls += 1

    def refused_websocket(self) -> None:
        """A client broke WebSocket, or asked for something else."""
        self.entrance.counts.refused_websocket += 1

    def make_socket(self, identity: str) -> Socket:
        """The MQTT end of a new connection."""
        loop = asyncio.get_running_loop()
        return Socket(self, self.entrance, loop, self._clock, self.entrance.make_guest(), identity)

    # For sockets

    def admit(self, each: Socket) -> bool:
        """Count a new socket in; False when the server is stopping."""
        if self._stopping:
            return False
        self._sockets[each] = None
        return True

    def forget(self, each: Socket) -> None:
        """A socket is gone."""
        self._sockets.pop(each, None)
        self._quiet.set()

    def make_connection(self, each: Socket) -> tuple[Connection, Reader]:
        """The protocol's two halves for a new socket."""
        now = self._clock.monotonic()
        connection = Connection(self._broker, self, each, self._settings, now, each.guest)
        return connection, Reader(self._names, self._settings.max_packet, self._settings.topic_aliases)

    def mark(self, each: Socket, loop: asyncio.AbstractEventLoop) -> None:
        """A socket has something to send at the end of this turn."""
        if not self._dirty:
            loop.call_soon(self._flush)
        self._dirty.append(each)

    def hurry(self) -> None:
        """Send now what subscribers were told: else it leaves after all that is there to be read has been (G6)."""
        for each in self._dirty:
            each.hurry()

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for each in dirty:
            each.flush()
        if self._stopping:
            self._quiet.set()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._clock.monotonic()
        for each in list(self._sockets):
            each.tick(now)
        self._broker.tick(now)
        self.entrance.tick(now)
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self.reload()
        self._ticker = loop.call_later(_TICK_S, self._tick, loop)

    def reload(self) -> None:
        """Read certificates, users and rules again where their files changed; done every few seconds, too."""
        changed, failed = self.entrance.reload()
        for door in self._doors:
            error = door.reload()
            if error is not None:
                door.trouble = error, self._clock.wall_ns()
                failed.append((str(door), error))
        for name, error in failed:
            self._telemetry.emit(happenings.MqttReloadFailed(name, str(error)))
        if changed:
            self._review()

    def _review(self) -> None:
        """Users or rules changed: who may stay does, with its new rights."""
        closed = unsubscribed = 0
        for each in list(self._sockets):
            if self.entrance.still(each.guest):
                unsubscribed += each.connection.review()
            else:
                closed += 1
                each.connection.close(Reason.NOT_AUTHORISED)
        self._telemetry.emit(happenings.MqttReloaded(closed, unsubscribed))

    def _unsettled(self) -> int:
        return sum(each.connection.outstanding for each in list(self._sockets))

    async def _await_receipts(self, deadline_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._until_quiet(lambda: not self._unsettled())

    async def _until_quiet(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._quiet.clear()
            await self._quiet.wait()


def _soon(turn: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(turn)


def _listeners(settings: MqttSettings) -> list[tuple[str, ListenerSettings]]:
    plain = [("mqtt.listen", ListenerSettings(settings.listen))] if settings.listen else []
    return plain + [(f"mqtt.listeners.{i}.listen", each) for i, each in enumerate(settings.listeners)]


def _register(telemetry: Telemetry, stats: Callable[[], MqttStats]) -> None:
    gauge, counter = telemetry.gauge, telemetry.counter
    gauge("mqtt_connections", "Open MQTT connections.", lambda: stats().connections)
    gauge("mqtt_sessions", "MQTT sessions, connected or not.", lambda: stats().sessions)
    gauge("mqtt_subscriptions", "MQTT subscriptions.", lambda: stats().subscriptions)
    gauge("mqtt_retained_messages", "Retained MQTT messages.", lambda: stats().retained)
    gauge("mqtt_queued_messages", "MQTT messages that wait for their subscribers.", lambda: stats().queued)
    gauge("mqtt_unsettled_messages", "QoS 1 and 2 messages that wait for their commit.", lambda: stats().unsettled)
    counter("mqtt_received_messages", "MQTT messages received.", lambda: stats().received)
    counter("mqtt_sent_messages", "MQTT messages sent to subscribers.", lambda: stats().sent)
    counter("mqtt_dropped_messages", "MQTT messages that gave way in full queues.", lambda: stats().dropped)
