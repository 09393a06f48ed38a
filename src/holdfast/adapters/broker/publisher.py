"""A connection that publishes at QoS 1 and hears the PUBACKs. Gives `routes.ports.Upstream` its bytes on the wire."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

from holdfast.adapters.broker import packets
from holdfast.adapters.broker.errors import BrokerError, BrokerFaulted
from holdfast.adapters.broker.link import Door, Link, connect
from holdfast.adapters.broker.packets import FAILED, PUBACK, Welcome
from holdfast.adapters.broker.reader import Item
from holdfast.adapters.mqtt.reader import AckRun
from holdfast.kernel.errors import HoldfastError

MAX_PACKET = 64 * 1024
"""Bytes of the largest packet that a publisher reads: acknowledgements and goodbyes are small."""


class BrokerPublisher:
    """Publishes to one broker. Clean sessions: what wasn't acknowledged is published again by who keeps it."""

    def __init__(self, door: Door) -> None:
        self.url = str(door.login.address)
        self.max_packet = 0
        """Bytes of the largest packet the broker takes; 0 = it names no limit."""
        self.window = 65_535
        """Messages it takes without having acknowledged them."""
        self._door = door
        self._link: Link | None = None
        self._unacked: deque[bytes] = deque()
        self._late: set[bytes] = set()  # acknowledged before one that was sent earlier
        self._pids = _pids()
        self._acked: Callable[[int], None] = _nobody
        self._gone: Callable[[HoldfastError], None] = _no_one
        self._may_write = True

    async def open(self, acked: Callable[[int], None], gone: Callable[[HoldfastError], None]) -> None:
        """Connect. `acked`: so many more of the oldest messages are acknowledged; `gone`: the connection is lost.

        Raises:
            HoldfastError: when there is no connection, or the broker doesn't take us.
        """
        self._acked, self._gone = acked, gone
        self._unacked.clear()
        self._late.clear()
        self._may_write = True
        link, welcome = await connect(self._door, self._door.hello(), self)
        if welcome.maximum_qos < 1:
            link.close()
            raise BrokerFaulted("the broker takes QoS 0 only", "Routes need QoS 1: allow it there")
        self.max_packet, self.window = welcome.maximum_packet, welcome.receive_maximum

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send a message at QoS 1. topic: UTF-8 with its length before it. Nothing happens without a connection."""
        link = self._link
        if link is None:
            return
        pid = next(self._pids)
        self._unacked.append(pid)
        link.write(packets.publish(link.version, topic, pid, payload))

    @property
    def may_write(self) -> bool:
        """Does the socket take more?"""
        return self._may_write

    def close(self) -> None:
        """Say goodbye and close."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    # Owner

    def greeted(self, link: Link, welcome: Welcome) -> None:  # noqa: ARG002  # the owner's; `open` looks at it
        """The broker took us in."""
        self._link = link

    def received(self, items: Sequence[Item]) -> None:
        """PUBACKs came."""
        before = len(self._unacked)
        for item in items:
            if isinstance(item, AckRun) and item.kind == PUBACK:
                if item.reason >= FAILED and self._link is not None:
                    self._link.fail(packets.refused(item.reason))
                    return
                self._settle(item.pids)
        done = before - len(self._unacked)
        if done:
            self._acked(done)

    def lost(self, error: BrokerError) -> None:
        """The connection is gone."""
        self._link = None
        self._gone(error)

    def keeps_up(self, *, yes: bool) -> None:
        """The socket takes more, or no more."""
        self._may_write = yes
        if yes:
            self._acked(0)

    def _settle(self, pids: Sequence[bytes]) -> None:
        unacked, late = self._unacked, self._late
        for pid in pids:
            if unacked and unacked[0] == pid:
                unacked.popleft()
                while unacked and unacked[0] in late:
                    late.discard(unacked.popleft())
            elif pid in unacked:
                late.add(pid)


def _pids() -> Iterator[bytes]:
    """1, 2 … 65,535, 1 …: a window is far smaller, so none is in use twice."""
    return (number.to_bytes(2, "big") for number in cycle(range(1, 65_536)))


def _nobody(_: int) -> None:
    """Before the first connection."""


def _no_one(_: HoldfastError) -> None:
    """Before the first connection."""
