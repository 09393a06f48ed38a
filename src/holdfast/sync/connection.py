"""A connection to an application's node: HTTP/1.1, kept alive, by one thread at a time."""

import http.client
import json
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from holdfast.sync.errors import Refused, Unreachable
from holdfast.sync.node import Node

TIMEOUT_S = 15.0
_LATER = {408, 429, 500, 502, 503, 504}
_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Answer:
    """status: HTTP's; tag: the ETag, empty when there's none."""

    status: int
    tag: str
    body: bytes


class Connection:
    """Asks one node, as one application."""

    def __init__(self, node: Node) -> None:
        """Nothing is opened before the first question."""
        self._node = node
        self._http: http.client.HTTPConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        fine: Collection[int] = (200,),
        wait_s: float = 0.0,
    ) -> Answer:
        """An answer with one of the `fine` statuses. wait_s: how long the node was asked to take.

        Raises:
            Unreachable: when no answer came, the node is busy, or it's no node that answers.
            Refused: when it won't.
        """
        answer = self._exchange(method, path, body, headers, wait_s)
        if answer.status in fine:
            return answer
        said = self.said(answer)
        sentence = str(said.get("error", answer.status))
        if answer.status in _LATER:
            raise Unreachable(f"the node can't serve now: {sentence}")
        raise Refused(answer.status, sentence, str(said.get("hint", "")))

    def said(self, answer: Answer) -> dict[str, Any]:
        """The answer's JSON.

        Raises:
            Unreachable: when there is none in it.
        """
        try:
            said = json.loads(answer.body)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Unreachable(f"what answers at {self._node.url} is no Holdfast node: HTTP {answer.status}")
        return said

    def close(self) -> None:
        """Hang up; also from another thread, to end a wait."""
        connection, self._http = self._http, None
        if connection is not None:
            if connection.sock is not None:
                _shut(connection)
            connection.close()

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str], wait_s: float) -> Answer:
        try:
            token = Path(self._node.token_file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise Unreachable(f"the token can't be read: {error}") from error
        try:
            connection = self._connected()
            connection.sock.settimeout(TIMEOUT_S + wait_s)
            connection.request(method, path, body, {"Authorization": f"Bearer {token}", **headers})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers.get("etag", ""), answer.read())
        except (OSError, http.client.HTTPException, AttributeError) as error:  # closed by another thread meanwhile
            self.close()
            raise Unreachable(f"no answer from {self._node.url}: {error or type(error).__name__}") from error

    def _connected(self) -> http.client.HTTPConnection:
        if self._http is None or self._http.sock is None:
            self._http = self._open()
        return self._http

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
            raise Refused(0, f"{self._node.url} is not allowed", "https://HOST:PORT, or http:// on this machine")
        connection.connect()
        return connection


def _shut(connection: http.client.HTTPConnection) -> None:
    try:
        connection.sock.shutdown(2)  # wakes a thread that waits in a read
    except OSError:
        return
