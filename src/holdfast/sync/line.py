"""A node's queue doors, one thread at a time."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.sync.connection import Connection
from holdfast.sync.node import Node


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

    All methods raise `Unreachable` when no answer came or the node is busy, and `Refused` when it won't.
    """

    def __init__(self, node: Node) -> None:
        """Nothing is opened before the first question."""
        self._connection = Connection(node)

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
        self._connection.close()

    def _ask(
        self, queue: str, what: str, body: object, *, fine: Sequence[int] = (200,), wait_s: float = 0.0
    ) -> tuple[int, Any]:
        path, headers = f"/api/v1/queues/{queue}/{what}", {"Content-Type": "application/json"}
        answer = self._connection.ask("POST", path, json.dumps(body).encode(), headers, fine=fine, wait_s=wait_s)
        return answer.status, self._connection.said(answer)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
