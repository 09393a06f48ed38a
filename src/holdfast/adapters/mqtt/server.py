"""The MQTT server's shell: sockets, timers and nothing else. What happens is decided in `connection` and `broker`.

All that a connection is sent in one turn of the loop, PUBACKs of many runs included, leaves in one write: settling
and routing only mark the socket as dirty, and one call at the end of the turn writes.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from holdfast.adapters.mqtt import happenings, packets
from holdfast.adapters.mqtt.broker import Broker
from holdfast.adapters.mqtt.connection import Connection, Phase
from holdfast.adapters.mqtt.errors import ListenFailed
from holdfast.adapters.mqtt.ledger import Ledger
from holdfast.adapters.mqtt.names import TopicNames
from holdfast.adapters.mqtt.reader import Reader
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.port import Inbox, Publisher
from holdfast.journal.journal import Journal
from holdfast.journal.mqtt_sessions import read_sessions
from holdfast.kernel.clock import Clock
from holdfast.telemetry.happenings import Telemetry

_TICK_S = 0.5
_LINGER_S = 5.0  # a peer that takes nothing any more is cut this long after its close
_WRITE_LIMIT = 1024 * 1024  # bytes in a socket's buffer above which its subscriber doesn't keep up


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
    ) -> None:
        """journal: where sessions that may outlive their connections are kept; None = in memory only."""
        self.publisher: Publisher
        self.port = 0
        self._settings = settings
        self._inbox = inbox
        self._clock = clock
        self._telemetry = telemetry
        self._journal = journal
        self._ledger = None if journal is None else Ledger(journal.submit, _soon, clock)
        self._broker = self.publisher = Broker(settings, inbox, clock, self._ledger)
        self._names = TopicNames()
        self._sockets: set[_Socket] = set()
        self._dirty: list[_Socket] = []
        self._full = False
        self._stopping = False
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._quiet = asyncio.Event()
        _register(telemetry, self.stats)

    # For the node

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            ListenFailed: the address can't be used; the hint says what to do.
        """
        host, _, port = self._settings.listen.rpartition(":")
        if not host or not port.isdecimal():
            raise ListenFailed(self._settings.listen, "not an address", "Write mqtt.listen as host:port")
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Socket(self, loop, self._clock), host.strip("[]"), int(port), backlog=1024
            )
        except (OSError, OverflowError) as error:
            raise _explained(self._settings.listen, error) from error
        self.port = self._server.sockets[0].getsockname()[1]
        self._ticker = loop.call_later(_TICK_S, self._tick, loop)
        self._telemetry.emit(happenings.MqttListenerStarted(f"{host}:{self.port}"))

    async def stop(self, deadline_s: float) -> None:
        """Read no more, give outstanding receipts until the deadline to settle, then say goodbye and close.

        Wills aren't published: the clients didn't fail, the node is going.
        """
        self._stopping = True
        if self._server is not None:
            self._server.close()
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
        if self._server is not None:
            self._telemetry.emit(happenings.MqttListenerStopped(unsettled))

    async def recall(self) -> None:
        """Bring back stored sessions; call before anything is published, `start` included."""
        if self._journal is None or self._ledger is None:
            return
        stored = await asyncio.to_thread(read_sessions, self._journal)
        lost = self._broker.restore(stored, self._ledger, self._clock.monotonic())
        if stored:
            messages = sum(len(one.letters) for one in stored)
            self._telemetry.emit(happenings.MqttSessionsRecalled(len(stored), messages - lost, lost))

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
        peer = next((each.peer for each in self._sockets if each.connection is connection), "")
        self._telemetry.emit(
            happenings.MqttConnectionFaulted(connection.client, peer, reason.name.lower(), detail),
        )

    def _open(self) -> None:
        self._full = False
        now = self._clock.monotonic()
        for each in list(self._sockets):
            if self._full:
                return  # full again: the rest stays parked until the next call
            each.connection.gate_opened(now)
        self._telemetry.emit(happenings.MqttReadingChanged("resumed"))

    # For sockets

    def admit(self, each: "_Socket") -> bool:
        """Count a new socket in; False when there are too many or the server is stopping."""
        if self._stopping or len(self._sockets) >= self._settings.max_connections:
            return False
        self._sockets.add(each)
        return True

    def forget(self, each: "_Socket") -> None:
        """A socket is gone."""
        self._sockets.discard(each)
        self._quiet.set()

    def make_connection(self, each: "_Socket") -> tuple[Connection, Reader]:
        """The protocol's two halves for a new socket."""
        now = self._clock.monotonic()
        connection = Connection(self._broker, self, each, self._settings, now)
        return connection, Reader(self._names, self._settings.max_packet, self._settings.topic_aliases)

    def mark(self, each: "_Socket", loop: asyncio.AbstractEventLoop) -> None:
        """A socket has something to send at the end of this turn."""
        if not self._dirty:
            loop.call_soon(self._flush)
        self._dirty.append(each)

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
        self._ticker = loop.call_later(_TICK_S, self._tick, loop)

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


class _Socket(asyncio.Protocol):
    """One socket; the `Wire` of its connection."""

    def __init__(self, server: MqttServer, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._server = server
        self._loop = loop
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._acks: list[bytes] = []
        self._frames: list[bytes] = []
        self._closing_since: float | None = None
        self._marked = False
        self._deaf = False
        self.peer = ""
        self.connection, self._reader = server.make_connection(self)
        self._feed, self._received = self._reader.feed, self.connection.received

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's aren't subclasses of it
        if not self._server.admit(self):
            self.connection.phase = Phase.CLOSED
            transport.abort()
            return
        self.peer = str(transport.get_extra_info("peername"))
        transport.set_write_buffer_limits(high=_WRITE_LIMIT)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        items = self._feed(data)
        self._received(items, self._clock.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it; why it was lost changes nothing
        self._transport = None
        self._server.forget(self)
        self.connection.lost(self._clock.monotonic())
        self.connection.phase = Phase.CLOSED

    def pause_writing(self) -> None:
        self.connection.keeps_up(self._clock.monotonic(), yes=False)

    def resume_writing(self) -> None:
        self.connection.keeps_up(self._clock.monotonic(), yes=True)

    # Wire

    def acknowledge(self, pids: list[bytes]) -> None:
        self._acks.extend(pids)
        if not self._marked:
            self._mark()

    def write(self, frames: Sequence[bytes]) -> None:
        if frames:
            if self._acks:  # keep the order in which things were said
                self._frames.append(packets.pubacks(self._acks))
                self._acks = []
            self._frames.extend(frames)
            if not self._marked:
                self._mark()

    def hang_up(self) -> None:
        self.flush()
        if self._transport is not None:
            self._closing_since = self._clock.monotonic()
            self._transport.close()

    def hold(self, *, on: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or transport.is_reading() is not on:
            return
        if on:
            transport.pause_reading()
        elif self._closing_since is None and not self._deaf:
            transport.resume_reading()

    # For the server

    def flush(self) -> None:
        """Write what this turn gathered."""
        self._marked = False
        if not self._acks and not self._frames:
            return
        acks, self._acks = packets.pubacks(self._acks), []
        data = b"".join((*self._frames, acks)) if self._frames else acks
        self._frames = []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def tick(self, now: float) -> None:
        """Keep-alive; cut a peer that doesn't let its connection close."""
        if self._closing_since is None:
            self.connection.tick(now)
        elif now - self._closing_since > _LINGER_S:
            self.abort()

    def stop_reading(self) -> None:
        """Read no more, for good."""
        self._deaf = True
        self.hold(on=True)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _mark(self) -> None:
        self._marked = True
        self._server.mark(self, self._loop)


def _soon(turn: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(turn)


def _explained(listen: str, error: Exception) -> ListenFailed:
    number = error.errno if isinstance(error, OSError) else None
    cause, hint = {
        errno.EADDRINUSE: (
            "the port is in use",
            "Stop the other program (often another broker), or choose another port in mqtt.listen",
        ),
        errno.EACCES: ("not permitted", "Ports below 1024 need rights; choose one above in mqtt.listen"),
        errno.EADDRNOTAVAIL: ("this machine doesn't have that address", "Choose one of its own in mqtt.listen"),
    }.get(number or 0, (str(error), "Check mqtt.listen"))
    return ListenFailed(listen, cause, hint)


def _register(telemetry: Telemetry, stats: Callable[[], MqttStats]) -> None:
    telemetry.gauge("mqtt_connections", "Open MQTT connections", lambda: stats().connections)
    telemetry.gauge("mqtt_sessions", "MQTT sessions, connected or not", lambda: stats().sessions)
    telemetry.gauge("mqtt_subscriptions", "MQTT subscriptions", lambda: stats().subscriptions)
    telemetry.gauge("mqtt_retained", "Retained MQTT messages", lambda: stats().retained)
    telemetry.gauge("mqtt_received", "MQTT messages received since start", lambda: stats().received)
    telemetry.gauge("mqtt_sent", "MQTT messages sent to subscribers since start", lambda: stats().sent)
    telemetry.gauge("mqtt_dropped", "MQTT messages that gave way in full queues", lambda: stats().dropped)
    telemetry.gauge("mqtt_queued", "MQTT messages waiting for their subscribers", lambda: stats().queued)
    telemetry.gauge("mqtt_unsettled", "QoS 1 and 2 messages waiting for their commit", lambda: stats().unsettled)
