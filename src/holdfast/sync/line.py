"""A connection to a node's queues: HTTP/1.1, kept alive, by one thread at a time."""

import base64
import http.client
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from holdfast.sync.errors import QueueRefused, Unreachable
from holdfast.sync.node import Node

TIMEOUT_S = 15.0
_LATER = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Mark:
    """How far the node has a stream: the last number, and that message's id. 0 = nothing."""

    n: int = 0
    id: bytes = b""


@dataclass(frozen=True)
class Pending:
    """A message in the outbox."""

    n: int
    id: bytes
    body: bytes


@dataclass(frozen=True)
class Leased:
    """A message to be worked on.

    place:     the node's name for it
    source, n: whose order it's part of, and where: `node/app/stream`, ascending from 1
    id:        16 bytes, the sender's
    ts:        when its first node took it, ns UTC
    attempts:  deliveries that came to nothing before
    """

    place: int
    source: str
    n: int
    id: bytes
    ts: int
    attempts: int
    body: bytes


@dataclass(frozen=True)
class Handed:
    """Messages under a lease. lease_s: how long it lasts from each ack on."""

    lease: str
    messages: Sequence[Leased]
    lease_s: float


class Line:
    """What an application may ask of its node.

    All methods raise `Unreachable` when no answer came or the node is busy, and `QueueRefused` when it won't.
    """

    def __init__(self, node: Node) -> None:
        """Nothing is opened before the first question."""
        self._node = node
        self._connection: http.client.HTTPConnection | None = None

    def put(self, queue: str, stream: str, messages: Sequence[Pending], after: Mark) -> tuple[bool, Mark]:
        """Offer messages; (taken, how far the node has the stream). Not taken: it has another history than this."""
        body = {
            "stream": stream,
            "after": {"n": after.n, "id": _text(after.id)},
            "messages": [{"n": one.n, "id": _text(one.id), "body": _text(one.body)} for one in messages],
        }
        status, answer = self._ask(queue, "put", body, fine=(200, 409))
        mark = answer["mark"]
        return status == 200, Mark(mark["n"], base64.b64decode(mark.get("id", "")))

    def lease(self, queue: str, most: int, wait_s: float) -> Handed:
        """Up to `most` messages; waits up to `wait_s` seconds for the first."""
        _, answer = self._ask(queue, "lease", {"most": most, "wait_s": wait_s}, wait_s=wait_s)
        messages = [
            Leased(
                one["place"],
                one["source"],
                one["n"],
                base64.b64decode(one["id"]),
                one["ts"],
                one["attempts"],
                base64.b64decode(one["body"]),
            )
            for one in answer["messages"]
        ]
        return Handed(answer["lease"], messages, answer["lease_s"])

    def ack(self, queue: str, lease: str, places: Sequence[int]) -> bool:
        """These are done; False when the lease is over."""
        status, _ = self._ask(queue, "ack", {"lease": lease, "places": list(places)}, fine=(200, 409))
        return status == 200

    def nack(self, queue: str, lease: str, place: int, reason: str, *, dead: bool = False, counts: bool = True) -> bool:
        """This one came to nothing; False when the lease is over."""
        body = {"lease": lease, "place": place, "reason": reason[:1000], "dead": dead, "counts": counts}
        return self._ask(queue, "nack", body, fine=(200, 409))[0] == 200

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(
        self, queue: str, what: str, body: object, *, fine: Sequence[int] = (200,), wait_s: float = 0.0
    ) -> tuple[int, Any]:
        path = f"/api/v1/queues/{queue}/{what}"
        status, data = self._exchange(path, json.dumps(body).encode(), wait_s)
        try:
            answer = json.loads(data)
        except ValueError as error:
            raise Unreachable(f"what answers at {self._node.url} is no Holdfast node") from error
        if status in fine:
            return status, answer
        sentence, hint = str(answer.get("error", status)), str(answer.get("hint", ""))
        if status in _LATER:
            raise Unreachable(f"the node can't serve now: {sentence}")
        raise QueueRefused(status, sentence, hint)

    def _exchange(self, path: str, body: bytes, wait_s: float) -> tuple[int, bytes]:
        try:
            connection = self._connected()
            connection.sock.settimeout(TIMEOUT_S + wait_s)
            token = Path(self._node.token_file).read_text(encoding="ascii").strip()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(f"no answer from {self._node.url}: {error or type(error).__name__}") from error

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None or self._connection.sock is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._node.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            tls = ssl.create_default_context(cafile=self._node.ca)
            tls.minimum_version = ssl.TLSVersion.TLSv1_3
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port or 443, timeout=TIMEOUT_S, context=tls
            )
        elif parts.scheme == "http" and host in ("127.0.0.1", "::1", "localhost"):
            connection = http.client.HTTPConnection(host, parts.port or 80, timeout=TIMEOUT_S)
        else:
            raise QueueRefused(0, f"{self._node.url} is not allowed", "https://HOST:PORT, or http:// on this machine")
        connection.connect()
        return connection


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
