"""MQTT over WebSocket (RFC 6455; MQTT 5 §6, 3.1.1 §6).

A thin layer: a protocol to the socket below, a transport to the MQTT socket above.

- Packets may lie anyhow in binary frames; a text frame closes (1003), broken framing closes (1002).
- No extensions: compression would cost memory on every connection and invite bombs.
- A web page may connect from this very host or from `origins`: a browser would otherwise let any page speak to a node
  that takes strangers.
- wsproto hands frames' bytes on as they come, so a large frame never waits in memory; a message above `LONGEST` closes
  (1009).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

PATH = "/mqtt"
PROTOCOL = "mqtt"
LONGEST = 16 * 1024 * 1024


class WebSocket(asyncio.Protocol):
    """One WebSocket; `above` is the MQTT socket, to which this looks like a transport."""

    __slots__ = ("_above", "_below", "_is_closing", "_message", "_origins", "_refused", "_ws")

    def __init__(self, above: asyncio.Protocol, origins: Sequence[str], refused: Callable[[], None]) -> None:
        """refused: called when the client breaks WebSocket or asks for something else than MQTT."""
        self._above = above
        self._origins = origins
        self._refused = refused
        self._ws = WSConnection(ConnectionType.SERVER)
        self._below: asyncio.Transport | None = None
        self._message = 0  # bytes of the message that is coming
        self._is_closing = False

    # Protocol: called by the socket below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here; its WebSocket handshake comes next."""
        self._below = cast("asyncio.Transport", transport)
        self._above.connection_made(cast("asyncio.BaseTransport", self))

    def data_received(self, data: bytes) -> None:
        """Unwrap what came."""
        pieces: list[bytes] = []
        try:
            self._ws.receive_data(data)
            for event in self._ws.events():
                if self._is_closing:
                    break
                self._take(event, pieces)
        except RemoteProtocolError as error:
            self._hand_on(pieces)
            if error.event_hint is not None:
                self._say(error.event_hint)
            self._break(CloseReason.PROTOCOL_ERROR)
            return
        except ValueError:  # headers that are no text, a target that is none: wsproto and urlsplit let it through
            self._reject(400)
            return
        self._hand_on(pieces)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._below = None
        self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """The client takes more."""
        self._above.resume_writing()

    # Transport: called by the MQTT socket above

    def write(self, data: bytes) -> None:
        """Send bytes as one binary message."""
        if not self._is_closing:
            self._say(BytesMessage(data=data))

    def close(self) -> None:
        """Say goodbye (1000) and close once it has left."""
        self._end(CloseReason.NORMAL_CLOSURE)

    def abort(self) -> None:
        """Cut the connection."""
        if self._below is not None:
            self._below.abort()

    def is_closing(self) -> bool:
        """Nothing more can be sent."""
        return self._is_closing or self._below is None or self._below.is_closing()

    def is_reading(self) -> bool:
        """Bytes are being read."""
        return self._below is not None and self._below.is_reading()

    def pause_reading(self) -> None:
        """Read no more."""
        if self._below is not None:
            self._below.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._below is not None:
            self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Bytes waiting above which `pause_writing` is called."""
        if self._below is not None:
            self._below.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the socket below knows."""
        return default if self._below is None else self._below.get_extra_info(name, default)

    def _take(self, event: Event, pieces: list[bytes]) -> None:
        match event:
            case BytesMessage():
                self._gather(event, pieces)
            case Ping():
                self._say(event.response())
            case CloseConnection():
                if self._ws.state is not ConnectionState.REMOTE_CLOSING:  # wsproto's way to say "broken framing"
                    self._refused()
                self._say(event.response())
                self._end(None)
            case Request():
                self._answer(event)
            case TextMessage():  # MQTT 5 §6: anything but binary frames closes
                self._break(CloseReason.UNSUPPORTED_DATA)

    def _gather(self, event: BytesMessage, pieces: list[bytes]) -> None:
        self._message += len(event.data)
        if self._message > LONGEST:
            self._break(CloseReason.MESSAGE_TOO_BIG)
            return
        if event.message_finished:
            self._message = 0
        pieces.append(bytes(event.data))

    def _answer(self, request: Request) -> None:
        path, origin = urlsplit(request.target).path, _header(request, b"origin")
        if path != PATH:
            self._reject(404)
        elif PROTOCOL not in request.subprotocols:
            self._reject(400)
        elif origin and urlsplit(origin).netloc != request.host and origin not in self._origins:
            self._reject(403)
        else:
            self._say(AcceptConnection(subprotocol=PROTOCOL))

    def _reject(self, status: int) -> None:
        self._refused()
        self._say(RejectConnection(status_code=status, headers=[(b"content-length", b"0")]))
        self._end(None)

    def _break(self, code: CloseReason) -> None:
        self._refused()
        self._end(code)

    def _end(self, code: CloseReason | None) -> None:
        """Send a close frame where one is owed, and close."""
        if self._is_closing:
            return
        if code is not None:
            self._say(CloseConnection(code=code))
        self._is_closing = True
        if self._below is not None:
            self._below.close()

    def _say(self, event: Event) -> None:
        try:
            data = self._ws.send(event)
        except LocalProtocolError:  # there is no way to say it any more, or not yet
            return
        if self._below is not None and not self._below.is_closing():
            self._below.write(data)

    def _hand_on(self, pieces: list[bytes]) -> None:
        if pieces:
            self._above.data_received(b"".join(pieces))


def _header(request: Request, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in request.extra_headers if key.lower() == name), "")
