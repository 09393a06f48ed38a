"""What a route needs of whoever speaks MQTT."""

from collections.abc import Callable
from typing import Protocol

from holdfast.kernel.errors import HoldfastError


class Upstream(Protocol):
    """A connection to a foreign broker, used by one route's task only, on the loop's thread.

    url:        for people
    max_packet: bytes of the largest packet the broker takes, 0 = it names no limit; known after `open`
    window:     messages it takes without having acknowledged them; known after `open`
    may_write:  False while its socket takes no more; `acked(0)` is called when it does again
    """

    url: str
    max_packet: int
    window: int

    @property
    def may_write(self) -> bool:
        """Does the socket take more?"""
        ...

    async def open(self, acked: Callable[[int], None], gone: Callable[[HoldfastError], None]) -> None:
        """Connect. Then `acked` says how many more of the oldest messages are acknowledged, until `gone` ends it.

        Raises:
            HoldfastError: when there is no connection, or the broker doesn't take us.
        """
        ...

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send at QoS 1; never blocks. topic: UTF-8 with its length before it."""
        ...

    def close(self) -> None:
        """Close; neither callback comes any more."""
        ...
