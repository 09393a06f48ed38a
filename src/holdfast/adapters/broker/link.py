"""One connection to a broker: socket, TLS, greeting, pings. What the packets mean is decided by its owner."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from holdfast.adapters.broker import packets
from holdfast.adapters.broker.errors import BrokerError, BrokerFaulted, BrokerUnreachable
from holdfast.adapters.broker.packets import Goodbye, Hello, Pong, Welcome
from holdfast.adapters.broker.reader import ClientReader, Item
from holdfast.transport.brokers import BrokerLogin
from holdfast.transport.causes import explain

WRITE_LIMIT = 1024 * 1024
"""Bytes in the socket's buffer above which the broker doesn't keep up."""
_UNWANTED = "Does it want TLS (`mqtts://`), or is TLS not spoken at this port? Its log says why"
_CERTIFICATE = "It wants a certificate of this node: name `certificate` and `key`"


class Owner(Protocol):
    """Who uses a link. Called on the loop's thread; nothing comes after `lost`."""

    def greeted(self, link: "Link", welcome: Welcome) -> None:
        """The broker took us in. What it owes us may follow at once, before `connect` returns."""
        ...

    def received(self, items: Sequence[Item]) -> None:
        """Packets came, other than the greeting's and pongs."""
        ...

    def lost(self, error: BrokerError) -> None:
        """The connection is gone."""
        ...

    def keeps_up(self, *, yes: bool) -> None:
        """The socket takes more, or no more."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """A broker to connect to. path: makes a path of node.yaml absolute. max_packet: bytes of the largest taken."""

    login: BrokerLogin
    client: str
    path: Callable[[str], Path]
    max_packet: int

    def hello(self, session_expiry_s: int = 0, receive_maximum: int = 0) -> Hello:
        """What CONNECT says, with the password as of now.

        Raises:
            TlsUnusable: when the password's file can't be read.
        """
        login, version = self.login, packets.VERSIONS[self.login.version]
        return Hello(
            version,
            self.client,
            max(1, round(login.keep_alive)),
            login.username,
            login.secret(self.path),
            session_expiry_s,
            receive_maximum,
            self.max_packet,
        )


async def connect(door: Door, hello: Hello, owner: Owner) -> tuple["Link", Welcome]:
    """Connect and greet.

    Raises:
        BrokerError: when there is no connection, or the broker doesn't take us.
        TransportError: when TLS can't be set up, or the broker isn't who it should be.
    """
    address, login = door.login.address, door.login
    loop = asyncio.get_running_loop()
    link = Link(owner, hello, door.max_packet)
    try:
        async with asyncio.timeout(login.timeout):
            context = login.context(door.path)
            name = address.host if context is not None else None
            await loop.create_connection(lambda: link, address.host, address.port, ssl=context, server_hostname=name)
            return link, await link.welcome
    except TimeoutError as error:
        link.abort()
        raise BrokerUnreachable(f"{address} didn't answer within {login.timeout:g} s") from error
    except ConnectionResetError as error:
        raise BrokerUnreachable(f"{address}: the broker closed the connection", _UNWANTED) from error
    except OSError as error:  # ssl.SSLError is one
        raise explain(error, str(address), login.ca or "the system's store") from error
    except BrokerError:
        link.abort()
        raise


class Link(asyncio.Protocol):
    """The connection. Frames written in one turn of the loop leave in one write."""

    def __init__(self, owner: Owner, hello: Hello, max_packet: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.welcome: asyncio.Future[Welcome] = self._loop.create_future()
        self.version = hello.version
        self._owner, self._hello = owner, hello
        self._reader = ClientReader(hello.version, max_packet)
        self._transport: asyncio.Transport | None = None
        self._frames: list[bytes] = []
        self._is_flushing = False
        self._is_over = False
        self._heard = True  # since the last look
        self._asked = 0
        self._every_s = hello.keep_alive_s / 2
        self._timer: asyncio.TimerHandle | None = None
        self._fault: BrokerError | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open: say CONNECT."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's aren't subclasses of it
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.write(packets.connect(self._hello))

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard = True
        try:
            items = self._reader.feed(data)
            self._take(items)
        except BrokerError as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        reason = (exc.reason or "").lower().replace("_", " ") if isinstance(exc, ssl.SSLError) else ""
        is_cut = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
        why = "the broker closed the connection" if is_cut else f"the connection was lost ({reason or exc})"
        hint = "" if self.welcome.done() else _CERTIFICATE if "certificate required" in reason else _UNWANTED
        self._end(self._fault or BrokerUnreachable(why, hint))

    def pause_writing(self) -> None:
        """The socket takes no more."""
        self._owner.keeps_up(yes=False)

    def resume_writing(self) -> None:
        """It takes more again."""
        self._owner.keeps_up(yes=True)

    # For the owner

    @property
    def ssl(self) -> ssl.SSLObject | None:
        """TLS of the connection; None = it's plain."""
        found = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        return cast("ssl.SSLObject | None", found)

    def write(self, frame: bytes) -> None:
        """Add to what leaves at the end of this turn."""
        if not frame or self._is_over:
            return
        self._frames.append(frame)
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def hold(self, *, on: bool) -> None:
        """Stop reading, or read on."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.is_reading() is not on:
            return
        if on:
            transport.pause_reading()
        else:
            self._heard = True
            transport.resume_reading()

    def close(self) -> None:
        """Say goodbye and close; `lost` isn't called any more."""
        self._is_over = True
        self._stop_timer()
        if self._transport is not None and not self._transport.is_closing():
            self._flush()
            self._transport.write(packets.disconnect())
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection; `lost` isn't called any more."""
        self._is_over = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: BrokerError) -> None:
        """Cut the connection and tell the owner why."""
        self._end(error)

    def _take(self, items: Sequence[Item]) -> None:
        if not self.welcome.done():
            if not items:
                return
            if not isinstance(items[0], Welcome):
                raise BrokerFaulted("what answers there doesn't speak MQTT: its first packet isn't CONNACK")
            self._greeted(items[0])
            items = items[1:]
        others = []
        for item in items:
            if isinstance(item, Goodbye):
                raise packets.refused(item.reason, item.detail)
            if not isinstance(item, Pong):
                others.append(item)
        if others:
            self._owner.received(others)

    def _greeted(self, welcome: Welcome) -> None:
        self.welcome.set_result(welcome)
        self._owner.greeted(self, welcome)
        if welcome.keep_alive_s:  # the broker wants it so (MQTT 5 §3.2.2.3.14)
            self._every_s = welcome.keep_alive_s / 2
        self._timer = self._loop.call_later(self._every_s, self._look)

    def _look(self) -> None:
        """Ping every half keep-alive; three pings without a byte mean that nobody is there."""
        held = self._transport is not None and not self._transport.is_reading()
        self._asked = 0 if self._heard or held else self._asked + 1
        self._heard = False
        if self._asked >= 3:
            self._end(BrokerUnreachable("the broker doesn't answer any more"))
            return
        self.write(packets.PING)
        self._timer = self._loop.call_later(self._every_s, self._look)

    def _flush(self) -> None:
        self._is_flushing = False
        frames, self._frames = self._frames, []
        if frames and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def _end(self, error: BrokerError) -> None:
        if self._is_over:
            if not self.welcome.done():
                self.welcome.cancel()
            return
        was_greeted = self.welcome.done()
        self.abort()
        if was_greeted:
            self._owner.lost(error)
        else:
            self.welcome.set_exception(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
