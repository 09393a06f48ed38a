"""What CoAP's tests share: an inbox that keeps what it's offered, and a peer made of a plain socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiocoap import Message

from holdfast.adapters.port import Arrival


class Box:
    """Implements `adapters.port.Inbox`. Settles by itself unless it's told to keep."""

    def __init__(self, *, settles: bool = True, room: int = 10**6) -> None:
        self.arrivals: list[Arrival] = []
        self._settles, self._room = settles, room
        self._waiting: list[Callable[[], None]] = []

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        if self._settles:
            asyncio.get_running_loop().call_soon(arrival.receipt.settle)
        return len(self.arrivals) < self._room

    def when_drained(self, callback: Callable[[], None]) -> None:
        self._waiting.append(callback)

    def drain(self) -> None:
        self._room = 10**6
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()

    @property
    def messages(self) -> list[tuple[str, bytes]]:
        return [(one.topic, bytes(payload)) for one in self.arrivals for payload in one.payloads]


class Peer(asyncio.DatagramProtocol):
    """A device of a few lines: sends datagrams, keeps what comes."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002  # asyncio's
        self.came.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens: what should come doesn't."""

    def send(self, data: bytes) -> None:
        self.transport.sendto(data)

    async def next(self) -> Any:
        async with asyncio.timeout(3):
            return Message.decode(await self.came.get())

    async def ask(self, data: bytes) -> Any:
        """Send it and wait for what comes."""
        self.send(data)
        return await self.next()


@asynccontextmanager
async def peer(port: int, local: str = "127.0.0.1") -> AsyncIterator[Peer]:
    made = Peer()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: made, local_addr=(local, 0), remote_addr=("127.0.0.1", port)
    )
    try:
        yield made
    finally:
        transport.close()


def request(
    mid: int, path: str = "senml", payload: bytes = b"[]", kind: int = 0, code: int = 3, extra: bytes = b""
) -> bytes:
    """A request with token `t` + mid. kind: 0 = CON, 1 = NON; extra: options after Uri-Path, their delta from 11."""
    head = bytes([0x40 | kind << 4 | 3, code]) + mid.to_bytes(2, "big") + b"t" + mid.to_bytes(2, "big")
    options, delta = b"", 11
    for segment in path.split("/") if path else ():
        options += (
            bytes([delta << 4 | len(segment)]) if len(segment) < 13 else bytes([delta << 4 | 13, len(segment) - 13])
        )
        options += segment.encode()
        delta = 0
    return head + options + extra + (b"\xff" + payload if payload else b"")


FORMAT = {110: b"\x11\x6e", 112: b"\x11\x70", 50: b"\x11\x32", 60: b"\x11\x3c", 0: b"\x10", 42: b"\x11\x2a"}
"""Content-Format options behind Uri-Path."""


def block1(number: int, *, more: bool, szx: int, kind: bytes = b"\x11\x6e") -> bytes:
    """Content-Format and Block1 behind Uri-Path."""
    value = number << 4 | more << 3 | szx
    data = value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")
    return kind + bytes([0xD0 | len(data), 15 - 13]) + data
