"""Listeners: they accept, refuse what is too much before anything is spent on it, and do TLS and WebSocket.

Connections are accepted here, not by asyncio's server, so that a refused one costs an `accept` and a `close`: no TLS
handshake, no objects. A certificate that was renewed on disk is used for the next connection; one that can't be used
is said once, and the former stays.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from holdfast.adapters.mqtt.door_settings import ListenerSettings, ListenerTls
from holdfast.adapters.mqtt.errors import ListenFailed
from holdfast.adapters.mqtt.websocket import PROTOCOL, WebSocket
from holdfast.kernel.errors import HoldfastError
from holdfast.transport.addresses import Address, parse_listen
from holdfast.transport.errors import AddressInvalid
from holdfast.transport.tls import ask_for_client, server_context

_BACKLOG = 1024
_AT_ONCE = 4  # accepted in one turn of the loop, so that a storm doesn't keep the others from being read
_AT_ONCE_TLS = 1  # a handshake takes as long as ten refusals
_RETRY_S = 1.0  # after the system ran out of sockets
_OUT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Host(Protocol):
    """What a door needs of the server."""

    def welcome(self, address: str) -> bool:
        """May one more come in from this address? Counts it when not."""
        ...

    def arrived(self) -> None:
        """One that was welcome is a socket now, or gone."""
        ...

    def refused_tls(self) -> None:
        """A handshake failed."""
        ...

    def refused_websocket(self) -> None:
        """A client broke WebSocket, or asked for something else."""
        ...

    def make_socket(self, identity: str) -> asyncio.Protocol:
        """The MQTT end of a new connection. identity: how its certificate is read, `cn` or `san`; empty = not."""
        ...


class Door:
    """One listener."""

    def __init__(
        self, settings: ListenerSettings, key: str, host: Host, handshake_s: float, path: Callable[[str], Path]
    ) -> None:
        """key: where the operator finds it in node.yaml, for errors."""
        self.address = Address("", 0)
        self.came = self.refused = 0
        """Connections taken since the start; of them those whose TLS handshake failed."""
        self.trouble: tuple[HoldfastError, int] | None = None
        """Why its renewed certificate can't be used, and when that was found, ns UTC."""
        self._settings = settings
        self._key = key
        self._host = host
        self._handshake_s = handshake_s
        self._path = path
        self._context: ssl.SSLContext | None = None
        self._seen: tuple[int, ...] = ()
        self._sockets: list[socket.socket] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None

    async def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind and accept.

        Raises:
            ListenFailed: the address can't be used; the hint says what to do.
            TlsUnusable: the certificate, its key or the CA can't be used.
        """
        try:
            wanted = parse_listen(self._settings.listen)
        except AddressInvalid as error:
            raise ListenFailed(self._settings.listen, "not an address", f"Write {self._key} as host:port") from error
        if self._settings.tls is not None:
            self._context, self._seen = self._make_context(self._settings.tls), self._stamp(self._settings.tls)
        try:
            for family, kind, proto, _, where in await loop.getaddrinfo(
                wanted.host, wanted.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                self._sockets.append(_bound(socket.socket(family, kind, proto), where))
        except OSError as error:
            self.close()
            raise _explained(self._settings.listen, self._key, error) from error
        self.address = Address(wanted.host, self._sockets[0].getsockname()[1])
        self._listen(loop)

    def close(self) -> None:
        """Accept no more; those on their way in are cut."""
        if self._later is not None:
            self._later.cancel()
        for sock in self._sockets:
            with contextlib.suppress(RuntimeError):  # no loop: `open` failed
                asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._sockets = []
        for task in self._arriving:
            task.cancel()

    def __str__(self) -> str:
        scheme = (
            ("wss" if self._context else "ws") if self._settings.websocket else ("mqtts" if self._context else "mqtt")
        )
        return f"{scheme}://{self.address}"

    def reload(self) -> HoldfastError | None:
        """Use certificate files that changed; why they can't be used, then the former stay."""
        tls = self._settings.tls
        if tls is None or (now := self._stamp(tls)) == self._seen:
            return None
        self._seen = now  # said once; the second of two files that are being replaced changes it again
        try:
            self._context = self._make_context(tls)
        except HoldfastError as error:
            return error
        return None

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        for sock in self._sockets:
            loop.add_reader(sock, self._ready, sock, loop)

    def _ready(self, listening: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(_AT_ONCE if self._context is None else _AT_ONCE_TLS):
            try:
                sock, address = listening.accept()
            except OSError as error:
                if error.errno in _OUT_OF:
                    for each in self._sockets:
                        loop.remove_reader(each)
                    self._later = loop.call_later(_RETRY_S, self._listen, loop)
                return
            if not self._host.welcome(address[0]):
                sock.close()
                continue
            self.came += 1
            task = loop.create_task(self._enter(sock, loop))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _enter(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        context = self._context
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if context is None:
                await loop.connect_accepted_socket(self._make, sock)
            else:
                await loop.connect_accepted_socket(
                    self._make, sock, ssl=context, ssl_handshake_timeout=self._handshake_s, ssl_shutdown_timeout=2.0
                )
        except (OSError, TimeoutError):  # SSLError is an OSError
            if context is not None:
                self.refused += 1
                self._host.refused_tls()
            sock.close()
        except asyncio.CancelledError:  # the server stops
            sock.close()
            raise
        finally:
            self._host.arrived()

    def _make(self) -> asyncio.Protocol:
        tls = self._settings.tls
        above = self._host.make_socket(tls.identity if tls is not None and tls.client_ca else "")
        if not self._settings.websocket:
            return above
        return WebSocket(above, self._settings.origins, self._host.refused_websocket)

    def _make_context(self, tls: ListenerTls) -> ssl.SSLContext:
        alpn = "http/1.1" if self._settings.websocket else PROTOCOL
        context = server_context(
            self._path(tls.certificate), self._path(tls.key), oldest=ssl.TLSVersion.TLSv1_2, alpn=(alpn,)
        )
        if tls.client_ca:
            ask_for_client(context, self._path(tls.client_ca), required=tls.require_client)
        return context

    def _stamp(self, tls: ListenerTls) -> tuple[int, ...]:
        found = []
        for text in filter(None, (tls.certificate, tls.key, tls.client_ca)):
            with contextlib.suppress(OSError):
                stat = self._path(text).stat()
                found += [stat.st_mtime_ns, stat.st_ino]
        return tuple(found)


def _bound(sock: socket.socket, where: tuple[object, ...]) -> socket.socket:
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _explained(listen: str, key: str, error: OSError) -> ListenFailed:
    cause, hint = {
        errno.EADDRINUSE: (
            "the port is in use",
            f"Stop the other program (often another broker), or choose another port in {key}",
        ),
        errno.EACCES: ("not permitted", f"Ports below 1024 need rights; choose one above in {key}"),
        errno.EADDRNOTAVAIL: ("this machine doesn't have that address", f"Choose one of its own in {key}"),
    }.get(error.errno or 0, (str(error), f"Check {key}"))
    return ListenFailed(listen, cause, hint)
