"""A node's document doors: HTTP/1.1, kept alive, one thread at a time."""

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from holdfast.sync.errors import DocumentRefused, Unreachable
from holdfast.sync.node import Node

TIMEOUT_S = 15.0
# A longer one doesn't fit a URL; without it the node sends the whole document.
MOST_STATE = 24_000
_LATER = {408, 429, 500, 502, 503, 504}
_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Fetched:
    """What the node has. version: its name of this content; update: None = nothing new."""

    version: str
    update: bytes | None


@dataclass(frozen=True)
class Taken:
    """What became of an edit. version: it's on the node's disk, in this content.

    lacks: None, or it isn't taken: the node's state vector, which lacks what the edit builds on
    """

    version: str
    lacks: bytes | None = None


class Door:
    """What an application may ask of its node about one document.

    All methods raise `Unreachable` when no answer came or the node is busy, and `DocumentRefused` when it won't.
    """

    def __init__(self, node: Node, name: str) -> None:
        """Nothing is opened before the first question."""
        self._node, self._path = node, f"/api/v1/documents/{quote(name)}"
        self._connection: http.client.HTTPConnection | None = None

    def read(self, state: bytes, known: str, wait_s: int) -> Fetched:
        """What somebody at `state` lacks; while the version is `known`, wait up to `wait_s` seconds for another."""
        query = {"wait": str(wait_s)}
        if len(state) <= MOST_STATE:
            query["state"] = base64.urlsafe_b64encode(state).decode().rstrip("=")
        headers = {"If-None-Match": known} if known else {}
        status, tag, body = self._ask("GET", f"?{urlencode(query)}", b"", headers, wait_s)
        return Fetched(tag, body if status == 200 else None)

    def state(self) -> bytes:
        """The node's state vector."""
        return self._ask("GET", "?of=state", b"", {}, 0)[2]

    def edit(self, update: bytes) -> Taken:
        """Send an update."""
        headers = {"Content-Type": "application/octet-stream"}
        status, _, body = self._ask("POST", "", update, headers, 0)
        said = _said(body)
        return Taken("", base64.b64decode(said.get("state", ""))) if status == 409 else Taken(said.get("version", ""))

    def close(self) -> None:
        """Hang up; also from another thread, to end a wait."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if connection.sock is not None:
                _shut(connection)
            connection.close()

    def _ask(
        self, method: str, query: str, body: bytes, headers: dict[str, str], wait_s: int
    ) -> tuple[int, str, bytes]:
        try:
            connection = self._connected()
            connection.sock.settimeout(TIMEOUT_S + wait_s)
            token = Path(self._node.token_file).read_text(encoding="ascii").strip()
            connection.request(method, self._path + query, body, {"Authorization": f"Bearer {token}", **headers})
            answer = connection.getresponse()
            status, tag, data = answer.status, answer.headers.get("etag", ""), answer.read()
        except (OSError, http.client.HTTPException, AttributeError) as error:  # closed by another thread meanwhile
            self.close()
            raise Unreachable(f"no answer from {self._node.url}: {error or type(error).__name__}") from error
        if status in (200, 304, 409):
            return status, tag, data
        said = _said(data)
        if status in _LATER:
            raise Unreachable(f"the node can't serve now: {said.get('error', status)}")
        raise DocumentRefused(status, said.get("error", str(status)), said.get("hint", ""))

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
        elif parts.scheme == "http" and host in _LOCAL:
            connection = http.client.HTTPConnection(host, parts.port or 80, timeout=TIMEOUT_S)
        else:
            raise DocumentRefused(
                0, f"{self._node.url} is not allowed", "https://HOST:PORT, or http:// on this machine"
            )
        connection.connect()
        return connection


def _shut(connection: http.client.HTTPConnection) -> None:
    try:
        connection.sock.shutdown(2)  # wakes a thread that waits in a read
    except OSError:
        return


def _said(body: bytes) -> dict[str, str]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}
