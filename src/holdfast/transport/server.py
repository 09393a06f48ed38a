"""Serves an ASGI app over HTTPS (or plain HTTP on loopback) inside the node's own loop. Signals stay the node's."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from holdfast.transport.addresses import Address, is_loopback
from holdfast.transport.errors import ListenFailed
from holdfast.transport.patience import PatientProtocol

# Above the client's 60 s, see `transport.https`.
KEEP_ALIVE_S = 75
BACKLOG = 256
MOST_MESSAGE = 64 << 10
"""Bytes of a WebSocket client's message."""
_HINTS = {
    errno.EADDRINUSE: ("is in use", "stop the other program (`ss -ltnp` shows it) or choose another port"),
    errno.EACCES: ("may not be used by this user", "choose a port from 1024 up, or grant CAP_NET_BIND_SERVICE"),
    errno.EADDRNOTAVAIL: ("is no address of this machine", "`ip addr` lists them; 0.0.0.0 means all"),
}


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the node drains in its own order. `ready` says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Hand the sockets to the loop."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the process's handlers alone."""
        yield


class WebServer:
    """One listening address. `start`, then `stop` once; both from the loop that serves."""

    def __init__(self, app: Any, listen: Address, tls: ssl.SSLContext | None, *, connections: int = 256) -> None:
        """Open nothing yet.

        connections: more than these are answered 503 at once

        Raises:
            ListenFailed: when there's no TLS and the address is not loopback.
        """
        if tls is None and not is_loopback(listen.host):
            raise ListenFailed(
                f"{listen} without TLS would show readings and tokens to the network",
                "set a certificate and key, or listen on 127.0.0.1",
            )
        self._listen = listen
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._config = uvicorn.Config(
            app,
            loop="none",
            http=PatientProtocol,
            ws="wsproto",
            ws_max_size=MOST_MESSAGE,
            # It would inflate what a client sends without a bound, and cost the hot path's core per viewer.
            ws_per_message_deflate=False,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=connections,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
        self._server = _Server(self._config)

    @property
    def address(self) -> Address:
        """Where it listens; with the port the system chose once started."""
        if self._socket is None:
            return self._listen
        return Address(self._listen.host, self._socket.getsockname()[1])

    @property
    def is_serving(self) -> bool:
        """Bound and answering?"""
        return self._server.started and self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            ListenFailed: when the address can't be had; says what to do.
        """
        self._socket = bind(self._listen)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name=f"web {self.address}")
        ready = asyncio.create_task(self._server.ready.wait(), name="web ready")
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self, deadline_s: float = 5.0) -> None:
        """Accept no more, let running answers finish for at most `deadline_s`, then cut them."""
        if self._task is None:
            return
        self._config.timeout_graceful_shutdown = max(1, round(deadline_s))
        self._server.should_exit = True
        try:
            async with asyncio.timeout(deadline_s + 1.0):
                await self._task
        except TimeoutError:
            self._server.force_exit = True
        finally:
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()
            if self._socket is not None:
                self._socket.close()
            self._task = None


def bind(listen: Address) -> socket.socket:
    """A bound socket, not listening yet.

    Raises:
        ListenFailed: when the address can't be had; says what to do.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenFailed(f"{listen} is no address: {error.strerror}", "write an IP address and a port") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        said, hint = _HINTS.get(error.errno or 0, (f"can't be listened on: {error.strerror}", ""))
        raise ListenFailed(f"{listen} {said}", hint) from error
    return bound
