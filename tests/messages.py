"""Messages as an application puts them."""

from typing import Any

from holdfast.model.message import Message


def message(n: int, *, queue: str = "orders", stream: str = "till", app: str = "shop", **other: Any) -> Message:
    """The `n`-th of a stream. `other`: fields that should differ."""
    fields: dict[str, Any] = {"node": "gw", "id": n.to_bytes(16, "big"), "ts": n, "body": b"%d" % n}
    return Message(queue=queue, stream=stream, app=app, n=n, **(fields | other))
