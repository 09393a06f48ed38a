"""A WebSocket client on wsproto and a plain socket: nothing of Holdfast's own, so both ends can't share a mistake."""

import json
import socket
import time
from typing import Any, Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
)


class Refusal(Exception):
    """The server answered with something else than a WebSocket."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status, self.body = status, b""


class WebSocket:
    """Connected once made."""

    def __init__(self, port: int, path: str = "/api/v1/live", *, origin: str = "", timeout_s: float = 15.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._wire = WSConnection(ConnectionType.CLIENT)
        headers = [(b"origin", origin.encode())] if origin else []
        self._socket.sendall(self._wire.send(Request(f"127.0.0.1:{port}", path, extra_headers=headers)))
        self._texts: list[str] = []
        self._piece = ""
        self.is_open = False
        self.close_code: int | None = None
        self._refusal: Refusal | None = None
        try:
            while not self.is_open:
                self._read()
        except (Refusal, OSError):
            self._socket.close()
            raise

    def _read(self) -> None:
        data = self._socket.recv(65536)
        self._wire.receive_data(data or None)
        for event in self._wire.events():
            self._take(event)
        if not data:
            raise ConnectionError("closed")

    def _take(self, event: Event) -> None:
        if isinstance(event, AcceptConnection):
            self.is_open = True
        elif isinstance(event, RejectConnection | RejectData):
            self._refused(event)
        elif isinstance(event, Message):
            self._piece += str(event.data)
            if event.message_finished:
                self._texts.append(self._piece)
                self._piece = ""
        elif isinstance(event, Ping):
            self._socket.sendall(self._wire.send(event.response()))
        elif isinstance(event, CloseConnection):
            self.close_code = event.code
            raise ConnectionError(f"closed: {event.code}")

    def _refused(self, event: RejectConnection | RejectData) -> None:
        if isinstance(event, RejectConnection):
            self._refusal = Refusal(event.status_code)
        elif self._refusal is not None:
            self._refusal.body += bytes(event.data)
            if event.body_finished:
                raise self._refusal

    def say(self, **message: Any) -> None:
        self.say_text(json.dumps(message))

    def say_text(self, text: str) -> None:
        self._socket.sendall(self._wire.send(Message(text)))

    def frame(self, *, see: bool = True) -> dict[str, Any]:
        while not self._texts:
            self._read()
        frame: dict[str, Any] = json.loads(self._texts.pop(0))
        if see:
            self.say(do="seen", n=frame["n"])
        return frame

    def frames(self, seconds: float, *, see: bool = True) -> list[dict[str, Any]]:
        """All that come for so long."""
        found, until = [], time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self._socket.settimeout(max(left, 0.001))
            try:
                found.append(self.frame(see=see))
            except TimeoutError:
                break
        self._socket.settimeout(15.0)
        return found

    def told(self, watch: str) -> Any:
        """What the next frame that holds something for a watch says of it."""
        while True:
            frame = self.frame()
            if watch in frame.get("data", {}):
                return frame["data"][watch]
            if watch in frame.get("errors", {}):
                return frame["errors"][watch]

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
