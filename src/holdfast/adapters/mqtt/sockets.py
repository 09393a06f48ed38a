"""One client's socket: asyncio's protocol on one side, the `Wire` of its connection on the other.

The first packet of a stranger is small (`reader.LONGEST_CONNECT`), must come whole within `connect_timeout`, and waits
here until its password was checked. After that, what comes goes straight to the connection, or through the meter where
there is one.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

import uvloop.loop

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.connection import Connection
from holdfast.adapters.mqtt.credentials import Done
from holdfast.adapters.mqtt.guests import Guest
from holdfast.adapters.mqtt.packets import Connect
from holdfast.adapters.mqtt.phases import Phase
from holdfast.adapters.mqtt.rates import Bucket
from holdfast.adapters.mqtt.reader import Item, PublishRun, Reader
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.kernel.clock import Clock

_LINGER_S = 5.0  # a peer that takes nothing any more is cut this long after its close
_WRITE_LIMIT = 1024 * 1024  # bytes in a socket's buffer above which its subscriber doesn't keep up
_PLAIN: type = vars(uvloop.loop)["TCPTransport"]  # its stubs don't tell


class Server(Protocol):
    """What a socket needs of the server."""

    def admit(self, each: "Socket") -> bool:
        """Count a new socket in; False when there are too many or the server is stopping."""
        ...

    def forget(self, each: "Socket") -> None:
        """A socket is gone."""
        ...

    def make_connection(self, each: "Socket") -> tuple[Connection, Reader]:
        """The protocol's two halves for a new socket."""
        ...

    def mark(self, each: "Socket", loop: asyncio.AbstractEventLoop) -> None:
        """A socket has something to send at the end of this turn."""
        ...


class Checks(Protocol):
    """What a socket needs of the entrance."""

    def check(self, connect: Connect, guest: Guest, done: Done) -> Reason | None:
        """Who is it? None = `done` is called later. Gives the guest its rights."""
        ...

    def meters(self, client: str) -> tuple[Bucket | None, Bucket | None]:
        """The buckets of a client's messages and bytes, where these are bounded."""
        ...

    def throttled(self) -> None:
        """A client is over its rate."""
        ...


class Socket(asyncio.Protocol):
    """One socket."""

    __slots__ = (
        "__weakref__",
        "_acks",
        "_checks",
        "_clock",
        "_closing_since",
        "_credit",
        "_feed",
        "_frames",
        "_held",
        "_identity",
        "_is_deaf",
        "_is_marked",
        "_loop",
        "_meters",
        "_reader",
        "_received",
        "_server",
        "_transport",
        "_waiting",
        "connection",
        "guest",
    )

    def __init__(
        self,
        server: Server,
        checks: Checks,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        guest: Guest,
        identity: str = "",
    ) -> None:
        """identity: which name of the client's certificate is its user name, `cn` or `san`; empty = none."""
        self.guest = guest
        self._server = server
        self._checks = checks
        self._loop = loop
        self._clock = clock
        self._identity = identity
        self._transport: asyncio.Transport | None = None
        self._acks: list[bytes] = []
        self._frames: list[bytes] = []
        self._closing_since: float | None = None
        self._is_marked = False
        self._is_deaf = False
        self._held = False
        self._waiting: list[Item] | None = None
        self._meters: tuple[Bucket | None, Bucket | None] = (None, None)
        self._credit: asyncio.TimerHandle | None = None
        self.connection, self._reader = server.make_connection(self)
        self._feed = self._reader.feed
        self._received: Callable[[Sequence[Item], float], None] = self._greet

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is here."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's aren't subclasses of it
        if not self._server.admit(self):
            self.connection.phase = Phase.CLOSED
            transport.abort()
            return
        peer = transport.get_extra_info("peername")
        self.guest.peer, self.guest.address = str(peer), str(peer[0]) if isinstance(peer, tuple) else ""
        if self._identity:
            self.guest.identity = certified_name(transport.get_extra_info("peercert"), self._identity)
        transport.set_write_buffer_limits(high=_WRITE_LIMIT)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        items = self._feed(data)
        self._received(items, self._clock.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it; why it was lost changes nothing
        """The socket is gone."""
        self._transport = None
        if self._credit is not None:
            self._credit.cancel()
        self._server.forget(self)
        self.connection.lost(self._clock.monotonic())
        self.connection.phase = Phase.CLOSED
        self._received = _ignore  # a bound method here would keep the socket alive until the next full collection

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self.connection.keeps_up(self._clock.monotonic(), yes=False)

    def resume_writing(self) -> None:
        """The client takes more."""
        self.connection.keeps_up(self._clock.monotonic(), yes=True)

    # From stranger to client

    def _greet(self, items: Sequence[Item], now: float) -> None:
        if not items:
            return  # part of a CONNECT isn't a sign of life: `connect_timeout` goes on
        first = items[0]
        if type(first) is not Connect:
            self.connection.received(items, now)
            return
        if self.guest.identity:
            first = replace(first, username=self.guest.identity)
        self._waiting = [first, *items[1:]]
        self._received = self._wait
        verdict = self._checks.check(first, self.guest, self._judged)
        if verdict is None:
            self._rein()
        else:
            self._judged(verdict)

    def _wait(self, items: Sequence[Item], now: float) -> None:  # noqa: ARG002 - as `received` has it
        if self._waiting is not None:
            self._waiting.extend(items)

    def _judged(self, verdict: Reason) -> None:
        waiting, self._waiting = self._waiting, None
        if self._transport is None or not waiting or self.connection.phase is not Phase.GREETING:
            return
        self.guest.verdict = verdict
        client = waiting[0].client if type(waiting[0]) is Connect else ""
        self._meters = self._checks.meters(client or self.guest.peer)
        self._received = self._metered if any(self._meters) else self.connection.received
        self._received(waiting, self._clock.monotonic())
        self._rein()

    def _metered(self, items: Sequence[Item], now: float) -> None:
        """Take what came, whatever it costs; over the rate, read no more until it's paid for."""
        self.connection.received(items, now)
        runs = [item for item in items if type(item) is PublishRun]
        messages, sizes = self._meters
        wait = messages.spend(sum(len(run.payloads) for run in runs), now) if messages is not None else 0.0
        if sizes is not None:
            wait = max(wait, sizes.spend(sum(sum(map(len, run.payloads)) for run in runs), now))
        if wait and self._credit is None:
            self._checks.throttled()
            self._credit = self._loop.call_later(wait, self._paid)
            self._rein()

    def _paid(self) -> None:
        self._credit = None
        now = self._clock.monotonic()
        wait = max((bucket.wait(now) for bucket in self._meters if bucket is not None), default=0.0)
        if wait:  # what had come before reading stopped cost more
            self._credit = self._loop.call_later(wait, self._paid)
            return
        self.connection.received((), now)  # we didn't listen, so silence isn't the client's
        self._rein()

    # Wire

    def acknowledge(self, pids: list[bytes]) -> None:
        """Add PUBACKs to what leaves next."""
        self._acks.extend(pids)
        if not self._is_marked:
            self._mark()

    def write(self, frames: Sequence[bytes]) -> None:
        """Add packets to what leaves next."""
        if frames:
            if self._acks:  # keep the order in which things were said
                self._frames.append(packets.pubacks(self._acks))
                self._acks = []
            self._frames.extend(frames)
            if not self._is_marked:
                self._mark()

    def hang_up(self) -> None:
        """Send what was written, then close."""
        self.flush()
        if self._transport is not None:
            self._closing_since = self._clock.monotonic()
            self._transport.close()

    def hold(self, *, on: bool) -> None:
        """Stop reading, or read on."""
        self._held = on
        self._rein()

    # For the server

    def hurry(self) -> None:
        """Write what this turn gathered if there's more than PUBACKs; uvloop gathers writes until all is read."""
        if self._frames:
            self.flush(at_once=True)
            self._is_marked = True  # the server has it in its list

    def flush(self, *, at_once: bool = False) -> None:
        """Write what this turn gathered. at_once: past uvloop, if the socket takes it."""
        self._is_marked = False
        if not self._acks and not self._frames:
            return
        acks, self._acks = packets.pubacks(self._acks), []
        data = b"".join((*self._frames, acks)) if self._frames else acks
        self._frames = []
        if self._transport is not None and not self._transport.is_closing():
            rest = _after_sending(data, self._transport) if at_once else data
            if rest:
                self._transport.write(rest)

    def tick(self, now: float) -> None:
        """Keep-alive; cut a peer that doesn't let its connection close."""
        if self._closing_since is not None:
            if now - self._closing_since > _LINGER_S:
                self.abort()
        elif self._credit is None:
            self.connection.tick(now)

    def stop_reading(self) -> None:
        """Read no more, for good."""
        self._is_deaf = True
        self._rein()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _rein(self) -> None:
        """Read, or don't: anybody who objects decides."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        objects = (
            self._held
            or self._is_deaf
            or self._credit is not None
            or self._waiting is not None
            or self._closing_since is not None
        )
        if transport.is_reading() is not objects:
            return
        if objects:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _mark(self) -> None:
        self._is_marked = True
        self._server.mark(self, self._loop)


def certified_name(certificate: dict[str, Any] | None, identity: str) -> str:
    """The user name in a client's certificate, as `ssl.getpeercert` gives it; empty without one that can be a name."""
    if not certificate:
        return ""
    if identity == "san":
        names = [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "email", "URI")]
    else:
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return str(names[0]) if names and names[0].isprintable() else ""


def _after_sending(data: bytes, transport: asyncio.Transport) -> bytes:
    """What is left of `data` when the socket itself has taken what it can; all of it where others write there, too."""
    if type(transport) is not _PLAIN or transport.get_write_buffer_size():
        return data
    try:
        return data[os.write(transport.get_extra_info("socket").fileno(), data) :]
    except OSError:  # it's full or gone, which the transport knows to handle
        return data


def _ignore(items: Sequence[Item], now: float) -> None:
    """The socket is gone."""
