"""A node's document doors, one thread at a time."""

import base64
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from holdfast.sync.connection import Connection
from holdfast.sync.node import Node

# A longer one doesn't fit a URL; without it the node sends the whole document.
MOST_STATE = 24_000


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

    All methods raise `Unreachable` when no answer came or the node is busy, and `Refused` when it won't.
    """

    def __init__(self, node: Node, name: str) -> None:
        """Nothing is opened before the first question."""
        self._connection, self._path = Connection(node), f"/api/v1/documents/{quote(name)}"

    def read(self, state: bytes, known: str, wait_s: int) -> Fetched:
        """What somebody at `state` lacks; while the version is `known`, wait up to `wait_s` seconds for another."""
        query = {"wait": str(wait_s)}
        if len(state) <= MOST_STATE:
            query["state"] = base64.urlsafe_b64encode(state).decode().rstrip("=")
        headers = {"If-None-Match": known} if known else {}
        path = f"{self._path}?{urlencode(query)}"
        answer = self._connection.ask("GET", path, b"", headers, fine=(200, 304), wait_s=wait_s)
        return Fetched(answer.tag, answer.body if answer.status == 200 else None)

    def state(self) -> bytes:
        """The node's state vector."""
        return self._connection.ask("GET", f"{self._path}?of=state", b"", {}).body

    def edit(self, update: bytes) -> Taken:
        """Send an update."""
        headers = {"Content-Type": "application/octet-stream"}
        answer = self._connection.ask("POST", self._path, update, headers, fine=(200, 409))
        said = self._connection.said(answer)
        if answer.status == 409:
            return Taken("", base64.b64decode(said.get("state", "")))
        return Taken(said.get("version", ""))

    def close(self) -> None:
        """Hang up; also from another thread, to end a wait."""
        self._connection.close()
