"""A node's live channel as a command sees it: one WebSocket, watched from a plain socket."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import msgspec
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, Ping, RejectConnection, Request
from wsproto.utilities import RemoteProtocolError

from holdfast.cli.node_api import TIMEOUT_S, Api, Declined, Unanswered
from holdfast.transport.addresses import Address
from holdfast.web.live.messages import Seen, Unwatch, Watch

SILENCE_S = 40.0
"""A node sends something every ten seconds."""
_MOST_FRAME = 4 << 20


class Frame(msgspec.Struct, frozen=True):
    """What the node says. errors: by the id of the watch, with `error` and `hint`."""

    n: int
    now_ns: int
    data: dict[str, Any] = {}
    errors: dict[str, dict[str, str]] = {}


_frame = msgspec.json.Decoder(Frame)


class LiveChannel:
    """Connected once made; `close` it."""

    def __init__(self, api: Api) -> None:
        """Connect.

        Raises:
            Unanswered: when nobody is there, or the connection is lost; also from the other methods.
            Declined: when the node refuses.
        """
        self._api, self._wire = api, WSConnection(ConnectionType.CLIENT)
        self._text, self._frames = list[str](), list[Frame]()
        self._is_open = False
        try:
            self._socket = socket.create_connection((api.host, api.port), TIMEOUT_S)
            if api.tls is not None:
                self._socket = api.tls.wrap_socket(self._socket, server_hostname=api.host)
        except OSError as error:
            raise Unanswered(f"no node answers at {api} ({error})") from error
        headers = [(b"authorization", b"Bearer " + api.token.encode())] if api.token else []
        self._send(Request(str(Address(api.host, api.port)), "/api/v1/live", extra_headers=headers))
        while not self._is_open:
            self._read()
        self._socket.settimeout(SILENCE_S)

    def say(self, message: Watch | Unwatch | Seen) -> None:
        """Ask for something."""
        self._send(Message(msgspec.json.encode(message).decode()))

    def frames(self) -> Iterator[Frame]:
        """All that comes, for ever; each counts as seen once the next is asked for."""
        while True:
            while not self._frames:
                self._read()
            frame = self._frames.pop(0)
            yield frame
            self.say(Seen(n=frame.n))

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def _send(self, event: Event) -> None:
        try:
            self._socket.sendall(self._wire.send(event))
        except OSError as error:
            raise self._lost(error) from error

    def _read(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
            self._wire.receive_data(data or None)
            for event in self._wire.events():
                self._take(event)
        except (OSError, ssl.SSLError, RemoteProtocolError) as error:
            raise self._lost(error) from error
        if not data:
            raise self._lost("it closed the connection")

    def _take(self, event: Event) -> None:
        if isinstance(event, AcceptConnection):
            self._is_open = True
        elif isinstance(event, RejectConnection):
            raise Declined(f"{self._api} says {event.status_code} to a viewer", "are there many already? is it a node?")
        elif isinstance(event, Message):
            self._piece(event)
        elif isinstance(event, Ping):
            self._send(event.response())
        elif isinstance(event, CloseConnection):
            raise self._lost(event.reason or "it closed the connection")

    def _piece(self, event: Message[Any]) -> None:
        self._text.append(event.data)
        if sum(map(len, self._text)) > _MOST_FRAME:
            raise Unanswered(f"{self._api} sends frames larger than {_MOST_FRAME} bytes")
        if event.message_finished:
            try:
                self._frames.append(_frame.decode("".join(self._text)))
            except msgspec.MsgspecError as error:
                raise Unanswered(f"what answers at {self._api} is no Holdfast node of this version") from error
            self._text.clear()

    def _lost(self, cause: object) -> Unanswered:
        said = "nothing came for long" if isinstance(cause, TimeoutError) else str(cause)
        return Unanswered(f"the node at {self._api} is gone ({said})")
