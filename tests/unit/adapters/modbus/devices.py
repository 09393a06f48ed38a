"""Devices on loopback that do exactly what a test wants: they get a question, and say bytes when they like."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from holdfast.transport.addresses import Address

Behave = Callable[["Talker", bytes], None]


class Talker(asyncio.Protocol):
    """One connection of a device."""

    def __init__(self, device: "Device") -> None:
        self.device = device

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.device.talkers.append(self)
        self.device.on_connect(self)

    def data_received(self, data: bytes) -> None:
        self.device.asked.append(data)
        self.device.behave(self, data)

    def say(self, data: bytes, after_s: float = 0.0) -> None:
        if after_s:
            asyncio.get_running_loop().call_later(after_s, self.say, data)
        elif not self.transport.is_closing():
            self.transport.write(data)


class Device:
    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.asked: list[bytes] = []
        self.talkers: list[Talker] = []
        self.on_connect: Callable[[Talker], None] = lambda _: None
        self.address = Address("127.0.0.1", 0)
        self.server: asyncio.Server | None = None

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Talker(self), "127.0.0.1", self.address.port, reuse_address=True)
        self.address = Address("127.0.0.1", self.server.sockets[0].getsockname()[1])

    def close(self) -> None:
        assert self.server is not None
        self.server.close()
        for talker in self.talkers:
            talker.transport.abort()


@asynccontextmanager
async def device(behave: Behave) -> AsyncIterator[Device]:
    one = Device(behave)
    await one.listen()
    try:
        yield one
    finally:
        one.close()
        await asyncio.sleep(0)
